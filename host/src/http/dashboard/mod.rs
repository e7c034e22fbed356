//! The operators' page: one document with its own style and script, and a policy that lets nothing else in.
//!
//! It is read-only and shows the host's word; it says so, and which commands show the audited truth. The page itself holds no
//! data, so it needs no token: what it fetches does, and the token that an operator types stays in the page's memory.

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_shared::{crypto::sha256, denial::Code};
use serde_json::{Map, json};
use std::sync::LazyLock;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page and its policy.
static PAGE: LazyLock<(String, String)> = LazyLock::new(|| (document(), policy()));

fn document() -> String {
    let codes: Map<_, _> = Code::ALL
        .iter()
        .map(|code| (code.as_str().to_owned(), json!(code.next())))
        .collect();
    // A closing tag cannot stand in it: the table is ours and holds no `<`.
    let codes = serde_json::Value::Object(codes).to_string();
    TEMPLATE
        .replace("{{style}}", STYLE)
        .replace("{{script}}", SCRIPT)
        .replace("{{codes}}", &codes)
}

/// What the page may do: run this one script, use this one style, ask this one host.
fn policy() -> String {
    let hash = |text: &str| STANDARD.encode(sha256(&[text.as_bytes()]).0);
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
}

pub(super) async fn page() -> Response {
    let (document, policy) = &*PAGE;
    let mut response = document.as_str().into_response();
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        return response;
    }
    // Never without its policy.
    super::problem::Problem::unavailable().into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_one_document_whose_hashes_are_those_of_its_policy() {
        let (document, policy) = &*PAGE;
        assert!(!document.contains("{{"), "a place is left open");
        for (tag, directive) in [("script", "script-src"), ("style", "style-src")] {
            let (_, rest) = document.split_once(&format!("<{tag}>")).unwrap();
            let (text, rest) = rest.split_once(&format!("</{tag}>")).unwrap();
            let hash = STANDARD.encode(sha256(&[text.as_bytes()]).0);
            assert!(
                policy.contains(&format!("{directive} 'sha256-{hash}'")),
                "{tag}"
            );
            assert!(!rest.contains(&format!("<{tag}>")), "one {tag} only");
        }
        assert!(!policy.contains("unsafe") && policy.starts_with("default-src 'none'"));
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere_and_no_text_becomes_markup() {
        let (document, _) = &*PAGE;
        for outside in [
            "http://", "https://", "src=", "url(", "@import", "<link", "<iframe", "<img",
        ] {
            assert!(!document.contains(outside), "{outside}");
        }
        for sink in [
            "innerHTML",
            "outerHTML",
            "insertAdjacent",
            "document.write",
            "eval(",
            "Function(",
            "createContextualFragment",
            "DOMParser",
            "setAttribute(\"on",
            "onclick=",
            "localStorage",
            "sessionStorage",
            "cookie",
            "javascript:",
            "setHTML",
            "srcdoc",
            ".href",
        ] {
            assert!(!document.contains(sink), "{sink}");
        }
        assert!(SCRIPT.contains("textContent"));
    }

    #[test]
    fn it_says_whose_word_it_shows_and_what_shows_the_truth() {
        let (document, _) = &*PAGE;
        assert!(document.contains("the host's word"));
        for command in [
            "claviger audit verify",
            "claviger audit tail",
            "claviger grant list",
        ] {
            assert!(document.contains(command), "{command}");
        }
    }
}
