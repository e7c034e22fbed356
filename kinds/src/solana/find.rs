//! Which route each thing that is moved goes by: asset, payee and fee payer, and one cluster for all of them.
//!
//! It sees steps and routes; it decodes nothing and counts no fee.

use super::{place, step::Step};
use crate::routes::{Candidate, named, only_one};
use claviger_shared::{
    catalog::{Asset, AssetForm, Catalog, Mint, Payee, Route, SolanaRoute},
    denial::{Code, Denial},
    effect::Verb,
    grant::Grant,
    id::ResourceName,
    solana::Pubkey,
};

/// A step that moves something, and its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moved {
    /// Which instruction, from 0.
    pub(super) number: usize,
    /// What it does.
    pub(super) step: Step,
}

/// What is moved by a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// So much of the route's asset.
    Amount(u64),
    /// The rent of an account, if it is ours to pay.
    Rent(Option<u64>),
}

/// A step and its route.
#[derive(Debug)]
pub(super) struct Found<'a> {
    /// The resource's name.
    pub(super) resource: &'a ResourceName,
    /// The route's number.
    pub(super) number: u16,
    /// What it counts as.
    pub(super) verb: Verb,
    /// The route.
    pub(super) route: &'a SolanaRoute,
    /// Who is paid, or whose account is made.
    pub(super) to: Pubkey,
    /// How much.
    pub(super) what: What,
}

/// Every step's route.
///
/// # Errors
///
/// [`Code::DestinationDenied`] where no route, or more than one, or one of another cluster, takes a step;
/// [`Code::MethodDenied`] where a route makes no accounts; [`Code::InvalidRequest`] for decimals that are not the asset's.
pub(super) fn all<'a>(
    moved: &[Moved],
    payer: Pubkey,
    account: Pubkey,
    catalog: &'a Catalog,
    grant: &'a Grant,
) -> Result<Vec<Found<'a>>, Denial> {
    let payer = Some(payer).filter(|payer| *payer != account);
    let mut found: Vec<Found<'a>> = Vec::new();
    for one in moved {
        let next = find(one, payer, account, catalog, grant)?;
        let first = found.first().map(|first| first.route.cluster);
        if first.is_some_and(|cluster| cluster != next.route.cluster) {
            let code = Code::DestinationDenied;
            return Err(Denial::at(code, place(one.number)));
        }
        found.push(next);
    }
    Ok(found)
}

/// `payer` is who pays the fees, if somebody else.
fn find<'a>(
    moved: &Moved,
    payer: Option<Pubkey>,
    account: Pubkey,
    catalog: &'a Catalog,
    grant: &'a Grant,
) -> Result<Found<'a>, Denial> {
    let at = |code| Denial::at(code, place(moved.number));
    let mut matching = Vec::new();
    for (resource, number, route) in named(catalog, grant) {
        let Route::Solana(route) = route else {
            continue;
        };
        if takes(route, payer) && payee(catalog, route, moved.step).is_some() {
            matching.push(Candidate {
                resource,
                number,
                verb: Verb::Write,
                route,
            });
        }
    }
    let Candidate {
        resource,
        number,
        verb,
        route,
    } = only_one(matching, grant, at(Code::DestinationDenied), super::PLACE)?;
    let to = payee(catalog, route, moved.step).ok_or_else(|| at(Code::DestinationDenied))?;
    let what = match moved.step {
        Step::Transfer { lamports, .. } => What::Amount(lamports),
        Step::TransferChecked {
            amount, decimals, ..
        } => {
            let asset = catalog.assets.get(&route.asset);
            if asset.is_none_or(|asset| asset.decimals != decimals) {
                return Err(at(Code::InvalidRequest));
            }
            What::Amount(amount)
        }
        Step::Create { funder, .. } => {
            let rent = route.rent.ok_or_else(|| at(Code::MethodDenied))?;
            What::Rent((funder == account).then_some(rent))
        }
        Step::UnitLimit(_) | Step::UnitPrice(_) | Step::Memo { .. } => {
            return Err(at(Code::Unsupported));
        }
    };
    Ok(Found {
        resource,
        number,
        verb,
        route,
        to: to.owner,
        what,
    })
}

fn takes(route: &SolanaRoute, payer: Option<Pubkey>) -> bool {
    match payer {
        None => route.fee_payer.is_empty(),
        Some(payer) => route.fee_payer.contains(&payer),
    }
}

/// The payee of the route that a step pays, if it is in the route's asset.
fn payee(catalog: &Catalog, route: &SolanaRoute, step: Step) -> Option<Payee> {
    let mint = mint(catalog.assets.get(&route.asset)?)?;
    let mut payees = route.to.iter().copied();
    match (step, mint) {
        (Step::Transfer { to, .. }, None) => payees.find(|payee| payee.owner == to),
        (
            Step::TransferChecked {
                program,
                mint: of,
                to,
                ..
            },
            Some(Mint {
                address,
                program: by,
            }),
        ) if (of, program) == (address, by) => payees.find(|payee| payee.account == Some(to)),
        (
            Step::Create {
                account,
                owner,
                mint: of,
                program,
                ..
            },
            Some(Mint {
                address,
                program: by,
            }),
        ) if (of, program) == (address, by) => {
            payees.find(|payee| payee.owner == owner && payee.account == Some(account))
        }
        _ => None,
    }
}

/// What an asset of Solana is; nothing for another.
fn mint(asset: &Asset) -> Option<Option<Mint>> {
    match asset.form {
        AssetForm::Solana { mint, .. } => Some(mint),
        AssetForm::Native { .. } | AssetForm::Token { .. } | AssetForm::Collection { .. } => None,
    }
}
