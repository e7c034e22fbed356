//! A message of Solana: what its signers sign, read strictly and written again.
//!
//! Having a [`Message`] means its bytes are the one spelling of it, all its accounts are named in it and each is used, and one or two
//! accounts must sign. It knows no program and no route.

use claviger_shared::{
    call::solana::{MAX_INSTRUCTIONS, MAX_TRANSACTION},
    denial::Code,
    solana::Pubkey,
};

/// Bytes of one signature.
pub const SIGNATURE: usize = 64;
/// First byte of version 0: the highest bit says that there is a version.
const VERSION_0: u8 = 0x80;

/// Which form it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The first.
    Legacy,
    /// With tables of addresses, of which none is taken here.
    Zero,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its form.
    pub version: Version,
    /// How many of `accounts` must sign, the first ones: 1 or 2.
    pub signers: u8,
    /// How many of those are not written to, the last ones.
    pub readonly_signers: u8,
    /// How many of the others are not written to, the last ones.
    pub readonly_others: u8,
    /// Every account, each once; the first pays the fees.
    pub accounts: Vec<Pubkey>,
    /// A recent block, which ends its life.
    pub blockhash: [u8; 32],
    /// What is done, in order, at least one thing.
    pub instructions: Vec<Instruction>,
}

/// One call of a program; accounts are numbers of the message's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// The program.
    pub program: u8,
    /// What it is given.
    pub accounts: Vec<u8>,
    /// What it is told.
    pub data: Vec<u8>,
}

/// An account, as an instruction sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Its address.
    pub key: Pubkey,
    /// Whether it signs.
    pub signs: bool,
    /// Whether it may be written to.
    pub writable: bool,
}

impl Message {
    /// Reads one, to its last byte.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidRequest`] for bytes that are no message in its one spelling; [`Code::Unsupported`] for another version,
    /// tables of addresses, more than two signers and too many instructions.
    pub fn parse(bytes: &[u8]) -> Result<Self, Code> {
        let mut left = Reader(bytes);
        let version = match bytes.first() {
            Some(&VERSION_0) => {
                left.byte()?;
                Version::Zero
            }
            Some(first) if first & VERSION_0 != 0 => return Err(Code::Unsupported),
            Some(_) | None => Version::Legacy,
        };
        let [signers, readonly_signers, readonly_others] = left.chunk::<3>()?;
        let accounts = left.list(|left| left.chunk().map(Pubkey))?;
        let blockhash = left.chunk()?;
        let instructions = left.list(|left| {
            Ok(Instruction {
                program: left.byte()?,
                accounts: left.bytes()?,
                data: left.bytes()?,
            })
        })?;
        if version == Version::Zero && left.count()? != 0 {
            return Err(Code::Unsupported);
        }
        let message = Self {
            version,
            signers,
            readonly_signers,
            readonly_others,
            accounts,
            blockhash,
            instructions,
        };
        message.check(bytes.len())?;
        // What is signed is written here, so a byte that was read otherwise than it stands there is never signed.
        if left.0.is_empty() && message.bytes().as_deref() == Some(bytes) {
            Ok(message)
        } else {
            Err(Code::InvalidRequest)
        }
    }

    fn check(&self, length: usize) -> Result<(), Code> {
        if self.signers > 2 || self.instructions.len() > MAX_INSTRUCTIONS {
            return Err(Code::Unsupported);
        }
        let signers = usize::from(self.signers);
        let whole = SIGNATURE.saturating_mul(signers).saturating_add(1);
        let fits = whole.saturating_add(length) <= MAX_TRANSACTION;
        let others = self.accounts.len().checked_sub(signers);
        let others = others.is_some_and(|count| usize::from(self.readonly_others) <= count);
        // The first account pays, so it is written to.
        let payer = self.readonly_signers < self.signers;
        let distinct = (1..).zip(&self.accounts).all(|(next, account)| {
            let mut rest = self.accounts.iter().skip(next);
            rest.all(|other| other != account)
        });
        let called = self.instructions.iter().all(|one| self.is_called(one));
        let every = (0..).zip(&self.accounts).skip(signers);
        let used = every.into_iter().all(|(number, _)| self.is_used(number));
        let whole = fits && payer && others && distinct && called && used;
        if whole && !self.instructions.is_empty() {
            Ok(())
        } else {
            Err(Code::InvalidRequest)
        }
    }

