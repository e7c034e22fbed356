//! Routes of AWS: a resource of a service whose actions are known, or a method and path of another.

use super::http;
use crate::{
    call::aws::{
        Action, MAX_ACTION, MAX_SELECTOR, Names, Protocol, Service, fits, is_account, is_region,
        is_service, mints_by_itself,
    },
    catalog::{AwsPlace, AwsResource, AwsRoute, AwsTarget, HttpRoute, Members, Source},
    codec::json::{Object, Place},
    owner::{Error, read},
};
use std::collections::BTreeMap;

/// Actions, or names, of one route at most.
const MAX_ACTIONS: usize = 64;
/// What only the enclave writes, and what chooses an action.
const RESERVED: [&str; 7] = [
    "authorization",
    "date",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-target",
    "x-amz-algorithm",
];
/// The beginning of the names of services that speak as S3 does, each with rules of its own.
const OTHER_S3: &str = "s3";

/// Signature Version 4 has nothing that makes a call single use.
const REPLAYS: &str =
    "\"replayable\": true beside it: a signed request can be sent again for 15 minutes";

pub(super) fn route(object: &mut Object<'_>) -> Result<AwsRoute, Error> {
    let service = object.required("service")?;
    let name = read::text(&service, "a service's name, as s3", is_service)?;
    let region = object.required("region")?;
    let region = read::text(&region, "one Region, as eu-west-1", is_region)?;
    let to = match Service::named(&name) {
        Some(known) => AwsTarget::Resource(resource(known, object)?),
        None if name.starts_with(OTHER_S3) => {
            return Err(Error::unsupported(
                &service,
                "s3 itself, or a service that is none of its",
            ));
        }
        None => AwsTarget::Place(place(&name, object)?),
    };
    Ok(AwsRoute {
        service: name,
        region,
        to,
    })
}

/// Same resource and an action in common, or the same place.
pub(super) fn is_same_matcher(a: &AwsRoute, b: &AwsRoute) -> bool {
    let common = |a: &[String], b: &[String]| a.iter().any(|action| b.contains(action));
    let same = match (&a.to, &b.to) {
        (AwsTarget::Resource(a), AwsTarget::Resource(b)) => {
            a.resource == b.resource && common(&a.actions, &b.actions)
        }
        (AwsTarget::Place(a), AwsTarget::Place(b)) => {
            let actions = a.actions.is_empty() || b.actions.is_empty();
            http::is_same_matcher(&a.http, &b.http) && (actions || common(&a.actions, &b.actions))
        }
        (AwsTarget::Resource(_), AwsTarget::Place(_))
        | (AwsTarget::Place(_), AwsTarget::Resource(_)) => false,
    };
    same && a.service == b.service && a.region == b.region
}

fn resource(service: &'static Service, object: &mut Object<'_>) -> Result<AwsResource, Error> {
    let resource = selectors(service, &object.required("resource")?)?;
    let actions = actions(service, &resource, object)?;
    let query = admitted(object, "query", &actions, |action| &action.query)?;
    let headers = admitted(object, "headers", &actions, |action| &action.headers)?;
    let listed = |names: &[String]| Members::Listed(names.to_vec());
    // What a path names is the resource, which the route says already.
    let (body, charge) = http::body_and_charge(object, &[], &listed(&query), &listed(&headers))?;
    let replayable = object.optional("replayable");
    let replayable = replayable.map(|place| place.bool()).transpose()?;
    if !charge.is_empty() && replayable != Some(true) {
        return Err(Error::invalid(&object.required("charge")?, REPLAYS));
    }
    let unsigned = object.optional("unsigned_payload");
    let unsigned_payload = unsigned.as_ref().map(Place::bool).transpose()? == Some(true);
    if let Some(place) = unsigned.filter(|_| unsigned_payload) {
        let reads = |from: &Source| !matches!(from, Source::Const(_) | Source::Query(_));
        let read = body.is_some() || charge.iter().any(|one| reads(&one.from));
        if service.protocol != Protocol::S3 || read {
            let expected = "false: a body is unsigned only with s3, where nothing is read from it";
            return Err(Error::invalid(&place, expected));
        }
    }
    Ok(AwsResource {
        resource,
        actions: actions
            .iter()
            .map(|action| action.name.to_owned())
            .collect(),
        query,
        headers,
        body,
        charge,
        unsigned_payload,
    })
}

