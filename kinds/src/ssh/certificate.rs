//! User certificates: read, matched, built (OpenSSH `PROTOCOL.certkeys`).
//!
//! Every certificate is of type user, names at least one user, ends, and says nothing that its route does not. There is one
//! effect for each user. It does not know which hosts trust the key.

use super::{CERTIFY, PRINCIPALS_PARAM, PUBLIC_KEY_PARAM, Signing, TTL_PARAM};
use crate::{
    Moment,
    canonical::Canonical,
    moment::Span,
    routes::{Candidate, named, only_one},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_shared::{
    call::{
        SshCertificateInput,
        ssh::{BACK_S, MAX_PRINCIPALS, MAX_PUBLIC_KEY},
    },
    catalog::{Catalog, Route, SshCertificate, SshRoute},
    crypto::sha256,
    denial::{Code, Denial},
    effect::{Effect, Effects, Kind, Verb},
    grant::Grant,
    owner::{
        sshsig::PublicKey,
        sshwire::{Reader, put_string},
    },
    time::Millis,
};

/// `PROTOCOL.certkeys`: the types of certificates, by the type of key that is certified.
const TYPES: [(&str, &str); 2] = [
    ("ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com"),
    (
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    ),
];
/// `SSH_CERT_TYPE_USER`; a host's is 2.
const USER: u32 = 1;

/// A certificate to be issued.
#[derive(Debug, Clone)]
pub(super) struct Certificate {
    /// Its type.
    name: &'static str,
    /// The key that is certified.
    subject: PublicKey,
    principals: Vec<String>,
    ttl_s: Option<u64>,
    force_command: Option<String>,
    source_address: Vec<String>,
    extensions: Vec<String>,
    /// Agent and grant, behind the deployment.
    owner: String,
}

/// Reads and matches a call.
pub(super) fn parse(
    input: &SshCertificateInput,
    catalog: &Catalog,
    grant: &Grant,
) -> Result<(Certificate, Effects), Denial> {
    let (name, subject) = subject(&input.public_key)?;
    let wanted = principals(&input.principals)?;
    let found = find(wanted, catalog, grant)?;
    let route = found.route;
    let max_lifetime = lifetime(input.ttl_s, route, grant)?;
    let effect = |principal: &String| Effect {
        kind: Kind::Ssh,
        verb: found.verb,
        resource: found.resource.clone(),
        route: found.number,
        destination: principal.clone(),
        method: CERTIFY.to_owned(),
        path_template: String::new(),
        parameters: vec![("ssh.principal".to_owned(), principal.clone())],
        mints: false,
        identity_only: true,
        charges: Vec::new(),
        max_lifetime,
        fixed: false,
        ends_at: None,
        signer: None,
        token: None,
        nonce: None,
    };
    let mut effects = wanted.iter().map(effect);
    let none = || Denial::at(Code::InvalidRequest, PRINCIPALS_PARAM);
    let effects = Effects {
        first: effects.next().ok_or_else(none)?,
        rest: effects.collect(),
    };
    let one = Certificate {
        name,
        subject,
        principals: wanted.to_vec(),
        ttl_s: input.ttl_s,
        force_command: route.force_command.clone(),
        source_address: route.source_address.clone(),
        extensions: route.extensions.clone(),
        owner: format!("{}:{}", grant.agent, grant.id),
    };
    Ok((one, effects))
}

/// A software key, and what its certificate is called.
fn subject(line: &str) -> Result<(&'static str, PublicKey), Denial> {
    let malformed = || Denial::at(Code::InvalidRequest, PUBLIC_KEY_PARAM);
    if line.len() > MAX_PUBLIC_KEY {
        return Err(malformed());
    }
    let word = line.split(' ').next().unwrap_or_default();
    let (_, name) = TYPES
        .into_iter()
        .find(|(key, _)| *key == word)
        .ok_or_else(|| Denial::at(Code::Unsupported, PUBLIC_KEY_PARAM))?;
    let key = PublicKey::parse_line(line).map_err(|_| malformed())?;
    Ok((name, key))
}

/// At least one, each once; whether it is a name at all the route says.
fn principals(wanted: &[String]) -> Result<&[String], Denial> {
    let mut seen: Vec<&String> = Vec::new();
    let mut repeated = false;
    for one in wanted.iter().take(MAX_PRINCIPALS) {
        repeated |= seen.contains(&one);
        seen.push(one);
    }
    if repeated || wanted.is_empty() || wanted.len() > MAX_PRINCIPALS {
        return Err(Denial::at(Code::InvalidRequest, PRINCIPALS_PARAM));
    }
    Ok(wanted)
}

/// The one route that names every user.
fn find<'a>(
    wanted: &[String],
    catalog: &'a Catalog,
    grant: &'a Grant,
) -> Result<Candidate<'a, SshCertificate>, Denial> {
    let matching = named(catalog, grant).filter_map(|(resource, number, route)| {
        let Route::Ssh(SshRoute::Certificate(route)) = route else {
            return None;
        };
        let all = wanted.iter().all(|one| route.principals.contains(one));
        all.then_some(Candidate {
            resource,
            number,
            verb: Verb::Write,
            route,
        })
    });
    let none = Denial::at(Code::DestinationDenied, PRINCIPALS_PARAM);
    only_one(matching.collect(), grant, none, PRINCIPALS_PARAM)
}

