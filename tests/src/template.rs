//! Requests signed by templates: a catalog of several schemes, their keys, and calls for the tests of the kind `template`.

use crate::{
    deployment::{Deployment, Enclave},
    import,
    owner::{Granted, done},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_shared::{
    call::{HttpInput, Input},
    id::Digest,
};
use serde_json::{Value, json};

/// The page whose catalogs the tests take.
const PAGE: &str = include_str!("../../docs/templates.md");
/// The algorithms of the kind.
pub const ALGS: [&str; 6] = ["hs256", "hs512", "ed25519", "p256", "p521", "rs256"];

/// The secret of every HMAC key.
pub const SECRET: &[u8] = b"a secret that the service has too";

/// Every catalog of docs/templates.md as one, `quotes-ALG` for each algorithm: everything signed, and `payments`: charged,
/// bound to an idempotency key.
///
/// # Panics
///
/// For a page whose catalogs are none.
#[must_use]
pub fn catalog() -> Value {
    let mut all = json!({"v": 1, "resources": {}});
    for block in PAGE.split("```json\n").skip(1) {
        let (text, _) = block.split_once("```").unwrap();
        let catalog: Value = serde_json::from_str(text).unwrap();
        for (name, routes) in catalog["resources"].as_object().unwrap() {
            all["resources"][name] = routes.clone();
        }
    }
    for alg in ALGS {
        let host = format!("{alg}.example.com");
        all["resources"][format!("quotes-{alg}")] = json!([{
            "kind": "template", "host": host, "path": "/v1/quotes/{id}", "methods": ["GET", "DELETE"], "query": ["depth"],
            "headers": ["x-tenant"], "alg": alg,
            "sign": "{method}|{host}|{target}|{header:x-tenant}|{timestamp_ms}|{nonce_hex}", "signature": "base64url",
            "add": {"headers": {"x-time": "{timestamp_ms}", "x-nonce": "{nonce_hex}", "x-key": "{key_id}", "x-sig": "{signature}"}},
            "uncovered": ["body"], "window_s": 60, "single_use": true,
        }]);
    }
    let mut named = all["resources"]["quotes-hs256"].clone();
    named[0]["host"] = json!("named.example.com");
    named[0]["key_id"] = json!("second");
    all["resources"]["quotes-named"] = named;
    all["resources"]["payments"] = json!([{
        "kind": "template", "host": "pay.example.com", "path": "/v1/payments", "methods": ["POST"],
        "body": ["/amount", "/currency"],
        "charge": [{"unit": "usd-cents", "from": "json", "field": "/amount", "require": {"/currency": "usd"}}],
        "alg": "hs256", "sign": ["{method} {host}{target} {timestamp} {idempotency_key} {header:content-type} ", {"sha256": "{body}"}],
        "signature": "hex",
        "add": {"headers": {"x-time": "{timestamp}", "idempotency-key": "{idempotency_key}", "x-sig": "{signature}"}},
        "window_s": 60,
    }]);
    all
}

/// A deployment with the catalog and a key `k_ALG` of the agent `bot` for each algorithm: HMAC's imported under the name
/// `id-ALG`, the others made inside.
#[must_use]
pub fn start() -> (Deployment, Enclave) {
    let deployment = Deployment::born();
    let enclave = deployment.boot();
    deployment.widen(
        &enclave,
        &json!({"type": "catalog.set", "catalog": catalog()}),
    );
    for alg in ALGS {
        let id = format!("k_{alg}");
        if alg.starts_with("hs") {
            import_secret(
                &deployment,
                &enclave,
                (&id, alg),
                &format!("id-{alg}"),
                SECRET,
            );
        } else {
            let key =
                json!({"id": id, "kind": "template", "alg": alg, "env": "live", "agent": "bot"});
            deployment.widen(&enclave, &json!({"type": "key.create", "key": key}));
        }
    }
    (deployment, enclave)
}

/// Imports a secret of HMAC for the agent `bot`; it must be done.
///
/// # Panics
///
/// When it is refused.
pub fn import_secret(
    deployment: &Deployment,
    enclave: &Enclave,
    (id, alg): (&str, &str),
    name: &str,
    secret: &[u8],
) {
    let trusted = import::attested(deployment, enclave);
    let key = json!({
        "id": id, "kind": "template", "alg": alg, "env": "live", "agent": "bot", "public": STANDARD.encode(name)
    });
    let action = json!({
        "type": "key.import", "key": key, "boot": trusted.boot_hash, "channel_key": trusted.channel_key,
        "sealed": Digest([0; 32]),
    });
    let (action, bytes) = import::sealed(deployment, action, secret);
    let reply = enclave.submit(&deployment.widening(&action, &[]), &bytes);
    let _done = done(reply);
}

/// A grant of names and keys, which lets everything out.
#[must_use]
pub fn granted(
    deployment: &Deployment,
    enclave: &Enclave,
    id: &str,
    names: &[&str],
    keys: &[&str],
) -> Granted {
    deployment.grant(enclave, id, |grant| {
        grant["keys"] = json!(keys);
        grant["permissions"] = json!({"read": names, "write": names, "delete": names});
        grant["only"] = json!({});
        grant["allow_minting"] = json!([]);
        grant["allow_identity_only"] = json!(names);
        grant["allow_outliving"] = json!(names);
        grant["budgets"] = json!([
            {"unit": "call", "max": "100000", "window": "grant"},
            {"unit": "usd-cents", "max": "100000", "window": "grant"},
            {"unit": "gbp-pence", "max": "100000000", "window": "grant"},
            {"unit": "contract", "max": "100000000", "window": "grant"},
        ]);
    })
}

/// A request.
#[must_use]
pub fn call(method: &str, url: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> HttpInput {
    let pairs = headers.iter();
    let pairs = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    HttpInput {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: pairs.collect(),
        body: body.map(|body| body.to_vec().into()),
    }
}

/// A quote of the route of an algorithm.
#[must_use]
pub fn quote(alg: &str) -> HttpInput {
    let url = format!("https://{alg}.example.com/v1/quotes/7?depth=3");
    call("GET", &url, &[("x-tenant", "t 1")], None)
}

/// As an agent asks for it.
#[must_use]
pub const fn input(call: HttpInput) -> Input {
    Input::Template(call)
}
