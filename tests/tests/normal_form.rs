//! P3: a URL in normal form is one that HTTP clients leave alone. What a caller hands to its client after it was signed is
//! what the client sends: a WHATWG parser, that of browsers and of `reqwest`, changes no byte of a path or query.

use claviger_shared::{
    call::http::{self, Url},
    denial::Code,
};
use proptest::prelude::*;
use reqwest::Url as Whatwg;

/// Bytes, each raw and escaped in either case, at one place of a URL.
fn spellings() -> impl Iterator<Item = String> {
    let raw = (0..=0x7f_u8).map(|byte| char::from(byte).to_string());
    let escaped = (0..=0xff_u8).flat_map(|byte| [format!("%{byte:02X}"), format!("%{byte:02x}")]);
    raw.chain(escaped)
}

/// What is accepted is what the other parser leaves unchanged; says whether it was accepted.
fn unchanged(text: &str) -> bool {
    let Ok(ours) = Url::parse(text) else {
        return false;
    };
    let theirs = Whatwg::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert_eq!(theirs.path(), ours.path, "{text:?}");
    assert_eq!(theirs.query(), ours.query.as_deref(), "{text:?}");
    assert_eq!(theirs.host_str(), Some(ours.host.as_str()), "{text:?}");
    assert_eq!(theirs.port_or_known_default(), Some(ours.port), "{text:?}");
    assert_eq!(theirs.fragment(), None, "{text:?}");
    let pairs: Vec<_> = theirs.query_pairs().into_owned().collect();
    assert_eq!(pairs, ours.members, "{text:?}");
    true
}

#[test]
fn p3_no_byte_is_accepted_that_a_client_would_change() {
    let mut accepted = 0;
    for spelling in spellings() {
        for text in [
            format!("https://a.example/x{spelling}y"),
            format!("https://a.example/{spelling}"),
            format!("https://a.example/x/{spelling}?q=1"),
            format!("https://a.example/?q=x{spelling}y"),
            format!("https://a.example/?x{spelling}y=1"),
            format!("https://a.example/?q={spelling}"),
            format!("https://a{spelling}b.example/"),
        ] {
            accepted += usize::from(unchanged(&text));
        }
    }
    // Or the test would say nothing.
    assert!(accepted > 500, "{accepted}");
}

#[test]
fn p3_a_quote_in_a_query_is_not_in_normal_form() {
    for text in [
        "https://a.example/?q=it's",
        "https://a.example/?it's=1",
        "https://a.example/?'",
        "https://a.example/it's?q='",
    ] {
        assert_ne!(Whatwg::parse(text).unwrap().as_str(), text);
        assert_eq!(Url::parse(text).unwrap_err().code, Code::NotNormalForm);
    }
    assert!(unchanged("https://a.example/it's?q=it%27s"));
    assert_eq!(http::query_value("it%27s").as_deref(), Some("it's"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn p3_what_is_accepted_is_what_a_client_leaves_unchanged(
        path in "(/[!-~]{0,6}|/(%[0-9A-F]{2}|[a-z.]){1,4}){0,3}",
        query in "(\\?[!-~]{0,12}|\\?[a-z]{1,3}=(%[0-9A-F]{2}|[!-~]){0,6})?",
        port in "(:[0-9]{1,4})?",
    ) {
        unchanged(&format!("https://api.example.com{port}{path}{query}"));
    }
}
