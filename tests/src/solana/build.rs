//! Messages of Solana, put together for tests as its clients do, and without checking anything: bytes alone, no type of ours.
//!
//! Written after the Solana documentation ("Transactions", "Compact-array format"); what is tested is read by other code.

/// An account: its address, whether it signs, whether it is written to.
pub type Meta = ([u8; 32], bool, bool);

/// One call of a program.
#[derive(Debug, Clone)]
pub struct Call {
    /// The program.
    pub program: [u8; 32],
    /// What it is given.
    pub accounts: Vec<Meta>,
    /// What it is told.
    pub data: Vec<u8>,
}

/// One part after another, of a message that may be wrong in any of them.
#[derive(Debug, Clone)]
pub struct Raw {
    /// Byte of the version, if any.
    pub version: Option<u8>,
    /// Signers; of them not written to; of the others not written to.
    pub header: [u8; 3],
    /// Accounts.
    pub accounts: Vec<[u8; 32]>,
    /// A recent block.
    pub blockhash: [u8; 32],
    /// Program, accounts, data.
    pub calls: Vec<(u8, Vec<u8>, Vec<u8>)>,
    /// What stands behind.
    pub tail: Vec<u8>,
}

/// 7 bits a byte, the lowest first.
#[must_use]
pub fn count(count: usize) -> Vec<u8> {
    let mut rest = count;
    let mut out = Vec::new();
    loop {
        let low = u8::try_from(rest % 128).unwrap();
        rest /= 128;
        if rest == 0 {
            out.push(low);
            return out;
        }
        out.push(low + 128);
    }
}

impl Raw {
    /// The accounts in the order that messages have them: who pays first, then signers before others, written before read.
    #[must_use]
    pub fn of(version: Option<u8>, payer: [u8; 32], calls: &[Call]) -> Self {
        let mut all: Vec<Meta> = vec![(payer, true, true)];
        let mut add = |(key, signs, written): Meta| match all.iter_mut().find(|one| one.0 == key) {
            Some(known) => (known.1, known.2) = (known.1 || signs, known.2 || written),
            None => all.push((key, signs, written)),
        };
        for call in calls {
            call.accounts.iter().copied().for_each(&mut add);
        }
        for call in calls {
            add((call.program, false, false));
        }
        let (first, rest) = all.split_at(1);
        let mut rest = rest.to_vec();
        rest.sort_by_key(|(_, signs, written)| (!signs, !written));
        let all = [first, &rest].concat();
        let number = |key: &[u8; 32]| {
            let at = all.iter().position(|one| one.0 == *key);
            u8::try_from(at.unwrap()).unwrap()
        };
        let many = |signs: bool, written: Option<bool>| {
            let fits = |one: &&Meta| one.1 == signs && written.is_none_or(|is| one.2 == is);
            u8::try_from(all.iter().filter(fits).count()).unwrap()
        };
        Self {
            version,
            header: [
                many(true, None),
                many(true, Some(false)),
                many(false, Some(false)),
            ],
            accounts: all.iter().map(|one| one.0).collect(),
            blockhash: [9; 32],
            calls: calls
                .iter()
                .map(|call| {
                    let accounts = call.accounts.iter().map(|one| number(&one.0)).collect();
                    (number(&call.program), accounts, call.data.clone())
                })
                .collect(),
            tail: version.map(|_| vec![0]).unwrap_or_default(),
        }
    }

    /// The message.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out: Vec<u8> = self.version.into_iter().collect();
        out.extend(self.header);
        out.extend(count(self.accounts.len()));
        out.extend(self.accounts.concat());
        out.extend(self.blockhash);
        out.extend(count(self.calls.len()));
        for (program, accounts, data) in &self.calls {
            out.push(*program);
            out.extend(count(accounts.len()));
            out.extend(accounts);
            out.extend(count(data.len()));
            out.extend(data);
        }
        out.extend(&self.tail);
        out
    }
}

/// The System program's transfer.
#[must_use]
pub fn transfer(from: [u8; 32], to: [u8; 32], lamports: u64) -> Call {
    Call {
        program: [0; 32],
        accounts: vec![(from, true, true), (to, false, true)],
        data: [&[2, 0, 0, 0][..], &lamports.to_le_bytes()].concat(),
    }
}

/// A token program's transfer, from one account of tokens to another.
#[must_use]
pub fn transfer_checked(
    program: [u8; 32],
    mint: [u8; 32],
    (from, owner): ([u8; 32], [u8; 32]),
    to: [u8; 32],
    (amount, decimals): (u64, u8),
) -> Call {
    Call {
        program,
        accounts: vec![
            (from, false, true),
            (mint, false, false),
            (to, false, true),
            (owner, true, false),
        ],
        data: [&[12][..], &amount.to_le_bytes(), &[decimals]].concat(),
    }
}

/// An account of tokens, made where convention has it.
#[must_use]
pub fn create(
    programs: ([u8; 32], [u8; 32]),
    funder: [u8; 32],
    (account, owner): ([u8; 32], [u8; 32]),
    mint: [u8; 32],
) -> Call {
    let (program, token) = programs;
    Call {
        program,
        accounts: vec![
            (funder, true, true),
            (account, false, true),
            (owner, false, false),
            (mint, false, false),
            ([0; 32], false, false),
            (token, false, false),
        ],
        data: vec![1],
    }
}

/// The Compute Budget program's two.
#[must_use]
pub fn compute(program: [u8; 32], units: Option<u32>, price: Option<u64>) -> Vec<Call> {
    let call = |data| Call {
        program,
        accounts: Vec::new(),
        data,
    };
    let units = units.map(|units| call([&[2][..], &units.to_le_bytes()].concat()));
    let price = price.map(|price| call([&[3][..], &price.to_le_bytes()].concat()));
    units.into_iter().chain(price).collect()
}
