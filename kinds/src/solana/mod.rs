//! Transactions of Solana: lamports and tokens to payees that a route names, and nothing else.
//!
//! Having a [`SolanaCall`] means that every instruction of the message is one of a few, each that moves something matches exactly one
//! route, and all that the signature spends is charged: what is moved, the fees, and the rent of what is made. Nothing that is signed
//! says which cluster it is for; keys do. docs/spec/credential-solana.md is the layout.

mod find;
pub mod message;
pub mod step;

use crate::{
    Call, Moment, SigningKeyInfo, ToSign,
    canonical::Canonical,
    moment::{SIGNATURE_LEN, Span, replay},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_shared::{
    amount::Amount,
    call::solana::{FROM, MAX_TRANSACTION, SolanaInput, TO},
    catalog::Catalog,
    codec::base58,
    credential::{Credential, Replay},
    denial::{Code, Denial},
    effect::{Charge, Effect, Effects, Kind},
    grant::Grant,
    solana::Pubkey,
    time::Millis,
};
use find::{Found, Moved};
use message::{Message, SIGNATURE};
use std::sync::Arc;
use step::{MAX_UNITS, Step};

/// How long a transaction lives: 150 blocks from the one that it names, of 400 ms where the cluster is well, of less than a second
/// where it is not. Nothing that is signed says it in time.
pub const LIFETIME: Millis = Millis(150_000);
/// What a signature costs, in lamports (Solana documentation, "Fees").
pub const SIGNATURE_FEE: u128 = 5000;
/// Compute units that an instruction may use where the message does not say; some that are built in get fewer (SIMD-0170).
const DEFAULT_UNITS: u32 = 200_000;
/// Millionths of a lamport in one.
const MILLION: u128 = 1_000_000;
/// Lamports or tokens go to a payee, in records.
pub const TRANSFER: &str = "transfer";
/// A payee's token account is made, in records.
pub const CREATE: &str = "create_account";

const PLACE: &str = "/message";

/// What is signed, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signing {
    /// The account of the key that signs.
    pub account: Pubkey,
    /// The message, as it was written here.
    pub message: Vec<u8>,
}

/// One transaction, matched.
#[derive(Debug, Clone)]
pub struct SolanaCall {
    signing: Signing,
    /// Whether a fee payer signs before us.
    second: bool,
    effects: Arc<Effects>,
}

/// A place in the message, for denials.
fn place(number: usize) -> String {
    format!("{PLACE}/instructions/{number}")
}

/// What stands in a message beside what is moved.
#[derive(Debug, Default)]
struct Beside {
    limit: Option<u32>,
    price: Option<u64>,
    memo: Option<usize>,
}

impl Call for SolanaCall {
    const KIND: Kind = Kind::Solana;
    type Input = SolanaInput;

    fn parse(
        input: &SolanaInput,
        _idempotency_key: Option<&str>,
        catalog: &Catalog,
        grant: &Grant,
    ) -> Result<Self, Denial> {
        let invalid = || Denial::at(Code::InvalidRequest, PLACE);
        if input.message.len() > MAX_TRANSACTION {
            return Err(invalid());
        }
        let message = Message::parse(&input.message).map_err(|code| Denial::at(code, PLACE))?;
        let payer = message.payer().ok_or_else(invalid)?;
        let account = message.signer().ok_or_else(invalid)?;
        let (moved, beside) = read(&message, payer, account)?;
        let found = find::all(&moved, payer, account, catalog, grant)?;
        if let Some(number) = beside.memo
            && !found.iter().all(|one| one.route.memo)
        {
            return Err(Denial::at(Code::UnlistedMember, place(number)));
        }
        let mut effects = found.iter().map(|one| effect(one, &account));
        // A message that moves nothing has nothing that a route could allow.
        let mut first = effects
            .next()
            .ok_or_else(|| Denial::at(Code::Unsupported, PLACE))?;
        let rest = effects.collect();
        if payer == account
            && let Some(found) = found.first()
        {
            let fee = Charge {
                unit: found.route.coin.clone(),
                amount: Amount(fee(&message, &beside)),
            };
            first.charges.push(fee);
        }
        Ok(Self {
            signing: Signing {
                account,
                message: message.bytes().ok_or_else(invalid)?,
            },
            second: payer != account,
            effects: Arc::new(Effects { first, rest }),
        })
    }

    fn effects(&self) -> &Arc<Effects> {
        &self.effects
    }

    /// A cluster takes a transaction once while its block is recent, and not at all then.
    fn replay(&self, moment: &Moment) -> Replay {
        replay(moment, true)
    }

