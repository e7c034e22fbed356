//! Routes of SSH: which certificates, or signatures over what.

use crate::{
    call::ssh::{
        EXTENSIONS, GIT, MAX_LIFETIME, ObjectType, is_command, is_identity, is_principal, is_source,
    },
    catalog::{SshCertificate, SshRoute, SshSignature},
    codec::json::{Object, Place},
    owner::{Error, read},
    time::Millis,
};

/// Users, addresses, or people of one route at most.
const MAX_NAMES: usize = 64;

pub(super) fn route(object: &mut Object<'_>) -> Result<SshRoute, Error> {
    let form = object.required("form")?;
    match form.str()? {
        "certificate" => certificate(object).map(SshRoute::Certificate),
        "signature" => signature(object).map(SshRoute::Signature),
        _ => Err(Error::unsupported(
            &form,
            "\"certificate\" or \"signature\"",
        )),
    }
}

/// A user in common; or a type of object in common that somebody may sign by either.
pub(super) fn is_same_matcher(a: &SshRoute, b: &SshRoute) -> bool {
    let common = |a: &[String], b: &[String]| a.iter().any(|one| b.contains(one));
    match (a, b) {
        (SshRoute::Certificate(a), SshRoute::Certificate(b)) => {
            common(&a.principals, &b.principals)
        }
        (SshRoute::Signature(a), SshRoute::Signature(b)) => {
            let anybody = a.authors.is_empty() || b.authors.is_empty();
            a.objects.iter().any(|one| b.objects.contains(one))
                && (anybody || common(&a.authors, &b.authors))
        }
        (SshRoute::Certificate(_), SshRoute::Signature(_))
        | (SshRoute::Signature(_), SshRoute::Certificate(_)) => false,
    }
}

fn certificate(object: &mut Object<'_>) -> Result<SshCertificate, Error> {
    let place = object.required("principals")?;
    let expected = "one user's name: at most 64 letters, digits or . _ - @ + : / =";
    let principals = texts(&place, expected, is_principal)?;
    let force_command = object.optional("force_command");
    let expected = "one command line of at most 1024 printable ASCII characters";
    let force_command = force_command
        .map(|place| read::text(&place, expected, is_command))
        .transpose()?;
    let expected =
        "an address or a prefix such as 10.20.0.0/16, in its one spelling, without bits after it";
    let source_address = object.optional("source_address");
    let source_address = source_address
        .map(|place| texts(&place, expected, is_source))
        .transpose()?;
    let expected = "an extension that OpenSSH knows, such as permit-pty";
    let extensions = object.optional("extensions");
    let named = extensions
        .map(|place| texts(&place, expected, |text| EXTENSIONS.contains(&text)))
        .transpose()?
        .unwrap_or_default();
    let extensions = EXTENSIONS.into_iter().map(str::to_owned);
    Ok(SshCertificate {
        principals,
        force_command,
        source_address: source_address.unwrap_or_default(),
        extensions: extensions.filter(|name| named.contains(name)).collect(),
        ttl: ttl(object)?,
    })
}

fn ttl(object: &mut Object<'_>) -> Result<Millis, Error> {
    let Some(place) = object.optional("ttl_s") else {
        return Ok(MAX_LIFETIME);
    };
    let ttl = Millis::from_secs(place.u64()?);
    if ttl.0 == 0 || ttl > MAX_LIFETIME {
        return Err(Error::invalid(&place, "1 to 300 seconds"));
    }
    Ok(ttl)
}

fn signature(object: &mut Object<'_>) -> Result<SshSignature, Error> {
    let place = object.required("namespace")?;
    if place.str()? != GIT {
        return Err(Error::unsupported(&place, "\"git\""));
    }
    let place = object.required("objects")?;
    let objects = read::each_once(&place, ObjectType::ALL.len(), |place| {
        ObjectType::parse(place.str()?)
            .ok_or_else(|| Error::unsupported(place, "\"commit\" or \"tag\""))
    })?;
    let authors = object.optional("authors");
    let expected = "a person as git writes one: Name <mail>";
    let authors = authors
        .map(|place| texts(&place, expected, is_identity))
        .transpose()?;
    Ok(SshSignature {
        objects: read::some(&place, objects)?,
        authors: authors.unwrap_or_default(),
    })
}

fn texts(
    place: &Place<'_>,
    expected: &'static str,
    rule: impl Fn(&str) -> bool,
) -> Result<Vec<String>, Error> {
    let all = read::each_once(place, MAX_NAMES, |place| read::text(place, expected, &rule))?;
    read::some(place, all)
}

#[cfg(test)]
mod tests;
