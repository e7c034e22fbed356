//! Which of a grant's routes a transaction is, or why it is none; and what it does and costs there.
//!
//! A transaction that is none is refused for the route it came furthest with: chain; then account or contract; then
//! function; then arguments. What is charged is the most that its signature allows: all gas at its highest price, the fee
//! for data that the catalog puts a cap on, the coin sent along, and the token's amount or allowance.

use super::{
    Transaction, abi,
    rules::Kept,
    token::{self, Moved},
};
use crate::routes::{Candidate, named, only_one};
use claviger_shared::{
    amount::Amount,
    catalog::{AssetForm, Catalog, CoinTransfer, ContractCall, EvmRoute, EvmSigns, Route, SEND},
    chain::{Atom, account},
    crypto::keccak::keccak256,
    denial::{Code, Denial},
    effect::{ChainNonce, Charge, Effect, Kind, Verb},
    grant::Grant,
    time::Millis,
};

/// How far a transaction came with a route that it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Far {
    Nowhere,
    Chain,
    Contract,
    Function,
}

/// Why a transaction is not a route, and how far it came.
pub(super) type Not = (Far, Denial);

/// What a transaction does by a route.
#[derive(Debug, Clone)]
pub(super) struct Does {
    pub(super) verb: Verb,
    pub(super) destination: String,
    /// The contract that is called.
    pub(super) contract: String,
    pub(super) method: String,
    pub(super) parameters: Vec<(String, String)>,
    /// Besides gas and coin.
    pub(super) charges: Vec<Charge>,
}

/// The one effect of a transaction.
pub(super) fn effect(
    transaction: &Transaction,
    catalog: &Catalog,
    grant: &Grant,
) -> Result<Effect, Denial> {
    let nowhere = Denial::at(Code::DestinationDenied, transaction.at("chainId"));
    let mut furthest = (Far::Nowhere, nowhere);
    let (mut matching, mut found) = (Vec::new(), Vec::new());
    for (resource, number, route) in named(catalog, grant) {
        let Route::Evm(route) = route else { continue };
        let (Some(_), true) = (route.coin(), route.chain == transaction.chain) else {
            continue;
        };
        match does(transaction, route) {
            Ok(does) => {
                matching.push(Candidate {
                    resource,
                    number,
                    verb: does.verb,
                    route,
                });
                found.push(((resource, number), does));
            }
            Err(not) if not.0 > furthest.0 => furthest = not,
            Err(_) => {}
        }
    }
    let one = only_one(matching, grant, furthest.1, "/tx")?;
    let mut found = found.into_iter();
    let does = found.find(|(place, _)| *place == (one.resource, one.number));
    let (_, does) = does.ok_or(Code::DestinationDenied)?;
    let coin = coin(transaction, one.route, catalog)?;
    Ok(Effect {
        kind: Kind::Evm,
        verb: does.verb,
        resource: one.resource.clone(),
        route: one.number,
        destination: does.destination,
        method: does.method,
        path_template: does.contract,
        parameters: does.parameters,
        mints: false,
        identity_only: false,
        charges: std::iter::once(coin).chain(does.charges).collect(),
        max_lifetime: Millis::ENDLESS,
        fixed: true,
        ends_at: None,
        signer: transaction.from,
        token: None,
        nonce: Some(ChainNonce {
            chain: transaction.chain,
            nonce: transaction.nonce,
        }),
    })
}

/// What it costs in the chain's coin at most.
fn coin(transaction: &Transaction, route: &EvmRoute, catalog: &Catalog) -> Result<Charge, Denial> {
    let unknown = || Denial::at(Code::DestinationDenied, transaction.at("chainId"));
    let unit = route.coin().ok_or_else(unknown)?;
    let asset = catalog.assets.get(unit).ok_or_else(unknown)?;
    let AssetForm::Native { extra_fee_max } = &asset.form else {
        return Err(unknown());
    };
    let extra = extra_fee_max.unwrap_or_default();
    let cost = transaction.cost().map(Amount);
    let cost = cost.and_then(|cost| cost.plus(extra));
    let too_much = || Denial::at(Code::PerCallExceeded, transaction.at("gas"));
    Ok(Charge {
        unit: unit.clone(),
        amount: cost.ok_or_else(too_much)?,
    })
}

