//! Functions of token standards (ERC-20, ERC-721, ERC-1155): who gets what, from their arguments.
//!
//! An allowance counts as spent in full when it is given; one without end is none that any budget covers.

use super::{
    abi,
    matching::{ADDRESS, NUMBER},
};
use claviger_shared::{
    amount::Amount,
    catalog::{Members, TokenCall, TokenFunction},
    chain::{Address, Word},
    denial::{Code, Denial},
    effect::Verb,
};

/// ERC-1155: where the bytes stand, behind five words.
const BYTES_AT: u128 = 160;

/// What a call moves, or lets move.
pub(super) struct Moved {
    pub(super) verb: Verb,
    /// Who gets it, or gets to spend it.
    pub(super) to: Address,
    pub(super) parameters: Vec<(String, String)>,
    /// How much of the token's unit; nothing for an allowance that is taken back.
    pub(super) amount: Option<Amount>,
}

/// A function's arguments by what they are.
struct Arguments {
    from: Option<Word>,
    to: Word,
    id: Option<Word>,
    amount: Word,
}

pub(super) fn moved(call: &TokenCall, data: &[u8], at: &str) -> Result<Moved, Denial> {
    let refuse = |code| Denial::at(code, at);
    let found = arguments(call.function, data).ok_or_else(|| refuse(Code::UnparsableContent))?;
    let to = listed(&found.to, &call.to).ok_or_else(|| refuse(Code::DestinationDenied))?;
    let mut parameters = vec![("path.to".to_owned(), to.to_string())];
    if let Some(from) = &found.from {
        let from = listed(from, &call.from).ok_or_else(|| refuse(Code::UnlistedMember))?;
        parameters.push(("path.from".to_owned(), from.to_string()));
    }
    if let Some(id) = &found.id {
        let id = id.to_string();
        let fine = match &call.token_id {
            Some(Members::Any) => true,
            Some(Members::Listed(ids)) => ids.contains(&id),
            None => false,
        };
        if !fine {
            return Err(refuse(Code::UnlistedMember));
        }
        parameters.push(("path.token_id".to_owned(), id));
    }
    let taken_back = call.function == TokenFunction::Approve && found.amount == Word::ZERO;
    let amount = found.amount.as_u128().map(Amount);
    let amount = amount.ok_or_else(|| refuse(Code::PerCallExceeded))?;
    Ok(Moved {
        verb: if taken_back {
            Verb::Delete
        } else {
            Verb::Write
        },
        to,
        parameters,
        amount: (!taken_back).then_some(amount),
    })
}

fn listed(word: &Word, list: &[Address]) -> Option<Address> {
    let address = Address::of_word(&word.0)?;
    list.contains(&address).then_some(address)
}

fn arguments(function: TokenFunction, data: &[u8]) -> Option<Arguments> {
    use TokenFunction as F;
    let words = |types: &[claviger_shared::chain::Atom], data: &[u8]| {
        abi::words(data, types.iter().copied()).ok()
    };
    match function {
        F::Transfer | F::Approve | F::IncreaseAllowance => {
            let [to, amount] = words(&[ADDRESS, NUMBER], data)?.try_into().ok()?;
            Some(Arguments {
                from: None,
                to,
                id: None,
                amount,
            })
        }
        F::TransferFrom => {
            let [from, to, amount] = words(&[ADDRESS, ADDRESS, NUMBER], data)?.try_into().ok()?;
            Some(Arguments {
                from: Some(from),
                to,
                id: None,
                amount,
            })
        }
        F::TransferOneFrom | F::SafeTransferOneFrom => {
            let [from, to, id] = words(&[ADDRESS, ADDRESS, NUMBER], data)?.try_into().ok()?;
            Some(Arguments {
                from: Some(from),
                to,
                id: Some(id),
                amount: Word::ONE,
            })
        }
        F::SafeTransferSomeFrom => {
            let types = [ADDRESS, ADDRESS, NUMBER, NUMBER, NUMBER, NUMBER];
            let [from, to, id, amount, offset, length] = words(&types, data)?.try_into().ok()?;
            // The bytes are none, in their one canonical place.
            let none = offset == Word::from(BYTES_AT) && length == Word::ZERO;
            none.then_some(Arguments {
                from: Some(from),
                to,
                id: Some(id),
                amount,
            })
        }
    }
}
