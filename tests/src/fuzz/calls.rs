//! What a hijacked agent can ask for, through the kinds and against other readings of the same bytes.

use super::{
    codec::{canonical, canonical_many},
    profiles,
};
use claviger_kinds::{Moment, SigningKeyInfo, ToSign, any::AnyCall};
use claviger_shared::{
    call::{Answer, HttpInput, Input, JwtInput, MAX_URL, Request, Sign, http::Url},
    catalog::Catalog,
    codec::cbor,
    denial::{Code, Denial},
    effect::{Effect, Kind, Verb},
    grant::Grant,
    owner::command::Alg,
    time::UnixMs,
    wire::call::MAX_ANSWER_ITEMS,
};
use reqwest::Url as OtherUrl;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::LazyLock};

/// Reads, charges in every place an amount can stand in, and tokens.
#[must_use]
pub fn catalog_text() -> Value {
    let usd = json!({"currency": "usd"});
    json!({"v": 1, "resources": {
        "orders": [{"kind": "http", "host": "api.example.com", "path": "/v1/orders/{id}", "query": ["expand", "limit"],
            "headers": ["x-tenant"], "methods": ["GET", "HEAD", "DELETE"]}],
        "charges": [{"kind": "http", "host": "pay.example.com", "path": "/v1/charges", "methods": ["POST"],
            "body": ["/amount", "/currency", "/items"],
            "charge": [{"unit": "usd-cents", "from": "json", "field": "/amount", "require": {"/currency": "usd"}}]}],
        "invoices": [{"kind": "http", "host": "pay.example.com", "path": "/v1/invoices", "methods": ["POST"], "media": "form",
            "body": ["amount", "currency", "customer"],
            "charge": [{"unit": "usd-cents", "from": "form", "field": "amount", "require": usd}]}],
        "search": [{"kind": "http", "host": "api.example.com", "port": 8443, "path": "/search", "query": ["q", "units"],
            "charge": [{"unit": "units", "from": "query", "field": "units"}]}],
        "files": [{"kind": "http", "host": "files.example.com", "path": "/v1/files/{name}", "methods": ["PUT"], "body": "opaque",
            "charge": [{"unit": "bytes", "from": "len"}]}],
        "chat": [{"kind": "http", "host": "llm.example.com", "path": "/v1/chat", "body": ["/max_tokens", "/messages", "/model"], "charge": [
            {"unit": "usd-nanos", "from": "len", "per": "4", "times": "3"},
            {"unit": "usd-nanos", "from": "json", "field": "/max_tokens",
                "prices": {"field": "/model", "table": {"large": "15", "small": "2"}, "version": "1"}}]}],
        "tokens": [{"kind": "jwt", "profile": "assertion", "audience": "https://idp.example.com/token",
            "issuer": "client-7", "subject": "client-7", "mints": true}],
    }})
}

/// A grant of all of it.
#[must_use]
pub fn grant_text() -> Value {
    json!({"v": 1, "id": "gr_fuzz",
        "agent": {"id": "bot", "key": "x25519:0909090909090909090909090909090909090909090909090909090909090909"},
        "not_before": "2026-01-01T00:00:00Z", "expires_at": "2036-01-01T00:00:00Z", "keys": ["k_http", "k_jwt"],
        "permissions": {"read": ["orders", "search"], "write": ["charges", "chat", "files", "invoices", "tokens"], "delete": ["orders"]},
        "allow_minting": ["tokens"],
        "budgets": [{"unit": "call", "max": "1000", "window": "grant"}],
    })
}

static CATALOG: LazyLock<Catalog> =
    LazyLock::new(|| Catalog::parse(catalog_text().to_string().as_bytes()).unwrap());
static GRANT: LazyLock<Grant> =
    LazyLock::new(|| Grant::parse(grant_text().to_string().as_bytes()).unwrap());

/// A denial is of the table, short, and names a place of the input where it names one.
fn told(denial: &Denial) {
    told_of(denial, &CATALOG);
}

