//! Which of a grant's routes a request is, or why it is none.
//!
//! A request that is none is refused for the route it came furthest with: host, port and path; then method; then
//! members; then the values that charges require. Of two equally far, the first by resource name and route number
//! speaks. What a charge reads never decides which route a request is.

use super::{charge, charge::Parts};
use crate::{
    routes::{Candidate, named, only_one},
    wit,
};
use claviger_shared::{
    call::http::{Headers, URL_PARAM, Url, segment},
    catalog::{Catalog, HttpRoute, Members, Route, Segment},
    denial::{Code, Denial},
    effect::Verb,
    grant::Grant,
};

const METHOD_PARAM: &str = "/method";
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// How far a request came with a route that it is not.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Far {
    Nowhere,
    Place,
    Method,
    Members,
}

/// The one route of a request, and the path's parameters by it.
///
/// # Errors
///
/// See the module's rule.
pub(crate) fn find<'a>(
    method: &str,
    parts: &Parts<'_>,
    catalog: &'a Catalog,
    grant: &'a Grant,
) -> Result<Candidate<'a, HttpRoute>, Denial> {
    let mut furthest = (Far::Nowhere, Denial::at(Code::DestinationDenied, URL_PARAM));
    let mut matching = Vec::new();
    for (resource, number, route) in named(catalog, grant) {
        let Route::Http(route) = route else { continue };
        match matches(route, method, parts) {
            Ok(()) => matching.push(Candidate {
                resource,
                number,
                verb: route.verb.unwrap_or_else(|| verb_of(method)),
                route,
            }),
            Err((far, denial)) if far > furthest.0 => furthest = (far, denial),
            Err(_) => {}
        }
    }
    only_one(matching, grant, furthest.1, URL_PARAM)
}

/// The path's parameters by a template that it matches: names and decoded segments.
pub(crate) fn path_parameters(template: &[Segment], url: &Url) -> Vec<(String, String)> {
    let pairs = template.iter().zip(&url.segments);
    pairs
        .filter_map(|(segment, value)| match segment {
            Segment::Literal(_) => None,
            Segment::Parameter(name) => Some((name.clone(), value.clone())),
        })
        .collect()
}

/// Whether the enclave binds a route's calls to an idempotency key.
pub(crate) const fn is_bound(route: &HttpRoute) -> bool {
    !route.charge.is_empty() && !route.replayable
}

pub(crate) fn matches(
    route: &HttpRoute,
    method: &str,
    parts: &Parts<'_>,
) -> Result<(), (Far, Denial)> {
    if !is_place(route, parts.url) {
        let denial = Denial::at(Code::DestinationDenied, URL_PARAM);
        return Err((Far::Nowhere, denial));
    }
    if !route.methods.iter().any(|listed| listed == method) {
        return Err((Far::Place, Denial::at(Code::MethodDenied, METHOD_PARAM)));
    }
    check_query(route, parts.url)
        .and_then(|()| check_headers(route, parts.headers))
        .and_then(|()| {
            let rule = route.body.as_ref();
            parts.content.check(rule, method, parts.headers)
        })
        .map_err(|denial| (Far::Method, denial))?;
    let media = charge::media(route.body.as_ref());
    charge::check_required(&route.charge, media, parts).map_err(|denial| (Far::Members, denial))
}

fn is_place(route: &HttpRoute, url: &Url) -> bool {
    let pairs = route.path.iter().zip(&url.segments);
    route.host == url.host
        && route.port == url.port
        && route.path.len() == url.segments.len()
        && pairs.into_iter().all(|(part, value)| match part {
            // A decoded segment has no `%`: one that decodes is a literal as written.
            Segment::Literal(literal) => {
                literal == value || segment(literal).is_some_and(|literal| literal == *value)
            }
            Segment::Parameter(_) => true,
        })
}

fn check_query(route: &HttpRoute, url: &Url) -> Result<(), Denial> {
    let unlisted = url
        .members
        .iter()
        .find(|(name, _)| !lists(&route.query, name));
    unlisted.map_or(Ok(()), |(name, _)| {
        Err(Denial::at(
            Code::UnlistedMember,
            format!("{URL_PARAM}?{name}"),
        ))
    })
}

fn check_headers(route: &HttpRoute, headers: &Headers) -> Result<(), Denial> {
    if is_bound(route) && headers.value(IDEMPOTENCY_KEY).is_some() {
        return Err(Denial::at(
            Code::InvalidRequest,
            Headers::param(IDEMPOTENCY_KEY),
        ));
    }
    // What describes the body is the body's rule's; the token between workloads is the profile's.
    let token = route.wimse.as_ref().map(|_| wit::FIELD);
    let ruled = |name| matches!(name, "content-type" | "content-encoding") || Some(name) == token;
    let unlisted = headers
        .iter()
        .find(|(name, _)| !ruled(*name) && !lists(&route.headers, name));
    unlisted.map_or(Ok(()), |(name, _)| {
        Err(Denial::at(Code::UnlistedMember, Headers::param(name)))
    })
}

fn lists(members: &Members, name: &str) -> bool {
    match members {
        Members::Any => true,
        Members::Listed(names) => names.iter().any(|listed| listed == name),
    }
}

/// What a method does, where the route does not say.
pub(crate) fn verb_of(method: &str) -> Verb {
    match method {
        "GET" | "HEAD" | "OPTIONS" => Verb::Read,
        "DELETE" => Verb::Delete,
        _ => Verb::Write,
    }
}
