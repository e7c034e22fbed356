//! Routes of payments by HTTP: whom, in which token.

use super::assets;
use crate::{
    catalog::{Asset, AssetForm, X402Route},
    chain,
    codec::json::Object,
    effect::Env,
    id::Unit,
    owner::{Error, read},
};
use std::collections::BTreeMap;

/// Payees of one route at most.
pub(super) const MAX_PAYEES: usize = 256;

pub(super) fn route(
    object: &mut Object<'_>,
    env: Env,
    assets: &BTreeMap<Unit, Asset>,
) -> Result<X402Route, Error> {
    let place = object.required("network")?;
    let network = place.str()?;
    let expected = "`eip155:` and the chain's id (CAIP-2)";
    let chain = chain::of_caip2(network).ok_or_else(|| Error::unsupported(&place, expected))?;
    let place = object.required("asset")?;
    let expected = "a token of `assets` on this chain and in this environment, with its `eip712`";
    let asset = read::parsed(&place, expected, Unit::parse)?;
    let fits = |asset: &Asset| {
        let takes = matches!(
            asset.form,
            AssetForm::Token {
                eip712: Some(_),
                ..
            }
        );
        takes && asset.chain == chain && asset.env == env
    };
    if !assets.get(&asset).is_some_and(fits) {
        return Err(Error::invalid(&place, expected));
    }
    let place = object.required("pay_to")?;
    let payees = read::each_once(&place, MAX_PAYEES, assets::address)?;
    Ok(X402Route {
        chain,
        asset,
        pay_to: read::some(&place, payees)?,
    })
}

/// The same token and a payee in common.
pub(super) fn is_same_matcher(a: &X402Route, b: &X402Route) -> bool {
    a.asset == b.asset && a.pay_to.iter().any(|payee| b.pay_to.contains(payee))
}

#[cfg(test)]
mod tests {
    use crate::{
        catalog::{Catalog, Route},
        codec::cbor,
        owner::Error,
    };

    const WHOLE: &str = r#"{"v": 1,
        "resources": {"data": [{"kind": "x402", "network": "eip155:8453", "asset": "usdc.base",
                                "pay_to": ["0x209693Bc6afc0C5328bA36FaF03C514EF312287C"]}]},
        "assets": {"usdc.base": {"chain": 8453, "contract": "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", "decimals": 6,
                                 "eip712": {"name": "USD Coin", "version": "2"}},
                   "plain": {"chain": 8453, "contract": "0x1111111111111111111111111111111111111111", "decimals": 6},
                   "eth": {"chain": 8453, "native": true, "decimals": 18}}}"#;

    fn refused(from: &str, to: &str) -> (String, &'static str) {
        let text = WHOLE.replacen(from, to, 1);
        assert_ne!(text, WHOLE, "{from}");
        let error = Catalog::parse(text.as_bytes()).unwrap_err();
        (error.pointer().to_owned(), error.code())
    }

    #[test]
    fn a_route_is_read_and_kept() {
        let catalog = Catalog::parse(WHOLE.as_bytes()).unwrap();
        let route = &catalog.resources.values().next().unwrap().routes[0];
        let Route::X402(route) = route else {
            panic!("{route:?}")
        };
        assert_eq!((route.chain, route.pay_to.len()), (8453, 1));
        let bytes = cbor::encode(&catalog).unwrap();
        assert_eq!(
            cbor::decode::<Catalog>(&bytes, bytes.len()).unwrap(),
            catalog
        );
    }

    #[test]
    fn what_does_not_fit_the_asset_is_refused() {
        let at = |member: &str| format!("/resources/data/0/{member}");
        for (from, to, member, code) in [
            ("eip155:8453", "base", "network", Error::UNSUPPORTED),
            ("eip155:8453", "solana:1", "network", Error::UNSUPPORTED),
            ("eip155:8453", "eip155:1", "asset", Error::INVALID),
            ("\"usdc.base\",", "\"plain\",", "asset", Error::INVALID),
            ("\"usdc.base\",", "\"eth\",", "asset", Error::INVALID),
            ("\"usdc.base\",", "\"none\",", "asset", Error::INVALID),
            ("\"usdc.base\",", "\"call\",", "asset", Error::INVALID),
            (
                "[\"0x209693Bc6afc0C5328bA36FaF03C514EF312287C\"]",
                "[]",
                "pay_to",
                Error::INVALID,
            ),
            (
                "0x209693Bc6afc0C5328bA36FaF03C514EF312287C",
                "0x0000000000000000000000000000000000000000",
                "pay_to/0",
                Error::INVALID,
            ),
            ("0x2096", "0x2097", "pay_to/0", Error::INVALID),
            (
                "\"pay_to\"",
                "\"charge\": [], \"pay_to\"",
                "charge",
                Error::MALFORMED,
            ),
            (
                "\"eip712\"",
                "\"env\": \"sandbox\", \"eip712\"",
                "asset",
                Error::INVALID,
            ),
        ] {
            assert_eq!(refused(from, to), (at(member), code), "{from} → {to}");
        }
    }

    #[test]
    fn one_payee_of_a_token_is_in_one_route() {
        let route = r#"{"kind": "x402", "network": "eip155:8453", "asset": "usdc.base",
                        "pay_to": ["0x2222222222222222222222222222222222222222", "0x209693bc6afc0c5328ba36faf03c514ef312287c"]}"#;
        let at = refused("\"data\": [", &format!("\"data\": [{route},"));
        assert_eq!(at, ("/resources/data/1".to_owned(), Error::INVALID));
    }
}
