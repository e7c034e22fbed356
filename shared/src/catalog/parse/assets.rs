//! Assets: units of account, each by its one name.

use crate::{
    amount::Amount,
    catalog::{Asset, AssetForm, CollectionStandard, DomainName, Mint},
    chain::{Address, MAX_CHAIN},
    codec::json::{Object, Place},
    effect::Env,
    grant::parse as grant,
    id::Unit,
    owner::{Error, read},
    solana::{Cluster, Pubkey, SYSTEM, TokenProgram},
};
use std::collections::BTreeMap;

/// Assets of one catalog at most.
pub(super) const MAX_ASSETS: usize = 1024;
/// Most digits behind the point: what 128 bits hold.
const MAX_DECIMALS: u64 = 38;
/// Longest name or version of a domain in bytes.
const MAX_NAME: usize = 128;
/// What an address looks like.
pub(super) const ADDRESS: &str =
    "an address: 0x and 40 hexadecimal digits, all lower case or with the checksum of EIP-55";

/// What an account of Solana looks like.
const ACCOUNT: &str = "an address: 32 bytes in base58";
/// What a cluster looks like.
pub(super) const CLUSTER: &str = "a cluster (CAIP-2): solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp for mainnet, or that of devnet or testnet";
/// One SOL is 10^9 lamports.
const SOL_DECIMALS: u8 = 9;

pub(super) fn assets(place: &Place<'_>) -> Result<BTreeMap<Unit, Asset>, Error> {
    let entries = place.object()?.entries();
    if entries.len() > MAX_ASSETS {
        let expected = format!("at most {MAX_ASSETS} assets");
        return Err(Error::invalid(place, expected));
    }
    let mut assets: BTreeMap<Unit, Asset> = BTreeMap::new();
    for (name, place) in entries {
        let expected = "a unit's name, and not `call`";
        let unit = Unit::parse(name).ok().filter(|unit| !unit.is_call());
        let unit = unit.ok_or_else(|| Error::invalid(&place, expected))?;
        let asset = asset(&place)?;
        if assets.values().any(|other| other.is_twin(&asset)) {
            let expected = "an asset that has no other name";
            return Err(Error::invalid(&place, expected));
        }
        assets.insert(unit, asset);
    }
    Ok(assets)
}

fn asset(place: &Place<'_>) -> Result<Asset, Error> {
    let mut object = place.object()?;
    if let Some(place) = object.optional("cluster") {
        let asset = on_solana(&mut object, &place)?;
        object.finish()?;
        return Ok(asset);
    }
    let native = read::flag(&mut object, "native")?;
    let form = if native {
        let extra_fee_max = match object.optional("extra_fee_max") {
            Some(place) => Some(amount(&place)?),
            None => None,
        };
        AssetForm::Native { extra_fee_max }
    } else {
        let contract = address(&object.required("contract")?)?;
        if let Some(standard) = collection(&mut object)? {
            let decimals = object.required("decimals")?;
            if decimals.u64()? != 0 {
                return Err(Error::invalid(&decimals, "0: a token of these is one"));
            }
            let form = AssetForm::Collection { contract, standard };
            return finished(object, form);
        }
        let eip712 = match object.optional("eip712") {
            Some(place) => Some(domain(&place)?),
            None => None,
        };
        AssetForm::Token { contract, eip712 }
    };
    finished(object, form)
}

/// By which standard a contract's tokens are many; nothing for ERC-20's, which are all alike.
fn collection(object: &mut Object<'_>) -> Result<Option<CollectionStandard>, Error> {
    let Some(place) = object.optional("standard") else {
        return Ok(None);
    };
    match place.str()? {
        "erc20" => Ok(None),
        "erc721" => Ok(Some(CollectionStandard::Erc721)),
        "erc1155" => Ok(Some(CollectionStandard::Erc1155)),
        _ => Err(Error::unsupported(
            &place,
            "\"erc20\", \"erc721\" or \"erc1155\"",
        )),
    }
}

fn finished(mut object: Object<'_>, form: AssetForm) -> Result<Asset, Error> {
    let asset = Asset {
        env: grant::env(&mut object)?,
        chain: chain(&object.required("chain")?)?,
        decimals: decimals(&object.required("decimals")?)?,
        form,
    };
    object.finish()?;
    Ok(asset)
}

/// Nothing that is signed says which cluster it is for: keys of the one environment sign for mainnet alone.
fn on_solana(object: &mut Object<'_>, place: &Place<'_>) -> Result<Asset, Error> {
    let cluster = read::parsed(place, CLUSTER, Cluster::parse)?;
    let env = grant::env(object)?;
    if (cluster == Cluster::Mainnet) != (env == Env::Live) {
        let expected = "mainnet in the environment live, another cluster in sandbox";
        return Err(Error::invalid(place, expected));
    }
    let mint = if read::flag(object, "native")? {
        None
    } else {
        let address = account(&object.required("mint")?)?;
        let program = match object.optional("program") {
            Some(place) => {
                let word = TokenProgram::parse(place.str()?);
                word.ok_or_else(|| Error::unsupported(&place, "\"token\" or \"token-2022\""))?
            }
            None => TokenProgram::Token,
        };
        Some(Mint { address, program })
    };
    let decimals = object.required("decimals")?;
    let count = self::decimals(&decimals)?;
    if mint.is_none() && count != SOL_DECIMALS {
        return Err(Error::invalid(&decimals, "9: a SOL is 10^9 lamports"));
    }
    Ok(Asset {
        env,
        chain: 0,
        decimals: count,
        form: AssetForm::Solana { cluster, mint },
    })
}

