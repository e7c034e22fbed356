//! Prices: every rule of them, on both sides.

use super::{
    super::tests::{invalid, refused, route},
    *,
};
use crate::{
    catalog::{AwsTarget, Catalog, Route},
    sample::{self, with},
};
use serde_json::{Value, json};

/// A chat: a JSON body that names its model and the most it answers with.
fn chat(members: Value) -> Value {
    let mut all = json!({"body": ["/messages", "/model", "/max_tokens"], "charge": [members]});
    all["charge"][0]["unit"] = json!("usd-micros");
    all
}

fn prices(members: Value) -> Value {
    let mut all = json!({"field": "/model", "table": {"gpt-large": "15", "gpt-small": "2"}, "version": "2026-11-01"});
    for (name, value) in members.as_object().unwrap() {
        all = with(all, &format!("/{name}"), value.clone());
    }
    all
}

fn priced(members: Value) -> Value {
    chat(json!({"from": "json", "field": "/max_tokens", "prices": prices(members)}))
}

fn read(members: Value) -> Extractor {
    route(members).charge[0].clone()
}

#[test]
fn what_one_costs_is_read() {
    let plain = read(chat(json!({"from": "json", "field": "/max_tokens"})));
    assert_eq!((plain.per, plain.times), (None, None));
    let estimate = read(chat(json!({"from": "len", "per": "4", "times": "3"})));
    assert_eq!(estimate.from, Source::Len);
    assert_eq!(estimate.per, Some(Amount(4)));
    assert_eq!(estimate.times, Some(Times::Const(Amount(3))));
    let by_model = read(priced(json!({})));
    assert_eq!(
        by_model.prices(),
        Some(&Prices {
            field: Member::Json("/model".into()),
            table: BTreeMap::from([
                ("gpt-large".to_owned(), Amount(15)),
                ("gpt-small".to_owned(), Amount(2)),
            ]),
            version: "2026-11-01".into(),
        })
    );
    let most = u128::MAX.to_string();
    let most = read(chat(json!({"from": "len", "per": most, "times": most})));
    assert_eq!(most.per, Some(Amount(u128::MAX)));
    let one = read(chat(json!({"from": "len", "per": "1", "times": "1"})));
    assert_eq!(one.times, Some(Times::Const(Amount(1))));
}

#[test]
fn a_price_is_named_in_the_place_of_its_amount_or_in_the_path() {
    let by = |members: Value, from: Value, field: &str| {
        let mut extractor = from;
        extractor["unit"] = json!("usd-micros");
        extractor["prices"] = prices(json!({"field": field}));
        let charged = read(with(members, "/charge", json!([extractor])));
        charged.prices().unwrap().field.clone()
    };
    let form = json!({"body": ["n", "model"]});
    let json_body = json!({"body": ["/n", "/model"]});
    let query = json!({"query": ["n", "model"]});
    let opaque = json!({"query": ["model"], "body": "opaque"});
    let headers = json!({"headers": ["x-n", "x-model"]});
    let path = json!({"path": "/v1/{model}/run", "body": ["/n"]});
    let one = json!({"from": "const", "amount": "1"});
    let len = json!({"from": "len"});
    let field = |from: &str, field: &str| json!({"from": from, "field": field});
    for (members, from, name, wanted) in [
        (
            &form,
            field("form", "n"),
            "model",
            Member::Form("model".into()),
        ),
        (
            &json_body,
            field("json", "/n"),
            "/model",
            Member::Json("/model".into()),
        ),
        (
            &query,
            field("query", "n"),
            "model",
            Member::Query("model".into()),
        ),
        (
            &headers,
            field("header", "x-n"),
            "x-model",
            Member::Header("x-model".into()),
        ),
        (
            &path,
            field("json", "/n"),
            "path.model",
            Member::Path("model".into()),
        ),
        (
            &path,
            len.clone(),
            "path.model",
            Member::Path("model".into()),
        ),
        (
            &path,
            one.clone(),
            "path.model",
            Member::Path("model".into()),
        ),
        // Where nothing is read, the price is in the body that is, else in the query.
        (&form, len.clone(), "model", Member::Form("model".into())),
        (
            &json_body,
            len.clone(),
            "/model",
            Member::Json("/model".into()),
        ),
        (
            &json_body,
            one.clone(),
            "/model",
            Member::Json("/model".into()),
        ),
        (&opaque, len, "model", Member::Query("model".into())),
        (&query, one, "model", Member::Query("model".into())),
    ] {
        assert_eq!(
            by(members.clone(), from.clone(), name),
            wanted,
            "{members} {from}"
        );
        assert_eq!(wanted.name(), name);
    }
}