fn does(transaction: &Transaction, route: &EvmRoute) -> Result<Does, Not> {
    match &route.signs {
        EvmSigns::Coin(coin) => send(transaction, coin),
        EvmSigns::Token(call) => {
            let data = called(transaction, &call.contract, || call.function.selector())?;
            if transaction.value > 0 {
                return Err(value_sent(transaction));
            }
            let Moved {
                verb,
                to,
                parameters,
                amount,
            } = token::moved(call, data, &transaction.at("data"))
                .map_err(|denial| (Far::Function, denial))?;
            let charge = amount.map(|amount| Charge {
                unit: call.unit.clone(),
                amount,
            });
            Ok(Does {
                verb,
                destination: account(transaction.chain, &to),
                contract: account(transaction.chain, &call.contract),
                method: call.function.name().to_owned(),
                parameters,
                charges: charge.into_iter().collect(),
            })
        }
        EvmSigns::Call(call) => contract(transaction, call),
        // No transaction; and no coin, so that none comes here.
        EvmSigns::TypedData(_) | EvmSigns::SignIn(_) => {
            let at = transaction.at("to");
            Err((Far::Nowhere, Denial::at(Code::DestinationDenied, at)))
        }
    }
}

/// Coin alone, to an account that is named.
fn send(transaction: &Transaction, coin: &CoinTransfer) -> Result<Does, Not> {
    if !coin.to.contains(&transaction.to) {
        let at = transaction.at("to");
        return Err((Far::Chain, Denial::at(Code::DestinationDenied, at)));
    }
    if !transaction.data.is_empty() {
        let at = transaction.at("data");
        return Err((Far::Contract, Denial::at(Code::UnlistedMember, at)));
    }
    Ok(Does {
        verb: Verb::Write,
        destination: account(transaction.chain, &transaction.to),
        contract: String::new(),
        method: SEND.to_owned(),
        parameters: vec![("path.to".to_owned(), transaction.to.to_string())],
        charges: Vec::new(),
    })
}

/// What is behind the selector, where it is this function of this contract.
fn called<'a>(
    transaction: &'a Transaction,
    contract: &claviger_shared::chain::Address,
    selector: impl FnOnce() -> [u8; 4],
) -> Result<&'a [u8], Not> {
    if transaction.to != *contract {
        let at = transaction.at("to");
        return Err((Far::Chain, Denial::at(Code::DestinationDenied, at)));
    }
    match abi::split(&transaction.data) {
        Some((found, rest)) if found == selector() => Ok(rest),
        Some(_) | None => {
            let at = transaction.at("data");
            Err((Far::Contract, Denial::at(Code::MethodDenied, at)))
        }
    }
}

fn value_sent(transaction: &Transaction) -> Not {
    let at = transaction.at("value");
    (Far::Function, Denial::at(Code::UnlistedMember, at))
}

/// A call by the types and rules of its arguments.
fn contract(transaction: &Transaction, call: &ContractCall) -> Result<Does, Not> {
    let selector = || {
        let hash = keccak256(&[call.signature().as_bytes()]);
        hash.first_chunk().copied().unwrap_or_default()
    };
    let data = called(transaction, &call.contract, selector)?;
    if transaction.value > 0 && !call.payable {
        return Err(value_sent(transaction));
    }
    let refuse = |code| (Far::Function, Denial::at(code, transaction.at("data")));
    let values = abi::arguments(data, call.types());
    let values = values.map_err(|_| refuse(Code::UnparsableContent))?;
    let (mut kept, mut first) = (Kept::default(), 0_usize);
    for (of, value) in call.types().zip(&values) {
        kept.argument(&call.arguments, first, of, value)
            .map_err(refuse)?;
        first = first.saturating_add(of.pieces().len());
    }
    let (parameters, charges) = kept.done();
    Ok(Does {
        verb: call.verb,
        destination: account(transaction.chain, &call.contract),
        contract: account(transaction.chain, &call.contract),
        method: call.function.clone(),
        parameters,
        charges,
    })
}

/// An address's and a number's type.
pub(super) const ADDRESS: Atom = Atom::Address;
pub(super) const NUMBER: Atom = Atom::Uint(256);
