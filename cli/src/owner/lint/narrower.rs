//! The narrower grant: the same task with what its lint found taken out.
//!
//! It only takes away: names that allow nothing, allowances nobody needs, time, pace. What an owner must decide (which
//! objects, which amounts) is left to them.

use super::{
    scope::{has_paced_calls, lists, serves},
    terms::{LONG, LONG_RENEWAL, RATE},
};
use crate::owner::words::Around;
use claviger_shared::{
    amount::Amount,
    catalog::Route,
    effect::Verb,
    grant::{Budget, Grant, Rate, Window},
    id::{ResourceName, Unit},
    time::DAY,
};

/// The most calls a day that is proposed.
const CALLS_A_DAY: u128 = 1000;

/// The narrower grant, where there is one.
#[must_use]
pub fn grant(grant: &Grant, around: &Around<'_>) -> Option<Grant> {
    let mut narrower = grant.clone();
    scope(&mut narrower, around);
    time(&mut narrower);
    pace(&mut narrower, around);
    (narrower != *grant).then_some(narrower)
}

fn scope(grant: &mut Grant, around: &Around<'_>) {
    let alive = |name: &ResourceName, verb: Verb| {
        let resource = around.catalog.resources.get(name);
        resource.is_some_and(|resource| serves(resource, verb))
    };
    let permissions = &mut grant.permissions;
    permissions.read.retain(|name| alive(name, Verb::Read));
    permissions.write.retain(|name| alive(name, Verb::Write));
    permissions.delete.retain(|name| alive(name, Verb::Delete));
    let named = grant.permissions.clone();
    let in_scope = |name: &ResourceName| named.names().any(|other| other == name);
    let mints = |name: &ResourceName| {
        let routes = around.catalog.resources.get(name);
        routes.is_some_and(|resource| {
            resource.routes.iter().any(|way| match way {
                Route::Http(http) => http.mints,
                Route::Jwt(jwt) => jwt.mints,
                Route::Aws(aws) => aws.mints(),
                Route::Evm(evm) => evm.mints(),
                Route::X402(_) | Route::Ssh(_) | Route::Solana(_) => false,
                Route::Template(template) => template.http.mints,
            })
        })
    };
    grant
        .allow_minting
        .retain(|name| in_scope(name) && mints(name));
    grant.allow_identity_only.retain(in_scope);
    grant.allow_outliving.retain(in_scope);
    grant.only.retain(|name, _| in_scope(name));
}

fn time(grant: &mut Grant) {
    let end = grant.not_before.plus(LONG);
    if grant.expires_at > end {
        let until = grant.renew_until.unwrap_or(grant.expires_at);
        grant.expires_at = end;
        grant.renew_until = Some(until);
    }
    let latest = grant.not_before.plus(LONG_RENEWAL);
    grant.renew_until = grant.renew_until.map(|until| until.min(latest));
}

fn pace(grant: &mut Grant, around: &Around<'_>) {
    let calls = grant
        .budgets
        .iter()
        .filter(|budget| budget.unit.is_call())
        .map(|budget| budget.max.0)
        .max()
        .unwrap_or(1);
    if grant.rate.is_empty() {
        let most = u64::try_from(calls).unwrap_or(u64::MAX).max(1);
        grant.rate.push(Rate {
            max: RATE.max.min(most),
            per: RATE.per,
        });
    }
    let unpriced = lists(grant).into_iter().any(|(verb, names)| {
        verb != Verb::Read
            && names.iter().any(|name| {
                let resource = around.catalog.resources.get(name);
                let mut routes = resource.into_iter().flat_map(|resource| &resource.routes);
                routes.any(|way| matches!(way, Route::Http(http) if http.charge.is_empty()))
            })
    });
    if unpriced && !has_paced_calls(grant) {
        grant.budgets.push(Budget {
            unit: Unit::call(),
            max: Amount(calls.min(CALLS_A_DAY)),
            window: Window::Rolling(DAY),
        });
    }
}