#[test]
fn what_is_not_a_price_is_refused_where_it_stands() {
    for (bad, at) in [
        (json!({"from": "len", "per": "0"}), "/per"),
        (json!({"from": "len", "per": "-4"}), "/per"),
        (json!({"from": "len", "per": "0.25"}), "/per"),
        (
            json!({"from": "len", "per": "340282366920938463463374607431768211456"}),
            "/per",
        ),
        (json!({"from": "len", "times": "0"}), "/times"),
        (json!({"from": "len", "times": ""}), "/times"),
        (json!({"from": "len", "times": "03"}), "/times"),
        (json!({"from": "len", "times": "1e3"}), "/times"),
        (
            json!({"from": "const", "amount": "5", "times": "2"}),
            "/times",
        ),
        (json!({"from": "const", "amount": "5", "per": "2"}), "/per"),
        (
            json!({"from": "len", "times": "2", "prices": prices(json!({}))}),
            "/prices",
        ),
    ] {
        invalid(chat(bad.clone()), &format!("/charge/0{at}"));
    }
    for (bad, at) in [
        (json!({"from": "len", "per": 4}), "/per"),
        (json!({"from": "len", "times": 3}), "/times"),
        (json!({"from": "len", "prices": []}), "/prices"),
        (json!({"from": "len", "factor": "3"}), "/factor"),
    ] {
        refused(chat(bad), &format!("/charge/0{at}"), Error::MALFORMED);
    }
}

#[test]
fn a_table_is_whole_and_has_a_version() {
    let long = "m".repeat(MAX_PRICED + 1);
    for (bad, at) in [
        (json!({"field": "/models"}), "/field"),
        (json!({"field": "/messages/0"}), "/field"),
        (json!({"field": "model"}), "/field"),
        (json!({"field": ""}), "/field"),
        (json!({"field": "path.model"}), "/field"),
        (json!({"field": "path."}), "/field"),
        (json!({"table": {}}), "/table"),
        (json!({"table": {"": "1"}}), "/table/"),
        (json!({"table": {"a\nb": "1"}}), "/table/a\nb"),
        (json!({"table": {"gpt-lаrge": "1"}}), "/table/gpt-lаrge"),
        (json!({"table": {"a": "0"}}), "/table/a"),
        (json!({"table": {"a": "1.5"}}), "/table/a"),
        (json!({"version": ""}), "/version"),
        (json!({"version": "1 2"}), "/version"),
        (json!({"version": "v".repeat(MAX_VERSION + 1)}), "/version"),
    ] {
        invalid(priced(bad), &format!("/charge/0/prices{at}"));
    }
    invalid(
        priced(json!({"table": {long.as_str(): "1"}})),
        &format!("/charge/0/prices/table/{long}"),
    );
    for (bad, at) in [
        (json!({"field": null}), "/field"),
        (json!({"table": null}), "/table"),
        (json!({"version": null}), "/version"),
        (json!({"version": 20_261_101}), "/version"),
        (json!({"table": {"a": 1}}), "/table/a"),
        (json!({"table": {"a": {"in": "1"}}}), "/table/a"),
        (json!({"currency": "usd"}), "/currency"),
    ] {
        refused(
            priced(bad),
            &format!("/charge/0/prices{at}"),
            Error::MALFORMED,
        );
    }
    // A name twice is no JSON that is read.
    let twice = r#"{"v":1,"resources":{"r":[{"kind":"http","host":"a.example","path":"/a","body":["/m","/n"],
        "charge":[{"unit":"u","from":"json","field":"/n","prices":{"field":"/m","table":{"a":"1","a":"2"},"version":"1"}}]}]}}"#;
    let error = Catalog::parse(twice.as_bytes()).unwrap_err();
    assert_eq!(error.code(), Error::MALFORMED);
}

#[test]
fn a_table_holds_up_to_its_bound() {
    let table = |count: usize| {
        let all = (0..count).map(|at| (format!("m{at}"), json!("1")));
        Value::Object(all.collect())
    };
    let full = read(priced(json!({"table": table(MAX_PRICES)})));
    assert_eq!(full.prices().unwrap().table.len(), MAX_PRICES);
    invalid(
        priced(json!({"table": table(MAX_PRICES + 1)})),
        "/charge/0/prices/table",
    );
    let long = "m".repeat(MAX_PRICED);
    read(priced(
        json!({"table": {long.as_str(): "1"}, "version": "v".repeat(MAX_VERSION)}),
    ));
    read(priced(json!({"table": {"a b": u128::MAX.to_string()}})));
}

