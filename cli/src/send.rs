//! Sending a call with its credential, for `claviger curl` and `claviger test`.
//!
//! A request goes to the very URL that was signed, once: redirects are shown, never followed, and nothing is tried again, since
//! the credential is for that one call. Answers are the destination's word and are read within limits.

use crate::Error;
use claviger_client::web;
use claviger_shared::call::HttpInput;
use reqwest::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use std::{net::SocketAddr, path::Path, time::Duration};

/// Where a destination is, and whom to trust there, beside what this machine says.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    /// PEM file of more root certificates.
    pub cacert: Option<&'a Path>,
    /// Addresses of host names, as `curl --resolve` takes them: `HOST:PORT:ADDRESS`.
    pub resolve: &'a [String],
    /// How long a whole call may take.
    pub patience: Duration,
}

/// Sends calls.
#[derive(Debug)]
pub struct Sender(reqwest::Client);

/// What a destination answered.
#[derive(Debug)]
pub struct Answer(reqwest::Response);

impl Sender {
    /// A sender.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] or [`Error::Usage`] for a file without certificates or a `--resolve` of another form.
    pub fn new(place: &Place<'_>) -> Result<Self, Error> {
        let roots = place.cacert.map(certificates).transpose()?;
        let mut builder = web::builder(true, &roots.unwrap_or_default())?
            .redirect(Policy::none())
            .https_only(true)
            .timeout(place.patience);
        for text in place.resolve {
            let (host, address) = resolved(text)?;
            builder = builder.resolve(&host, address);
        }
        let client = builder.build();
        Ok(Self(
            client.map_err(|error| Error::Unavailable(error.to_string()))?,
        ))
    }

    /// Whether these can be header fields: asked before anything is charged.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] names the first that cannot.
    pub fn check(fields: &[(String, String)]) -> Result<(), Error> {
        fields
            .iter()
            .try_for_each(|(name, value)| field(name, value).map(drop))
    }

    /// Sends a request with the headers that were signed, those of its credential, and others that were not.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a header that is none; [`Error::Unavailable`] where the destination does not answer: the call is
    /// charged all the same.
    pub async fn send(
        &self,
        input: &HttpInput,
        credential: &[(String, String)],
        unsigned: &[(String, String)],
    ) -> Result<Answer, Error> {
        let method = Method::from_bytes(input.method.as_bytes());
        let method =
            method.map_err(|_| Error::Usage(format!("`{}` is not a method", input.method)))?;
        let all = input.headers.iter().chain(credential).chain(unsigned);
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            let (name, value) = field(name, value)?;
            headers.append(name, value);
        }
        let request = self.0.request(method, &input.url).headers(headers);
        let request = match &input.body {
            Some(body) => request.body(body.to_vec()),
            None => request,
        };
        let answer = request.send().await;
        answer.map(Answer).map_err(|error| fault(&error))
    }
}

impl Answer {
    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    /// Name and value of each header field; bytes that are no text are replaced.
    #[must_use]
    pub fn headers(&self) -> Vec<(String, String)> {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let fields = self.0.headers().iter();
        fields
            .map(|(name, value)| (name.as_str().to_owned(), text(value)))
            .collect()
    }

    /// The next part of the body; nothing at its end.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] where it breaks off.
    pub async fn part(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let part = self.0.chunk().await.map_err(|error| fault(&error))?;
        Ok(part.map(Vec::from))
    }
}

fn field(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Error> {
    let pair = HeaderName::try_from(name)
        .ok()
        .zip(HeaderValue::try_from(value).ok());
    pair.ok_or_else(|| Error::Usage(format!("`{name}` with this value is not a header field")))
}

fn fault(error: &reqwest::Error) -> Error {
    let what = if error.is_connect() {
        "cannot be connected to, or its certificate is not trusted"
    } else if error.is_timeout() {
        "did not answer in time"
    } else {
        "broke off"
    };
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    Error::Unavailable(format!(
        "the destination {what} ({cause}); the call is charged all the same"
    ))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let pem = std::fs::read(path).map_err(Error::io("cannot read the certificates", path))?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) | Err(_) => Err(Error::Usage(format!(
            "`{}` holds no certificate in PEM",
            path.display()
        ))),
    }
}

/// `HOST:PORT:ADDRESS`. The port of the address is that of the URL in any case; it is stated as curl's users know it.
fn resolved(text: &str) -> Result<(String, SocketAddr), Error> {
    let wrong = || Error::Usage(format!("--resolve `{text}`: expected HOST:PORT:ADDRESS"));
    let (host, rest) = text.split_once(':').ok_or_else(wrong)?;
    let (port, address) = rest.split_once(':').ok_or_else(wrong)?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    let address = address.trim_start_matches('[').trim_end_matches(']');
    let address = address.parse().map_err(|_| wrong())?;
    if host.is_empty() {
        return Err(wrong());
    }
    Ok((host.to_owned(), SocketAddr::new(address, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolve_takes_what_curl_takes() {
        let both = |text| resolved(text).unwrap();
        assert_eq!(
            both("a.example:443:127.0.0.1"),
            ("a.example".to_owned(), "127.0.0.1:443".parse().unwrap())
        );
        assert_eq!(both("a.example:1:[::1]").1, "[::1]:1".parse().unwrap());
        for text in ["", "a", "a:443", "a:x:127.0.0.1", ":1:127.0.0.1", "a:1:b"] {
            assert!(matches!(resolved(text), Err(Error::Usage(_))), "{text}");
        }
    }
}
