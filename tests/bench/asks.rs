//! What agents ask for.

use claviger_shared::call::{Ask, HttpInput, Input, Sign};

fn http(method: &str, url: &str, body: Option<Vec<u8>>) -> Sign {
    let json = ("content-type".to_owned(), "application/json".to_owned());
    let input = HttpInput {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: body.iter().map(|_| json.clone()).collect(),
        body: body.map(Into::into),
    };
    Sign {
        input: Input::Http(input),
        idempotency_key: None,
    }
}

/// The reference call: a GET without a body.
pub fn get() -> Sign {
    http(
        "GET",
        "https://api.example.com/v1/orders/ord_17?expand=items",
        None,
    )
}

/// A GET of what no grant reaches.
pub fn unlisted() -> Sign {
    http("GET", "https://api.example.com/v1/accounts/17", None)
}

/// A POST whose JSON body is so many bytes long.
pub fn post(bytes: usize) -> Sign {
    const FRAME: &str = r#"{"text":"","title":"a note"}"#;
    let text = "x".repeat(bytes.saturating_sub(FRAME.len()));
    let body = format!(r#"{{"text":"{text}","title":"a note"}}"#);
    http(
        "POST",
        "https://api.example.com/v1/notes",
        Some(body.into_bytes()),
    )
}

/// Asked to be signed.
pub fn sign(sign: Sign) -> Ask {
    Ask::Sign(sign)
}
