//! Services without a table of actions: by method and path, as the `http` kind matches them.
//!
//! Where the service's protocol says the action in a header field or a member, the route lists it, or it may not stand there.

use super::{Request, SERVICE_PARAM};
use crate::{
    http::{
        charge::{self, Parts},
        matching::{self, Far, path_parameters, verb_of},
    },
    routes::{Candidate, named, only_one},
};
use claviger_shared::{
    call::{
        aws::{is_region, verb_by_name},
        http::{Headers, URL_PARAM},
    },
    catalog::{AwsPlace, AwsTarget, Catalog, Route},
    denial::{Code, Denial},
    effect::{Effect, Effects, Kind},
    grant::Grant,
};

const TARGET: &str = "x-amz-target";
const ACTION: &str = "Action";
/// The content types of AWS JSON, which is JSON.
const AWS_JSON: [&str; 2] = ["application/x-amz-json-1.0", "application/x-amz-json-1.1"];

/// The effect of a request to a service whose actions are not known.
pub(super) fn effects(
    request: &Request<'_>,
    catalog: &Catalog,
    grant: &Grant,
) -> Result<Effects, Denial> {
    let input = request.input;
    if !is_region(&input.region) {
        return Err(Denial::at(Code::DestinationDenied, "/region"));
    }
    let headers = plain(request.parts.headers)?;
    let parts = Parts {
        headers: &headers,
        ..request.parts
    };
    let action = action(request)?;
    let name = action.as_ref().map(|(name, _)| name.as_str());
    let mut furthest = (
        Far::Nowhere,
        Denial::at(Code::DestinationDenied, SERVICE_PARAM),
    );
    let (mut matching, mut any) = (Vec::new(), false);
    for (resource, number, route) in named(catalog, grant) {
        let Route::Aws(route) = route else { continue };
        let AwsTarget::Place(place) = &route.to else {
            continue;
        };
        if route.service != input.service || route.region != input.region {
            continue;
        }
        let matched = matching::matches(&place.http, &input.method, &parts);
        match matched.and_then(|()| admits(place, action.as_ref())) {
            Ok(()) => {
                let verb = name.map_or_else(|| verb_of(&input.method), verb_by_name);
                matching.push(Candidate {
                    resource,
                    number,
                    verb: place.http.verb.unwrap_or(verb),
                    route: place,
                });
            }
            Err((far, denial)) if !any || far > furthest.0 => furthest = (far, denial),
            Err(_) => {}
        }
        any = true;
    }
    let found = only_one(matching, grant, furthest.1, URL_PARAM)?;
    let http = &found.route.http;
    let path = path_parameters(&http.path, parts.url);
    let path = path
        .into_iter()
        .map(|(name, value)| (format!("path.{name}"), value));
    let query = parts.url.members.iter();
    let query = query.map(|(name, value)| (format!("query.{name}"), value.clone()));
    let (max_lifetime, fixed) = request.lifetime;
    Ok(Effects::one(Effect {
        kind: Kind::Aws,
        verb: found.verb,
        resource: found.resource.clone(),
        route: found.number,
        destination: parts.url.authority(),
        method: format!("{}:{}", input.service, name.unwrap_or(&input.method)),
        path_template: http.template.clone(),
        parameters: path.chain(query).collect(),
        mints: http.mints,
        identity_only: false,
        charges: charge::charges(&http.charge, &http.path, &parts)?,
        max_lifetime,
        fixed,
        ends_at: None,
        signer: None,
        token: None,
        nonce: None,
    }))
}

/// Header fields as the rules of a route read them: without the action's, and AWS JSON by JSON's name.
fn plain(headers: &Headers) -> Result<Headers, Denial> {
    let fields = headers.iter().filter(|(name, _)| *name != TARGET);
    let fields = fields.map(|(name, value)| {
        let json = name == "content-type" && AWS_JSON.contains(&value);
        let value = if json { "application/json" } else { value };
        (name.to_owned(), value.to_owned())
    });
    Headers::parse(&fields.collect::<Vec<_>>())
}

/// The action a request says, and where; nothing where it says none.
fn action(request: &Request<'_>) -> Result<Option<(String, String)>, Denial> {
    let parts = &request.parts;
    let form = parts.headers.value("content-type") == Some("application/x-www-form-urlencoded");
    let body = if form && request.input.body.is_some() {
        parts.content.form()?
    } else {
        &[]
    };
    let body = body.iter().find(|(name, _)| name == ACTION);
    let said = [
        parts
            .headers
            .value(TARGET)
            .map(|value| (value, Headers::param(TARGET))),
        parts
            .url
            .member(ACTION)
            .map(|value| (value, format!("{URL_PARAM}?{ACTION}"))),
        body.map(|(_, value)| (value.as_str(), format!("{}/{ACTION}", super::BODY_PARAM))),
    ];
    let mut said = said.into_iter().flatten();
    match (said.next(), said.next()) {
        (Some(_), Some((_, place))) => Err(Denial::at(Code::InvalidRequest, place)),
        (one, None) => Ok(one.map(|(name, place)| (name.to_owned(), place))),
        (None, Some(_)) => Ok(None),
    }
}

fn admits(place: &AwsPlace, action: Option<&(String, String)>) -> Result<(), (Far, Denial)> {
    let denied = |at: &str| Err((Far::Place, Denial::at(Code::MethodDenied, at)));
    match action {
        None if place.actions.is_empty() => Ok(()),
        None => denied(super::METHOD_PARAM),
        Some((name, _)) if place.actions.contains(name) => Ok(()),
        Some((_, at)) => denied(at),
    }
}
