//! Rules of the URL, each by its name, and properties over generated ones.

use super::*;
use proptest::prelude::*;

#[track_caller]
fn refused(text: &str, code: Code) {
    let denial = Url::parse(text).unwrap_err();
    assert_eq!(denial.code, code, "{text}");
    assert_eq!(denial.param.as_deref(), Some("/url"));
}

#[test]
fn a_url_in_normal_form_is_read_whole() {
    let url =
        Url::parse("https://api.example.com:8443/v1/orders/a%20b?expand=items&flag&q=%2B").unwrap();
    assert_eq!(url.host, "api.example.com");
    assert_eq!(url.port, 8443);
    assert_eq!(url.authority(), "api.example.com:8443");
    assert_eq!(url.path, "/v1/orders/a%20b");
    assert_eq!(url.segments, ["v1", "orders", "a b"]);
    assert_eq!(url.query.as_deref(), Some("expand=items&flag&q=%2B"));
    assert_eq!(url.member("expand"), Some("items"));
    assert_eq!(url.member("flag"), Some(""));
    assert_eq!(url.member("q"), Some("+"));
    assert_eq!(url.member("none"), None);
}

#[test]
fn the_default_port_and_the_empty_path_have_one_spelling() {
    for text in [
        "https://a.example",
        "https://a.example:443",
        "https://a.example/",
        "https://a.example:443/",
    ] {
        let url = Url::parse(text).unwrap();
        assert_eq!(url.authority(), "a.example");
        assert_eq!(url.path, "/");
        assert!(url.segments.is_empty() && url.query.is_none() && url.members.is_empty());
    }
    let url = Url::parse("https://a.example?x=1").unwrap();
    assert_eq!((url.path.as_str(), url.member("x")), ("/", Some("1")));
}

#[test]
fn what_is_no_https_url_is_invalid() {
    for bad in [
        "",
        "https:",
        "https://",
        "https:///a",
        "https://?a=1",
        "http://a.example/",
        "HTTPS://a.example/",
        "//a.example/",
        "/v1",
        "ftp://a.example/",
        "https:/a.example/",
        "https://u@a.example/",
        "https://u:p@a.example/",
        "https://a.example@b.example/",
        "https://a.example/#f",
        "https://a.example#",
        " https://a.example/",
    ] {
        refused(bad, Code::InvalidRequest);
    }
}

#[test]
fn what_has_a_second_spelling_is_not_normal_form() {
    for bad in [
        "https://A.example/",
        "https://a.example./",
        "https://a.example:/",
        "https://a.example:0443/",
        "https://a.example:0/",
        "https://a.example:65536/",
        "https://a.example:+1/",
        "https://a.example:1:2/",
        "https://[::1]/",
        "https://127.1/",
        "https://a.example\\b.example/",
        "https://a.example//",
        "https://a.example/a/",
        "https://a.example//a",
        "https://a.example/a//b",
        "https://a.example/./a",
        "https://a.example/a/..",
        "https://a.example/a/%2E%2E/b",
        "https://a.example/a%2Fb",
        "https://a.example/a%252Fb",
        "https://a.example/a;b",
        "https://a.example/a b",
        "https://a.example/\u{fc}",
        "https://a.example/?",
        "https://a.example/?a=1&",
        "https://a.example/?&a=1",
        "https://a.example/?a=1&&b=1",
        "https://a.example/?=1",
        "https://a.example/?a=1&a=2",
        "https://a.example/?a=1&%61=2",
        "https://a.example/?a=1;b=2",
        "https://a.example/?a=b+c",
        "https://a.example/?a=b'c",
        "https://a.example/?a'=b",
        "https://a.example/?a=%0a",
    ] {
        refused(bad, Code::NotNormalForm);
    }
}

#[test]
fn a_url_is_checked_on_both_sides_of_its_length() {
    let base = "https://a.example/";
    let exact = format!("{base}{}", "a".repeat(MAX_URL - base.len()));
    assert_eq!(Url::parse(&exact).unwrap().segments.len(), 1);
    refused(&format!("{exact}a"), Code::InvalidRequest);
}

#[test]
fn a_method_is_upper_case_and_about_a_resource() {
    for good in ["GET", "POST", "M-SEARCH", &"A".repeat(MAX_METHOD)] {
        assert!(is_method(good), "{good}");
    }
    for bad in [
        "",
        "get",
        "G T",
        "-GET",
        "GET\n",
        "CONNECT",
        "TRACE",
        &"A".repeat(MAX_METHOD + 1),
    ] {
        assert!(!is_method(bad), "{bad}");
    }
}

/// Percent-encodes as a careful client does: unreserved bytes raw, all others escaped in upper case.
fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |out, b| {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out + std::str::from_utf8(&[b]).unwrap()
        } else {
            out + &format!("%{b:02X}")
        }
    })
}

proptest! {
    /// Any text at all ends in an answer, and what is accepted has no second spelling of its structure.
    #[test]
    fn any_text_ends_in_an_answer(text in ".{0,200}", path in "[/.%25Ff;a\\\\?&=+]{0,40}") {
        let _ = Url::parse(&text);
        if let Ok(url) = Url::parse(&format!("https://a.example/{path}")) {
            prop_assert_eq!(url.path.matches('/').count(), url.segments.len().max(1));
            for segment in &url.segments {
                prop_assert!(!segment.is_empty() && segment != "." && segment != "..");
                prop_assert!(!segment.contains(['/', '\\', '%', ';']));
            }
        }
    }

    /// What a careful client writes is read back as what it meant.
    #[test]
    fn careful_encoding_reads_back(
        segments in prop::collection::vec("[a-z0-9 ü:@!]{1,8}", 1..5),
        members in prop::collection::btree_map("[a-z ü]{1,8}", "[a-z0-9 +%/;=&ü]{0,8}", 1..5),
    ) {
        let path: String = segments.iter().map(|s| format!("/{}", encode(s))).collect();
        let query: Vec<_> = members.iter().map(|(n, v)| format!("{}={}", encode(n), encode(v))).collect();
        let url = Url::parse(&format!("https://a.example{path}?{}", query.join("&"))).unwrap();
        prop_assert_eq!(url.segments, segments);
        prop_assert_eq!(url.members, members.into_iter().collect::<Vec<_>>());
    }

    /// A URL put together again from its parts is the same URL: nothing was repaired.
    #[test]
    fn parts_put_together_are_the_same_url(
        host in "[a-z]{1,5}(\\.[a-z]{1,5}){0,2}", port in 1_u16.., path in "(/[a-zA-Z0-9%:._~-]{1,6}){1,4}",
    ) {
        if let Ok(url) = Url::parse(&format!("https://{host}:{port}{path}")) {
            let again = Url::parse(&format!("https://{}{}", url.authority(), url.path)).unwrap();
            prop_assert_eq!(&url.path, &path);
            prop_assert_eq!(again, url);
        }
    }
}
