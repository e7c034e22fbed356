//! The body of an AWS request: what an action holds, and what a route narrows it to.

use super::{BODY_PARAM, Request, derive::form};
use claviger_shared::{
    call::{
        aws::{Action, Content as Holds, Protocol, Service, fits},
        http::{Headers, URL_PARAM},
    },
    catalog::{AwsResource, Media},
    codec::json::Value,
    denial::{Code, Denial},
};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const CONTENT_TYPE: &str = "content-type";

/// Whether a header field belongs to the protocol rather than to an action.
pub(super) fn is_protocols(
    service: &Service,
    request: &Request<'_>,
    action: &Action,
    name: &str,
) -> bool {
    let has_body = request.input.body.is_some() && action.content != Holds::None;
    match name {
        CONTENT_TYPE => has_body,
        "x-amz-target" => matches!(service.protocol, Protocol::Json { .. }),
        _ => false,
    }
}

/// Whether the body is what action and route admit.
pub(super) fn check(
    service: &Service,
    request: &Request<'_>,
    action: &Action,
    to: &AwsResource,
) -> Result<(), Denial> {
    let has_body = request.input.body.is_some();
    match action.content {
        Holds::None if has_body => return Err(Denial::at(Code::UnlistedMember, BODY_PARAM)),
        Holds::None => {}
        // Empty for what is read by nobody; S3 writes an empty object.
        Holds::Opaque => match to.body.as_ref().map(|rule| rule.media) {
            Some(Media::Json) => media(request, JSON)?,
            Some(Media::Form) => media(request, FORM)?,
            Some(Media::Opaque) | None => {}
        },
        Holds::AnyJson => {
            media(request, JSON)?;
            request.parts.content.json()?;
        }
        Holds::Json(members) => {
            let wanted = match service.protocol {
                Protocol::Json { media, .. } => media,
                Protocol::Query { .. } | Protocol::Rest | Protocol::S3 => JSON,
            };
            media(request, wanted)?;
            check_object(request.parts.content.json()?, members)?;
        }
        Holds::Form(members) => {
            if has_body {
                media(request, FORM)?;
            }
            let mut all = form(request)?.iter();
            if let Some((name, _)) = all.find(|(name, _)| !fits(members, name)) {
                let place = if has_body {
                    crate::http::content::form_place(name)
                } else {
                    format!("{URL_PARAM}?{name}")
                };
                return Err(Denial::at(Code::UnlistedMember, place));
            }
        }
    }
    match &to.body {
        Some(rule) if action.content != Holds::None => request.parts.content.check_members(rule),
        Some(_) | None => Ok(()),
    }
}

fn media(request: &Request<'_>, wanted: &str) -> Result<(), Denial> {
    let unreadable = |place: String| Denial::at(Code::UnparsableContent, place);
    if request.input.body.is_none() {
        return Err(unreadable(BODY_PARAM.to_owned()));
    }
    if request.parts.headers.value(CONTENT_TYPE) == Some(wanted) {
        Ok(())
    } else {
        Err(unreadable(Headers::param(CONTENT_TYPE)))
    }
}

fn check_object(body: &Value, members: &[&str]) -> Result<(), Denial> {
    let Value::Object(all) = body else {
        return Err(Denial::at(Code::UnparsableContent, BODY_PARAM));
    };
    let unlisted = all
        .iter()
        .find(|(name, _)| !members.contains(&name.as_str()));
    unlisted.map_or(Ok(()), |(name, _)| {
        let place = crate::http::content::form_place(name);
        Err(Denial::at(Code::UnlistedMember, place))
    })
}