/// The same of another catalog.
pub(super) fn told_of(denial: &Denial, catalog: &Catalog) {
    assert!(Code::ALL.contains(&denial.code));
    let param = denial.param.as_deref().unwrap_or_default();
    assert!(param.len() <= MAX_URL + 64, "{}", param.len());
    let place = [
        "/method",
        "/url",
        "/headers",
        "/body",
        "/idempotency_key",
        "/profile",
        "/audience",
        "/ttl_s",
        "/nonce",
        "/ath",
        "/wit",
        "/service",
        "/region",
        "/presign",
        "/tx",
        "/raw_tx",
        "/typed_data",
        "/sign_in",
        "/requirements",
        "/resource",
        "/extensions",
        "/version",
        "/message",
        "/public_key",
        "/principals",
        "/namespace",
        "/object",
    ];
    let resource = denial.code == Code::PermissionDenied
        && catalog.resources.keys().any(|name| name.as_str() == param);
    assert!(
        resource || place.iter().any(|place| param.starts_with(place)),
        "{denial:?}"
    );
    assert!(cbor::encode(denial).unwrap().len() < 60 * 1024);
}

/// Reads a request: `METHOD URL [KEY]`, header lines, and after an empty line the body.
fn request(text: &[u8]) -> Option<Sign> {
    let at = text.windows(2).position(|two| two == b"\n\n");
    let (head, body) = match at {
        Some(at) => (&text[..at], Some(text[at + 2..].to_vec().into())),
        None => (text, None),
    };
    let mut lines = std::str::from_utf8(head).ok()?.split('\n');
    let mut words = lines.next()?.splitn(3, ' ');
    let (method, url) = (words.next()?.to_owned(), words.next()?.to_owned());
    let key = words.next().map(str::to_owned);
    let fields = lines.map(|line| line.split_once(": ").unwrap_or((line, "")));
    let headers = fields
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Some(Sign {
        input: Input::Http(HttpInput {
            method,
            url,
            headers,
            body,
        }),
        idempotency_key: key,
    })
}

/// A moment whose credential lives a minute, or as long as it may.
fn moment(effect: &Effect) -> Moment {
    let now = UnixMs(1_795_424_400_250);
    let life = effect.max_lifetime.0.min(60_000);
    Moment {
        now,
        expires_at: UnixMs((now.0 + life) / 1000 * 1000),
        nonce: *b"0123456789abcdef",
    }
}

fn key(kind: Kind) -> SigningKeyInfo {
    SigningKeyInfo {
        id: claviger_shared::id::KeyId::parse("k_1").unwrap(),
        kind,
        alg: Alg::Ed25519,
        deployment: "acme-prod/claviger".into(),
        public: vec![7; 32],
        thumbprint: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k".into(),
        session_token: None,
    }
}

/// An HTTP request: what is accepted is in normal form by another parser, is what its route lists, and charges what another,
/// plain reading of the same bytes finds. The same request is tried under the other profiles.
pub fn http_call(data: &[u8]) {
    let Some(sign) = request(data) else {
        return;
    };
    let Input::Http(input) = &sign.input else {
        return;
    };
    profiles::tried(&sign);
    let call = match AnyCall::parse(&sign, &CATALOG, &GRANT) {
        Ok(call) => call,
        Err(denial) => return told(&denial),
    };
    assert!(call.effects().rest.is_empty());
    let effect = &call.effects().first;
    normal(&input.url, &effect.destination);
    covered(input, effect);
    let charges: Vec<_> = effect
        .charges
        .iter()
        .map(|charge| (charge.unit.as_str(), charge.amount.0))
        .collect();
    assert_eq!(charges, plain_charges(input, effect.resource.as_str()));
    let base = call
        .to_sign(&key(Kind::Http), &moment(effect))
        .unwrap()
        .message()
        .unwrap()
        .to_vec();
    let _credential = call
        .assemble(&moment(effect), &ToSign::Message(base.clone()), &[7; 64])
        .unwrap();
    let base = String::from_utf8(base).expect("a signature base is text");
    assert!(
        base.starts_with(&format!(
            "\"@method\": {}\n\"@authority\": {}\n",
            input.method, effect.destination
        )),
        "{base}"
    );
    assert!(
        base.split('\n').all(|line| line.starts_with('"')),
        "a line of the caller's own: {base}"
    );
    assert_eq!(
        AnyCall::parse(&sign, &CATALOG, &GRANT).unwrap().canonical(),
        call.canonical()
    );
}

