//! What the agent offers: certificates for its own key, and the enclave's key for git.
//!
//! The key is made when the agent starts, is in memory that is wiped, and signs logins with a certificate alone. A
//! certificate is offered until it ends; a fresh one is asked for when less than a third of it is left. Each costs the grant
//! a call.

use super::{
    Tell,
    message::{Answer, is_login},
    text::{self, Peer},
    whole,
};
use crate::{Error, sidecar::Asks};
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_shared::{
    call::{
        Ask, Input, Reach, Reply, Sign, SshCertificateInput, SshInput, SshSignatureInput, Whoami,
        ssh::{GIT, MAX_PRINCIPALS},
    },
    credential::{Credential, SshMade},
    effect::Kind,
    owner::{
        sshkey::Seed,
        sshsig::{self, PublicKey},
        sshwire::{Reader, put_string},
    },
};
use claviger_verify::ring_verifier::RingVerifier;
use ring::{
    rand::{SecureRandom, SystemRandom},
    signature::{Ed25519KeyPair, KeyPair},
};
use std::{sync::RwLock, time::Duration};
use tokio::{sync::Mutex, time::Instant};
use zeroize::Zeroizing;

/// How a route of certificates says what it makes.
const CERTIFY: &str = "certify";
/// How long what the grant reaches is taken for known.
const LOOK: Duration = Duration::from_secs(30);
/// Certificates offered at most: each is one more that a server may refuse, and servers count.
const MAX_OFFERS: usize = 4;

/// The agent's keys.
pub(super) struct Held {
    seed: Seed,
    public: PublicKey,
    /// One asks at a time.
    known: Mutex<Known>,
    /// What is offered, as it was last made.
    offers: RwLock<Vec<Offer>>,
    tell: Tell,
}

/// What the grant reaches, as it was last told.
#[derive(Default)]
struct Known {
    at: Option<Instant>,
    wanted: Vec<Wanted>,
    key: Option<PublicKey>,
}

/// A certificate to be had.
#[derive(Clone, PartialEq, Eq)]
struct Wanted {
    principals: Vec<String>,
}

/// A certificate that was had.
#[derive(Clone)]
struct Offer {
    wanted: Wanted,
    blob: Vec<u8>,
    comment: String,
    /// When a fresh one is asked for.
    renew_at: Instant,
    ends_at: Instant,
}

