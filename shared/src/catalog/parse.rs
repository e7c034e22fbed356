//! Reading a catalog from an owner's strict JSON.
//!
//! A name stands for a list of routes, or for `{"env": …, "routes": […]}` where its environment is not live.

mod aws;
mod charge;
mod http;
mod jwt;
mod template;

use super::{Catalog, MAX_BYTES, Resource, Route};
use crate::{
    codec::json::{Place, Value},
    effect::{Env, Kind},
    grant::parse as grant,
    id::ResourceName,
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
        if let Some(place) = object.optional("assets") {
            return Err(Error::unsupported(&place, "no such member"));
        }
        let place = object.required("resources")?;
        object.finish()?;
        let entries = place.object()?.entries();
        if entries.len() > MAX_RESOURCES {
            let expected = format!("at most {MAX_RESOURCES} names");
            return Err(Error::invalid(&place, expected));
        }
        let (mut resources, mut issuer) = (BTreeMap::new(), None);
        for (name, place) in entries {
            let name =
                ResourceName::parse(name).map_err(|_| Error::invalid(&place, grant::RESOURCE))?;
            resources.insert(name, resource(&place, &mut issuer)?);
        }
        Ok(Self { resources })
    }
}

fn resource(place: &Place<'_>, issuer: &mut Option<String>) -> Result<Resource, Error> {
    if matches!(place.value(), Value::Array(_)) {
        return Ok(Resource {
            env: Env::Live,
            routes: routes(place, issuer)?,
        });
    }
    let mut object = place.object()?;
    let env = grant::env(&mut object)?;
    let routes = routes(&object.required("routes")?, issuer)?;
    object.finish()?;
    Ok(Resource { env, routes })
}

fn routes(place: &Place<'_>, issuer: &mut Option<String>) -> Result<Vec<Route>, Error> {
    let mut seen: Vec<Route> = Vec::new();
    read::each(place, MAX_ROUTES, |place| {
        let route = route(place, issuer)?;
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

fn route(place: &Place<'_>, issuer: &mut Option<String>) -> Result<Route, Error> {
    let mut object = place.object()?;
    let route = match grant::kind(&object.required("kind")?)? {
        Kind::Http => Route::Http(http::route(&mut object)?),
        Kind::Jwt => Route::Jwt(jwt::route(&mut object, issuer)?),
        Kind::Aws => Route::Aws(aws::route(&mut object)?),
        Kind::Template => Route::Template(Box::new(template::route(&mut object)?)),
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
        (Route::Template(a), Route::Template(b)) => http::is_same_matcher(&a.http, &b.http),
        (Route::Http(_) | Route::Jwt(_) | Route::Aws(_) | Route::Template(_), _) => false,
    }
}

#[cfg(test)]
mod tests;
