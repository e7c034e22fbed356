//! Transactions (EIP-1559, and legacy ones with EIP-155's replay protection): their members, and their one serialisation.
//!
//! Having a [`Transaction`] means it is for one chain, to one account, with every number in range, and carries no access
//! list, no delegation and no blob. It says nothing about what its data does.

use super::rlp::{Item, List, read};
use claviger_shared::{
    chain::{Address, MAX_CHAIN, Word, bytes},
    codec::json::{self, Object, Place, Value},
    crypto::keccak::keccak256,
    denial::{Code, Denial},
    id::to_hex,
};

/// EIP-2718: the byte before a transaction of EIP-1559.
const EIP1559: u8 = 2;
/// Members of a legacy transaction that is to be signed (EIP-155).
const LEGACY_MEMBERS: usize = 9;
/// Members of a transaction of EIP-1559 that is to be signed.
const EIP1559_MEMBERS: usize = 9;
/// Where members of either form stand.
const TX: &str = "/tx";
const RAW: &str = "/raw_tx";
/// Members of types that are not built: delegations of a whole account (EIP-7702), and blobs (EIP-4844).
const NOT_BUILT: [&str; 6] = [
    "authorizationList",
    "blobVersionedHashes",
    "maxFeePerBlobGas",
    "blobs",
    "sidecars",
    "kzg",
];

/// An unsigned transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// The chain's id.
    pub chain: u64,
    /// The account's number of it.
    pub nonce: u64,
    /// What a unit of gas may cost.
    pub fees: Fees,
    /// Units of gas at most.
    pub gas_limit: u64,
    /// The account or contract.
    pub to: Address,
    /// Coin that is sent along.
    pub value: u128,
    /// For a contract.
    pub data: Vec<u8>,
    /// Whose it is said to be.
    pub from: Option<Address>,
    is_raw: bool,
}

/// What a unit of gas may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fees {
    /// EIP-1559.
    Dynamic {
        /// To the block's maker, at most.
        priority: u128,
        /// In all, at most.
        most: u128,
    },
    /// One price.
    Legacy {
        /// Per unit.
        price: u128,
    },
}

impl Fees {
    /// The most that one unit costs.
    #[must_use]
    pub const fn most(self) -> u128 {
        match self {
            Self::Dynamic { most, .. } => most,
            Self::Legacy { price } => price,
        }
    }
}

impl Transaction {
    /// Reads members as JSON.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidRequest`], [`Code::UnlistedMember`], [`Code::Unsupported`] or [`Code::PerCallExceeded`], at the member.
    pub fn from_json(text: &[u8]) -> Result<Self, Denial> {
        let invalid =
            |error: json::Error| Denial::at(Code::InvalidRequest, format!("{TX}{}", error.pointer));
        let value = json::parse(text).map_err(invalid)?;
        let mut members = Members(Place::new(&value, TX).object().map_err(denied)?);
        members.refuse_not_built()?;
        let fees = members.fees()?;
        let transaction = Self {
            chain: members.chain()?,
            nonce: members.u64("nonce")?,
            fees,
            gas_limit: members.u64(members.either("gas", "gasLimit")?)?,
            to: members.to()?,
            value: match members.0.optional("value") {
                Some(place) => small(&place)?,
                None => 0,
            },
            data: members.data()?,
            from: members.address("from")?,
            is_raw: false,
        };
        members.finish()?;
        transaction.checked()
    }

