//! Routes of HTTP endpoints: where, how, and with what.

use super::{MAX_CLAIM, charge};
use crate::{
    call::http::{
        DEFAULT_PORT, is_form_text, is_header_name, is_host, is_method, is_refused_header, segment,
    },
    catalog::{BodyRule, DIRECTORY, HttpRoute, Media, Members, Segment, WimseRoute},
    codec::json::{Object, Place, Value, is_pointer},
    effect::Verb,
    grant::{parse as grant, profile},
    owner::{Error, read},
};
use std::collections::BTreeSet;

/// Longest path template in bytes.
pub(super) const MAX_TEMPLATE: usize = 2048;
/// Longest name of a parameter, member or pointer in bytes.
pub(super) const MAX_MEMBER: usize = 256;
/// Members of one list at most.
pub(super) const MAX_MEMBERS: usize = 256;
/// Methods of one route at most.
pub(super) const MAX_METHODS: usize = 16;

/// Host, port, path and methods, and nothing else of a request: no query, no header field, no body.
pub(super) fn bare(object: &mut Object<'_>) -> Result<HttpRoute, Error> {
    let (host, port) = host_and_port(object)?;
    let (template, path) = path(&object.required("path")?)?;
    Ok(HttpRoute {
        host,
        port,
        path,
        template,
        methods: methods(object, false)?,
        verb: None,
        query: Members::Listed(Vec::new()),
        headers: Members::Listed(Vec::new()),
        body: None,
        charge: Vec::new(),
        replayable: false,
        probe: false,
        mints: false,
        directory: false,
        wimse: None,
    })
}

/// The key directory of an origin (draft-ietf-webbotauth-httpsig-protocol §8.1): its path and method are the draft's.
fn directory(object: &mut Object<'_>) -> Result<HttpRoute, Error> {
    let (host, port) = host_and_port(object)?;
    let path = DIRECTORY.trim_start_matches('/').split('/');
    Ok(HttpRoute {
        host,
        port,
        path: path.map(|part| Segment::Literal(part.to_owned())).collect(),
        template: DIRECTORY.to_owned(),
        methods: vec!["GET".to_owned()],
        // It proves whose key it is; it reads nothing.
        verb: Some(grant::verb(object)?.unwrap_or(Verb::Write)),
        query: Members::Listed(Vec::new()),
        headers: Members::Listed(Vec::new()),
        body: None,
        charge: Vec::new(),
        replayable: false,
        probe: false,
        mints: false,
        directory: true,
        wimse: None,
    })
}

fn host_and_port(object: &mut Object<'_>) -> Result<(String, u16), Error> {
    let place = object.required("host")?;
    let host = read::text(&place, "a host in lower case, exact, without port", is_host)?;
    let port = match object.optional("port") {
        Some(place) => port(&place)?,
        None => DEFAULT_PORT,
    };
    Ok((host, port))
}

/// A route of kind `http`: requests to an endpoint, those between workloads among them, or a key directory.
pub(super) fn of_kind(object: &mut Object<'_>) -> Result<HttpRoute, Error> {
    if read::flag(object, "directory")? {
        return directory(object);
    }
    let wimse = match object.optional("profile") {
        Some(place) => Some(Box::new(wimse(&place, object)?)),
        None => None,
    };
    let probe = object.optional("probe");
    let route = route(object)?;
    match probe.filter(|_| route.probe && wimse.is_some()) {
        Some(place) => Err(Error::invalid(&place, "false: a probe would need a token")),
        None => Ok(HttpRoute { wimse, ..route }),
    }
}

/// What only a profile that the route names says; every other profile is the grant's alone.
fn wimse(profile: &Place<'_>, object: &mut Object<'_>) -> Result<WimseRoute, Error> {
    if profile.str()? != profile::WIMSE {
        let expected = "\"wimse\", or no such member: other profiles are the grant's";
        return Err(Error::unsupported(profile, expected));
    }
    let named = object.optional("audience");
    Ok(WimseRoute {
        audience: named.map(|place| audience(&place)).transpose()?,
        subject: workload(&object.required("subject")?)?,
        sign_response: read::flag(object, "sign_response")?,
    })
}

/// Whom a workload's proof is for: a URI, or any word that needs no quoting.
pub(super) fn audience(place: &Place<'_>) -> Result<String, Error> {
    read::text(place, "1 to 512 visible ASCII characters", is_visible)
}

/// Whose token may be shown.
pub(super) fn workload(place: &Place<'_>) -> Result<String, Error> {
    let expected = "a workload's URI, as wimse://example.com/billing";
    read::text(place, expected, is_workload)
}

