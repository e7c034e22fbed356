//! Signatures over git's objects (OpenSSH `PROTOCOL.sshsig`, namespace `git`, SHA-512).
//!
//! The digest is made here, from bytes that were read: no call can bring one. It does not know which repository an object
//! is for: nothing in it says so.

use super::{
    NAMESPACE_PARAM, OBJECT_PARAM, Signing,
    git::{self, Object},
};
use crate::{
    canonical::Canonical,
    routes::{Candidate, named, only_one},
};
use claviger_shared::{
    call::{
        SshSignatureInput,
        ssh::{GIT, MAX_OBJECT},
    },
    catalog::{Catalog, Route, SshRoute, SshSignature},
    crypto::sha512,
    denial::{Code, Denial},
    effect::{Effect, Kind, Verb},
    grant::Grant,
    owner::sshsig,
    time::Millis,
};

/// An object to be signed, by its digest.
#[derive(Debug, Clone)]
pub(super) struct Signature {
    digest: [u8; 64],
}

/// How far a call comes with a route that does not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Far {
    Nowhere,
    Object,
}

/// Reads and matches a call.
pub(super) fn parse(
    input: &SshSignatureInput,
    catalog: &Catalog,
    grant: &Grant,
) -> Result<(Signature, Effect), Denial> {
    if input.namespace != GIT {
        return Err(Denial::at(Code::Unsupported, NAMESPACE_PARAM));
    }
    if input.object.len() > MAX_OBJECT {
        return Err(Denial::at(Code::InvalidRequest, OBJECT_PARAM));
    }
    let unreadable = |_| Denial::at(Code::UnparsableContent, OBJECT_PARAM);
    let object = git::read(&input.object).map_err(unreadable)?;
    let found = find(&object, catalog, grant)?;
    let people = object.people.iter();
    let people = people.map(|(role, who)| (format!("git.{role}"), (*who).to_owned()));
    let tag = object
        .tag
        .map(|name| ("git.tag".to_owned(), name.to_owned()));
    let effect = Effect {
        kind: Kind::Ssh,
        verb: found.verb,
        resource: found.resource.clone(),
        route: found.number,
        destination: GIT.to_owned(),
        method: object.of.method().to_owned(),
        path_template: String::new(),
        parameters: people.chain(tag).collect(),
        mints: false,
        identity_only: false,
        charges: Vec::new(),
        // Nothing ends a signature.
        max_lifetime: Millis::ENDLESS,
        fixed: true,
        ends_at: None,
        signer: None,
        token: None,
        nonce: None,
    };
    let one = Signature {
        digest: sha512(&[&input.object]),
    };
    Ok((one, effect))
}

fn find<'a>(
    object: &Object<'_>,
    catalog: &'a Catalog,
    grant: &'a Grant,
) -> Result<Candidate<'a, SshSignature>, Denial> {
    let mut furthest: Option<(Far, Denial)> = None;
    let mut matching = Vec::new();
    for (resource, number, route) in named(catalog, grant) {
        let Route::Ssh(SshRoute::Signature(route)) = route else {
            continue;
        };
        match matches(object, route) {
            Ok(()) => matching.push(Candidate {
                resource,
                number,
                verb: Verb::Write,
                route,
            }),
            Err(further) if furthest.as_ref().is_none_or(|known| further.0 > known.0) => {
                furthest = Some(further);
            }
            Err(_) => {}
        }
    }
    let none = furthest.map_or_else(
        || Denial::at(Code::DestinationDenied, NAMESPACE_PARAM),
        |(_, denial)| denial,
    );
    only_one(matching, grant, none, OBJECT_PARAM)
}

fn matches(object: &Object<'_>, route: &SshSignature) -> Result<(), (Far, Denial)> {
    if !route.objects.contains(&object.of) {
        let denial = Denial::at(Code::MethodDenied, OBJECT_PARAM);
        return Err((Far::Nowhere, denial));
    }
    let listed = |who: &str| route.authors.is_empty() || route.authors.iter().any(|one| one == who);
    match object.people.iter().find(|(_, who)| !listed(who)) {
        None => Ok(()),
        Some((role, _)) => {
            let place = format!("{OBJECT_PARAM}/{role}");
            Err((Far::Object, Denial::at(Code::UnlistedMember, place)))
        }
    }
}

impl Signature {
    pub(super) fn canonical(&self, parts: Canonical) -> Canonical {
        parts
            .part(b"signature")
            .part(GIT.as_bytes())
            .part(&self.digest)
    }

    pub(super) fn message(&self) -> Vec<u8> {
        sshsig::signed_digest(GIT, &self.digest)
    }

    #[expect(clippy::unused_self, reason = "one of the two forms")]
    pub(super) fn armored(&self, signing: &Signing, raw: &[u8; 64]) -> String {
        sshsig::armor(&signing.key, GIT, raw)
    }
}
