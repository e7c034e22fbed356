//! Chains of the Ethereum family: transactions, typed data and sign-in texts, by the routes of an owner's catalog.
//!
//! Having an [`EvmCall`] means that what will be signed is exactly one route's: its chain, its contract, its function, every
//! argument decoded and within its rule, and its cost the most that it can come to. The bytes are built here.
//! docs/spec/credential-evm.md is the layout. Whether the grant allows the verb is not decided here.

pub mod abi;
pub mod eip712;
mod matching;
pub mod rlp;
mod rules;
pub mod sign_in;
mod token;
mod transaction;
mod typed;

use crate::{Call, Moment, SigningKeyInfo, ToSign, canonical::Canonical, moment::replay};
use claviger_shared::{
    call::{EvmInput, MAX_EVM},
    catalog::Catalog,
    credential::{Credential, Replay},
    denial::{Code, Denial},
    effect::{Effect, Effects, Kind},
    grant::Grant,
    id::to_hex,
    owner::command::Alg,
};
use std::sync::Arc;
pub use transaction::{Fees, Transaction};

/// Bytes of a signature: `r ‖ s ‖ y parity`.
pub const SIGNATURE_LEN: usize = 65;

/// One thing to sign, matched.
#[derive(Debug, Clone)]
pub struct EvmCall {
    signs: Signs,
    effects: Arc<Effects>,
}

#[derive(Debug, Clone)]
enum Signs {
    Transaction(Transaction),
    TypedData { message: Vec<u8>, single_use: bool },
    Text(Vec<u8>),
}

impl Call for EvmCall {
    const KIND: Kind = Kind::Evm;
    type Input = EvmInput;

    fn parse(
        input: &EvmInput,
        _idempotency_key: Option<&str>,
        catalog: &Catalog,
        grant: &Grant,
    ) -> Result<Self, Denial> {
        match input {
            EvmInput::Tx(text) => {
                let text = bounded(text, "/tx")?;
                Self::transaction(Transaction::from_json(text)?, catalog, grant)
            }
            EvmInput::RawTx(bytes) => {
                let bytes = bounded(bytes, "/raw_tx")?;
                Self::transaction(Transaction::from_bytes(bytes)?, catalog, grant)
            }
            EvmInput::TypedData(text) => {
                let text = bounded(text, typed::TYPED)?;
                let typed::Matched {
                    message,
                    effect,
                    single_use,
                } = typed::matched(text, catalog, grant)?;
                let signs = Signs::TypedData {
                    message,
                    single_use,
                };
                Ok(Self::one(signs, effect))
            }
            EvmInput::SignIn(text) => {
                bounded(text.as_bytes(), "/sign_in")?;
                let (message, effect) = sign_in::matched(text, catalog, grant)?;
                Ok(Self::one(Signs::Text(message), effect))
            }
        }
    }

    fn effects(&self) -> &Arc<Effects> {
        &self.effects
    }

    /// A transaction takes effect once, for its number; a sign-in text is taken once, for its nonce (EIP-4361).
    fn replay(&self, moment: &Moment) -> Replay {
        match self.signs {
            Signs::Transaction(_) | Signs::Text(_) => replay(moment, true),
            Signs::TypedData { single_use, .. } => replay(moment, single_use),
        }
    }

    /// Equal only for what is signed as the same bytes.
    fn canonical(&self) -> Vec<u8> {
        Canonical::of(Kind::Evm.as_str())
            .part(&self.message())
            .into_bytes()
    }

    fn to_sign(&self, key: &SigningKeyInfo, _moment: &Moment) -> Result<ToSign, Denial> {
        if key.kind != Kind::Evm || key.alg != Alg::Secp256k1 {
            return Err(Denial::at(Code::KeyDenied, Kind::Evm.as_str()));
        }
        Ok(ToSign::Message(self.message()))
    }

    fn assemble(
        &self,
        _moment: &Moment,
        _signed: &ToSign,
        signature: &[u8],
    ) -> Result<Credential, Denial> {
        let refuse = || Denial::at(Code::KeyDenied, Kind::Evm.as_str());
        match &self.signs {
            Signs::Transaction(transaction) => {
                let signed = transaction.signed(signature).ok_or_else(refuse)?;
                Ok(Credential::Evm {
                    raw_tx: format!("0x{}", to_hex(&signed)),
                    tx_hash: transaction::hash(&signed),
                })
            }
            Signs::TypedData { .. } | Signs::Text(_) => {
                let signature = recoverable(signature).ok_or_else(refuse)?;
                Ok(Credential::EvmSignature {
                    signature: format!("0x{}", to_hex(&signature)),
                })
            }
        }
    }
}

impl EvmCall {
    fn transaction(
        transaction: Transaction,
        catalog: &Catalog,
        grant: &Grant,
    ) -> Result<Self, Denial> {
        let effect = matching::effect(&transaction, catalog, grant)?;
        Ok(Self::one(Signs::Transaction(transaction), effect))
    }

    fn one(signs: Signs, effect: Effect) -> Self {
        Self {
            signs,
            effects: Arc::new(Effects::one(effect)),
        }
    }

    /// What is hashed and signed: no two of these are alike for different things (EIP-2718, EIP-191).
    fn message(&self) -> Vec<u8> {
        match &self.signs {
            Signs::Transaction(transaction) => transaction.unsigned(),
            Signs::TypedData { message, .. } | Signs::Text(message) => message.clone(),
        }
    }
}

/// `r ‖ s ‖ v`, where contracts and libraries want 27 or 28 for the parity (Yellow Paper, appendix F).
fn recoverable(signature: &[u8]) -> Option<[u8; SIGNATURE_LEN]> {
    let mut out: [u8; SIGNATURE_LEN] = signature.try_into().ok()?;
    let parity = out.last_mut()?;
    match *parity {
        0 | 1 => *parity = parity.saturating_add(27),
        _ => return None,
    }
    Some(out)
}

fn bounded<'a>(bytes: &'a [u8], place: &'static str) -> Result<&'a [u8], Denial> {
    if bytes.len() > MAX_EVM {
        Err(Denial::at(Code::InvalidRequest, place))
    } else {
        Ok(bytes)
    }
}

#[cfg(test)]
mod alloy;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