impl Held {
    /// Makes the key.
    pub(super) fn new(tell: Tell) -> Result<Self, Error> {
        let none = || Error::Unavailable("no randomness for an ssh key".to_owned());
        let mut bytes = Zeroizing::new([0_u8; 32]);
        let filled = SystemRandom::new().fill(bytes.as_mut());
        filled.map_err(|_| none())?;
        let seed = Seed::take(&mut bytes);
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|_| none())?;
        let point: &[u8; 32] = pair.public_key().as_ref().try_into().map_err(|_| none())?;
        Ok(Self {
            public: PublicKey::ed25519(point),
            seed,
            known: Mutex::default(),
            offers: RwLock::default(),
            tell,
        })
    }

    /// Every certificate, fresh where it is time, and the key for git.
    pub(super) async fn identities<A: Asks>(&self, agent: &A) -> Option<Answer> {
        self.identities_at(agent, Instant::now()).await
    }

    async fn identities_at<A: Asks>(&self, agent: &A, now: Instant) -> Option<Answer> {
        let mut known = self.known.lock().await;
        self.look(&mut known, agent, now).await;
        for wanted in &known.wanted {
            self.refresh(wanted, agent, now).await;
        }
        let mut offers = whole(self.offers.write());
        offers.retain(|offer| offer.ends_at > now);
        // Of two for the same users the fresher one.
        let fresh = known.wanted.iter().filter_map(|wanted| {
            let mut all = offers.iter().filter(|offer| offer.wanted == *wanted);
            all.next_back()
        });
        let certificates = fresh.map(|offer| (offer.blob.clone(), offer.comment.clone()));
        let key = known.key.as_ref();
        let key = key.map(|key| {
            (
                key.blob.clone(),
                "claviger: commits and tags of git".to_owned(),
            )
        });
        Some(Answer::Identities(certificates.chain(key).collect()))
    }

    /// Learns what the grant reaches, unless that is known.
    async fn look<A: Asks>(&self, known: &mut Known, agent: &A, now: Instant) {
        let fresh = |at: Instant| now.saturating_duration_since(at) < LOOK;
        if known.at.is_some_and(fresh) {
            return;
        }
        match agent.ask(Ask::Whoami).await.map(|answer| answer.reply) {
            Ok(Reply::Grant(own)) => {
                *known = Known {
                    at: Some(now),
                    wanted: wanted(&own),
                    key: key(&own),
                };
            }
            Ok(Reply::Denied(denial)) => {
                (self.tell)(&format!("ssh: denied: {}", denial.code.as_str()));
            }
            Ok(_) => (self.tell)("ssh: the answer is to another request"),
            Err(error) => (self.tell)(&format!("ssh: {error}")),
        }
    }

    /// Gets a certificate, unless one is fresh.
    async fn refresh<A: Asks>(&self, wanted: &Wanted, agent: &A, now: Instant) {
        let fresh = |offer: &Offer| offer.wanted == *wanted && offer.renew_at > now;
        if whole(self.offers.read()).iter().any(fresh) {
            return;
        }
        let input = SshCertificateInput {
            public_key: self.public.to_string(),
            principals: wanted.principals.clone(),
            ttl_s: None,
        };
        let Some((made, life)) = self.ask(agent, SshInput::Certificate(input)).await else {
            return;
        };
        let SshMade::Certificate(line) = made else {
            return (self.tell)("ssh: the answer holds no certificate");
        };
        let Some(blob) = certificate_blob(&line, &self.public) else {
            return (self.tell)("ssh: the certificate is for another key");
        };
        let offer = Offer {
            wanted: wanted.clone(),
            blob,
            comment: format!("claviger: {}", wanted.principals.join(",")),
            renew_at: now.checked_add(life * 2 / 3).unwrap_or(now),
            ends_at: now.checked_add(life).unwrap_or(now),
        };
        whole(self.offers.write()).push(offer);
    }

    /// What the enclave makes, and how long it lives.
    async fn ask<A: Asks>(&self, agent: &A, input: SshInput) -> Option<(SshMade, Duration)> {
        let sign = Sign {
            input: Input::Ssh(input),
            idempotency_key: None,
        };
        match agent.ask(Ask::Sign(sign)).await.map(|answer| answer.reply) {
            Ok(Reply::Issued(answer)) => {
                let issued = answer.issued;
                let life = Duration::from_secs(issued.replay.window_s);
                if let Some(Credential::Ssh { made }) = issued.credential {
                    return Some((made, life));
                }
                (self.tell)("ssh: the answer holds another credential");
            }
            Ok(Reply::Denied(denial)) => {
                let at = denial.param.as_deref().unwrap_or_default();
                let code = denial.code.as_str();
                (self.tell)(&format!("ssh: denied: {code} {at}; {}", denial.next()));
            }
            Ok(_) => (self.tell)("ssh: the answer is to another request"),
            Err(error) => (self.tell)(&format!("ssh: {error}")),
        }
        None
    }

    /// Signs a login with a certificate that is offered, or has the enclave sign an object of git.
    pub(super) async fn sign<A: Asks>(
        &self,
        agent: &A,
        (key, data): (&[u8], &[u8]),
        peer: Option<Peer>,
    ) -> Option<Answer> {
        self.sign_at(agent, (key, data), peer, Instant::now()).await
    }

    async fn sign_at<A: Asks>(
        &self,
        agent: &A,
        (key, data): (&[u8], &[u8]),
        peer: Option<Peer>,
        now: Instant,
    ) -> Option<Answer> {
        let offered = whole(self.offers.read())
            .iter()
            .any(|offer| offer.blob == key && offer.ends_at > now);
        if offered {
            return self.login(key, data).map(Answer::Signature);
        }
        let own = {
            let mut known = self.known.lock().await;
            self.look(&mut known, agent, now).await;
            known.key.clone()
        };
        let own = own.filter(|own| own.blob == key)?;
        self.object(agent, &own, data, peer)
            .await
            .map(Answer::Signature)
    }

    fn login(&self, key: &[u8], data: &[u8]) -> Option<Vec<u8>> {
        let algorithm = Reader::new(key).string().ok()?;
        if !is_login(data, key, algorithm) {
            (self.tell)("ssh: refused: a certificate's key signs logins alone");
            return None;
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(self.seed.expose()).ok()?;
        let signature = pair.sign(data);
        let raw = signature.as_ref().try_into().ok()?;
        self.public.signature(raw)
    }

    /// The enclave's signature over the very text that the digest is of.
    async fn object<A: Asks>(
        &self,
        agent: &A,
        own: &PublicKey,
        data: &[u8],
        peer: Option<Peer>,
    ) -> Option<Vec<u8>> {
        let refused = |why: &str| {
            (self.tell)(&format!("ssh: refused: {why}"));
        };
        let Some((namespace, hash, digest)) = sshsig::read_signed_data(data) else {
            refused("the enclave's key logs in nowhere; it signs commits and tags of git");
            return None;
        };
        if namespace != GIT.as_bytes() || hash != b"sha512" {
            refused("a signature is made in namespace git over SHA-512 alone");
            return None;
        }
        let (digest, peer) = (digest.to_vec(), peer?);
        let found = tokio::task::spawn_blocking(move || text::find(peer, &digest)).await;
        let Some(object) = found.ok().flatten() else {
            refused(
                "the text of the digest was not found: let git run stock `ssh-keygen -Y sign` beside this process, or sign \
                 the object's own bytes with `claviger sign ssh-sig FILE`",
            );
            return None;
        };
        let input = SshSignatureInput {
            namespace: GIT.to_owned(),
            object: object.clone().into(),
        };
        let (made, _) = self.ask(agent, SshInput::Signature(input)).await?;
        let SshMade::Signature(armored) = made else {
            refused("the answer holds no signature");
            return None;
        };
        let verified = sshsig::verify(&armored, GIT, &object, &RingVerifier);
        if verified.is_ok_and(|key| key == *own) {
            sshsig::inner_signature(&armored, own, GIT)
        } else {
            refused("the signature is not the key's over this text");
            None
        }
    }
}