    /// Reads the bytes that are hashed for a signature; they are those that are written again.
    ///
    /// # Errors
    ///
    /// [`Code::NotNormalForm`] for what is not canonical; [`Code::Unsupported`] for other types, for legacy transactions of
    /// any chain, and for the making of contracts; [`Code::PerCallExceeded`] for numbers that no budget counts to.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Denial> {
        let at = |code| Denial::at(code, RAW);
        let (typed, list) = match bytes.split_first() {
            Some((&EIP1559, list)) => (true, list),
            Some((0..=0x7f, _)) => return Err(at(Code::Unsupported)),
            Some(_) => (false, bytes),
            None => return Err(at(Code::InvalidRequest)),
        };
        let item = read(list).map_err(|_| at(Code::NotNormalForm))?;
        let items = item.as_list().ok_or_else(|| at(Code::InvalidRequest))?;
        let transaction = if typed {
            raw_1559(items)?
        } else {
            raw_legacy(items)?
        };
        if transaction.unsigned() != bytes {
            return Err(at(Code::NotNormalForm));
        }
        transaction.checked()
    }

    /// Rules between members.
    fn checked(self) -> Result<Self, Denial> {
        // EIP-1559: such a transaction is invalid everywhere.
        if let Fees::Dynamic { priority, most } = self.fees
            && priority > most
        {
            let at = self.at("maxPriorityFeePerGas");
            return Err(Denial::at(Code::InvalidRequest, at));
        }
        // EIP-2681.
        if self.nonce == u64::MAX {
            return Err(Denial::at(Code::InvalidRequest, self.at("nonce")));
        }
        Ok(self)
    }

    /// Where a member stands in the caller's input.
    #[must_use]
    pub fn at(&self, member: &str) -> String {
        if self.is_raw {
            RAW.to_owned()
        } else {
            format!("{TX}/{member}")
        }
    }

    /// The most of the coin that it can cost: what is sent, and gas.
    #[must_use]
    pub fn cost(&self) -> Option<u128> {
        let gas = u128::from(self.gas_limit).checked_mul(self.fees.most())?;
        gas.checked_add(self.value)
    }

    /// The bytes that are hashed and signed.
    #[must_use]
    pub fn unsigned(&self) -> Vec<u8> {
        let list = self.members();
        match self.fees {
            Fees::Dynamic { .. } => list.after(&[EIP1559]),
            Fees::Legacy { .. } => list
                .number(self.chain.into())
                .bytes(&[])
                .bytes(&[])
                .after(&[]),
        }
    }

    /// The signed transaction, from `r ‖ s ‖ y parity`; nothing for what is no signature.
    #[must_use]
    pub fn signed(&self, signature: &[u8]) -> Option<Vec<u8>> {
        let (r, rest) = signature.split_first_chunk::<32>()?;
        let (s, parity) = rest.split_first_chunk::<32>()?;
        let parity = match parity {
            [parity @ (0 | 1)] => u128::from(*parity),
            _ => return None,
        };
        let (r, s) = (Word(*r), Word(*s));
        if r == Word::ZERO || s == Word::ZERO {
            return None;
        }
        let list = self.members();
        Some(match self.fees {
            Fees::Dynamic { .. } => list
                .number(parity)
                .bytes(r.trimmed())
                .bytes(s.trimmed())
                .after(&[EIP1559]),
            Fees::Legacy { .. } => {
                // EIP-155.
                let v = u128::from(self.chain)
                    .saturating_mul(2)
                    .saturating_add(35)
                    .saturating_add(parity);
                list.number(v)
                    .bytes(r.trimmed())
                    .bytes(s.trimmed())
                    .after(&[])
            }
        })
    }

    fn members(&self) -> List {
        let list = List::with_capacity(self.data.len().saturating_add(256));
        let (nonce, gas) = (u128::from(self.nonce), u128::from(self.gas_limit));
        let list = match self.fees {
            Fees::Dynamic { priority, most } => list
                .number(self.chain.into())
                .number(nonce)
                .number(priority)
                .number(most),
            Fees::Legacy { price } => list.number(nonce).number(price),
        };
        let list = list
            .number(gas)
            .bytes(&self.to.0)
            .number(self.value)
            .bytes(&self.data);
        match self.fees {
            Fees::Dynamic { .. } => list.empty_list(),
            Fees::Legacy { .. } => list,
        }
    }
}

/// What a signed transaction is found by.
#[must_use]
pub(super) fn hash(signed: &[u8]) -> String {
    format!("0x{}", to_hex(&keccak256(&[signed])))
}

