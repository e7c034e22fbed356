//! Routes of Solana: whom, in lamports or a token, and what may stand beside it.

use super::assets;
use crate::{
    catalog::{Asset, AssetForm, Mint, Payee, SolanaRoute},
    codec::json::{Object, Place},
    effect::Env,
    id::Unit,
    owner::{Error, read},
    solana::{Cluster, Pubkey},
};
use std::collections::BTreeMap;

/// Payees of one route at most.
pub(super) const MAX_PAYEES: usize = 256;
/// Most that a route may say an account costs: one SOL.
const MAX_RENT: u64 = 1_000_000_000;

pub(super) fn route(
    object: &mut Object<'_>,
    env: Env,
    assets: &BTreeMap<Unit, Asset>,
) -> Result<SolanaRoute, Error> {
    let place = object.required("network")?;
    let cluster = Cluster::parse(place.str()?);
    let cluster = cluster.map_err(|_| Error::unsupported(&place, assets::CLUSTER))?;
    let place = object.required("asset")?;
    let expected = "an asset of this cluster in this environment";
    let asset = read::parsed(&place, expected, Unit::parse)?;
    let found = assets.get(&asset).filter(|asset| asset.env == env);
    let mint = found.and_then(|asset| mint_on(asset, cluster));
    let mint = mint.ok_or_else(|| Error::invalid(&place, expected))?;
    // An asset has no second name, so there is one at most.
    let is_coin = |asset: &Asset| mint_on(asset, cluster) == Some(None);
    let coin = assets.iter().find(|(_, asset)| is_coin(asset));
    let coin = coin.map(|(unit, _)| unit.clone()).ok_or_else(|| {
        let expected = "a cluster whose lamports are an asset too: fees are charged in them";
        Error::invalid(&place, expected)
    })?;
    let place = object.required("to")?;
    let owners = read::each_once(&place, MAX_PAYEES, assets::account)?;
    let owners = read::some(&place, owners)?.into_iter();
    let to = owners
        .map(|owner| payee(owner, mint, &place))
        .collect::<Result<_, _>>()?;
    let memo = read::flag(object, "memo")?;
    let rent = object.optional("rent");
    let rent = rent.map(|place| self::rent(&place, mint)).transpose()?;
    let fee_payer = match object.optional("fee_payer") {
        Some(place) => {
            let payers = read::each_once(&place, MAX_PAYEES, assets::account)?;
            read::some(&place, payers)?
        }
        None => Vec::new(),
    };
    Ok(SolanaRoute {
        cluster,
        asset,
        coin,
        to,
        memo,
        rent,
        fee_payer,
    })
}

/// What an asset is on a cluster: a token, or lamports; nothing for one that is elsewhere.
fn mint_on(asset: &Asset, on: Cluster) -> Option<Option<Mint>> {
    match asset.form {
        AssetForm::Solana { cluster, mint } if cluster == on => Some(mint),
        AssetForm::Solana { .. }
        | AssetForm::Native { .. }
        | AssetForm::Token { .. }
        | AssetForm::Collection { .. } => None,
    }
}

/// The account is derived here, once: a call is compared with it.
fn payee(owner: Pubkey, mint: Option<Mint>, place: &Place<'_>) -> Result<Payee, Error> {
    let account = match mint {
        None => None,
        Some(Mint { address, program }) => {
            let account = Pubkey::associated(&owner, &address, program);
            Some(account.ok_or_else(|| Error::invalid(place, "owners that have an account"))?)
        }
    };
    Ok(Payee { owner, account })
}

fn rent(place: &Place<'_>, mint: Option<Mint>) -> Result<u64, Error> {
    let Some(Mint { program, .. }) = mint else {
        let expected = "no such member: lamports need no account of their own";
        return Err(Error::invalid(place, expected));
    };
    let least = program.least_rent();
    let lamports = assets::amount(place)?.0;
    let lamports = u64::try_from(lamports).ok();
    let lamports = lamports.filter(|lamports| (least..=MAX_RENT).contains(lamports));
    let expected = || format!("lamports, from {least} to {MAX_RENT}: what an account costs");
    lamports.ok_or_else(|| Error::invalid(place, expected()))
}

/// The same asset and a payee in common, with the same one paying the fees.
pub(super) fn is_same_matcher(a: &SolanaRoute, b: &SolanaRoute) -> bool {
    let payers = (a.fee_payer.is_empty() && b.fee_payer.is_empty())
        || a.fee_payer.iter().any(|payer| b.fee_payer.contains(payer));
    a.asset == b.asset && payers && a.to.iter().any(|payee| b.to.contains(payee))
}

#[cfg(test)]
mod tests;
