//! Which of a grant's AWS resources a request reaches, or why it reaches none; and what it does there, all of it.
//!
//! A request that is none is refused for the route it came furthest with: resource; then action; then members; then the
//! values that charges require.

use super::{
    PRESIGN_PARAM, Request, SERVICE_PARAM, content,
    derive::{self, Derived},
};
use crate::{
    http::{charge, matching::Far},
    routes::{Candidate, named, only_one},
};
use claviger_shared::{
    call::{
        aws::{Action, Content as Holds, Service, fits},
        http::{Headers, URL_PARAM},
    },
    catalog::{AwsResource, AwsRoute, AwsTarget, Catalog, Route},
    denial::{Code, Denial},
    effect::{Effect, Effects, Kind},
    grant::Grant,
};

type Found<'a> = Candidate<'a, AwsRoute>;

/// Every effect of a request to a service whose actions are known.
pub(super) fn effects(
    service: &'static Service,
    request: &Request<'_>,
    catalog: &Catalog,
    grant: &Grant,
) -> Result<Effects, Denial> {
    let derived = derive::derive(service, request)?;
    let found = find(service, request, &derived, catalog, grant)?;
    let charge: &[_] = match &found.route.to {
        AwsTarget::Resource(resource) => &resource.charge,
        AwsTarget::Place(_) => &[],
    };
    let one = |action: &Action, charges| {
        effect(&found, request, action, derived.found.as_slice(), charges)
    };
    let first = one(
        derived.action,
        charge::charges(charge, &[], &request.parts)?,
    );
    let mut rest: Vec<_> = derived
        .more
        .iter()
        .map(|(action, _)| one(action, Vec::new()))
        .collect();
    if let Some((bucket, key)) = &derived.source {
        rest.push(source(service, request, (bucket, key), catalog, grant)?);
    }
    Ok(Effects { first, rest })
}

fn effect(
    found: &Found<'_>,
    request: &Request<'_>,
    action: &Action,
    parts: &[(&'static str, String)],
    charges: Vec<claviger_shared::effect::Charge>,
) -> Effect {
    let (max_lifetime, fixed) = request.lifetime;
    let parameters = parts
        .iter()
        .map(|(name, value)| (format!("path.{name}"), value.clone()));
    Effect {
        kind: Kind::Aws,
        verb: action.verb,
        resource: found.resource.clone(),
        route: found.number,
        destination: request.parts.url.authority(),
        method: format!("{}:{}", found.route.service, action.name),
        path_template: found.route.template(),
        parameters: parameters.collect(),
        mints: action.mints,
        identity_only: false,
        charges,
        max_lifetime,
        fixed,
        ends_at: None,
        signer: None,
        token: None,
        nonce: None,
    }
}

/// The routes of a service, with their numbers.
fn routes<'a>(
    service: &'static Service,
    catalog: &'a Catalog,
    grant: &'a Grant,
) -> impl Iterator<Item = (Found<'a>, &'a AwsResource)> {
    named(catalog, grant).filter_map(move |(resource, number, route)| {
        let Route::Aws(route) = route else {
            return None;
        };
        let AwsTarget::Resource(to) = &route.to else {
            return None;
        };
        (route.service == service.name).then_some((
            Candidate {
                resource,
                number,
                // The action's, which is the same by every route.
                verb: claviger_shared::effect::Verb::Write,
                route,
            },
            to,
        ))
    })
}

fn find<'a>(
    service: &'static Service,
    request: &Request<'_>,
    derived: &Derived,
    catalog: &'a Catalog,
    grant: &'a Grant,
) -> Result<Found<'a>, Denial> {
    let mut furthest = (
        Far::Nowhere,
        Denial::at(Code::DestinationDenied, SERVICE_PARAM),
    );
    let (mut matching, mut any) = (Vec::new(), false);
    for (candidate, to) in routes(service, catalog, grant) {
        if candidate.route.region != request.input.region {
            continue;
        }
        match matches(service, request, derived, to) {
            Ok(()) => matching.push(Candidate {
                verb: derived.action.verb,
                ..candidate
            }),
            Err((far, denial)) if !any || far > furthest.0 => furthest = (far, denial),
            Err(_) => {}
        }
        any = true;
    }
    only_one(matching, grant, furthest.1, URL_PARAM)
}

