//! Which route a call is: the one rule for choosing among several, for every kind.
//!
//! It sees only names, verbs and what each route answered; it knows no route's content.

use claviger_shared::{
    catalog::{Catalog, Route},
    denial::{Code, Denial},
    effect::Verb,
    grant::Grant,
    id::ResourceName,
};
use std::collections::BTreeSet;

/// A route that a call could be.
#[derive(Debug, Clone)]
pub(crate) struct Candidate<'a, R> {
    /// The resource's name.
    pub(crate) resource: &'a ResourceName,
    /// The route's number in the resource.
    pub(crate) number: u16,
    /// What the call does by this route.
    pub(crate) verb: Verb,
    /// The route itself.
    pub(crate) route: &'a R,
}

/// Every route of the resources that the grant's `permissions` name, by name and then number.
pub(crate) fn named<'a>(
    catalog: &'a Catalog,
    grant: &'a Grant,
) -> impl Iterator<Item = (&'a ResourceName, u16, &'a Route)> {
    let names: BTreeSet<_> = grant.permissions.names().collect();
    names
        .into_iter()
        .filter_map(|name| catalog.resources.get_key_value(name))
        .flat_map(|(name, resource)| {
            let numbered = (0_u16..).zip(&resource.routes);
            numbered.map(move |(number, route)| (name, number, route))
        })
}

/// The one route of those that match, or of those whose verb the grant allows.
///
/// # Errors
///
/// `none` where nothing matched; [`Code::PermissionDenied`] where several match and none is allowed;
/// [`Code::DestinationDenied`] at `place` where several match and are allowed: the catalog does not say which is meant.
pub(crate) fn only_one<'a, R>(
    mut matching: Vec<Candidate<'a, R>>,
    grant: &Grant,
    none: Denial,
    place: &'static str,
) -> Result<Candidate<'a, R>, Denial> {
    let first = matching.first().map(|candidate| candidate.resource.clone());
    if matching.len() > 1 {
        matching.retain(|one| grant.permissions.allows(one.verb, one.resource));
    }
    let ambiguous = matching.len() > 1;
    match (matching.pop(), first) {
        (Some(_), _) if ambiguous => Err(Denial::at(Code::DestinationDenied, place)),
        (Some(one), _) => Ok(one),
        (None, Some(name)) => Err(Denial::at(Code::PermissionDenied, name.as_str())),
        (None, None) => Err(none),
    }
}
