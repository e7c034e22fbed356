//! What an instruction does, of the few that are signed. Whatever is not told here in full is refused.
//!
//! Having a [`Step`] means program, data and accounts are exactly those of one known instruction. It knows no route, and not whose
//! key signs.

use super::message::{Account, Instruction, Message};
use claviger_shared::{
    call::solana::MAX_MEMO,
    denial::Code,
    solana::{
        ASSOCIATED_TOKEN, COMPUTE_BUDGET, MEMO, Pubkey, SYSTEM, TOKEN, TOKEN_2022, TokenProgram,
    },
};

/// What a transaction may use at most, in compute units (Solana documentation, "Fees").
pub const MAX_UNITS: u32 = 1_400_000;

/// `SystemInstruction::Transfer`.
const TRANSFER: [u8; 4] = [2, 0, 0, 0];
/// `TokenInstruction::TransferChecked`.
const TRANSFER_CHECKED: u8 = 12;
/// `ComputeBudgetInstruction::SetComputeUnitLimit`.
const UNIT_LIMIT: u8 = 2;
/// `ComputeBudgetInstruction::SetComputeUnitPrice`.
const UNIT_PRICE: u8 = 3;

/// One thing that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Lamports go from one account to another.
    Transfer {
        /// Whose.
        from: Pubkey,
        /// To whom.
        to: Pubkey,
        /// How many.
        lamports: u64,
    },
    /// Tokens go to an account that keeps such tokens.
    TransferChecked {
        /// The program that keeps them.
        program: TokenProgram,
        /// Which.
        mint: Pubkey,
        /// Where to.
        to: Pubkey,
        /// Whose.
        owner: Pubkey,
        /// How many, in the mint's smallest part.
        amount: u64,
        /// What the mint must say of itself.
        decimals: u8,
    },
    /// The account that keeps an owner's tokens is made, if it is not there.
    Create {
        /// Who pays for it.
        funder: Pubkey,
        /// The account.
        account: Pubkey,
        /// Whose.
        owner: Pubkey,
        /// Of which tokens.
        mint: Pubkey,
        /// The program that keeps them.
        program: TokenProgram,
    },
    /// So many compute units at most.
    UnitLimit(u32),
    /// So many millionths of a lamport for each.
    UnitPrice(u64),
    /// A text for everybody to read.
    Memo {
        /// Who is named as having signed it, if anybody is.
        signer: Option<Pubkey>,
    },
}

impl Step {
    /// Reads an instruction.
    ///
    /// # Errors
    ///
    /// [`Code::Unsupported`] for another program or instruction; [`Code::InvalidRequest`] for one that a program would refuse, or
    /// that moves nothing.
    pub fn parse(message: &Message, instruction: &Instruction) -> Result<Self, Code> {
        let program = message.account(instruction.program);
        let program = program.ok_or(Code::InvalidRequest)?.key;
        let (accounts, data) = (message.given(instruction), instruction.data.as_slice());
        match program {
            SYSTEM => transfer(&accounts, data),
            TOKEN => transfer_checked(TokenProgram::Token, &accounts, data),
            TOKEN_2022 => transfer_checked(TokenProgram::Token2022, &accounts, data),
            ASSOCIATED_TOKEN => create(&accounts, data),
            COMPUTE_BUDGET => compute(&accounts, data),
            MEMO => memo(&accounts, data),
            _ => Err(Code::Unsupported),
        }
    }
}

fn transfer(accounts: &[Account], data: &[u8]) -> Result<Step, Code> {
    let rest = data.strip_prefix(&TRANSFER).ok_or(Code::Unsupported)?;
    let lamports = u64::from_le_bytes(rest.try_into().map_err(|_| Code::InvalidRequest)?);
    match accounts {
        [from, to] if from.signs && from.writable && to.writable && lamports > 0 => {
            Ok(Step::Transfer {
                from: from.key,
                to: to.key,
                lamports,
            })
        }
        _ => Err(Code::InvalidRequest),
    }
}

/// Four accounts: with more, several sign for one owner, or a hook of the mint's runs.
fn transfer_checked(
    program: TokenProgram,
    accounts: &[Account],
    data: &[u8],
) -> Result<Step, Code> {
    let rest = data.strip_prefix(&[TRANSFER_CHECKED]);
    let (amount, rest) = rest
        .ok_or(Code::Unsupported)?
        .split_first_chunk()
        .ok_or(Code::InvalidRequest)?;
    let &[decimals] = rest else {
        return Err(Code::InvalidRequest);
    };
    let amount = u64::from_le_bytes(*amount);
    match accounts {
        [from, mint, to, owner] if from.writable && to.writable && owner.signs && amount > 0 => {
            Ok(Step::TransferChecked {
                program,
                mint: mint.key,
                to: to.key,
                owner: owner.key,
                amount,
                decimals,
            })
        }
        [_, _, _, _] => Err(Code::InvalidRequest),
        _ => Err(Code::Unsupported),
    }
}

/// `Create`, also in its old spelling without data, and `CreateIdempotent`.
fn create(accounts: &[Account], data: &[u8]) -> Result<Step, Code> {
    if !matches!(data, [] | [0 | 1]) {
        return Err(Code::Unsupported);
    }
    let [funder, account, owner, mint, system, program] = accounts else {
        return Err(Code::Unsupported);
    };
    let program = match program.key {
        TOKEN => TokenProgram::Token,
        TOKEN_2022 => TokenProgram::Token2022,
        _ => return Err(Code::InvalidRequest),
    };
    if funder.signs && funder.writable && account.writable && system.key == SYSTEM {
        Ok(Step::Create {
            funder: funder.key,
            account: account.key,
            owner: owner.key,
            mint: mint.key,
            program,
        })
    } else {
        Err(Code::InvalidRequest)
    }
}

fn compute(accounts: &[Account], data: &[u8]) -> Result<Step, Code> {
    if !accounts.is_empty() {
        return Err(Code::Unsupported);
    }
    let invalid = Code::InvalidRequest;
    match data {
        [UNIT_LIMIT, units @ ..] => {
            let units = u32::from_le_bytes(units.try_into().map_err(|_| invalid)?);
            // More would be taken for this.
            let units = Some(units).filter(|units| (1..=MAX_UNITS).contains(units));
            units.map(Step::UnitLimit).ok_or(invalid)
        }
        [UNIT_PRICE, price @ ..] => {
            let price = u64::from_le_bytes(price.try_into().map_err(|_| invalid)?);
            Ok(Step::UnitPrice(price))
        }
        _ => Err(Code::Unsupported),
    }
}

fn memo(accounts: &[Account], data: &[u8]) -> Result<Step, Code> {
    let fine = data.len() <= MAX_MEMO && std::str::from_utf8(data).is_ok();
    match accounts {
        [] if fine => Ok(Step::Memo { signer: None }),
        [one] if fine && one.signs => Ok(Step::Memo {
            signer: Some(one.key),
        }),
        _ => Err(Code::InvalidRequest),
    }
}
