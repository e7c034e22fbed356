//! Errors of the sidecar as RFC 9457 problem documents: a stable `code` and what to do `next`. Denials are the enclave's and
//! are shown as the command shows them; no text of the host or of a request is repeated here.

use bytes::Bytes;
use claviger_client::{Error as ClientError, render};
use claviger_shared::{denial::Denial, wire::RefusedCode};
use hyper::{
    Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
};
use serde_json::{Value, json};

/// One refusal.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    document: Value,
}

impl Problem {
    /// A refusal of the sidecar's own.
    pub(super) fn new(status: StatusCode, code: &str, detail: &str, next: &str) -> Self {
        let document = json!({
            "type": "about:blank", "title": status.canonical_reason().unwrap_or("Error"),
            "status": status.as_u16(), "code": code, "detail": detail, "next": next,
        });
        Self { status, document }
    }

    /// A request that cannot be read.
    pub(super) fn malformed(detail: &str) -> Self {
        let status = StatusCode::BAD_REQUEST;
        Self::new(status, "invalid_request", detail, "fix the request")
    }

    pub(super) fn busy() -> Self {
        let detail = "too many calls are under way; nothing was charged";
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::new(status, "busy", detail, "try again later").retry(1000)
    }

    /// The enclave's denial.
    pub(super) fn denied(denial: &Denial, simulation: bool) -> Self {
        let status = StatusCode::from_u16(denial.code.status()).unwrap_or(StatusCode::FORBIDDEN);
        let document = render::problem(denial, simulation);
        Self { status, document }
    }

    /// What the client could not get or would not believe.
    pub(super) fn client(error: &ClientError) -> Self {
        match error {
            ClientError::Refused(RefusedCode::Busy) => Self::busy(),
            ClientError::Host(_) | ClientError::Refused(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "the host or the enclave did not answer; a call without idempotency key may have been charged",
                "try again later, with the same idempotency key",
            )
            .retry(1000),
            ClientError::AgentKey | ClientError::Distrust(_) | ClientError::Answer(_) => Self::new(
                StatusCode::BAD_GATEWAY,
                "distrust",
                "what answered is not the enclave this agent key trusts",
                "do not retry; tell the owner",
            ),
        }
    }

    fn retry(mut self, wait_ms: u32) -> Self {
        if let Some(members) = self.document.as_object_mut() {
            members.insert("retry_after_ms".to_owned(), json!(wait_ms));
        }
        self
    }

    pub(super) fn response(&self) -> Response<Bytes> {
        let mut response = json_response(self.status, self.document.to_string().into_bytes());
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(CONTENT_TYPE, kind);
        if let Some(wait) = self.document.get("retry_after_ms").and_then(Value::as_u64) {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.div_ceil(1000)));
        }
        response
    }
}

/// A JSON answer that nobody may keep.
pub(super) fn json_response(status: StatusCode, text: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("application/json");
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_untrusted_enclave_and_an_absent_host_are_told_apart_and_neither_is_quoted() {
        let distrust = Problem::client(&ClientError::Distrust("secret-text"));
        assert_eq!(distrust.response().status(), 502);
        let absent = Problem::client(&ClientError::Host("secret-text".to_owned()));
        let response = absent.response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[RETRY_AFTER], "1");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        for problem in [distrust, absent] {
            assert!(!problem.document.to_string().contains("secret-text"));
        }
    }
}
