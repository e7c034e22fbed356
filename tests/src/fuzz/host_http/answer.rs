//! An answer of HTTP/1.1, read by other code than made it.

/// The first answer of a connection that is no `100 Continue`.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: Option<String>,
    pub(super) body: Vec<u8>,
}

/// Where an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// More has to come.
    Later,
    /// It is whole, or goes on for ever and said enough.
    Here,
}

/// Names and values.
type Fields = Vec<(String, String)>;

/// Status, fields and length of a head that is there.
fn head(bytes: &[u8]) -> Option<(u16, Fields, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..end - 4]).expect("a head is a text");
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
    let status = status
        .and_then(|rest| rest.get(..3))
        .expect("a status line");
    let fields = lines.map(|line| {
        let (name, value) = line.split_once(':').expect("a field");
        (name.to_ascii_lowercase(), value.trim().to_owned())
    });
    Some((status.parse().unwrap(), fields.collect(), end))
}

fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut values = fields.iter().filter(|(own, _)| own == name);
    let value = values.next().map(|(_, value)| value.as_str());
    assert!(values.next().is_none(), "{name} twice");
    value
}

/// What stands behind any `100 Continue`.
fn last(mut bytes: &[u8]) -> &[u8] {
    while let Some((100, _, end)) = head(bytes) {
        bytes = &bytes[end..];
    }
    bytes
}

/// Whether an answer is whole.
pub(super) fn end(bytes: &[u8], to_head: bool) -> End {
    let bytes = last(bytes);
    let Some((status, fields, at)) = head(bytes) else {
        return End::Later;
    };
    let endless = field(&fields, "content-type") == Some("text/event-stream") || status == 101;
    let length = field(&fields, "content-length").map_or(0, |text| text.parse().unwrap());
    let whole = match field(&fields, "transfer-encoding") {
        Some(_) => bytes.ends_with(b"0\r\n\r\n"),
        None => bytes.len() >= at + length,
    };
    if endless || to_head || whole {
        End::Here
    } else {
        End::Later
    }
}

impl Answer {
    /// Reads a whole answer.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let bytes = last(bytes);
        let (status, fields, at) = head(bytes).expect("an answer");
        Self {
            status,
            content_type: field(&fields, "content-type").map(str::to_owned),
            body: bytes[at..].to_vec(),
        }
    }

    /// Whether the head was refused before any route saw it: by its status alone, without a body.
    pub(super) fn is_not_http(&self) -> bool {
        matches!(self.status, 400 | 414 | 431)
            && self.content_type.is_none()
            && self.body.is_empty()
    }
}