fn selectors(
    service: &'static Service,
    place: &Place<'_>,
) -> Result<BTreeMap<String, String>, Error> {
    let mut object = place.object()?;
    let mut all = BTreeMap::new();
    for selector in service.selectors {
        let value = if selector.optional {
            object.optional(selector.name)
        } else {
            Some(object.required(selector.name)?)
        };
        let Some(value) = value else { continue };
        let fine = |text: &str| {
            let printable = !text.is_empty() && !text.chars().any(char::is_control);
            let account = selector.name != "account" || is_account(text);
            let bucket = selector.name != "bucket" || is_bucket(text);
            printable && text.len() <= MAX_SELECTOR && account && bucket
        };
        let text = read::text(&value, "the resource's exact name", fine)?;
        all.insert(selector.name.to_owned(), text);
    }
    object.finish()?;
    Ok(all)
}

/// S3 User Guide, Bucket naming rules; without dots, which no certificate of a bucket's host covers.
fn is_bucket(text: &str) -> bool {
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let ends = !text.starts_with('-') && !text.ends_with('-');
    (3..=63).contains(&text.len()) && text.bytes().all(fine) && ends
}

fn actions(
    service: &'static Service,
    resource: &BTreeMap<String, String>,
    object: &mut Object<'_>,
) -> Result<Vec<&'static Action>, Error> {
    let fits = |action: &&'static Action| reaches(service, resource, action.name);
    let Some(place) = object.optional("actions") else {
        let ordinary = service.actions.iter().filter(|action| action.ordinary);
        return Ok(ordinary.filter(fits).collect());
    };
    let actions = read::each_once(&place, MAX_ACTIONS, |place| {
        let action = service.action(place.str()?).filter(|action| fits(action));
        let expected =
            "an action of this service that is built, on a resource that is named for it";
        action
            .map(Listed)
            .ok_or_else(|| Error::unsupported(place, expected))
    })?;
    let actions = actions.into_iter().map(|Listed(action)| action).collect();
    read::some(&place, actions)
}

/// An action, compared by name.
struct Listed(&'static Action);

impl PartialEq for Listed {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

/// What names its objects in a body that nobody reads reaches a whole bucket, and so does what is asked of the bucket
/// itself; a role is named exactly where one is assumed.
fn reaches(service: &Service, resource: &BTreeMap<String, String>, action: &str) -> bool {
    let has = |name: &str| resource.contains_key(name);
    match (service.name, action) {
        ("s3", "DeleteObjects" | "GetBucketLocation" | "HeadBucket") => !has("prefix"),
        ("sts", "AssumeRole") => has("role"),
        ("sts", _) => !has("role"),
        _ => true,
    }
}

fn admitted(
    object: &mut Object<'_>,
    name: &str,
    actions: &[&'static Action],
    of: impl Fn(&'static Action) -> &'static Names,
) -> Result<Vec<String>, Error> {
    let Some(place) = object.optional(name) else {
        return Ok(Vec::new());
    };
    read::each_once(&place, MAX_ACTIONS, |place| {
        let expected = "a name that an action of this route may carry where it is listed";
        read::text(place, expected, |text| {
            actions.iter().any(|action| fits(of(action).listed, text))
        })
    })
}

fn place(service: &str, object: &mut Object<'_>) -> Result<AwsPlace, Error> {
    let actions = match object.optional("actions") {
        None => Vec::new(),
        Some(place) => {
            let expected = "the exact value of x-amz-target or Action";
            let actions = read::each_once(&place, MAX_ACTIONS, |place| {
                read::text(place, expected, |text| {
                    let fine = |b: u8| b.is_ascii_alphanumeric() || b"._:-".contains(&b);
                    !text.is_empty() && text.len() <= MAX_ACTION && text.bytes().all(fine)
                })
            })?;
            read::some(&place, actions)?
        }
    };
    if let Some(place) = object.optional("probe")
        && place.bool()?
    {
        return Err(Error::unsupported(
            &place,
            "false: no probe is made of this kind",
        ));
    }
    let charge = object.optional("charge");
    let http: HttpRoute = http::route(object)?;
    if let (Some(place), false) = (charge, http.replayable) {
        return Err(Error::invalid(&place, REPLAYS));
    }
    let reserved = |name: &String| RESERVED.contains(&name.as_str());
    let signing = |name: &String| name.to_ascii_lowercase().starts_with("x-amz-");
    let open = match (&http.headers, &http.query) {
        (Members::Listed(headers), Members::Listed(query)) => {
            headers.iter().any(reserved) || query.iter().any(signing)
        }
        (Members::Any, _) | (_, Members::Any) => true,
    };
    if open {
        let place = object.required("host")?;
        let expected =
            "a route that lists each header field and query member, none of the signature's own";
        return Err(Error::invalid(&place, expected));
    }
    let mints = http.mints || mints_by_itself(service);
    Ok(AwsPlace {
        http: HttpRoute { mints, ..http },
        actions,
    })
}

#[cfg(test)]
mod tests;
