//! Routes of tokens: for whom, and who says what of whom.

use super::MAX_CLAIM;
use crate::{
    call::http::Url,
    catalog::JwtRoute,
    codec::json::{Object, Place},
    grant::{parse as grant, profile},
    owner::{Error, read},
};

/// One route; `issuer` is that of the `oidc` routes before it, which all have the same.
pub(super) fn route(
    object: &mut Object<'_>,
    issuer: &mut Option<String>,
) -> Result<JwtRoute, Error> {
    let place = object.required("profile")?;
    let profile = match place.str()? {
        word if profile::OF_JWT.contains(&word) => word.to_owned(),
        _ => return Err(Error::unsupported(&place, "\"assertion\" or \"oidc\"")),
    };
    if let Some(place) = object.optional("mints")
        && !place.bool()?
    {
        let expected = "true: what the audience of a token answers is a credential";
        return Err(Error::invalid(&place, expected));
    }
    let audience = claim(&object.required("audience")?)?;
    let place = object.required("issuer")?;
    let identity = profile == profile::OIDC;
    Ok(JwtRoute {
        audience,
        issuer: if identity {
            one_issuer(&place, issuer)?
        } else {
            claim(&place)?
        },
        // An identity token's subject is derived: an owner cannot write another.
        subject: if identity {
            String::new()
        } else {
            claim(&object.required("subject")?)?
        },
        nonce: identity && read::flag(object, "nonce")?,
        verb: grant::verb(object)?,
        probe: read::flag(object, "probe")?,
        mints: true,
        profile,
    })
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
