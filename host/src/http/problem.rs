//! Errors as people and programs read them: `application/problem+json` (RFC 9457), a stable `code`, what to do `next`.

use crate::{link::control::AskError, relay::post::Failed};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use claviger_shared::wire::{RefusedCode, stream::Refusal};
use serde_json::json;

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    status: StatusCode,
    code: String,
    next: &'static str,
    detail: Option<String>,
    pointer: Option<String>,
    retry_after_ms: u32,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &str, next: &'static str) -> Self {
        Self {
            status,
            code: code.to_owned(),
            next,
            detail: None,
            pointer: None,
            retry_after_ms: 0,
        }
    }

    /// A request that is not of its endpoint's form.
    pub(crate) fn malformed(expected: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "fix the request").detail(expected)
    }

    pub(crate) fn unavailable() -> Self {
        Self {
            retry_after_ms: 1000,
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "try again later",
            )
        }
    }

    pub(crate) fn busy(detail: &str) -> Self {
        Self {
            retry_after_ms: 1000,
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "try again later").detail(detail)
        }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "check the address")
    }

    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(crate) fn pointer(mut self, pointer: Option<String>) -> Self {
        self.pointer = pointer;
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("error"),
            "status": self.status.as_u16(),
            "code": self.code,
            "next": self.next,
        });
        if let Some(members) = body.as_object_mut() {
            let texts = [("detail", self.detail), ("pointer", self.pointer)];
            let texts = texts
                .into_iter()
                .filter_map(|(name, text)| Some((name.to_owned(), json!(text?))));
            members.extend(texts);
        }
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.retry_after_ms > 0 {
            let seconds = self.retry_after_ms.div_ceil(1000);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, code, next) = match refusal.code {
            RefusedCode::Busy => (503, "busy", "try again later"),
            RefusedCode::Invalid => (400, "invalid", "attest the enclave again, then retry"),
            RefusedCode::NotServing => (503, "not_serving", "try again later"),
            RefusedCode::NotSupported => (501, "not_supported", "do not retry"),
            RefusedCode::Replayed => (409, "replayed", "seal again under a new number"),
            RefusedCode::TooLarge => (413, "too_large", "send less"),
            RefusedCode::Unavailable => (503, "unavailable", "try again later"),
            RefusedCode::UnknownChannel => (404, "unknown_channel", "open a new channel"),
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        Self {
            retry_after_ms: refusal.retry_after_ms,
            ..Self::new(status, code, next)
        }
    }
}

impl From<AskError> for Problem {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Refused(refused) => {
                let refusal = Refusal {
                    code: refused.code,
                    retry_after_ms: refused.retry_after_ms,
                };
                Self::from(refusal).detail(refused.reason)
            }
            AskError::Busy => Self::from(Refusal {
                code: RefusedCode::Busy,
                retry_after_ms: 1000,
            }),
            AskError::Malformed => Self::new(
                StatusCode::BAD_GATEWAY,
                "malformed_reply",
                "check the versions of host and enclave",
            ),
            AskError::Unavailable => Self::unavailable(),
        }
    }
}

impl From<Failed> for Problem {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Late => Self::unavailable(),
            Failed::Malformed => Self::malformed("1 to 256 items"),
            Failed::Refused(refusal) => refusal.into(),
        }
    }
}
