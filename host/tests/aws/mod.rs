//! Instance metadata, STS and KMS on one loopback address: what each was asked, and answers with keys of its own.
//!
//! Metadata is version 2 alone: without a token that was asked for by PUT it answers 401, as an instance that requires it does.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// The token of the metadata service.
const TOKEN: &str = "token-of-the-instance";
/// The role of the instance, by its name.
pub(crate) const ROLE: &str = "claviger-host";

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    /// By names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Asked {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The access key that signed, and the session token that came with it.
    pub(crate) fn signed_by(&self) -> (&str, &str) {
        let credential = self.header("authorization").split("Credential=").nth(1);
        let id = credential.and_then(|rest| rest.split('/').next());
        (id.unwrap_or_default(), self.header("x-amz-security-token"))
    }

    fn is_kms(&self) -> bool {
        self.header("x-amz-target").starts_with("TrentService.")
    }
}

/// The services. They last as long as the test's process.
pub(crate) struct Aws {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Aws {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let log = Arc::clone(&log);
                // Who asked may have gone.
                thread::spawn(move || drop(serve(&stream.unwrap(), &log)));
            }
        });
        Self { url, asked }
    }

    /// Everything that was asked, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// What KMS was asked.
    pub(crate) fn kms(&self) -> Vec<Asked> {
        let mut asked = self.asked();
        asked.retain(Asked::is_kms);
        asked
    }
}

fn serve(stream: &TcpStream, log: &Mutex<Vec<Asked>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(asked) = request(&mut reader)? {
        let (status, kind, body) = answer(&asked);
        log.lock().unwrap().push(asked);
        let length = body.len();
        let mut stream = stream;
        write!(
            stream,
            "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\nx-aws-ec2-metadata-token-ttl-seconds: 21600\r\ncontent-length: {length}\r\n\r\n{body}"
        )?;
    }
    Ok(())
}

fn request(reader: &mut impl BufRead) -> std::io::Result<Option<Asked>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ');
    let mut word = || words.next().unwrap_or_default().to_owned();
    let (method, path) = (word(), word());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length");
    let mut body = vec![0; length.map_or(0, |text| text.parse().unwrap())];
    reader.read_exact(&mut body)?;
    Ok(Some(Asked {
        method,
        path,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    }))
}

/// Status, content type, body.
fn answer(asked: &Asked) -> (u16, &'static str, String) {
    let credentials = "/latest/meta-data/iam/security-credentials";
    if asked.method == "PUT" && asked.path == "/latest/api/token" {
        let fine = !asked
            .header("x-aws-ec2-metadata-token-ttl-seconds")
            .is_empty();
        let status = if fine { 200 } else { 400 };
        return (status, "text/plain", TOKEN.to_owned());
    }
    if asked.path.starts_with("/latest/") {
        if asked.header("x-aws-ec2-metadata-token") != TOKEN {
            return (401, "text/plain", String::new());
        }
        return match asked.path.strip_prefix(credentials) {
            Some("" | "/") => (200, "text/plain", ROLE.to_owned()),
            Some(path) if path == format!("/{ROLE}") => (200, "application/json", instance()),
            Some(_) | None => (404, "text/plain", String::new()),
        };
    }
    if asked.is_kms() {
        // `AQID` are three bytes.
        return (
            200,
            "application/x-amz-json-1.1",
            r#"{"KeyId":"k","CiphertextForRecipient":"AQID","KeyAgreementAlgorithm":"ECDH"}"#
                .to_owned(),
        );
    }
    let of = |action: &str| {
        asked
            .body
            .split('&')
            .any(|part| part == format!("Action={action}"))
    };
    if of("AssumeRole") {
        return (200, "text/xml", session("AssumeRole", "ASIAASSUMED"));
    }
    if of("AssumeRoleWithWebIdentity") && asked.body.contains("WebIdentityToken=the-web-identity") {
        return (
            200,
            "text/xml",
            session("AssumeRoleWithWebIdentity", "ASIAWEB"),
        );
    }
    (404, "text/plain", String::new())
}

/// The instance's role, as metadata shows it.
fn instance() -> String {
    r#"{"Code":"Success","LastUpdated":"2026-01-01T00:00:00Z","Type":"AWS-HMAC","AccessKeyId":"ASIAINSTANCE",
        "SecretAccessKey":"secret of the instance","Token":"session of ASIAINSTANCE","Expiration":"2999-01-01T00:00:00Z"}"#
        .to_owned()
}

/// A session, as STS answers.
fn session(action: &str, id: &str) -> String {
    format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>\
         <AssumedRoleUser><Arn>arn:aws:sts::111122223333:assumed-role/r/s</Arn><AssumedRoleId>A:s</AssumedRoleId></AssumedRoleUser>\
         <Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>secret of {id}</SecretAccessKey>\
         <SessionToken>session of {id}</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration></Credentials>\
         </{action}Result></{action}Response>"
    )
}
