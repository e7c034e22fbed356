//! Calls of the `aws` kind, and a deployment whose agent makes them.

use crate::{
    agent::Agent,
    deployment::{Deployment, Enclave},
    import::{AccessKey, import_access_key},
    owner::Granted,
};
use claviger_shared::call::{AwsInput, Input};
use serde_json::{Value, json};

/// The Region of every call.
pub const REGION: &str = "eu-west-1";

/// What the names of this module's grants mean.
#[must_use]
pub fn catalog() -> Value {
    let one = |service: &str, resource: Value| json!({"kind": "aws", "service": service, "region": REGION, "resource": resource});
    json!({"v": 1, "resources": {
        "bucket": [one("s3", json!({"bucket": "reports"}))],
        "table": [one("dynamodb", json!({"table": "orders"}))],
        "topic": [one("sns", json!({"topic": "arn:aws:sns:eu-west-1:123456789012:alerts"}))],
        "secret": [one("secretsmanager", json!({"secret": "db"}))],
        "caller": [one("sts", json!({}))],
        "gateway": [{
            "kind": "aws", "service": "execute-api", "region": REGION, "host": "abc.execute-api.eu-west-1.amazonaws.com",
            "path": "/prod/{stage}/{id}", "methods": ["GET", "POST", "DELETE"], "query": ["q", "page"], "headers": ["x-tenant"],
            "body": "opaque",
        }],
    }})
}

/// A deployment that serves, with an imported access key, and a grant over all of [`catalog`]; `change` narrows it.
#[must_use]
pub fn serving(
    key: AccessKey<'_>,
    change: impl FnOnce(&mut Value),
) -> (Deployment, Enclave, Granted) {
    let (deployment, enclave) = Deployment::serving();
    deployment.widen(
        &enclave,
        &json!({"type": "catalog.set", "catalog": catalog()}),
    );
    import_access_key(&deployment, &enclave, key);
    let names = ["bucket", "table", "topic", "secret", "caller", "gateway"];
    let granted = deployment.grant(&enclave, "gr_aws", |grant| {
        grant["keys"] = json!(["k_aws"]);
        grant["permissions"] = json!({"read": names, "write": names, "delete": names});
        grant["allow_minting"] = json!(["secret", "caller"]);
        grant["credentials"] = json!({});
        grant["budgets"] = json!([{"unit": "call", "max": "100000", "window": "grant"}]);
        change(grant);
    });
    (deployment, enclave, granted)
}

/// An agent of such a deployment.
#[must_use]
pub fn agent(deployment: &Deployment, enclave: &Enclave, granted: &Granted) -> Agent {
    Agent::connect(deployment, enclave, granted)
}

/// A call without header fields and body.
#[must_use]
pub fn call(service: &str, method: &str, url: &str) -> AwsInput {
    AwsInput {
        service: service.to_owned(),
        region: REGION.to_owned(),
        method: method.to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        body: None,
        presign: false,
        ttl_s: None,
    }
}

/// The same with header fields and a body.
#[must_use]
pub fn with(mut call: AwsInput, headers: &[(&str, &str)], body: Option<&[u8]>) -> AwsInput {
    let pairs = headers.iter();
    let pairs = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    call.headers.extend(pairs);
    call.body = body.map(|body| body.to_vec().into());
    call
}

/// An object of the bucket.
#[must_use]
pub fn object(method: &str, path: &str) -> AwsInput {
    call(
        "s3",
        method,
        &format!("https://reports.s3.eu-west-1.amazonaws.com{path}"),
    )
}

/// An action of AWS JSON.
#[must_use]
pub fn json_call(service: &str, target: &str, body: &Value) -> AwsInput {
    let media = match service {
        "dynamodb" => "application/x-amz-json-1.0",
        _ => "application/x-amz-json-1.1",
    };
    let headers = [("x-amz-target", target), ("content-type", media)];
    let url = format!("https://{service}.eu-west-1.amazonaws.com/");
    with(
        call(service, "POST", &url),
        &headers,
        Some(body.to_string().as_bytes()),
    )
}

/// An action of the query protocol.
#[must_use]
pub fn form_call(service: &str, form: &str) -> AwsInput {
    let url = format!("https://{service}.eu-west-1.amazonaws.com/");
    let media = [("content-type", "application/x-www-form-urlencoded")];
    with(call(service, "POST", &url), &media, Some(form.as_bytes()))
}

/// As an agent asks for it.
#[must_use]
pub const fn input(call: AwsInput) -> Input {
    Input::Aws(call)
}