fn is_visible(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_CLAIM && text.bytes().all(|b| b.is_ascii_graphic())
}

/// A URI whose authority is the trust domain, without query and fragment (draft-ietf-wimse-identifier; SPIFFE-ID §2).
fn is_workload(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let (domain, path) = rest.split_once('/').unwrap_or((rest, "-"));
    let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b);
    let starts = scheme
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_lowercase());
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:@/".contains(&b);
    let named = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b);
    let fine = !domain.is_empty() && domain.bytes().all(named) && !path.is_empty();
    starts && scheme.bytes().all(letters) && fine && path.bytes().all(plain) && is_visible(text)
}

/// Requests to an endpoint, whatever signs them.
pub(super) fn route(object: &mut Object<'_>) -> Result<HttpRoute, Error> {
    let (host, port) = host_and_port(object)?;
    let (template, path) = path(&object.required("path")?)?;
    let query = members(object, "query", is_query_name)?;
    let headers = members(object, "headers", |text| {
        is_header_name(text) && !is_refused_header(text)
    })?;
    let (body, charge) = body_and_charge(object, &path, &query, &headers)?;
    Ok(HttpRoute {
        host,
        port,
        path,
        template,
        methods: methods(object, body.is_some())?,
        verb: grant::verb(object)?,
        query,
        headers,
        body,
        charge,
        replayable: read::flag(object, "replayable")?,
        probe: read::flag(object, "probe")?,
        mints: read::flag(object, "mints")?,
        directory: false,
        wimse: None,
    })
}

/// Same host, port and shape of the path, and a method in common.
pub(super) fn is_same_matcher(a: &HttpRoute, b: &HttpRoute) -> bool {
    let same = |pair: (&Segment, &Segment)| match pair {
        (Segment::Literal(a), Segment::Literal(b)) => a == b,
        (Segment::Parameter(_), Segment::Parameter(_)) => true,
        (Segment::Literal(_), Segment::Parameter(_))
        | (Segment::Parameter(_), Segment::Literal(_)) => false,
    };
    a.host == b.host
        && a.port == b.port
        && a.path.len() == b.path.len()
        && a.path.iter().zip(&b.path).all(same)
        && a.methods.iter().any(|method| b.methods.contains(method))
}

fn port(place: &Place<'_>) -> Result<u16, Error> {
    match u16::try_from(place.u64()?) {
        Ok(port) if port > 0 => Ok(port),
        Ok(_) | Err(_) => Err(Error::invalid(place, "a port from 1 to 65535")),
    }
}

fn path(place: &Place<'_>) -> Result<(String, Vec<Segment>), Error> {
    let expected = "a path in normal form; a segment is text or one {name}, each name once";
    let template = place.str()?;
    let segments = segments(template).ok_or_else(|| Error::invalid(place, expected))?;
    Ok((template.to_owned(), segments))
}

fn segments(template: &str) -> Option<Vec<Segment>> {
    let rest = template.strip_prefix('/')?;
    if rest.is_empty() {
        return Some(Vec::new());
    }
    if template.len() > MAX_TEMPLATE {
        return None;
    }
    let mut names = BTreeSet::new();
    let mut segment_of = |text: &str| match text.strip_prefix('{') {
        Some(rest) => {
            let name = rest.strip_suffix('}').filter(|name| is_parameter(name))?;
            let new = names.insert(name.to_owned());
            new.then(|| Segment::Parameter(name.to_owned()))
        }
        None => segment(text).map(|_| Segment::Literal(text.to_owned())),
    };
    rest.split('/').map(&mut segment_of).collect()
}

fn is_parameter(text: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
    !text.is_empty() && text.len() <= 64 && text.bytes().all(fine)
}

fn methods(object: &mut Object<'_>, has_body: bool) -> Result<Vec<String>, Error> {
    let Some(place) = object.optional("methods") else {
        let default: &[&str] = if has_body {
            &["POST"]
        } else {
            &["GET", "HEAD"]
        };
        return Ok(default.iter().map(|word| (*word).to_owned()).collect());
    };
    let methods = read::each_once(&place, MAX_METHODS, |place| {
        read::text(place, "a method in upper case, as GET", is_method)
    })?;
    read::some(&place, methods)
}

/// `"any"`, a list, or nothing for an empty list.
fn members(
    object: &mut Object<'_>,
    name: &str,
    rule: impl Fn(&str) -> bool,
) -> Result<Members, Error> {
    match object.optional(name) {
        Some(place) => any_or_list(&place, rule),
        None => Ok(Members::Listed(Vec::new())),
    }
}

