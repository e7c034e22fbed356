//! Reading a catalog from an owner's strict JSON.
//!
//! A name stands for a list of routes, or for `{"env": …, "routes": […]}` where its environment is not live.

mod assets;
mod aws;
mod charge;
mod evm;
mod http;
mod jwt;
mod solana;
mod ssh;
mod template;
mod x402;

use super::{Asset, Catalog, MAX_BYTES, Resource, Route};
use crate::{
    codec::json::{Place, Value},
    effect::{Env, Kind},
    grant::parse as grant,
    id::{ResourceName, Unit},
    owner::{Error, read},
};
use std::collections::BTreeMap;

/// Names of one catalog at most.
pub const MAX_RESOURCES: usize = 4096;
/// Routes of one name at most.
pub const MAX_ROUTES: usize = 64;
/// Longest audience, issuer or subject in bytes.
pub const MAX_CLAIM: usize = 512;

impl Catalog {
    /// Reads a catalog's exact bytes.
    ///
    /// # Errors
    ///
    /// An [`Error`] with the place at fault.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let value = read::document(bytes, MAX_BYTES)?;
        Self::from_place(&Place::new(&value, ""))
    }

    /// Reads a catalog that stands in another document.
    ///
    /// # Errors
    ///
    /// An [`Error`] with the place at fault.
    pub fn from_place(place: &Place<'_>) -> Result<Self, Error> {
        let mut object = place.object()?;
        read::version(&mut object)?;
        let assets = match object.optional("assets") {
            Some(place) => assets::assets(&place)?,
            None => BTreeMap::new(),
        };
        let place = object.required("resources")?;
        object.finish()?;
        let entries = place.object()?.entries();
        if entries.len() > MAX_RESOURCES {
            let expected = format!("at most {MAX_RESOURCES} names");
            return Err(Error::invalid(&place, expected));
        }
        let mut resources = BTreeMap::new();
        let mut around = Around {
            assets: &assets,
            issuer: None,
        };
        for (name, place) in entries {
            let name =
                ResourceName::parse(name).map_err(|_| Error::invalid(&place, grant::RESOURCE))?;
            resources.insert(name, resource(&place, &mut around)?);
        }
        Ok(Self { resources, assets })
    }
}

/// What a route may have to agree with.
struct Around<'a> {
    /// The catalog's assets.
    assets: &'a BTreeMap<Unit, Asset>,
    /// The issuer of the `oidc` routes before.
    issuer: Option<String>,
}

fn resource(place: &Place<'_>, around: &mut Around<'_>) -> Result<Resource, Error> {
    if matches!(place.value(), Value::Array(_)) {
        return Ok(Resource {
            env: Env::Live,
            routes: routes(place, Env::Live, around)?,
        });
    }
    let mut object = place.object()?;
    let env = grant::env(&mut object)?;
    let routes = routes(&object.required("routes")?, env, around)?;
    object.finish()?;
    Ok(Resource { env, routes })
}

fn routes(place: &Place<'_>, env: Env, around: &mut Around<'_>) -> Result<Vec<Route>, Error> {
    let mut seen: Vec<Route> = Vec::new();
    read::each(place, MAX_ROUTES, |place| {
        let route = route(place, env, around)?;
        if seen.iter().any(|other| is_same_matcher(other, &route)) {
            return Err(Error::invalid(
                place,
                "a route that no other here matches as well",
            ));
        }
        seen.push(route);
        Ok(())
    })?;
    read::some(place, seen)
}

/// One route of a resource of this environment.
fn route(place: &Place<'_>, env: Env, around: &mut Around<'_>) -> Result<Route, Error> {
    let mut object = place.object()?;
    let kind = object.required("kind")?;
    let route = match grant::kind(&kind)? {
        Kind::Http => Route::Http(http::of_kind(&mut object)?),
        Kind::Jwt => Route::Jwt(jwt::route(&mut object, &mut around.issuer)?),
        Kind::Aws => Route::Aws(aws::route(&mut object)?),
        Kind::Template => Route::Template(Box::new(template::route(&mut object)?)),
        Kind::Ssh => Route::Ssh(ssh::route(&mut object)?),
        Kind::Solana => Route::Solana(solana::route(&mut object, env, around.assets)?),
        Kind::X402 => Route::X402(x402::route(&mut object, env, around.assets)?),
        Kind::Evm => Route::Evm(evm::route(&mut object, env, around)?),
    };
    object.finish()?;
    Ok(route)
}

/// Whether every call of some method or audience that one route matches, the other matches too.
fn is_same_matcher(a: &Route, b: &Route) -> bool {
    match (a, b) {
        (Route::Http(a), Route::Http(b)) => http::is_same_matcher(a, b),
        (Route::Jwt(a), Route::Jwt(b)) => jwt::is_same_matcher(a, b),
        (Route::Aws(a), Route::Aws(b)) => aws::is_same_matcher(a, b),
        (Route::Evm(a), Route::Evm(b)) => evm::is_same_matcher(a, b),
        (Route::X402(a), Route::X402(b)) => x402::is_same_matcher(a, b),
        (Route::Ssh(a), Route::Ssh(b)) => ssh::is_same_matcher(a, b),
        (Route::Template(a), Route::Template(b)) => http::is_same_matcher(&a.http, &b.http),
        (Route::Solana(a), Route::Solana(b)) => solana::is_same_matcher(a, b),
        (
            Route::Http(_)
            | Route::Jwt(_)
            | Route::Aws(_)
            | Route::X402(_)
            | Route::Ssh(_)
            | Route::Evm(_)
            | Route::Template(_)
            | Route::Solana(_),
            _,
        ) => false,
    }
}

#[cfg(test)]
mod tests;