/// WHATWG's parser, which clients send with, changes nothing and sees the same host.
///
/// But for `'` in a query, which WHATWG escapes and RFC 3986 does not: there the relying party's check would fail.
fn normal(url: &str, destination: &str) {
    let other = OtherUrl::parse(url).expect("accepted, but no URL");
    let again = other.as_str();
    let bare = again.strip_suffix('/').unwrap_or(again);
    let with_path = again.replacen("/?", "?", 1);
    assert!(
        url == again || url == bare || url == with_path || url.replace(":443", "") == again,
        "{url} is {again}"
    );
    let port = other
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    assert_eq!(format!("{}{port}", other.host_str().unwrap()), destination);
    assert!(
        other.username().is_empty() && other.password().is_none() && other.fragment().is_none()
    );
}

/// Every part of an accepted request is listed by its route, read here by other means.
fn covered(input: &HttpInput, effect: &Effect) {
    let (methods, query, body): (&[&str], &[&str], &[&str]) = match effect.resource.as_str() {
        "orders" => (&["GET", "HEAD", "DELETE"], &["expand", "limit"], &[]),
        "charges" => (&["POST"], &[], &["amount", "currency", "items"]),
        "chat" => (&["POST"], &[], &["max_tokens", "messages", "model"]),
        "invoices" => (&["POST"], &[], &["amount", "currency", "customer"]),
        "search" => (&["GET", "HEAD"], &["q", "units"], &[]),
        "files" => (&["PUT"], &[], &[]),
        other => panic!("no such resource: {other}"),
    };
    assert!(methods.contains(&input.method.as_str()));
    let verb = match input.method.as_str() {
        "DELETE" => Verb::Delete,
        "GET" | "HEAD" => Verb::Read,
        _ => Verb::Write,
    };
    assert_eq!(effect.verb, verb);
    for (name, _) in OtherUrl::parse(&input.url).unwrap().query_pairs() {
        assert!(query.contains(&&*name), "{name}");
    }
    for (name, _) in &input.headers {
        let tenant = effect.resource.as_str() == "orders" && name == "x-tenant";
        assert!(tenant || name == "content-type", "{name}");
    }
    let names = match effect.resource.as_str() {
        "charges" | "chat" => serde_json::from_slice::<BTreeMap<String, Value>>(bytes(input))
            .unwrap()
            .into_keys()
            .collect(),
        "invoices" => form(input).into_iter().map(|(name, _)| name).collect(),
        _ => Vec::new(),
    };
    for name in names {
        assert!(body.contains(&name.as_str()), "{name}");
    }
}

fn bytes(input: &HttpInput) -> &[u8] {
    input.body.as_ref().map_or(&[], |body| body.as_slice())
}

fn form(input: &HttpInput) -> Vec<(String, String)> {
    let text = std::str::from_utf8(bytes(input)).unwrap();
    let url = OtherUrl::parse(&format!("https://form.example/?{text}")).unwrap();
    url.query_pairs().into_owned().collect()
}

