//! The operators' bearer token, and who may pass without one.
//!
//! The token is read once, compared in constant time and never written anywhere.

use super::{App, problem::Problem};
use crate::error::Error;
use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use claviger_shared::crypto::{constant_time_eq, sha256};
use std::{path::Path, sync::Arc};

/// A token, as its digest.
pub(crate) struct Token([u8; 32]);

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
            Ok(Self(sha256(&[text.as_bytes()]).0))
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
        given.is_some_and(|given| constant_time_eq(&sha256(&[given]).0, &self.0))
    }
}

/// Lets an operator pass.
pub(crate) async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    // Health is for load balancers, who hold no token.
    if matches!(request.uri().path(), "/healthz" | "/readyz") {
        return next.run(request).await;
    }
    match &app.token {
        Some(token) if token.admits(headers) => next.run(request).await,
        Some(_) => {
            Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "give the token").into_response()
        }
        // A page in a browser on this machine is nobody's operator.
        None if headers.contains_key(header::ORIGIN) => Problem::new(
            StatusCode::FORBIDDEN,
            "cross_origin",
            "use the CLI, or a token",
        )
        .into_response(),
        None => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