/// The lists of a route admit what is read; an open one admits what nobody priced.
#[test]
fn a_field_that_names_a_price_is_listed_exactly() {
    let charge = |from: &str, field: &str, by: &str| json!([{"unit": "u", "from": from, "field": field, "prices": prices(json!({"field": by}))}]);
    for (members, at) in [
        (
            json!({"body": ["/n"], "charge": charge("json", "/n", "/model")}),
            "/charge/0/prices/field",
        ),
        (
            json!({"body": ["/n", "/model/id"], "charge": charge("json", "/n", "/model")}),
            "/charge/0/prices/field",
        ),
        (
            json!({"body": ["n"], "query": ["model"], "charge": charge("form", "n", "model")}),
            "/charge/0/prices/field",
        ),
        (
            json!({"query": "any", "charge": charge("query", "n", "model")}),
            "/charge/0/field",
        ),
        (
            json!({"query": ["n"], "headers": ["model"], "charge": charge("query", "n", "model")}),
            "/charge/0/prices/field",
        ),
        (
            json!({"path": "/{models}", "query": ["n"], "charge": charge("query", "n", "path.model")}),
            "/charge/0/prices/field",
        ),
        // What is spelt as a parameter of the path is never another place's.
        (
            json!({"query": ["n", "path.model"], "charge": charge("query", "n", "path.model")}),
            "/charge/0/prices/field",
        ),
    ] {
        invalid(members, at);
    }
    let len = json!([{"unit": "u", "from": "len", "prices": prices(json!({"field": "model"}))}]);
    invalid(
        json!({"query": "any", "body": "opaque", "charge": len}),
        "/charge/0/prices/field",
    );
}

/// A resource of AWS and a template have prices as an HTTP route has them; a resource's path names nothing else.
#[test]
fn every_kind_with_a_body_has_prices() {
    let prices = json!({"field": "/serviceTier/type", "table": {"standard": "3"}, "version": "1"});
    let model = json!({"kind": "aws", "service": "bedrock-runtime", "region": "eu-west-1", "resource": {"model": "m"}, "actions": ["Converse"],
        "body": ["/messages", "/inferenceConfig/maxTokens", "/serviceTier/type"], "replayable": true,
        "charge": [{"unit": "u", "from": "json", "field": "/inferenceConfig/maxTokens", "prices": prices}]});
    let place = json!({"kind": "aws", "service": "comprehend", "region": "eu-west-1", "host": "comprehend.eu-west-1.amazonaws.com", "path": "/{model}",
        "methods": ["POST"], "body": ["/Text"], "replayable": true,
        "charge": [{"unit": "u", "from": "len", "prices": {"field": "path.model", "table": {"m": "3"}, "version": "1"}}]});
    let template = json!({"kind": "template", "host": "api.example.com", "path": "/v1/chat", "methods": ["POST"], "body": ["/model", "/max_tokens"],
        "charge": [{"unit": "u", "from": "json", "field": "/max_tokens", "prices": {"field": "/model", "table": {"m": "3"}, "version": "1"}}],
        "alg": "hs256", "sign": "{method}|{host}|{target}|{timestamp}|{idempotency_key}|{body}", "signature": "hex", "uncovered": ["content-type"],
        "add": {"headers": {"x-time": "{timestamp}", "idempotency-key": "{idempotency_key}", "x-sig": "{signature}"}}, "window_s": 60});
    let parse = |route: &Value| {
        let document = json!({"v": 1, "resources": {"r": [route]}});
        Catalog::parse(&sample::bytes(&document))
    };
    for (route, wanted) in [
        (&model, Member::Json("/serviceTier/type".into())),
        (&place, Member::Path("model".into())),
        (&template, Member::Json("/model".into())),
    ] {
        let catalog = parse(route).unwrap();
        let read = catalog.resources.values().next().unwrap().routes[0].clone();
        let charge = match &read {
            Route::Aws(aws) => match &aws.to {
                AwsTarget::Resource(resource) => &resource.charge,
                AwsTarget::Place(place) => &place.http.charge,
            },
            Route::Template(template) => &template.http.charge,
            Route::Http(_)
            | Route::Jwt(_)
            | Route::Evm(_)
            | Route::X402(_)
            | Route::Ssh(_)
            | Route::Solana(_) => {
                panic!("{read:?}")
            }
        };
        assert_eq!(charge[0].prices().unwrap().field, wanted);
    }
    let by_path = with(model, "/charge/0/prices/field", json!("path.model"));
    let error = parse(&by_path).unwrap_err();
    assert_eq!(error.pointer(), "/resources/r/0/charge/0/prices/field");
}