/// A second, simple reading of what a request spends.
fn plain_charges(input: &HttpInput, resource: &str) -> Vec<(&'static str, u128)> {
    let url = OtherUrl::parse(&input.url).unwrap();
    let number = |text: &str| text.parse::<u128>().expect("an amount");
    match resource {
        "charges" => {
            let body: Value = serde_json::from_slice(bytes(input)).unwrap();
            assert_eq!(body["currency"], "usd");
            let amount = body["amount"]
                .as_str()
                .map_or_else(|| body["amount"].to_string(), str::to_owned);
            vec![("usd-cents", number(&amount))]
        }
        "chat" => {
            let body: Value = serde_json::from_slice(bytes(input)).unwrap();
            let most = body["max_tokens"]
                .as_str()
                .map_or_else(|| body["max_tokens"].to_string(), str::to_owned);
            let price = match body["model"].as_str().expect("a model") {
                "large" => 15,
                "small" => 2,
                other => panic!("{other} has no price"),
            };
            // Counted one by one, as a bound of the body's length allows.
            let parts = bytes(input).chunks(4).count() as u128;
            let most = number(&most).checked_mul(price).expect("it fits");
            vec![("usd-nanos", parts * 3), ("usd-nanos", most)]
        }
        "invoices" => {
            let members: BTreeMap<_, _> = form(input).into_iter().collect();
            assert_eq!(members["currency"], "usd");
            vec![("usd-cents", number(&members["amount"]))]
        }
        "search" => {
            let found: Vec<_> = url
                .query_pairs()
                .filter(|(name, _)| name == "units")
                .collect();
            assert_eq!(found.len(), 1);
            vec![("units", number(&found[0].1))]
        }
        "files" => vec![("bytes", bytes(input).len() as u128)],
        _ => Vec::new(),
    }
}

/// A token request: `PROFILE AUDIENCE [NONCE [TTL]]`.
pub fn jwt_call(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut words = text.split(' ');
    let (Some(profile), Some(audience)) = (words.next(), words.next()) else {
        return;
    };
    let nonce = words
        .next()
        .filter(|word| !word.is_empty())
        .map(str::to_owned);
    let ttl_s = words.next().and_then(|word| word.parse().ok());
    let input = JwtInput {
        profile: profile.to_owned(),
        audience: audience.to_owned(),
        nonce,
        ttl_s,
        method: None,
        url: None,
        ath: None,
        wit: None,
    };
    let sign = Sign {
        input: Input::Jwt(input),
        idempotency_key: None,
    };
    match AnyCall::parse(&sign, &CATALOG, &GRANT) {
        Ok(call) => {
            let effect = &call.effects().first;
            assert_eq!(
                (profile, audience),
                ("assertion", "https://idp.example.com/token")
            );
            assert_eq!(effect.destination, audience);
            assert!(effect.mints && effect.charges.is_empty() && effect.max_lifetime.0 > 0);
            let message = call
                .to_sign(&key(Kind::Jwt), &moment(effect))
                .unwrap()
                .message()
                .unwrap()
                .to_vec();
            let message = String::from_utf8(message).unwrap();
            assert_eq!(message.split('.').count(), 2, "{message}");
        }
        Err(denial) => told(&denial),
    }
}

/// A URL: in normal form by another parser, and every part read alike.
pub fn url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match Url::parse(text) {
        Ok(url) => {
            normal(text, &url.authority());
            let other = OtherUrl::parse(text).unwrap();
            let members: Vec<_> = other.query_pairs().into_owned().collect();
            assert_eq!(members, url.members, "{text}");
            assert_eq!(other.path(), url.path);
            assert_eq!(other.query(), url.query.as_deref());
        }
        Err(denial) => {
            assert!(matches!(
                denial.code,
                Code::InvalidRequest | Code::NotNormalForm
            ));
            assert_eq!(denial.param.as_deref(), Some("/url"));
        }
    }
}

/// What stands inside the seal, both ways.
pub fn sealed(data: &[u8]) {
    let _ = canonical_many::<Answer>(data, MAX_ANSWER_ITEMS);
    if let Some(Request { echo: _, ask }) = canonical::<Request>(data)
        && let claviger_shared::call::Ask::Sign(sign) | claviger_shared::call::Ask::Simulate(sign) =
            ask
        && let Err(denial) = AnyCall::parse(&sign, &CATALOG, &GRANT)
    {
        told(&denial);
    }
}
