//! A server's demand for a payment (x402), as it came with status 402, made into a call.
//!
//! Only the form is looked at: which of the ways to pay, and that its parts are JSON objects. Whether it may be paid is the
//! enclave's to say.

use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_shared::call::x402::{Version, X402Input};
use serde_json::{Map, Value};

/// A demand that cannot be made into a call, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadDemand(String);

fn bad<T>(what: impl Into<String>) -> Result<T, BadDemand> {
    Err(BadDemand(what.into()))
}

/// The call for one way of paying that a server accepts: by its place in `accepts`, or, without one, the only one of scheme
/// `exact` on a chain of the Ethereum family.
///
/// `demand` is the value of the header field `PAYMENT-REQUIRED` (version 2, base64), or the JSON that it holds or that is the
/// body of the answer (version 1).
///
/// # Errors
///
/// [`BadDemand`] for another text, or where there is no such way or more than one.
pub fn input(
    demand: &str,
    accept: Option<usize>,
    ttl_s: Option<u64>,
) -> Result<X402Input, BadDemand> {
    let demand = read(demand)?;
    let version = demand.get("x402Version").and_then(Value::as_u64);
    let Some(version) = version.and_then(Version::of) else {
        return bad("`x402Version` is neither 1 nor 2");
    };
    let Some(Value::Array(ways)) = demand.get("accepts") else {
        return bad("`accepts` is no list: expected what a server sends with status 402");
    };
    let way = match accept {
        Some(place) => ways.get(place).ok_or_else(|| {
            let last = ways.len().saturating_sub(1);
            BadDemand(format!("no way {place} in `accepts`: the last is {last}"))
        })?,
        None => only_one(ways, version)?,
    };
    let echoed = |name: &str| match (version, demand.get(name)) {
        (Version::Two, Some(value @ Value::Object(_))) => Some(value.to_string()),
        (Version::One | Version::Two, _) => None,
    };
    Ok(X402Input {
        version: version.number(),
        requirements: way.to_string(),
        resource: echoed("resource"),
        extensions: echoed("extensions"),
        ttl_s,
    })
}

/// JSON, or JSON in base64.
fn read(text: &str) -> Result<Map<String, Value>, BadDemand> {
    let text = text.trim();
    let decoded = if text.starts_with('{') {
        text.as_bytes().to_vec()
    } else {
        match STANDARD.decode(text) {
            Ok(bytes) => bytes,
            Err(_) => {
                return bad(
                    "neither JSON nor base64: expected what a server sends with status 402",
                );
            }
        }
    };
    match serde_json::from_slice(&decoded) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) | Err(_) => bad("no JSON object: expected what a server sends with status 402"),
    }
}

/// The one way that could be paid.
fn only_one(ways: &[Value], version: Version) -> Result<&Value, BadDemand> {
    let fits = |way: &&Value| {
        let text = |name: &str| way.get(name).and_then(Value::as_str);
        let chain = text("network").and_then(|network| version.chain(network));
        text("scheme") == Some("exact") && chain.is_some()
    };
    let mut fitting = ways.iter().filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(way), None) => Ok(way),
        (Some(_), Some(_)) => {
            bad("several ways to pay: say which by its place in `accepts`, from 0")
        }
        (None, _) => bad("no way of scheme `exact` on a chain of the Ethereum family"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAY: &str = r#"{"scheme":"exact","network":"eip155:8453","amount":"1"}"#;

    fn demand(ways: &str) -> String {
        format!(r#"{{"x402Version":2,"resource":{{"url":"u"}},"accepts":[{ways}],"error":"e"}}"#)
    }

    #[test]
    fn the_only_way_is_taken_from_text_and_header() {
        let other = r#"{"scheme":"exact","network":"solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"}"#;
        let text = demand(&format!("{other},{WAY}"));
        let call = input(&text, None, Some(5)).unwrap();
        assert_eq!((call.version, call.ttl_s), (2, Some(5)));
        assert_eq!(call.resource.as_deref(), Some(r#"{"url":"u"}"#));
        assert_eq!(call.extensions, None);
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(value(&call.requirements), value(WAY));
        let header = STANDARD.encode(&text);
        assert_eq!(input(&header, Some(1), Some(5)).unwrap(), call);
    }

    #[test]
    fn version_one_gives_nothing_back() {
        let text =
            r#"{"x402Version":1,"resource":{},"accepts":[{"scheme":"exact","network":"base"}]}"#;
        let call = input(text, None, None).unwrap();
        assert_eq!((call.version, call.resource), (1, None));
    }

    #[test]
    fn what_is_no_demand_says_what_was_expected() {
        for (text, accept, what) in [
            ("", None, "no JSON"),
            ("%", None, "neither"),
            ("[]", None, "neither"),
            (r#"{"x402Version":3,"accepts":[]}"#, None, "neither 1 nor 2"),
            (
                r#"{"x402Version":"2","accepts":[]}"#,
                None,
                "neither 1 nor 2",
            ),
            (r#"{"x402Version":2}"#, None, "no list"),
            (&demand(""), None, "no way of"),
            (&demand(&format!("{WAY},{WAY}")), None, "several"),
            (&demand(WAY), Some(1), "no way 1"),
        ] {
            let error = input(text, accept, None).unwrap_err().to_string();
            assert!(error.contains(what), "{text}: {error}");
        }
    }
}
