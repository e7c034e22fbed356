//! Routes of tokens: for whom, and who says what of whom.

use super::{MAX_CLAIM, http};
use crate::{
    call::http::Url,
    catalog::JwtRoute,
    codec::json::{Object, Place},
    grant::{parse as grant, profile},
    owner::{Error, read},
};

/// Longest id of an app.
const MAX_APP: usize = 64;

/// One route; `issuer` is that of the `oidc` routes before it, which all have the same.
pub(super) fn route(
    object: &mut Object<'_>,
    issuer: &mut Option<String>,
) -> Result<JwtRoute, Error> {
    let place = object.required("profile")?;
    let word = place.str()?;
    let none = JwtRoute {
        profile: word.to_owned(),
        audience: String::new(),
        issuer: String::new(),
        subject: String::new(),
        nonce: false,
        scope: None,
        key_id: None,
        token_endpoint: false,
        http: None,
        verb: grant::verb(object)?,
        probe: false,
        mints: true,
    };
    match word {
        profile::ASSERTION => {
            minting(object, "the audience of a token")?;
            Ok(JwtRoute {
                audience: claim(&object.required("audience")?)?,
                issuer: claim(&object.required("issuer")?)?,
                subject: claim(&object.required("subject")?)?,
                probe: read::flag(object, "probe")?,
                ..none
            })
        }
        // An identity token's subject is derived: an owner cannot write another.
        profile::OIDC => {
            minting(object, "the audience of a token")?;
            Ok(JwtRoute {
                audience: claim(&object.required("audience")?)?,
                issuer: one_issuer(&object.required("issuer")?, issuer)?,
                nonce: read::flag(object, "nonce")?,
                probe: read::flag(object, "probe")?,
                ..none
            })
        }
        profile::GITHUB_APP => {
            minting(object, "GitHub to an app")?;
            let expected = "the app's id or client id";
            Ok(JwtRoute {
                audience: claim(&object.required("audience")?)?,
                issuer: read::text(&object.required("issuer")?, expected, is_app)?,
                probe: read::flag(object, "probe")?,
                ..none
            })
        }
        profile::GCP => account(object, none),
        profile::DPOP => proof(object, none),
        // A probe would need a workload's token.
        profile::WPT => Ok(JwtRoute {
            audience: http::audience(&object.required("audience")?)?,
            subject: http::workload(&object.required("subject")?)?,
            mints: read::flag(object, "mints")?,
            ..none
        }),
        _ => Err(Error::unsupported(
            &place,
            "\"assertion\", \"oidc\", \"github-app\", \"gcp\", \"dpop\" or \"wpt\"",
        )),
    }
}

/// A service account: at a token endpoint an assertion, elsewhere a token that is used as it is.
fn account(object: &mut Object<'_>, none: JwtRoute) -> Result<JwtRoute, Error> {
    let token_endpoint = read::flag(object, "token_endpoint")?;
    let mints = if token_endpoint {
        minting(object, "a token endpoint")?;
        true
    } else {
        read::flag(object, "mints")?
    };
    let scope = if token_endpoint {
        Some(object.required("scope")?)
    } else {
        object.optional("scope")
    };
    let subject = token_endpoint.then(|| object.optional("subject")).flatten();
    let subject = subject.map(|place| claim(&place)).transpose()?;
    let email = "the account's address, as name@project.iam.gserviceaccount.com";
    Ok(JwtRoute {
        audience: claim(&object.required("audience")?)?,
        issuer: read::text(&object.required("issuer")?, email, is_account)?,
        subject: subject.unwrap_or_default(),
        scope: scope.map(|place| claim(&place)).transpose()?,
        key_id: Some(claim(&object.required("key_id")?)?),
        token_endpoint,
        probe: read::flag(object, "probe")?,
        mints,
        ..none
    })
}

/// Requests that are proved; a probe would need an access token.
fn proof(object: &mut Object<'_>, none: JwtRoute) -> Result<JwtRoute, Error> {
    let token_endpoint = read::flag(object, "token_endpoint")?;
    let mints = if token_endpoint {
        minting(object, "a token endpoint")?;
        true
    } else {
        read::flag(object, "mints")?
    };
    Ok(JwtRoute {
        http: Some(Box::new(http::bare(object)?)),
        token_endpoint,
        mints,
        ..none
    })
}

/// The same audience, or, of proofs, the same requests.
pub(super) fn is_same_matcher(a: &JwtRoute, b: &JwtRoute) -> bool {
    a.profile == b.profile
        && match (&a.http, &b.http) {
            (Some(a), Some(b)) => http::is_same_matcher(a, b),
            (None, None) => a.audience == b.audience,
            (Some(_), None) | (None, Some(_)) => false,
        }
}

/// `mints`, if it stands there at all, is true.
fn minting(object: &mut Object<'_>, who: &str) -> Result<(), Error> {
    match object.optional("mints") {
        Some(place) if !place.bool()? => {
            let expected = format!("true: what is answered by {who} is a credential");
            Err(Error::invalid(&place, &expected))
        }
        Some(_) | None => Ok(()),
    }
}

fn is_app(text: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'.';
    !text.is_empty() && text.len() <= MAX_APP && text.bytes().all(fine)
}

fn is_account(text: &str) -> bool {
    let fine = text.bytes().all(|b| b.is_ascii_graphic());
    let parts = text.split_once('@');
    let parts = parts.is_some_and(|(name, domain)| !name.is_empty() && domain.contains('.'));
    fine && parts && text.len() <= MAX_CLAIM
}

/// An https URL without query, and the same as that of the routes before.
fn one_issuer(place: &Place<'_>, issuer: &mut Option<String>) -> Result<String, Error> {
    let expected = "an https URL in normal form, without query and trailing slash";
    let text = read::text(place, expected, is_issuer)?;
    match issuer {
        Some(other) if *other != text => Err(Error::invalid(
            place,
            "the one issuer of this deployment, as in the other oidc routes",
        )),
        Some(_) => Ok(text),
        None => Ok(issuer.insert(text).clone()),
    }
}

/// OpenID Connect Discovery §3: no query, no fragment; one spelling, so no trailing slash.
fn is_issuer(text: &str) -> bool {
    let fine = Url::parse(text).is_ok_and(|url| url.query.is_none());
    fine && text.len() <= MAX_CLAIM && !text.ends_with('/')
}

fn claim(place: &Place<'_>) -> Result<String, Error> {
    read::text(place, "1 to 512 printable ASCII characters", |text| {
        let printable = text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
        printable && !text.is_empty() && text.len() <= MAX_CLAIM
    })
}

#[cfg(test)]
pub(super) mod tests;
