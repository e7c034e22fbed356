//! The operators' bearer token, and who may pass without one.
//!
//! The token is read once, compared in constant time and never written anywhere.

use super::{App, problem::Problem};
use crate::error::Error;
use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use claviger_shared::crypto::TokenDigest;
use std::{net::IpAddr, path::Path, sync::Arc};

/// A token, as its digest.
pub(crate) struct Token(TokenDigest);

impl Token {
    /// Reads a file of one line.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::File {
            path: path.to_owned(),
            source,
        })?;
        Self::new(text.trim_end_matches(['\r', '\n']))
    }

    fn new(text: &str) -> Result<Self, Error> {
        let fine = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fine {
            Ok(Self(TokenDigest::of(text.as_bytes())))
        } else {
            Err(Error::Token)
        }
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return false;
        };
        let given = value.as_bytes().strip_prefix(b"Bearer ");
        given.is_some_and(|given| self.0.admits(given))
    }
}

/// Lets an operator pass.
pub(crate) async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    // Health is for load balancers, who hold no token; the page has nothing in it that a token would guard.
    if matches!(request.uri().path(), "/healthz" | "/readyz" | "/") {
        return next.run(request).await;
    }
    match &app.token {
        Some(token) if token.admits(headers) => next.run(request).await,
        Some(_) => {
            Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "give the token").into_response()
        }
        // Another page in a browser on this machine is nobody's operator.
        None if !is_own(headers) => Problem::new(
            StatusCode::FORBIDDEN,
            "cross_origin",
            "use the CLI, or a token",
        )
        .into_response(),
        None => next.run(request).await,
    }
}

/// Whether no page but the one of this face can have sent it: none says that it comes from elsewhere, and the host is named by
/// an address or `localhost`, which no stranger's domain name turns into.
fn is_own(headers: &HeaderMap) -> bool {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &axum::http::HeaderValue| value.to_str().ok())
    };
    let site = text("sec-fetch-site");
    let host = text("host").and_then(|host| host.parse::<Authority>().ok());
    let host = host
        .as_ref()
        .map(|host| host.host().trim_matches(['[', ']']));
    let literal = host.is_some_and(|host| host == "localhost" || host.parse::<IpAddr>().is_ok());
    let origin = headers.contains_key(header::ORIGIN);
    literal && !origin && matches!(site, None | Some("same-origin" | "none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_faces_own_page_and_programs_pass_without_a_token() {
        let own = |fields: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(*name, value.parse().unwrap());
            }
            is_own(&headers)
        };
        for host in [
            "127.0.0.1:7001",
            "[::1]:7001",
            "localhost:7001",
            "localhost",
        ] {
            assert!(own(&[("host", host)]), "{host}");
            assert!(own(&[("host", host), ("sec-fetch-site", "same-origin")]));
            assert!(own(&[("host", host), ("sec-fetch-site", "none")]));
            for site in ["cross-site", "same-site", "x"] {
                assert!(!own(&[("host", host), ("sec-fetch-site", site)]));
            }
            assert!(!own(&[("host", host), ("origin", "https://evil.example")]));
        }
        for host in [
            "evil.example",
            "evil.example:7001",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "",
        ] {
            assert!(
                !own(&[("host", host)]),
                "a name that resolves to this machine: {host}"
            );
        }
        assert!(!own(&[]));
    }

    fn admits(values: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        Token::new("s3cret").unwrap().admits(&headers)
    }

    #[test]
    fn only_the_whole_token_admits() {
        assert!(admits(&["Bearer s3cret"]));
        for none in [&[][..], &["Bearer s3cre"], &["Bearer s3cret2"], &["s3cret"]] {
            assert!(!admits(none), "{none:?}");
        }
        assert!(!admits(&["Basic s3cret"]) && !admits(&["Bearer "]));
        assert!(!admits(&["Bearer s3cret", "Bearer s3cret"]), "given twice");
    }

    #[test]
    fn an_empty_token_is_refused() {
        for text in ["", " ", "a b", "a\nb", "é"] {
            assert!(Token::new(text).is_err(), "{text:?}");
        }
    }
}