/// What the call says, or the grant, or the route.
fn lifetime(ttl_s: Option<u64>, route: &SshCertificate, grant: &Grant) -> Result<Millis, Denial> {
    let rule = grant.credentials.get(&Kind::Ssh).and_then(|rule| rule.ttl);
    let longest = rule.map_or(route.ttl, |ttl| ttl.min(route.ttl));
    match ttl_s.map(Millis::from_secs) {
        None => Ok(longest),
        Some(Millis(0)) => Err(Denial::at(Code::InvalidRequest, TTL_PARAM)),
        Some(wanted) if wanted > longest => Err(Denial::at(Code::Outliving, TTL_PARAM)),
        Some(wanted) => Ok(wanted),
    }
}

impl Certificate {
    pub(super) fn canonical(&self, parts: Canonical) -> Canonical {
        let ttl = self.ttl_s.map(u64::to_be_bytes);
        let parts = parts
            .part(b"certificate")
            .part(&self.subject.blob)
            .optional(ttl.as_ref().map(<[u8; 8]>::as_slice))
            .count(self.principals.len());
        let each = self.principals.iter();
        each.fold(parts, |parts, one| parts.part(one.as_bytes()))
    }

    /// All of it but the signature.
    pub(super) fn message(
        &self,
        key: &PublicKey,
        deployment: &str,
        span: Span,
        moment: &Moment,
    ) -> Result<Vec<u8>, Denial> {
        let wrong = || Denial::at(Code::InvalidRequest, PUBLIC_KEY_PARAM);
        if key.blob == self.subject.blob {
            return Err(wrong());
        }
        let mut subject = Reader::new(&self.subject.blob);
        subject.string().map_err(|_| wrong())?;
        let mut out = Vec::with_capacity(1024);
        put_string(&mut out, self.name.as_bytes());
        put_string(&mut out, &sha256(&[&moment.nonce]).0);
        out.extend_from_slice(subject.rest());
        out.extend_from_slice(&serial(moment).to_be_bytes());
        out.extend_from_slice(&USER.to_be_bytes());
        put_string(&mut out, self.key_id(deployment).as_bytes());
        put_string(&mut out, &list(&self.principals));
        out.extend_from_slice(&span.from.saturating_sub(BACK_S).to_be_bytes());
        out.extend_from_slice(&span.to.to_be_bytes());
        put_string(&mut out, &self.critical());
        put_string(&mut out, &self.permitted());
        put_string(&mut out, b"");
        put_string(&mut out, &key.blob);
        Ok(out)
    }

    /// For sshd's log: who had it made.
    fn key_id(&self, deployment: &str) -> String {
        format!("{deployment}:{}", self.owner)
    }

    /// `force-command`, then `source-address`: names in their order, each value in a string of its own.
    fn critical(&self) -> Vec<u8> {
        let sources = (!self.source_address.is_empty()).then(|| self.source_address.join(","));
        let options = [
            ("force-command", &self.force_command),
            ("source-address", &sources),
        ];
        let mut out = Vec::new();
        for (name, value) in options {
            let Some(value) = value else { continue };
            let mut inner = Vec::new();
            put_string(&mut inner, value.as_bytes());
            put_string(&mut out, name.as_bytes());
            put_string(&mut out, &inner);
        }
        out
    }

    fn permitted(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for name in &self.extensions {
            put_string(&mut out, name.as_bytes());
            put_string(&mut out, b"");
        }
        out
    }

    /// The line of a `-cert.pub` file.
    pub(super) fn line(&self, signing: &Signing, raw: &[u8; 64]) -> Result<String, Denial> {
        let signature = signing.key.signature(raw).ok_or(Code::KeyDenied)?;
        let mut out = signing.message.clone();
        put_string(&mut out, &signature);
        let encoded = STANDARD.encode(out);
        Ok(format!("{} {encoded} {}", self.name, self.owner))
    }
}

/// Never 0, which is what certificates without a serial number say.
fn serial(moment: &Moment) -> u64 {
    let [
        first,
        second,
        third,
        fourth,
        fifth,
        sixth,
        seventh,
        eighth,
        ..,
    ] = moment.nonce;
    u64::from_be_bytes([first, second, third, fourth, fifth, sixth, seventh, eighth]).max(1)
}

/// Strings in a row, which is a list of names.
fn list(names: &[String]) -> Vec<u8> {
    let mut out = Vec::new();
    for name in names {
        put_string(&mut out, name.as_bytes());
    }
    out
}
