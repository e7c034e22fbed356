//! One request at the front of a connection's bytes, where it is of the plain form that almost every client sends.
//!
//! Plain: HTTP/1.1, GET or POST, a path, a body of a stated length up to [`MAX_BODY`], and nothing that says how the connection
//! is to be used but that it be kept. Heads are read by `httparse`, as hyper's are. What is not plain is not judged here, however
//! wrong it looks: it is left where it is, for hyper.

use super::MAX_HEAD;
use bytes::{Buf, Bytes, BytesMut};
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, Uri,
    header::{
        CONNECTION, CONTENT_LENGTH, EXPECT, HeaderName, HeaderValue, TE, TRAILER,
        TRANSFER_ENCODING, UPGRADE,
    },
};

/// Longest body of a plain request.
pub(super) const MAX_BODY: usize = 64 * 1024;
/// Header fields of a plain request, as many as fit on the stack.
const MAX_FIELDS: usize = 32;

/// What stands at the front.
#[derive(Debug)]
pub(super) enum Front {
    /// A request, which was taken.
    Whole(Box<Request<Full<Bytes>>>),
    /// Less than a request's head.
    Head,
    /// A head, and less than its body: it is whole with so many bytes.
    Body(usize),
    /// Something else.
    Other,
}

/// A head and how long it is, its body's length.
struct Head {
    request: Request<()>,
    length: usize,
    body: usize,
}

/// Takes a whole plain request off the front, if it is there.
pub(super) fn take(unread: &mut BytesMut) -> Front {
    let head = match head(unread) {
        Ok(head) => head,
        Err(No::Less) if unread.len() <= MAX_HEAD => return Front::Head,
        Err(No::Less | No::Other) => return Front::Other,
    };
    let whole = head.length.saturating_add(head.body);
    if unread.len() < whole {
        return Front::Body(whole);
    }
    // Copied, so that nobody else holds the buffer that is read into.
    let body = unread.get(head.length..whole).unwrap_or_default();
    let body = Bytes::copy_from_slice(body);
    unread.advance(whole);
    Front::Whole(Box::new(head.request.map(|()| Full::new(body))))
}

/// Why there is no head.
enum No {
    /// Less than one.
    Less,
    /// Something else.
    Other,
}

fn head(bytes: &[u8]) -> Result<Head, No> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    let length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Err(No::Less),
        Err(_) => return Err(No::Other),
    };
    if length > MAX_HEAD {
        return Err(No::Other);
    }
    plain(&parsed, length).ok_or(No::Other)
}

fn plain(parsed: &httparse::Request<'_, '_>, length: usize) -> Option<Head> {
    let method = match parsed.method? {
        "GET" => Method::GET,
        "POST" => Method::POST,
        _ => return None,
    };
    let path = parsed.path.filter(|path| path.starts_with('/'))?;
    let uri: Uri = path.parse().ok()?;
    if parsed.version != Some(1) {
        return None;
    }
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    for field in &*parsed.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        let value = HeaderValue::from_bytes(field.value).ok()?;
        headers.append(name, value);
    }
    let body = body(&headers)?;
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Some(Head {
        request,
        length,
        body,
    })
}

/// A body's length, where head and connection are handled plainly.
fn body(headers: &HeaderMap) -> Option<usize> {
    let special = [EXPECT, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
    if special.iter().any(|name| headers.contains_key(name)) {
        return None;
    }
    let mut kept = headers.get_all(CONNECTION).iter();
    if !kept.all(|value| value.as_bytes().eq_ignore_ascii_case(b"keep-alive")) {
        return None;
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => Some(0),
        (Some(length), None) => number(length.as_bytes()),
        (Some(_), Some(_)) => None,
    }
}

/// Decimal digits and nothing else, up to [`MAX_BODY`].
fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || digits.len() > 5 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (number <= MAX_BODY).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn front(text: &str) -> (Front, usize) {
        let mut bytes = BytesMut::from(text);
        let front = take(&mut bytes);
        (front, bytes.len())
    }

    #[test]
    fn a_plain_request_is_taken_whole_and_what_follows_stays() {
        let text = "POST /v1/x?y HTTP/1.1\r\nHost: a\r\nconnection: Keep-Alive\r\nX: 1\r\nx: 2\r\nContent-Length: 2\r\n\r\nhiGET";
        let (Front::Whole(request), 3) = front(text) else {
            panic!("not whole");
        };
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.uri().path(), "/v1/x");
        let values: Vec<_> = request.headers().get_all("x").iter().collect();
        assert_eq!(values, ["1", "2"]);
        let (Front::Whole(bare), 0) = front("GET / HTTP/1.1\r\n\r\n") else {
            panic!("not whole");
        };
        assert!(bare.headers().is_empty());
    }

    #[test]
    fn every_beginning_of_a_plain_request_is_less_and_stays() {
        let text = "POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
        let head = text.len() - 4;
        for length in 0..text.len() {
            let (front, left) = front(text.get(..length).unwrap());
            assert_eq!(left, length);
            match front {
                Front::Head => assert!(length < head, "{length}"),
                Front::Body(whole) => {
                    assert!(length >= head, "{length}");
                    assert_eq!(whole, text.len());
                }
                Front::Whole(_) | Front::Other => panic!("{length}"),
            }
        }
    }

    #[test]
    fn whatever_is_not_plain_is_left_to_hyper() {
        for line in [
            "HEAD / HTTP/1.1",
            "post / HTTP/1.1",
            "GET / HTTP/1.0",
            "GET http://a/ HTTP/1.1",
            "GET * HTTP/1.1",
            "GET /\u{7f} HTTP/1.1",
            "GET / HTTP/2.0",
            "GET  / HTTP/1.1",
        ] {
            let (front, _) = front(&format!("{line}\r\n\r\n"));
            assert!(matches!(front, Front::Other), "{line}");
        }
        let many = "A: b\r\n".repeat(MAX_FIELDS + 1);
        for fields in [
            "Transfer-Encoding: chunked\r\n",
            "Transfer-Encoding: identity\r\nContent-Length: 1\r\n",
            "Expect: 100-continue\r\nContent-Length: 1\r\n",
            "Upgrade: h2c\r\n",
            "Connection: close\r\n",
            "Connection: keep-alive, close\r\n",
            "Connection: keep-alive\r\nConnection: close\r\n",
            "Content-Length: 1\r\nContent-Length: 1\r\n",
            "Content-Length: +1\r\n",
            "Content-Length: 1, 1\r\n",
            "Content-Length: \r\n",
            "Content-Length: 0x1\r\n",
            "Content-Length: 65537\r\n",
            "Content-Length: 18446744073709551617\r\n",
            "Content-Length : 1\r\n",
            "A b: c\r\n",
            " folded: c\r\n",
            &many,
        ] {
            let (front, _) = front(&format!("POST / HTTP/1.1\r\n{fields}\r\nx"));
            assert!(matches!(front, Front::Other), "{fields}");
        }
        let long = format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(MAX_HEAD));
        assert!(matches!(front(&long).0, Front::Other), "no end of head");
        assert!(matches!(front(&format!("{long}\r\n\r\n")).0, Front::Other));
    }
}
