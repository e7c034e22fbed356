//! Messages of the ssh-agent protocol (RFC 9987 §5): a length, a type, what belongs to it.
//!
//! Nothing is read beyond [`MAX_MESSAGE`]; a message with anything left over is malformed. It knows no key.

use claviger_shared::owner::sshwire::{BadWire, Reader, put_string};
use std::{io, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};

/// Longest message in bytes, its type included; what stock programs send is far shorter.
pub const MAX_MESSAGE: usize = 64 * 1024;

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
/// RFC 4252 §7, and host-bound public key authentication of OpenSSH's `PROTOCOL`: what is signed to log in.
const USERAUTH_REQUEST: u8 = 50;
const METHODS: [&[u8]; 2] = [b"publickey", b"publickey-hostbound-v00@openssh.com"];

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Every key.
    Identities,
    /// A signature.
    Sign {
        /// The key's blob.
        key: &'a [u8],
        /// What is to be signed.
        data: &'a [u8],
    },
    /// Anything else: keys are neither added nor taken away, nothing is locked, there are no extensions.
    Other,
}

impl<'a> Request<'a> {
    /// Nothing for a message that is malformed.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        match reader.byte().ok()? {
            REQUEST_IDENTITIES => reader.finish().ok().map(|()| Self::Identities),
            SIGN_REQUEST => {
                let (key, data) = (reader.string().ok()?, reader.string().ok()?);
                // Flags choose among RSA's hashes alone (RFC 9987 §5.6.1).
                reader.u32().ok()?;
                reader.finish().ok()?;
                Some(Self::Sign { key, data })
            }
            _ => Some(Self::Other),
        }
    }
}

/// What is answered; nothing is a failure.
pub(super) enum Answer {
    /// Key blobs and their comments.
    Identities(Vec<(Vec<u8>, String)>),
    /// A signature as SSH writes it.
    Signature(Vec<u8>),
}

fn written(answer: Option<Answer>) -> Vec<u8> {
    let mut out = Vec::new();
    match answer {
        None => out.push(FAILURE),
        Some(Answer::Identities(all)) => {
            out.push(IDENTITIES_ANSWER);
            let count = u32::try_from(all.len()).unwrap_or(u32::MAX);
            out.extend_from_slice(&count.to_be_bytes());
            for (blob, comment) in all {
                put_string(&mut out, &blob);
                put_string(&mut out, comment.as_bytes());
            }
        }
        Some(Answer::Signature(signature)) => {
            out.push(SIGN_RESPONSE);
            put_string(&mut out, &signature);
        }
    }
    out
}

/// One message; nothing when the peer has gone, or has sent none for long.
pub(super) async fn read(
    peer: &mut UnixStream,
    idle: Duration,
    rest: Duration,
) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0; 4];
    match timeout(idle, peer.read_exact(&mut head)).await {
        Ok(Ok(_)) => {}
        Ok(Err(_)) | Err(_) => return Ok(None),
    }
    let length = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
    if length == 0 || length > MAX_MESSAGE {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length];
    timeout(rest, peer.read_exact(&mut bytes)).await??;
    Ok(Some(bytes))
}

/// One answer.
pub(super) async fn write(
    peer: &mut UnixStream,
    answer: Option<Answer>,
    within: Duration,
) -> io::Result<()> {
    let mut out = Vec::new();
    put_string(&mut out, &written(answer));
    timeout(within, peer.write_all(&out)).await?
}

