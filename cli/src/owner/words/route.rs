//! Routes of the catalog in words: what a name lets an agent do.

use claviger_shared::{
    catalog::{BodyRule, Extractor, HttpRoute, JwtRoute, Media, Members, Route, Segment, Source},
    effect::Verb,
};

/// The verb a method has by itself (docs/spec/credential-http.md).
#[must_use]
pub fn verb_of(method: &str) -> Verb {
    match method {
        "GET" | "HEAD" | "OPTIONS" => Verb::Read,
        "DELETE" => Verb::Delete,
        _ => Verb::Write,
    }
}

/// The verb's word in `permissions`.
#[must_use]
pub const fn verb_word(verb: Verb) -> &'static str {
    match verb {
        Verb::Read => "read",
        Verb::Write => "write",
        Verb::Delete => "delete",
    }
}

/// Methods of a route that count as a verb; `issue` stands for a token's.
#[must_use]
pub fn methods(route: &Route, verb: Verb) -> Vec<&str> {
    match route {
        Route::Http(http) => {
            let counts = |method: &&String| http.verb.unwrap_or_else(|| verb_of(method)) == verb;
            http.methods
                .iter()
                .filter(counts)
                .map(String::as_str)
                .collect()
        }
        Route::Jwt(jwt) if jwt.verb.unwrap_or(Verb::Write) == verb => vec!["issue"],
        Route::Jwt(_) => Vec::new(),
    }
}

/// Where an HTTP route leads.
#[must_use]
pub fn address(http: &HttpRoute) -> String {
    let HttpRoute {
        host,
        port,
        template,
        ..
    } = http;
    if *port == 443 {
        format!("https://{host}{template}")
    } else {
        format!("https://{host}:{port}{template}")
    }
}

/// Where a route leads, without its methods.
#[must_use]
pub fn destination(route: &Route) -> String {
    match route {
        Route::Http(http) => address(http),
        Route::Jwt(jwt) if jwt.profile == "assertion" => {
            format!("an assertion token for {}", jwt.audience)
        }
        Route::Jwt(jwt) => format!("a token of profile {} for {}", jwt.profile, jwt.audience),
    }
}

/// What calls a verb covers on a route; nothing where it covers none.
#[must_use]
pub fn line(route: &Route, verb: Verb) -> Option<String> {
    let methods = methods(route, verb);
    if methods.is_empty() {
        return None;
    }
    let to = destination(route);
    Some(match route {
        Route::Http(_) => format!("{} {to}", methods.join(", ")),
        Route::Jwt(_) => to,
    })
}

/// Everything a route says beside where it leads, one sentence each.
#[must_use]
pub fn facts(route: &Route) -> Vec<String> {
    match route {
        Route::Http(http) => of_http(http),
        Route::Jwt(jwt) => of_jwt(jwt),
    }
}

fn of_http(http: &HttpRoute) -> Vec<String> {
    let HttpRoute {
        host: _,
        port: _,
        path: _,
        template: _,
        methods,
        verb,
        query,
        headers,
        body,
        charge,
        replayable,
        probe: _,
        mints,
    } = http;
    let mut facts = Vec::new();
    if let Some(verb) = verb {
        let (methods, verb) = (methods.join(", "), verb_word(*verb));
        facts.push(format!("{methods} counts as {verb}"));
    }
    facts.extend(members("query", query));
    facts.extend(members("headers", headers));
    facts.extend(body.as_ref().map(self::body));
    facts.extend(charge.iter().map(self::charge));
    if *replayable {
        facts.push("charges may be made without single use at the destination".to_owned());
    }
    if *mints {
        facts.push("what it answers is itself a credential".to_owned());
    }
    facts
}

fn of_jwt(jwt: &JwtRoute) -> Vec<String> {
    let JwtRoute {
        profile: _,
        audience: _,
        issuer,
        subject,
        nonce,
        verb: _,
        probe: _,
        mints,
    } = jwt;
    let subject = if subject.is_empty() {
        "this deployment, agent and grant"
    } else {
        subject
    };
    let mut facts = vec![format!("issued by {issuer} for {subject}")];
    if *nonce {
        facts.push("with a nonce that the caller may choose".to_owned());
    }
    if *mints {
        facts.push("what it answers is itself a credential".to_owned());
    }
    facts
}

fn members(what: &str, members: &Members) -> Option<String> {
    match members {
        Members::Any => Some(format!("{what}: any member, also unknown ones")),
        Members::Listed(names) if names.is_empty() => None,
        Members::Listed(names) => Some(format!("{what}: {}", names.join(", "))),
    }
}

fn body(rule: &BodyRule) -> String {
    let media = match rule.media {
        Media::Json => "a JSON body",
        Media::Form => "a form body",
        Media::Opaque => return "any bytes as its body, which nothing is read from".to_owned(),
    };
    match &rule.members {
        Members::Any => format!("{media} with any member"),
        Members::Listed(names) if names.is_empty() => format!("{media} without members"),
        Members::Listed(names) => format!("{media} with {}", names.join(", ")),
    }
}

fn charge(extractor: &Extractor) -> String {
    let Extractor {
        unit,
        from,
        require,
    } = extractor;
    let from = match from {
        Source::Const(amount) => format!("{amount} each call"),
        Source::Form(name) => format!("the number in `{name}` of the form"),
        Source::Header(name) => format!("the number in the header `{name}`"),
        Source::Json(at) => format!("the number at `{at}` of the JSON body"),
        Source::Len => "the body's length in bytes".to_owned(),
        Source::Query(name) => format!("the number in `{name}` of the query"),
    };
    let mut text = format!("charges {unit}: {from}");
    for (name, value) in require {
        text.push_str(&format!(", where {name} = {value}"));
    }
    text
}

/// Names of the parameters in a path.
#[must_use]
pub fn parameters(http: &HttpRoute) -> Vec<&str> {
    let mut names = Vec::new();
    for segment in &http.path {
        if let Segment::Parameter(name) = segment {
            names.push(name.as_str());
        }
    }
    names
}
