//! The harmless calls of a grant: routes that owners marked `probe`, with values for their parameters.
//!
//! A parameter takes what `--set` gives, else the first value that the grant's `only` lists; without either the route is
//! skipped, and said to be. Nothing is guessed.

use crate::Error;
use claviger_shared::{
    call::{HttpInput, Input, JwtInput, Reach, Sign, Whoami},
    effect::Kind,
    grant::Grant,
    id::ResourceName,
};

/// One call to try.
#[derive(Debug)]
pub struct Probe {
    /// Of which resource.
    pub resource: ResourceName,
    /// Of which kind.
    pub kind: Kind,
    /// The call, for people.
    pub call: String,
    /// What to ask for, or what is missing for it.
    pub sign: Result<Sign, String>,
}

/// Reads `NAME=VALUE`.
///
/// # Errors
///
/// [`Error::Usage`].
pub fn value(text: &str) -> Result<(String, String), Error> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        Some(_) | None => Err(Error::Usage(format!(
            "--set `{text}`: expected NAME=VALUE, a parameter of a route's path"
        ))),
    }
}

/// The probes of a grant.
#[must_use]
pub fn of(own: &Whoami, values: &[(String, String)]) -> Vec<Probe> {
    let marked = own.routes.iter().filter(|route| route.probe);
    marked
        .filter_map(|route| one(&own.grant, route, values))
        .collect()
}

fn one(grant: &Grant, route: &Reach, values: &[(String, String)]) -> Option<Probe> {
    let method = route.methods.first()?;
    let (call, sign) = match route.kind {
        Kind::Http | Kind::Template => {
            let url = expanded(grant, route, values);
            let call = format!("{method} {}", url.as_ref().unwrap_or(&route.destination));
            let input = url.map(|url| {
                let input = HttpInput {
                    method: method.clone(),
                    url,
                    headers: Vec::new(),
                    body: None,
                };
                if route.kind == Kind::Http {
                    Input::Http(input)
                } else {
                    Input::Template(input)
                }
            });
            (call, input)
        }
        Kind::Jwt => {
            let input = JwtInput {
                profile: method.clone(),
                audience: route.destination.clone(),
                ttl_s: None,
                nonce: None,
                method: None,
                url: None,
                ath: None,
                wit: None,
            };
            let call = format!("jwt {method} for {}", route.destination);
            (call, Ok(Input::Jwt(input)))
        }
        // No route of these kinds is a probe.
        Kind::Aws | Kind::Evm | Kind::X402 | Kind::Ssh | Kind::Solana => return None,
    };
    Some(Probe {
        resource: route.resource.clone(),
        kind: route.kind,
        call,
        sign: sign.map(|input| Sign {
            input,
            idempotency_key: None,
        }),
    })
}

/// A route's URL with each `{name}` replaced.
fn expanded(grant: &Grant, route: &Reach, values: &[(String, String)]) -> Result<String, String> {
    let mut url = String::new();
    let mut rest = route.destination.as_str();
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        let given = values.iter().find(|(known, _)| known == name);
        let only = grant.only.get(&route.resource);
        let listed = only
            .and_then(|only| only.get(&format!("path.{name}")))
            .and_then(|listed| listed.first());
        let value = given.map(|(_, value)| value).or(listed);
        let value = value.ok_or_else(|| format!("no value for {{{name}}}: give --set {name}=…"))?;
        url.push_str(before);
        url.push_str(value);
        rest = after;
    }
    url.push_str(rest);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_named() {
        assert_eq!(
            value("id=a=b").unwrap(),
            ("id".to_owned(), "a=b".to_owned())
        );
        for text in ["", "id", "=x", "id="] {
            assert!(matches!(value(text), Err(Error::Usage(_))), "{text}");
        }
    }
}