/// Whether bytes are what is signed to log in with this very key, and nothing else.
#[must_use]
pub fn is_login(data: &[u8], key: &[u8], algorithm: &[u8]) -> bool {
    let read = || -> Result<bool, BadWire> {
        let mut reader = Reader::new(data);
        let session = reader.string()?;
        let kind = reader.byte()?;
        let (_user, service) = (reader.string()?, reader.string()?);
        let method = reader.string()?;
        let signed = reader.byte()?;
        let (named, blob) = (reader.string()?, reader.string()?);
        if Some(&method) == METHODS.get(1) {
            // The host's key.
            reader.string()?;
        }
        reader.finish()?;
        let login = !session.is_empty()
            && kind == USERAUTH_REQUEST
            && service == b"ssh-connection"
            && METHODS.contains(&method)
            && signed == 1;
        Ok(login && named == algorithm && blob == key)
    };
    read().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(parts: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for part in parts {
            put_string(&mut out, part);
        }
        out
    }

    #[test]
    fn requests_are_whole_or_malformed() {
        assert_eq!(Request::parse(&[11]), Some(Request::Identities));
        assert_eq!(Request::parse(&[11, 0]), None);
        assert_eq!(Request::parse(&[]), None);
        let sign = [&[13][..], &strings(&[b"k", b"d"]), &[0, 0, 0, 2]].concat();
        let wanted = Request::Sign {
            key: b"k",
            data: b"d",
        };
        assert_eq!(Request::parse(&sign), Some(wanted));
        for length in 1..sign.len() {
            assert_eq!(Request::parse(&sign[..length]), None, "{length}");
        }
        assert_eq!(Request::parse(&[&sign[..], &[0]].concat()), None);
        // Add, remove, lock, smartcards, extensions.
        for other in [17, 18, 19, 20, 21, 22, 23, 25, 26, 27, 0, 255] {
            assert_eq!(Request::parse(&[other, 1, 2]), Some(Request::Other));
        }
    }

    #[test]
    fn answers_are_as_the_protocol_has_them() {
        assert_eq!(written(None), [5]);
        let signature = written(Some(Answer::Signature(b"s".to_vec())));
        assert_eq!(signature, [14, 0, 0, 0, 1, b's']);
        let all = written(Some(Answer::Identities(vec![(b"k".to_vec(), "c".into())])));
        assert_eq!(all, [12, 0, 0, 0, 1, 0, 0, 0, 1, b'k', 0, 0, 0, 1, b'c']);
    }

    #[tokio::test]
    async fn a_message_over_the_limit_is_not_read() {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        let second = Duration::from_secs(5);
        let writer = async {
            let longest = u32::try_from(MAX_MESSAGE).unwrap();
            there.write_all(&longest.to_be_bytes()).await.unwrap();
            there.write_all(&vec![11; MAX_MESSAGE]).await.unwrap();
            there.write_all(&(longest + 1).to_be_bytes()).await.unwrap();
        };
        let reader = async {
            let bytes = read(&mut here, second, second).await.unwrap().unwrap();
            assert_eq!(bytes.len(), MAX_MESSAGE);
            read(&mut here, second, second).await.unwrap_err();
        };
        tokio::join!(writer, reader);
        let zero = there.write_all(&[0; 4]);
        zero.await.unwrap();
        read(&mut here, second, second).await.unwrap_err();
    }

    #[test]
    fn a_login_is_for_the_key_that_signs_it() {
        let data =
            |kind: u8, service: &[u8], method: &[u8], signed: u8, blob: &[u8], more: &[u8]| {
                [
                    strings(&[b"session"]),
                    vec![kind],
                    strings(&[b"deploy", service, method]),
                    vec![signed],
                    strings(&[b"alg", blob]),
                    more.to_vec(),
                ]
                .concat()
            };
        let service = b"ssh-connection";
        let good = data(50, service, b"publickey", 1, b"key", &[]);
        assert!(is_login(&good, b"key", b"alg"));
        let bound = data(50, service, METHODS[1], 1, b"key", &strings(&[b"host"]));
        assert!(is_login(&bound, b"key", b"alg"));
        assert!(!is_login(&good, b"other", b"alg") && !is_login(&good, b"key", b"rsa"));
        for bad in [
            data(51, service, b"publickey", 1, b"key", &[]),
            data(50, b"ssh-userauth", b"publickey", 1, b"key", &[]),
            data(50, service, b"password", 1, b"key", &[]),
            data(50, service, b"publickey", 0, b"key", &[]),
            data(50, service, b"publickey", 1, b"key", &[0]),
            data(50, service, METHODS[1], 1, b"key", &[]),
            b"SSHSIG".to_vec(),
            Vec::new(),
        ] {
            assert!(!is_login(&bad, b"key", b"alg"));
        }
    }
}