fn raw_1559(items: &[Item<'_>]) -> Result<Transaction, Denial> {
    let [chain, nonce, priority, most, gas, to, value, data, access] = items else {
        return Err(wrong_count(items, EIP1559_MEMBERS));
    };
    if access.as_list() != Some(&[]) {
        return Err(Denial::at(Code::Unsupported, RAW));
    }
    let fees = Fees::Dynamic {
        priority: raw_amount(priority)?,
        most: raw_amount(most)?,
    };
    raw([chain, nonce, gas, to, value, data], fees)
}

fn raw_legacy(items: &[Item<'_>]) -> Result<Transaction, Denial> {
    let [nonce, price, gas, to, value, data, chain, r, s] = items else {
        return Err(wrong_count(items, LEGACY_MEMBERS));
    };
    if (r.as_bytes(), s.as_bytes()) != (Some(&[]), Some(&[])) {
        return Err(Denial::at(Code::InvalidRequest, RAW));
    }
    let fees = Fees::Legacy {
        price: raw_amount(price)?,
    };
    raw([chain, nonce, gas, to, value, data], fees)
}

/// Six members are a transaction that any chain takes.
fn wrong_count(items: &[Item<'_>], wanted: usize) -> Denial {
    let unprotected = wanted == LEGACY_MEMBERS && items.len() == 6;
    let code = if unprotected {
        Code::Unsupported
    } else {
        Code::InvalidRequest
    };
    Denial::at(code, RAW)
}

fn raw(
    [chain, nonce, gas, to, value, data]: [&Item<'_>; 6],
    fees: Fees,
) -> Result<Transaction, Denial> {
    let at = |code| Denial::at(code, RAW);
    let number = |item: &Item<'_>| {
        let number = item.as_number().ok_or_else(|| at(Code::NotNormalForm))?;
        number.as_u64().ok_or_else(|| at(Code::InvalidRequest))
    };
    let chain = number(chain)?;
    if chain == 0 || chain > MAX_CHAIN {
        return Err(at(Code::InvalidRequest));
    }
    let to = match to.as_bytes() {
        // Yellow Paper §4.2: no account is the making of a contract.
        Some([]) => return Err(at(Code::Unsupported)),
        Some(bytes) => <[u8; 20]>::try_from(bytes).map_err(|_| at(Code::InvalidRequest))?,
        None => return Err(at(Code::InvalidRequest)),
    };
    let data = data.as_bytes().ok_or_else(|| at(Code::InvalidRequest))?;
    Ok(Transaction {
        chain,
        nonce: number(nonce)?,
        fees,
        gas_limit: number(gas)?,
        to: Address(to),
        value: raw_amount(value)?,
        data: data.to_vec(),
        from: None,
        is_raw: true,
    })
}

fn raw_amount(item: &Item<'_>) -> Result<u128, Denial> {
    let number = item
        .as_number()
        .ok_or_else(|| Denial::at(Code::NotNormalForm, RAW))?;
    number
        .as_u128()
        .ok_or_else(|| Denial::at(Code::PerCallExceeded, RAW))
}

/// The members of a transaction as JSON-RPC names them.
struct Members<'a>(Object<'a>);

impl<'a> Members<'a> {
    fn refuse_not_built(&mut self) -> Result<(), Denial> {
        for name in NOT_BUILT {
            if let Some(place) = self.0.optional(name) {
                return Err(Denial::at(Code::Unsupported, place.pointer()));
            }
        }
        match self.0.optional("accessList") {
            Some(place) if *place.value() != Value::Array(Vec::new()) => {
                Err(Denial::at(Code::Unsupported, place.pointer()))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// By which type, and at what price.
    fn fees(&mut self) -> Result<Fees, Denial> {
        let kind = match self.0.optional("type") {
            None => None,
            Some(place) => match place.str().map_err(denied)? {
                "0x2" | "eip1559" => Some(true),
                "0x0" | "legacy" => Some(false),
                _ => return Err(Denial::at(Code::Unsupported, place.pointer())),
            },
        };
        let price = self.0.optional("gasPrice");
        let dynamic = kind.unwrap_or_else(|| price.is_none());
        if dynamic {
            // A price beside them says another type.
            if let Some(place) = price {
                return Err(Denial::at(Code::InvalidRequest, place.pointer()));
            }
            return Ok(Fees::Dynamic {
                priority: small(&self.required("maxPriorityFeePerGas")?)?,
                most: small(&self.required("maxFeePerGas")?)?,
            });
        }
        for name in ["maxFeePerGas", "maxPriorityFeePerGas"] {
            if let Some(place) = self.0.optional(name) {
                return Err(Denial::at(Code::InvalidRequest, place.pointer()));
            }
        }
        Ok(Fees::Legacy {
            price: small(&self.required("gasPrice")?)?,
        })
    }

    fn required(&mut self, name: &str) -> Result<Place<'a>, Denial> {
        self.0.required(name).map_err(denied)
    }

    fn u64(&mut self, name: &str) -> Result<u64, Denial> {
        let place = self.required(name)?;
        let number = number(&place)?.as_u64();
        number.ok_or_else(|| Denial::at(Code::InvalidRequest, place.pointer()))
    }

    fn chain(&mut self) -> Result<u64, Denial> {
        let chain = self.u64("chainId")?;
        if chain > 0 && chain <= MAX_CHAIN {
            Ok(chain)
        } else {
            Err(Denial::at(Code::InvalidRequest, format!("{TX}/chainId")))
        }
    }

    /// Which of two names of a member is there; never both.
    fn either<'b>(&self, one: &'b str, other: &'b str) -> Result<&'b str, Denial> {
        let mut members = self.0.clone();
        match (members.optional(one), members.optional(other)) {
            (Some(_), Some(place)) => Err(Denial::at(Code::InvalidRequest, place.pointer())),
            (None, Some(_)) => Ok(other),
            (_, None) => Ok(one),
        }
    }

    /// Absent or null is the making of a contract.
    fn to(&mut self) -> Result<Address, Denial> {
        match self.0.optional("to") {
            Some(place) if *place.value() != Value::Null => address(&place),
            Some(_) | None => Err(Denial::at(Code::Unsupported, format!("{TX}/to"))),
        }
    }

    fn address(&mut self, name: &str) -> Result<Option<Address>, Denial> {
        self.0
            .optional(name)
            .map(|place| address(&place))
            .transpose()
    }

    fn data(&mut self) -> Result<Vec<u8>, Denial> {
        let name = self.either("data", "input")?;
        let Some(place) = self.0.optional(name) else {
            return Ok(Vec::new());
        };
        let text = place.str().map_err(denied)?;
        bytes(text).ok_or_else(|| Denial::at(Code::InvalidRequest, place.pointer()))
    }

    fn finish(self) -> Result<(), Denial> {
        let unlisted = |error: json::Error| Denial::at(Code::UnlistedMember, error.pointer);
        self.0.finish().map_err(unlisted)
    }
}

fn denied(error: json::Error) -> Denial {
    Denial::at(Code::InvalidRequest, error.pointer)
}

fn address(place: &Place<'_>) -> Result<Address, Denial> {
    let text = place.str().map_err(denied)?;
    Address::parse(text).map_err(|_| Denial::at(Code::InvalidRequest, place.pointer()))
}

/// A number: a text of decimal digits or of hexadecimal ones after `0x`, or an integer.
fn number(place: &Place<'_>) -> Result<Word, Denial> {
    let read = match place.value() {
        Value::String(text) => Word::parse(text).ok(),
        Value::Integer(number) => u128::try_from(*number).ok().map(Word::from),
        Value::Array(_) | Value::Bool(_) | Value::NotInteger | Value::Null | Value::Object(_) => {
            None
        }
    };
    read.ok_or_else(|| Denial::at(Code::InvalidRequest, place.pointer()))
}

/// A number that a budget can count to.
fn small(place: &Place<'_>) -> Result<u128, Denial> {
    let number = number(place)?.as_u128();
    number.ok_or_else(|| Denial::at(Code::PerCallExceeded, place.pointer()))
}
