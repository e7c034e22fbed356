//! Which action a request is, and on what: read from the request alone, before any route is looked at.

use super::{BODY_PARAM, METHOD_PARAM, Request, SERVICE_PARAM, s3};
use claviger_shared::{
    call::{
        aws::{Action, Content as Holds, Protocol, Service},
        http::{DEFAULT_PORT, Headers, URL_PARAM},
    },
    codec::json::Value,
    denial::{Code, Denial},
};

/// What a request does.
pub(super) struct Derived {
    pub(super) action: &'static Action,
    /// Actions that header fields add, and by which.
    pub(super) more: Vec<(&'static Action, &'static [&'static str])>,
    /// The service's selectors, as the request says them; of S3 also `key`.
    pub(super) found: Vec<(&'static str, String)>,
    /// An object that is read on the way: bucket and key.
    pub(super) source: Option<(String, String)>,
    /// Where the request says the resource.
    pub(super) place: String,
    /// Where the request says the action.
    pub(super) said: String,
}

/// The query member or form member that says the action.
const ACTION: &str = "Action";
const VERSION: &str = "Version";
const TARGET: &str = "x-amz-target";

/// What a request to a service does.
///
/// # Errors
///
/// [`Code::DestinationDenied`] for another host than the service's in the Region; [`Code::MethodDenied`] for an action that
/// is not built; [`Code::UnparsableContent`] where the resource stands in a body that cannot be read.
pub(super) fn derive(service: &'static Service, request: &Request<'_>) -> Result<Derived, Denial> {
    let url = request.parts.url;
    if !claviger_shared::call::aws::is_region(&request.input.region) {
        return Err(Denial::at(Code::DestinationDenied, "/region"));
    }
    let host = service.host(&request.input.region);
    if service.protocol == Protocol::S3 {
        return s3::derive(service, request, &host);
    }
    if url.host != host || url.port != DEFAULT_PORT {
        return Err(Denial::at(Code::DestinationDenied, URL_PARAM));
    }
    match service.protocol {
        Protocol::Json { prefix, .. } => json(service, prefix, request),
        Protocol::Query { version } => query(service, version, request),
        Protocol::Rest => rest(service, request),
        Protocol::S3 => Err(Denial::at(Code::DestinationDenied, SERVICE_PARAM)),
    }
}

pub(super) fn denied(place: impl Into<String>) -> Denial {
    Denial::at(Code::MethodDenied, place)
}

fn json(service: &'static Service, prefix: &str, request: &Request<'_>) -> Result<Derived, Denial> {
    let said = Headers::param(TARGET);
    let root = request.parts.url.path == "/" && request.parts.url.members.is_empty();
    if !root {
        return Err(Denial::at(Code::DestinationDenied, URL_PARAM));
    }
    if request.input.method != "POST" {
        return Err(denied(METHOD_PARAM));
    }
    let target = request.parts.headers.value(TARGET);
    let named = target.and_then(|target| target.split_once('.'));
    let named = named.filter(|(before, _)| *before == prefix);
    let action = named.and_then(|(_, name)| service.action(name));
    let action = action.ok_or_else(|| denied(said.clone()))?;
    let body = request.parts.content.json()?;
    let (mut found, mut place) = (Vec::new(), BODY_PARAM.to_owned());
    for selector in service
        .selectors
        .iter()
        .filter(|selector| !selector.at.is_empty())
    {
        place = format!("{BODY_PARAM}/{}", selector.at);
        let value = body
            .pointer(&format!("/{}", selector.at))
            .and_then(Value::as_str);
        let value = value.ok_or_else(|| Denial::at(Code::UnparsableContent, place.clone()))?;
        if service.name == "sqs" {
            let host = service.host(&request.input.region);
            let url = value
                .strip_prefix("https://")
                .and_then(|rest| rest.strip_prefix(host.as_str()));
            let (account, queue) = url
                .and_then(|rest| rest.strip_prefix('/'))
                .and_then(|rest| rest.split_once('/'))
                .ok_or_else(|| Denial::at(Code::DestinationDenied, place.clone()))?;
            found.push(("account", account.to_owned()));
            found.push((selector.name, queue.to_owned()));
        } else {
            found.push((selector.name, value.to_owned()));
        }
    }
    Ok(Derived {
        action,
        more: Vec::new(),
        found,
        source: None,
        place,
        said,
    })
}

/// The members of a query-protocol call: of its form, or of its query where there is no body.
pub(super) fn form<'a>(request: &'a Request<'_>) -> Result<&'a [(String, String)], Denial> {
    if request.input.body.is_some() {
        request.parts.content.form()
    } else {
        Ok(&request.parts.url.members)
    }
}

fn query(
    service: &'static Service,
    version: &str,
    request: &Request<'_>,
) -> Result<Derived, Denial> {
    let url = request.parts.url;
    let in_body = request.input.body.is_some();
    if url.path != "/" || (in_body && !url.members.is_empty()) {
        return Err(Denial::at(Code::DestinationDenied, URL_PARAM));
    }
    if request.input.method != if in_body { "POST" } else { "GET" } {
        return Err(denied(METHOD_PARAM));
    }
    let members = form(request)?;
    let at = |name: &str| {
        if in_body {
            format!("{BODY_PARAM}/{name}")
        } else {
            format!("{URL_PARAM}?{name}")
        }
    };
    let value = |wanted: &str| {
        let member = members.iter().find(|(name, _)| name == wanted);
        member.map(|(_, value)| value.as_str())
    };
    let action = value(ACTION).and_then(|name| service.action(name));
    let action = action.ok_or_else(|| denied(at(ACTION)))?;
    if value(VERSION) != Some(version) {
        return Err(denied(at(VERSION)));
    }
    let Holds::Form(admitted) = action.content else {
        return Err(denied(at(ACTION)));
    };
    let (mut found, mut place) = (Vec::new(), at(ACTION));
    // What an action never carries does not name its resource.
    for selector in service
        .selectors
        .iter()
        .filter(|one| admitted.contains(&one.at))
    {
        place = at(selector.at);
        let value = value(selector.at);
        let value = value.ok_or_else(|| Denial::at(Code::DestinationDenied, place.clone()))?;
        found.push((selector.name, value.to_owned()));
    }
    Ok(Derived {
        action,
        more: Vec::new(),
        found,
        source: None,
        place,
        said: at(ACTION),
    })
}

fn rest(service: &'static Service, request: &Request<'_>) -> Result<Derived, Denial> {
    let segments = &request.parts.url.segments;
    let reads = |action: &&'static Action| value_of(action.path.1, segments).is_some();
    let mut at_path = service.actions.iter().filter(reads).peekable();
    if at_path.peek().is_none() {
        return Err(denied(URL_PARAM));
    }
    let action = at_path.find(|action| action.path.0 == request.input.method);
    let action = action.ok_or_else(|| denied(METHOD_PARAM))?;
    let value = value_of(action.path.1, segments).unwrap_or_default();
    let selector = service
        .selectors
        .first()
        .map_or("", |selector| selector.name);
    Ok(Derived {
        action,
        more: Vec::new(),
        found: vec![(selector, value.to_owned())],
        source: None,
        place: URL_PARAM.to_owned(),
        said: URL_PARAM.to_owned(),
    })
}

/// The segment that stands for `{}` in a template that the path is; nothing for another path.
fn value_of<'a>(template: &str, segments: &'a [String]) -> Option<&'a str> {
    let mut value = None;
    let mut parts = template.split('/').skip(1);
    let mut rest = segments.iter();
    loop {
        match (parts.next(), rest.next()) {
            (Some("{}"), Some(segment)) => value = Some(segment.as_str()),
            (Some(part), Some(segment)) if part == segment => {}
            (None, None) => return value,
            (Some(_) | None, _) => return None,
        }
    }
}
