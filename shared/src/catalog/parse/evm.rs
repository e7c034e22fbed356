//! Routes of chains of the Ethereum family: the coin, tokens, and other contracts by a small ABI.
//!
//! A call that a standard knows is read by its rules whatever else a route says; one that hands over all that an account
//! holds, or will hold, is not written here.

mod call;
mod sign_in;
mod typed;
mod value;

use super::{
    Around,
    assets::{address, chain},
};
use crate::{
    catalog::{Asset, AssetForm, CoinTransfer, EvmRoute, EvmSigns},
    chain::Address,
    codec::json::{Object, Place},
    effect::Env,
    grant::parse as grant,
    id::Unit,
    owner::{Error, read},
};

/// Accounts of one list at most.
const MAX_ACCOUNTS: usize = 256;

pub(super) fn route(
    object: &mut Object<'_>,
    env: Env,
    around: &Around<'_>,
) -> Result<EvmRoute, Error> {
    let place = object.required("chain")?;
    let chain = chain(&place)?;
    if let Some(place) = object.optional("probe")
        && place.bool()?
    {
        let expected = "false: nothing of this kind is harmless";
        return Err(Error::unsupported(&place, expected));
    }
    let on = On { chain, env, around };
    let typed = object.optional("typed_data");
    let sign_in = object.optional("sign_in");
    let contract = object.optional("contract");
    let signs = match (contract, typed, sign_in) {
        (Some(contract), None, None) => call::call(&contract, &place, object, &on)?,
        (None, Some(typed), None) => {
            EvmSigns::TypedData(typed::typed(&typed, grant::verb(object)?, &on)?)
        }
        (None, None, Some(sign_in)) => {
            EvmSigns::SignIn(sign_in::sign_in(&sign_in, grant::verb(object)?)?)
        }
        (Some(place), _, _) | (None, Some(place), Some(_)) => {
            let expected = "one of contract, typed_data and sign_in";
            return Err(Error::invalid(&place, expected));
        }
        (None, None, None) => EvmSigns::Coin(CoinTransfer {
            coin: on.coin(&place)?,
            to: to(object, &on)?,
        }),
    };
    Ok(EvmRoute { chain, signs })
}

/// Accounts that the chain's coin goes to: no contract of a token, where it would be lost.
fn to(object: &mut Object<'_>, on: &On<'_>) -> Result<Vec<Address>, Error> {
    let is_token = |address: &Address| {
        let mut assets = on.around.assets.values();
        assets.any(|asset| asset.chain == on.chain && asset.contract() == Some(*address))
    };
    let place = object.required("to")?;
    let list = accounts(&place)?;
    if list.iter().any(is_token) {
        let expected = "accounts: no asset's contract, where coin would be lost";
        return Err(Error::invalid(&place, expected));
    }
    Ok(list)
}

fn accounts(place: &Place<'_>) -> Result<Vec<Address>, Error> {
    let list = read::each_once(place, MAX_ACCOUNTS, address)?;
    read::some(place, list)
}

/// Where a route signs.
struct On<'a> {
    chain: u64,
    env: Env,
    around: &'a Around<'a>,
}

impl On<'_> {
    /// The chain's coin.
    fn coin(&self, place: &Place<'_>) -> Result<Unit, Error> {
        let mut assets = self.around.assets.iter();
        let coin = assets.find(|(_, asset)| {
            asset.chain == self.chain && matches!(asset.form, AssetForm::Native { .. })
        });
        let expected = "a chain whose coin is in assets, by {\"native\": true}";
        let (unit, asset) = coin.ok_or_else(|| Error::invalid(place, expected))?;
        self.fits(asset, place)?;
        Ok(unit.clone())
    }

    /// An asset is of the chain, and of the resource's environment.
    fn fits(&self, asset: &Asset, place: &Place<'_>) -> Result<(), Error> {
        if asset.chain != self.chain {
            return Err(Error::invalid(place, "an asset of this chain"));
        }
        if asset.env != self.env {
            let expected = "an asset of the environment that the resource has";
            return Err(Error::invalid(place, expected));
        }
        Ok(())
    }

    /// The asset that a contract is.
    fn token(&self, contract: Address) -> Option<(&Unit, &Asset)> {
        let mut assets = self.around.assets.iter();
        assets.find(|(_, asset)| asset.chain == self.chain && asset.contract() == Some(contract))
    }
}

/// Whether every thing that one signs, the other signs too; to somebody at least.
pub(super) fn is_same_matcher(a: &EvmRoute, b: &EvmRoute) -> bool {
    let common = |a: &[Address], b: &[Address]| a.iter().any(|one| b.contains(one));
    let same = match (&a.signs, &b.signs) {
        (EvmSigns::Coin(a), EvmSigns::Coin(b)) => common(&a.to, &b.to),
        (EvmSigns::Token(a), EvmSigns::Token(b)) => {
            let same = a.contract == b.contract && a.function == b.function;
            let from = a.from.is_empty() || common(&a.from, &b.from);
            same && common(&a.to, &b.to) && from && call::common_ids(a, b)
        }
        (EvmSigns::Call(a), EvmSigns::Call(b)) => {
            a.contract == b.contract && a.signature() == b.signature() && call::overlap(a, b)
        }
        (EvmSigns::TypedData(a), EvmSigns::TypedData(b)) => {
            a.domain.contract == b.domain.contract && a.primary_type == b.primary_type
        }
        (EvmSigns::SignIn(a), EvmSigns::SignIn(b)) => a.domain == b.domain && a.uri == b.uri,
        (
            EvmSigns::Coin(_)
            | EvmSigns::Token(_)
            | EvmSigns::Call(_)
            | EvmSigns::TypedData(_)
            | EvmSigns::SignIn(_),
            _,
        ) => false,
    };
    same && a.chain == b.chain
}

#[cfg(test)]
mod tests;