/// An account of Solana; never nobody's, which is the System program's address.
pub(super) fn account(place: &Place<'_>) -> Result<Pubkey, Error> {
    let account = read::parsed(place, ACCOUNT, Pubkey::parse)?;
    if account == SYSTEM {
        return Err(Error::invalid(place, "an address that is somebody's"));
    }
    Ok(account)
}

/// A chain's id.
pub(super) fn chain(place: &Place<'_>) -> Result<u64, Error> {
    match place.u64()? {
        id if id > 0 && id <= MAX_CHAIN => Ok(id),
        _ => Err(Error::invalid(place, "a chain id (EIP-155), from 1")),
    }
}

/// An account or contract; never nobody's.
pub(super) fn address(place: &Place<'_>) -> Result<Address, Error> {
    let address = read::parsed(place, ADDRESS, Address::parse)?;
    if address == Address::ZERO {
        return Err(Error::invalid(place, "an address that is somebody's"));
    }
    Ok(address)
}

/// An amount that is something.
pub(super) fn amount(place: &Place<'_>) -> Result<Amount, Error> {
    let expected = "an amount: a string of decimal digits, not zero";
    let amount = read::parsed(place, expected, Amount::parse)?;
    if amount == Amount::ZERO {
        return Err(Error::invalid(place, expected));
    }
    Ok(amount)
}

fn decimals(place: &Place<'_>) -> Result<u8, Error> {
    let value = place.u64()?;
    let fits = u8::try_from(value).ok().filter(|_| value <= MAX_DECIMALS);
    fits.ok_or_else(|| Error::invalid(place, format!("at most {MAX_DECIMALS}")))
}

fn domain(place: &Place<'_>) -> Result<DomainName, Error> {
    let mut object = place.object()?;
    let name = name(&mut object, "name")?;
    let version = self::name(&mut object, "version")?;
    object.finish()?;
    Ok(DomainName { name, version })
}

fn name(object: &mut Object<'_>, member: &str) -> Result<String, Error> {
    let expected = "a text of 1 to 128 bytes without control characters";
    let fine = |text: &str| {
        !text.is_empty() && text.len() <= MAX_NAME && !text.chars().any(char::is_control)
    };
    read::text(&object.required(member)?, expected, fine)
}

#[cfg(test)]
mod tests {
    use crate::{catalog::Catalog, codec::cbor};

    const USDC: &str = r#""usdc.base": {"chain": 8453, "contract": "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", "decimals": 6, "eip712": {"name": "USD Coin", "version": "2"}}"#;
    const ETH: &str =
        r#""eth.base": {"chain": 8453, "native": true, "decimals": 18, "extra_fee_max": "1000"}"#;

    fn parse(assets: &str) -> Result<Catalog, crate::owner::Error> {
        let text = format!(r#"{{"v": 1, "resources": {{}}, "assets": {{{assets}}}}}"#);
        Catalog::parse(text.as_bytes())
    }

    #[test]
    fn assets_are_read_and_kept() {
        let catalog = parse(&format!("{USDC}, {ETH}")).unwrap();
        assert_eq!(catalog.assets.len(), 2);
        let bytes = cbor::encode(&catalog).unwrap();
        assert_eq!(
            cbor::decode::<Catalog>(&bytes, bytes.len()).unwrap(),
            catalog
        );
        let without = parse("").unwrap();
        let plain = Catalog::parse(br#"{"v": 1, "resources": {}}"#).unwrap();
        assert_eq!(
            cbor::encode(&without).unwrap(),
            cbor::encode(&plain).unwrap()
        );
    }

    #[test]
    fn what_would_not_say_all_is_refused() {
        for (from, to, at) in [
            ("8453", "0", "/assets/usdc.base/chain"),
            ("8453", "-1", "/assets/usdc.base/chain"),
            ("\"chain\": 8453, ", "", "/assets/usdc.base/chain"),
            (
                "\"decimals\": 6",
                "\"decimals\": 39",
                "/assets/usdc.base/decimals",
            ),
            ("0x8335", "0x8336", "/assets/usdc.base/contract"),
            ("usdc.base", "call", "/assets/call"),
            ("usdc.base", "a b", "/assets/a b"),
            ("\"2\"", "\"\"", "/assets/usdc.base/eip712/version"),
            ("USD Coin", "a\\u0000", "/assets/usdc.base/eip712/name"),
            (
                "\"decimals\"",
                "\"native\": true, \"decimals\"",
                "/assets/usdc.base/contract",
            ),
            (
                "\"decimals\"",
                "\"extra_fee_max\": \"1\", \"decimals\"",
                "/assets/usdc.base/extra_fee_max",
            ),
            (
                "\"decimals\"",
                "\"env\": \"test\", \"decimals\"",
                "/assets/usdc.base/env",
            ),
        ] {
            let text = USDC.replacen(from, to, 1);
            assert_ne!(text, USDC, "{from}");
            let error = parse(&text).unwrap_err();
            assert_eq!(error.pointer(), at, "{text}: {error}");
        }
        let zero = USDC.replace("833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", &"0".repeat(40));
        parse(&zero).unwrap_err();
        parse(&ETH.replace("\"1000\"", "\"0\"")).unwrap_err();
        parse(&ETH.replace("\"1000\"", "1000")).unwrap_err();
    }

    #[test]
    fn one_thing_has_one_name() {
        let again = USDC.replace("usdc.base", "usdc.b");
        parse(&format!("{USDC}, {again}")).unwrap_err();
        let other = again.replace("8453", "1");
        parse(&format!("{USDC}, {other}")).unwrap();
        parse(&format!("{ETH}, {}", ETH.replace("eth", "gas"))).unwrap_err();
    }
}
