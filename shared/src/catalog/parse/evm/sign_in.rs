//! Routes of sign-in texts (EIP-4361): who asks, what for, and which sentences may stand in them.

use crate::{
    catalog::SignIn,
    codec::json::{Object, Place},
    effect::Verb,
    owner::{Error, read},
};

/// Longest domain, URI, statement or resource in bytes.
const MAX_TEXT: usize = 1024;
/// Statements or resources of one route at most.
const MAX_TEXTS: usize = 64;

pub(super) fn sign_in(place: &Place<'_>, verb: Option<Verb>) -> Result<SignIn, Error> {
    let mut object = place.object()?;
    let expected = "an authority in lower case: a host, and a port where it is not 443";
    let domain = read::text(&object.required("domain")?, expected, is_authority)?;
    let prefix = format!("https://{domain}");
    let under = |text: &str| {
        let rest = text.strip_prefix(&prefix);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?'])) && is_line(text)
    };
    let expected = "an https URI of the domain";
    let sign_in = SignIn {
        uri: read::text(&object.required("uri")?, expected, under)?,
        statements: texts(&mut object, "statements")?,
        resources: texts(&mut object, "resources")?,
        verb: verb.unwrap_or(Verb::Write),
        domain,
    };
    object.finish()?;
    Ok(sign_in)
}

/// Lists of lines; absent means none.
fn texts(object: &mut Object<'_>, name: &str) -> Result<Vec<String>, Error> {
    let Some(place) = object.optional(name) else {
        return Ok(Vec::new());
    };
    let expected = "a line of printable ASCII";
    let list = read::each_once(&place, MAX_TEXTS, |place| {
        read::text(place, expected, is_line)
    })?;
    read::some(&place, list)
}

fn is_line(text: &str) -> bool {
    let fine = |b: u8| b == b' ' || b.is_ascii_graphic();
    !text.is_empty() && text.len() <= MAX_TEXT && text.bytes().all(fine)
}

/// RFC 3986 §3.2 without user information, in one spelling.
fn is_authority(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, ""));
    let number = port.parse::<u16>().ok().filter(|n| *n != 0 && *n != 443);
    let fine = match text.split_once(':') {
        None => true,
        Some(_) => number.is_some_and(|number| number.to_string() == port),
    };
    fine && crate::call::http::is_host(host)
}