/// The effect of reading the object that is copied, by a route of its own.
fn source(
    service: &'static Service,
    request: &Request<'_>,
    (bucket, key): (&str, &str),
    catalog: &Catalog,
    grant: &Grant,
) -> Result<Effect, Denial> {
    let place = Headers::param("x-amz-copy-source");
    let none = Denial::at(Code::DestinationDenied, place);
    let action = service.action("GetObject").ok_or_else(|| none.clone())?;
    let parts = [("bucket", bucket.to_owned()), ("key", key.to_owned())];
    let reads = |to: &AwsResource| {
        is_resource(to, &parts)
            && to.charge.is_empty()
            && to.actions.iter().any(|name| name == action.name)
    };
    // A bucket's name is one in all Regions.
    let matching = routes(service, catalog, grant).filter(|(_, to)| reads(to));
    let matching = matching.map(|(candidate, _)| Candidate {
        verb: action.verb,
        ..candidate
    });
    let found = only_one(matching.collect(), grant, none, URL_PARAM)?;
    let mut effect = effect(&found, request, action, &parts, Vec::new());
    effect.destination = service.host(&found.route.region);
    Ok(effect)
}

/// Whether a route's resource is the one that a request says: each part exactly, but for the beginning of a key.
fn is_resource(to: &AwsResource, parts: &[(&'static str, String)]) -> bool {
    let part = |wanted: &str| {
        let part = parts.iter().find(|(name, _)| *name == wanted);
        part.map(|(_, value)| value.as_str())
    };
    let said = parts.iter().filter(|(name, _)| *name != "key");
    let all = said
        .clone()
        .all(|(name, _)| to.resource.contains_key(*name));
    all && to.resource.iter().all(|(name, value)| match name.as_str() {
        "prefix" => part("key").is_some_and(|key| key.starts_with(value.as_str())),
        name => part(name) == Some(value.as_str()),
    })
}

fn matches(
    service: &'static Service,
    request: &Request<'_>,
    derived: &Derived,
    to: &AwsResource,
) -> Result<(), (Far, Denial)> {
    if !is_resource(to, &derived.found) {
        let denial = Denial::at(Code::DestinationDenied, derived.place.clone());
        return Err((Far::Nowhere, denial));
    }
    let admits = |action: &Action| to.actions.iter().any(|name| name == action.name);
    if !admits(derived.action) {
        return Err((Far::Place, derive::denied(derived.said.clone())));
    }
    if let Some((_, headers)) = derived.more.iter().find(|(action, _)| !admits(action)) {
        let mut all = request.parts.headers.iter();
        let by = all
            .find(|(name, _)| fits(headers, name))
            .map_or("", |(name, _)| name);
        return Err((
            Far::Place,
            Denial::at(Code::UnlistedMember, Headers::param(by)),
        ));
    }
    check_members(service, request, derived, to).map_err(|denial| (Far::Method, denial))?;
    let media = charge::media(to.body.as_ref());
    charge::check_required(&to.charge, media, &request.parts)
        .map_err(|denial| (Far::Members, denial))
}

fn check_members(
    service: &'static Service,
    request: &Request<'_>,
    derived: &Derived,
    to: &AwsResource,
) -> Result<(), Denial> {
    let action = derived.action;
    let in_query = matches!(action.content, Holds::Form(_)) && request.input.body.is_none();
    if !in_query {
        let mut query = request.parts.url.members.iter();
        let unlisted = query.find(|(name, _)| !action.query.admit(name, &to.query));
        if let Some((name, _)) = unlisted {
            return Err(Denial::at(
                Code::UnlistedMember,
                format!("{URL_PARAM}?{name}"),
            ));
        }
    }
    let added = |name: &str| derived.more.iter().any(|(_, headers)| fits(headers, name));
    let protocol = |name: &str| content::is_protocols(service, request, action, name);
    let unlisted = request.parts.headers.iter().find(|(name, _)| {
        !action.headers.admit(name, &to.headers) && !added(name) && !protocol(name)
    });
    if let Some((name, _)) = unlisted {
        return Err(Denial::at(Code::UnlistedMember, Headers::param(name)));
    }
    // A body has no meaning in the three others: nothing of them goes unsigned.
    let changes = !matches!(request.input.method.as_str(), "GET" | "HEAD" | "DELETE");
    if request.unsigned && changes && !to.unsigned_payload {
        let place = if request.input.presign {
            PRESIGN_PARAM.to_owned()
        } else {
            Headers::param(super::CONTENT_SHA256)
        };
        return Err(Denial::at(Code::UnlistedMember, place));
    }
    content::check(service, request, action, to)
}