    fn canonical(&self) -> Vec<u8> {
        Canonical::of(Kind::Solana.as_str())
            .part(&self.signing.message)
            .into_bytes()
    }

    fn to_sign(&self, key: &SigningKeyInfo, moment: &Moment) -> Result<ToSign, Denial> {
        Span::of(&self.effects.first, key, moment)?;
        if Pubkey::of_public_key(&key.public) != Some(self.signing.account) {
            return Err(Denial::at(Code::KeyDenied, Kind::Solana.as_str()));
        }
        Ok(ToSign::Solana(self.signing.clone()))
    }

    fn assemble(
        &self,
        _moment: &Moment,
        signed: &ToSign,
        signature: &[u8],
    ) -> Result<Credential, Denial> {
        let ToSign::Solana(signing) = signed else {
            return Err(Code::InvalidRequest.into());
        };
        if signature.len() != SIGNATURE_LEN {
            return Err(Denial::at(Code::KeyDenied, Kind::Solana.as_str()));
        }
        let mut transaction = Vec::with_capacity(MAX_TRANSACTION);
        if self.second {
            transaction.push(2);
            transaction.extend([0; SIGNATURE]);
        } else {
            transaction.push(1);
        }
        transaction.extend(signature);
        transaction.extend(&signing.message);
        Ok(Credential::Solana {
            signature: base58::encode(signature),
            transaction: STANDARD.encode(transaction),
        })
    }
}

/// What every instruction moves, and what stands beside: nobody else's is moved by us, nor ours by others.
fn read(message: &Message, payer: Pubkey, account: Pubkey) -> Result<(Vec<Moved>, Beside), Denial> {
    let (mut moved, mut beside) = (Vec::new(), Beside::default());
    for (number, instruction) in message.instructions.iter().enumerate() {
        let at = |code| Denial::at(code, place(number));
        let step = Step::parse(message, instruction).map_err(at)?;
        let own = match step {
            Step::Transfer { from, .. } => from == account,
            Step::TransferChecked { owner, .. } => owner == account,
            Step::Create { funder, .. } => funder == account || funder == payer,
            Step::Memo { signer } => signer.is_none_or(|signer| signer == account),
            Step::UnitLimit(_) | Step::UnitPrice(_) => true,
        };
        if !own {
            return Err(at(Code::Unsupported));
        }
        let again = match step {
            Step::UnitLimit(units) => beside.limit.replace(units).is_some(),
            Step::UnitPrice(price) => beside.price.replace(price).is_some(),
            Step::Memo { .. } => beside.memo.replace(number).is_some(),
            Step::Transfer { .. } | Step::TransferChecked { .. } | Step::Create { .. } => {
                moved.push(Moved { number, step });
                false
            }
        };
        if again {
            return Err(at(Code::InvalidRequest));
        }
    }
    Ok((moved, beside))
}

/// The most that a cluster takes for it, where we pay: one signature, and the priority fee of all units that it may use.
fn fee(message: &Message, beside: &Beside) -> u128 {
    let units = beside.limit.unwrap_or_else(|| {
        let count = u32::try_from(message.instructions.len()).unwrap_or(u32::MAX);
        count.saturating_mul(DEFAULT_UNITS).min(MAX_UNITS)
    });
    let price = u128::from(beside.price.unwrap_or_default());
    let priority = price.saturating_mul(units.into()).div_ceil(MILLION);
    SIGNATURE_FEE.saturating_add(priority)
}

fn effect(found: &Found<'_>, account: &Pubkey) -> Effect {
    let route = found.route;
    let charge = |unit: &claviger_shared::id::Unit, amount: u64| Charge {
        unit: unit.clone(),
        amount: Amount(amount.into()),
    };
    let (method, charges) = match found.what {
        find::What::Amount(amount) => (TRANSFER, vec![charge(&route.asset, amount)]),
        find::What::Rent(Some(rent)) => (CREATE, vec![charge(&route.coin, rent)]),
        find::What::Rent(None) => (CREATE, Vec::new()),
    };
    Effect {
        kind: Kind::Solana,
        verb: found.verb,
        resource: found.resource.clone(),
        route: found.number,
        destination: route.cluster.account(&found.to),
        method: method.to_owned(),
        path_template: String::new(),
        parameters: vec![
            (TO.to_owned(), found.to.to_string()),
            (FROM.to_owned(), account.to_string()),
        ],
        mints: false,
        identity_only: false,
        charges,
        max_lifetime: LIFETIME,
        fixed: true,
        ends_at: None,
        nonce: None,
        signer: None,
        token: None,
    }
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a reader that counts wrongly fails its test"
)]
mod properties;
#[cfg(test)]
mod tests;