fn any_or_list(place: &Place<'_>, rule: impl Fn(&str) -> bool) -> Result<Members, Error> {
    if let Value::String(word) = place.value() {
        return if word == "any" {
            Ok(Members::Any)
        } else {
            Err(Error::invalid(place, "\"any\" or a list"))
        };
    }
    let list = read::each_once(place, MAX_MEMBERS, |place| {
        read::text(place, "a name that may stand here", |text| {
            text.len() <= MAX_MEMBER && rule(text)
        })
    })?;
    Ok(Members::Listed(list))
}

/// A decoded name that a query in normal form can spell.
fn is_query_name(text: &str) -> bool {
    let fine = |c: char| !c.is_control() && !matches!(c, '/' | '\\' | '%' | ';');
    !text.is_empty() && text.chars().all(fine)
}

pub(super) type Body = (Option<BodyRule>, Vec<crate::catalog::Extractor>);

pub(super) fn body_and_charge(
    object: &mut Object<'_>,
    path: &[Segment],
    query: &Members,
    headers: &Members,
) -> Result<Body, Error> {
    let place = object.optional("body");
    let stated = match object.optional("media") {
        Some(media) if place.is_none() => return Err(Error::invalid(&media, "a body beside it")),
        Some(media) => Some(stated_media(&media)?),
        None => None,
    };
    let charges = object.optional("charge");
    let extracted = match &charges {
        Some(place) => charge::media(place)?,
        None => None,
    };
    let body = match &place {
        Some(place) => Some(body(place, stated, extracted)?),
        None => None,
    };
    let Some(charges) = charges else {
        return Ok((body, Vec::new()));
    };
    if let (
        Some(place),
        Some(BodyRule {
            members: Members::Any,
            ..
        }),
    ) = (&place, &body)
    {
        return Err(Error::invalid(place, "a list, because this route charges"));
    }
    let surface = charge::Surface {
        path,
        query,
        headers,
        body: body.as_ref(),
    };
    let charge = charge::extractors(&charges, &surface)?;
    Ok((body, charge))
}

fn stated_media(place: &Place<'_>) -> Result<Media, Error> {
    match place.str()? {
        "form" => Ok(Media::Form),
        "json" => Ok(Media::Json),
        "opaque" => Ok(Media::Opaque),
        _ => Err(Error::invalid(place, "\"json\", \"form\" or \"opaque\"")),
    }
}

fn body(
    place: &Place<'_>,
    stated: Option<Media>,
    extracted: Option<Media>,
) -> Result<BodyRule, Error> {
    let word = place.value().as_str();
    let members = if word == Some("opaque") {
        Members::Listed(Vec::new())
    } else {
        any_or_list(place, |text| is_pointer(text) || is_form_name(text))?
    };
    let by_body = match &members {
        Members::Listed(_) if word == Some("opaque") => Some(Media::Opaque),
        Members::Listed(list) => media_of_list(place, list)?,
        Members::Any => None,
    };
    let media = agreed(place, [stated, extracted, by_body])?;
    match (media, members) {
        // Nothing is read from opaque bytes, so nothing of them can be listed.
        (Media::Opaque, _) => Ok(BodyRule {
            media,
            members: Members::Listed(Vec::new()),
        }),
        (Media::Json | Media::Form, members) => Ok(BodyRule { media, members }),
    }
}

/// JSON pointers begin with a slash, form names do not; a list is of one sort.
fn media_of_list(place: &Place<'_>, list: &[String]) -> Result<Option<Media>, Error> {
    let pointers = list.iter().filter(|name| name.starts_with('/')).count();
    match (pointers, list.len()) {
        (_, 0) => Ok(None),
        (0, _) => Ok(Some(Media::Form)),
        (some, all) if some == all => Ok(Some(Media::Json)),
        _ => Err(Error::invalid(
            place,
            "JSON pointers only, or form names only",
        )),
    }
}

fn is_form_name(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('/') && is_form_text(text)
}

fn agreed(place: &Place<'_>, said: [Option<Media>; 3]) -> Result<Media, Error> {
    let mut said = said.into_iter().flatten();
    let Some(media) = said.next() else {
        return Err(Error::invalid(
            place,
            "`media` beside it: json, form or opaque",
        ));
    };
    if said.all(|other| other == media) {
        Ok(media)
    } else {
        Err(Error::invalid(
            place,
            "one media type for body, media and charge",
        ))
    }
}

#[cfg(test)]
mod tests;
