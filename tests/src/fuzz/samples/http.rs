//! Seeds of HTTP requests, their URLs, and tokens.

use super::{
    super::{calls, profiles},
    put,
};
use serde_json::json;

pub(super) fn texts() {
    for (name, text) in [
        (
            "get",
            "GET https://api.example.com/v1/orders/ord_1?expand=items&limit=3\nx-tenant: a",
        ),
        (
            "delete",
            "DELETE https://api.example.com/v1/orders/%C3%BC%20b",
        ),
        (
            "json",
            "POST https://pay.example.com/v1/charges key-1\ncontent-type: application/json\n\n{\"amount\":125,\"currency\":\"usd\",\"items\":[{\"a\":1}]}",
        ),
        (
            "json-text",
            "POST https://pay.example.com/v1/charges\ncontent-type: application/json\n\n {\"currency\" : \"usd\" , \"amount\":\"340282366920938463463374607431768211455\"}",
        ),
        (
            "chat",
            "POST https://llm.example.com/v1/chat\ncontent-type: application/json\n\n{\"model\":\"large\",\"max_tokens\":100,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
        ),
        (
            "chat-text",
            "POST https://llm.example.com/v1/chat\ncontent-type: application/json\n\n {\"max_tokens\" : \"22685491128062564230891640495451214097\", \"model\":\"sm\\u0061ll\"}",
        ),
        (
            "form",
            "POST https://pay.example.com/v1/invoices\ncontent-type: application/x-www-form-urlencoded\n\namount=125&currency=usd&customer=a+b%5B%5D",
        ),
        (
            "query",
            "GET https://api.example.com:8443/search?q=a%2Fb%27c&units=17",
        ),
        (
            "opaque",
            "PUT https://files.example.com/v1/files/a.bin\ncontent-type: application/octet-stream\n\n\u{1}\u{2}abc",
        ),
    ] {
        put("http_call", name, text.as_bytes());
        put(
            "url",
            name,
            text.split(['\n', ' ']).nth(1).unwrap().as_bytes(),
        );
    }
    between();
    let catalog = calls::catalog_text().to_string();
    put("catalog", "prices", catalog.as_bytes());
    put("url", "bare", b"https://example.com");
    put(
        "url",
        "address",
        b"https://127.0.0.1:8443/a/b,c;d?x=%27y%27&z=",
    );
    put(
        "jwt_call",
        "plain",
        b"assertion https://idp.example.com/token",
    );
    put(
        "jwt_call",
        "full",
        b"oidc https://idp.example.com/token nonce-1 60",
    );
    put(
        "jwt_call",
        "ttl",
        b"assertion https://idp.example.com/token  60",
    );
}

/// Requests between workloads, with tokens that are good and not, and for a bot's key directory.
fn between() {
    let order =
        "GET https://api.example.com/v2/orders/ord_1?expand=items\nworkload-identity-token: ";
    let token = |more| profiles::token("ES256", profiles::BILLING, &more);
    let p256 = json!({"jwk": {"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "a", "use": "sig",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}});
    let texts = [
        ("workload", format!("{order}{}", token(json!({})))),
        (
            "workload-tokens",
            format!(
                "{order}{}\nauthorization: Bearer a\ntxn-token: b.c.d",
                token(json!({"nbf": 1}))
            ),
        ),
        (
            "workload-proof",
            format!(
                "{order}{}\nauthorization: fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo",
                token(json!({}))
            ),
        ),
        (
            "workload-p256",
            format!("{order}{}", token(json!({"cnf": p256}))),
        ),
        (
            "workload-expired",
            format!("{order}{}", token(json!({"exp": 1}))),
        ),
        (
            "workload-early",
            format!("{order}{}", token(json!({"nbf": 1_795_424_401_u64}))),
        ),
        (
            "workload-other",
            format!(
                "{order}{}",
                profiles::token("ES256", "wimse://example.com/root", &json!({}))
            ),
        ),
        (
            "workload-none",
            format!(
                "{order}{}",
                profiles::token("none", profiles::BILLING, &json!({}))
            ),
        ),
        (
            "workload-named",
            format!(
                "POST https://ledger.example.com/entries\ncontent-type: application/json\nworkload-identity-token: {}\n\n{{\"text\":\"a\"}}",
                token(json!({}))
            ),
        ),
        (
            "directory",
            "GET https://agents.example.com/.well-known/http-message-signatures-directory"
                .to_owned(),
        ),
    ];
    for (name, text) in texts {
        put("http_call", name, text.as_bytes());
    }
    let catalog = profiles::catalog_text().to_string();
    put("catalog", "profiles", catalog.as_bytes());
}