    /// Whether all that an instruction names is there, and its program neither signs nor is written to.
    fn is_called(&self, instruction: &Instruction) -> bool {
        let program = self.account(instruction.program);
        let there = |number: &u8| self.account(*number).is_some();
        program.is_some_and(|program| !program.signs && !program.writable)
            && instruction.accounts.iter().all(there)
    }

    fn is_used(&self, number: u8) -> bool {
        let mut all = self.instructions.iter();
        all.any(|one| one.program == number || one.accounts.contains(&number))
    }

    /// The account of a number.
    #[must_use]
    pub fn account(&self, number: u8) -> Option<Account> {
        let key = *self.accounts.get(usize::from(number))?;
        let signs = number < self.signers;
        let written = if signs {
            self.signers.saturating_sub(self.readonly_signers).into()
        } else {
            let readonly = usize::from(self.readonly_others);
            self.accounts.len().saturating_sub(readonly)
        };
        Some(Account {
            key,
            signs,
            writable: usize::from(number) < written,
        })
    }

    /// The accounts that an instruction is given.
    #[must_use]
    pub fn given(&self, instruction: &Instruction) -> Vec<Account> {
        let numbers = instruction.accounts.iter();
        numbers.filter_map(|number| self.account(*number)).collect()
    }

    /// Who pays the fees.
    #[must_use]
    pub fn payer(&self) -> Option<Pubkey> {
        self.accounts.first().copied()
    }

    /// Whose signature is asked for: the only signer, or the one that does not pay.
    #[must_use]
    pub fn signer(&self) -> Option<Pubkey> {
        let last = self.signers.checked_sub(1)?;
        self.account(last).map(|account| account.key)
    }

    /// Its bytes; nothing for more than a message can hold.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(MAX_TRANSACTION);
        if self.version == Version::Zero {
            out.push(VERSION_0);
        }
        out.extend([self.signers, self.readonly_signers, self.readonly_others]);
        put_count(&mut out, self.accounts.len())?;
        for account in &self.accounts {
            out.extend(account.0);
        }
        out.extend(self.blockhash);
        put_count(&mut out, self.instructions.len())?;
        for instruction in &self.instructions {
            out.push(instruction.program);
            put_count(&mut out, instruction.accounts.len())?;
            out.extend(&instruction.accounts);
            put_count(&mut out, instruction.data.len())?;
            out.extend(&instruction.data);
        }
        if self.version == Version::Zero {
            put_count(&mut out, 0)?;
        }
        Some(out)
    }
}

/// A count in 7 bits a byte, the lowest first, in as few bytes as hold it ("compact-u16").
fn put_count(out: &mut Vec<u8>, count: usize) -> Option<()> {
    let mut rest = u16::try_from(count).ok()?;
    loop {
        let [low, _] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            out.push(low & 0x7f);
            return Some(());
        }
        out.push(low | 0x80);
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, Code> {
        self.chunk::<1>().map(|[byte]| byte)
    }

    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], Code> {
        let (chunk, rest) = self.0.split_first_chunk().ok_or(Code::InvalidRequest)?;
        self.0 = rest;
        Ok(*chunk)
    }

    /// Longer spellings of a count are seen when the message is written again.
    fn count(&mut self) -> Result<usize, Code> {
        let mut count = 0_u32;
        for shift in [0, 7, 14] {
            let byte = self.byte()?;
            count |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return usize::try_from(count).map_err(|_| Code::InvalidRequest);
            }
        }
        Err(Code::InvalidRequest)
    }

    fn bytes(&mut self) -> Result<Vec<u8>, Code> {
        let count = self.count()?;
        let split = self.0.split_at_checked(count);
        let (bytes, rest) = split.ok_or(Code::InvalidRequest)?;
        self.0 = rest;
        Ok(bytes.to_vec())
    }

    /// Every element takes at least one byte, so no list is longer than what is left.
    fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, Code>,
    ) -> Result<Vec<T>, Code> {
        let count = self.count()?;
        if count > self.0.len() {
            return Err(Code::InvalidRequest);
        }
        (0..count).map(|_| read(self)).collect()
    }
}

#[cfg(test)]
mod tests;