/// The routes of certificates, each with all of its users that the grant leaves.
fn wanted(own: &Whoami) -> Vec<Wanted> {
    let certifies =
        |route: &&Reach| route.kind == Kind::Ssh && route.methods.iter().any(|one| one == CERTIFY);
    let routes = own.routes.iter().filter(certifies).map(|route| {
        let only = own.grant.only.get(&route.resource);
        let only = only.and_then(|only| only.get("ssh.principal"));
        let left = |one: &&str| only.is_none_or(|only| only.iter().any(|named| named == one));
        let principals = route.destination.split(' ').filter(left);
        Wanted {
            principals: principals.take(MAX_PRINCIPALS).map(str::to_owned).collect(),
        }
    });
    let some = routes.filter(|wanted| !wanted.principals.is_empty());
    some.take(MAX_OFFERS).collect()
}

/// The key for git, where the grant reaches a signature.
fn key(own: &Whoami) -> Option<PublicKey> {
    let signs = |route: &Reach| {
        let mut methods = route.methods.iter();
        route.kind == Kind::Ssh && methods.any(|one| one.starts_with("git:"))
    };
    let line = own.ssh_key.as_deref()?;
    let key = PublicKey::parse_line(line).ok()?;
    own.routes.iter().any(signs).then_some(key)
}

/// What stands in a certificate's line, if it is one for this key.
fn certificate_blob(line: &str, public: &PublicKey) -> Option<Vec<u8>> {
    let mut words = line.split(' ');
    let (name, encoded) = (words.next()?, words.next()?);
    let blob = STANDARD.decode(encoded).ok()?;
    let mut reader = Reader::new(&blob);
    let same = reader.string().ok()? == name.as_bytes();
    // The nonce, and then the key as it stands behind its own type.
    reader.string().ok()?;
    let mut own = Vec::new();
    put_string(&mut own, b"ssh-ed25519");
    put_string(&mut own, reader.string().ok()?);
    let certified = name == "ssh-ed25519-cert-v01@openssh.com" && own == public.blob;
    (same && certified).then_some(blob)
}

#[cfg(test)]
mod tests;
