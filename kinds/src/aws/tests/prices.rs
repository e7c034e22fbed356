//! Prices on routes of AWS: a resource, whose model the route names, and a place, whose path may.

use super::*;
use serde_json::{Value, json};

const MODEL: &str = "https://bedrock-runtime.eu-west-1.amazonaws.com/model/m.small/converse";
const PLACE: &str = "https://text.eu-west-1.amazonaws.com/model";

fn routes() -> Value {
    let tier = |standard: &str, fast: &str| json!({"field": "/serviceTier/type", "table": {"standard": standard, "priority": fast}, "version": "2026-11-01"});
    json!({"v": 1, "resources": {
        "model": [{"kind": "aws", "service": "bedrock-runtime", "region": "eu-west-1", "resource": {"model": "m.small"}, "actions": ["Converse"],
            "body": ["/messages", "/inferenceConfig/maxTokens", "/serviceTier/type"], "replayable": true, "charge": [
                {"unit": "usd-micros", "from": "len", "per": "4", "times": "3"},
                {"unit": "usd-micros", "from": "json", "field": "/inferenceConfig/maxTokens", "prices": tier("15", "30")}]}],
        "place": [{"kind": "aws", "service": "text", "region": "eu-west-1", "host": "text.eu-west-1.amazonaws.com", "path": "/model/{model}",
            "methods": ["POST"], "body": ["/Text"], "replayable": true, "charge": [
                {"unit": "usd-micros", "from": "len", "per": "100", "prices": {"field": "path.model", "table": {"m.large": "7", "m:1": "2"}, "version": "1"}}]}],
    }})
}

fn ask(input: &AwsInput) -> Result<Vec<u128>, Denial> {
    let catalog = Catalog::parse(routes().to_string().as_bytes()).unwrap();
    let grant = fixture::grant(&[], &["model", "place"], &[]);
    let call = AwsCall::parse(input, None, &catalog, &grant)?;
    let charges = call.effects().first.charges.iter();
    Ok(charges.map(|charge| charge.amount.0).collect())
}

fn post(service: &str, url: &str, body: &str) -> AwsInput {
    with(
        input(service, "POST", url),
        &[("content-type", "application/json")],
        Some(body),
    )
}

#[track_caller]
fn denied(input: &AwsInput, code: Code, at: &str) {
    let denial = ask(input).unwrap_err();
    assert_eq!((denial.code, denial.param.as_deref()), (code, Some(at)));
}

#[test]
fn a_resource_charges_by_its_factors_and_tables() {
    let model = |tier: &str, most: &str| {
        let body = format!(
            r#"{{"messages":[],"inferenceConfig":{{"maxTokens":{most}}},"serviceTier":{{"type":{tier}}}}}"#
        );
        let parts = u128::try_from(body.len().div_ceil(4)).unwrap();
        (post("bedrock-runtime", MODEL, &body), parts * 3)
    };
    for (tier, price) in [("\"standard\"", 15), ("\"priority\"", 30)] {
        let (input, read) = model(tier, "100");
        assert_eq!(ask(&input), Ok(vec![read, 100 * price]));
    }
    let place = "/body/serviceTier/type";
    denied(&model("\"flex\"", "1").0, Code::PermissionDenied, place);
    denied(&model("1", "1").0, Code::UnparsableContent, place);
    let most = "/body/inferenceConfig/maxTokens";
    denied(
        &model("\"standard\"", "null").0,
        Code::UnparsableContent,
        most,
    );
    let over = format!("\"{}\"", u128::MAX / 15 + 1);
    denied(&model("\"standard\"", &over).0, Code::PerCallExceeded, most);
    let without = post("bedrock-runtime", MODEL, r#"{"messages":[]}"#);
    denied(&without, Code::UnparsableContent, most);
}

#[test]
fn a_place_charges_by_what_its_path_names() {
    let at = |segment: &str| {
        post(
            "text",
            &format!("{PLACE}/{segment}"),
            r#"{"Text":"0123456789"}"#,
        )
    };
    assert_eq!(ask(&at("m.large")), Ok(vec![7]));
    let long = format!(r#"{{"Text":"{}"}}"#, "a".repeat(191));
    let long = post("text", &format!("{PLACE}/m.large"), &long);
    assert_eq!(ask(&long), Ok(vec![21]), "202 bytes are 3 parts of 100");
    // As the path decodes, and however it is spelt.
    assert_eq!(ask(&at("m%3A1")), Ok(vec![2]));
    denied(&at("m.huge"), Code::PermissionDenied, "/url");
    denied(&at("M.large"), Code::PermissionDenied, "/url");
    let json = [("content-type", "application/x-amz-json-1.1")];
    let json = with(
        input("text", "POST", &format!("{PLACE}/m.large")),
        &json,
        Some(r#"{"Text":"1"}"#),
    );
    assert_eq!(ask(&json), Ok(vec![7]), "AWS JSON is JSON");
}
