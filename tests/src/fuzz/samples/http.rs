//! Seeds of HTTP requests, their URLs, and tokens.

use super::{super::calls, put};

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
