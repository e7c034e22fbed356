//! Sign-in texts (EIP-4361): read strictly, line by line, and signed with the prefix of EIP-191.
//!
//! Having a [`Text`] means that its text is of the one grammar, of version 1, and says when it ends. Free text is none.

use super::matching::{Far, Not};
use crate::routes::{Candidate, named, only_one};
use claviger_shared::{
    catalog::{Catalog, EvmSigns, Route, SIGN_IN, SignIn},
    chain::Address,
    denial::{Code, Denial},
    effect::{Effect, Kind},
    grant::Grant,
    time::{DAY, UnixMs},
};

/// Where it stands in the caller's input.
const PLACE: &str = "/sign_in";
/// EIP-191, version `E`: what stands before the length and the text.
const PREFIX: &[u8] = b"\x19Ethereum Signed Message:\n";
const WANTS: &str = " wants you to sign in with your Ethereum account:";
/// Shortest nonce (EIP-4361).
const MIN_NONCE: usize = 8;
const MAX_NONCE: usize = 128;

/// What a text says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text<'a> {
    /// Who asks.
    pub domain: &'a str,
    /// Whose account.
    pub address: Address,
    /// A sentence for people.
    pub statement: Option<&'a str>,
    /// What is signed in to.
    pub uri: &'a str,
    /// The chain's id.
    pub chain: u64,
    /// When it was written.
    pub issued_at: UnixMs,
    /// When it ends.
    pub ends_at: UnixMs,
    /// From when on it is taken.
    pub not_before: Option<UnixMs>,
    /// URIs that go with it.
    pub resources: Vec<&'a str>,
}

/// What is hashed and signed, and what it does.
pub(super) fn matched(
    text: &str,
    catalog: &Catalog,
    grant: &Grant,
) -> Result<(Vec<u8>, Effect), Denial> {
    let read = Text::parse(text).map_err(|line| Denial::at(Code::InvalidRequest, at(line)))?;
    let mut furthest = (Far::Nowhere, Denial::at(Code::DestinationDenied, PLACE));
    let mut matching = Vec::new();
    for (resource, number, route) in named(catalog, grant) {
        let Route::Evm(route) = route else { continue };
        let EvmSigns::SignIn(sign_in) = &route.signs else {
            continue;
        };
        match fits(&read, route.chain, sign_in) {
            Ok(()) => matching.push(Candidate {
                resource,
                number,
                verb: sign_in.verb,
                route: sign_in,
            }),
            Err(not) if not.0 > furthest.0 => furthest = not,
            Err(_) => {}
        }
    }
    let one = only_one(matching, grant, furthest.1, PLACE)?;
    let effect = Effect {
        kind: Kind::Evm,
        verb: one.verb,
        resource: one.resource.clone(),
        route: one.number,
        destination: one.route.uri.clone(),
        method: SIGN_IN.to_owned(),
        path_template: String::new(),
        parameters: Vec::new(),
        mints: true,
        identity_only: false,
        charges: Vec::new(),
        max_lifetime: DAY,
        fixed: true,
        ends_at: Some(read.ends_at),
        signer: Some(read.address),
        token: None,
        nonce: None,
    };
    Ok((message(text), effect))
}

fn at(line: &str) -> String {
    format!("{PLACE}/{line}")
}

/// EIP-191: no transaction and no typed data begins so.
fn message(text: &str) -> Vec<u8> {
    [PREFIX, text.len().to_string().as_bytes(), text.as_bytes()].concat()
}

fn fits(text: &Text<'_>, chain: u64, route: &SignIn) -> Result<(), Not> {
    let refuse = |far, code, line: &str| Err((far, Denial::at(code, at(line))));
    if text.domain != route.domain {
        return refuse(Far::Nowhere, Code::DestinationDenied, "domain");
    }
    if text.chain != chain {
        return refuse(Far::Chain, Code::DestinationDenied, "Chain ID");
    }
    if text.uri != route.uri {
        return refuse(Far::Contract, Code::DestinationDenied, "URI");
    }
    let known = |list: &[String], text: &str| list.iter().any(|one| one == text);
    if text
        .statement
        .is_some_and(|text| !known(&route.statements, text))
    {
        return refuse(Far::Function, Code::UnlistedMember, "statement");
    }
    let mut resources = text.resources.iter();
    if !resources.all(|text| known(&route.resources, text)) {
        return refuse(Far::Function, Code::UnlistedMember, "Resources");
    }
    Ok(())
}

impl<'a> Text<'a> {
    /// Reads a text.
    ///
    /// # Errors
    ///
    /// The line that is missing or wrong.
    pub fn parse(text: &'a str) -> Result<Self, &'static str> {
        let fine = |b: u8| b == b'\n' || b == b' ' || b.is_ascii_graphic();
        if !text.bytes().all(fine) {
            return Err("text");
        }
        let mut lines = Lines(text.split('\n').collect());
        let first = lines.next().ok_or("domain")?;
        let domain = first.strip_suffix(WANTS).ok_or("domain")?;
        let domain = domain.strip_prefix("https://").unwrap_or(domain);
        let address = lines.next().ok_or("address")?;
        // EIP-4361: with the checksum of EIP-55.
        let address = Address::parse(address)
            .ok()
            .filter(|read| read.to_string() == address)
            .ok_or("address")?;
        lines.empty("address")?;
        let statement = lines.next().ok_or("statement")?;
        let statement = (!statement.is_empty()).then_some(statement);
        if statement.is_some() {
            lines.empty("statement")?;
        }
        let uri = lines.member("URI")?;
        if lines.member("Version")? != "1" {
            return Err("Version");
        }
        let chain = number(lines.member("Chain ID")?).ok_or("Chain ID")?;
        let nonce = lines.member("Nonce")?;
        let length = (MIN_NONCE..=MAX_NONCE).contains(&nonce.len());
        if !length || !nonce.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err("Nonce");
        }
        let issued_at = time(lines.member("Issued At")?).ok_or("Issued At")?;
        let ends_at = time(lines.member("Expiration Time")?).ok_or("Expiration Time")?;
        let not_before = lines
            .optional("Not Before")
            .map(|text| time(text).ok_or("Not Before"));
        let not_before = not_before.transpose()?;
        if lines.optional("Request ID").is_some_and(str::is_empty) {
            return Err("Request ID");
        }
        Ok(Self {
            domain,
            address,
            statement,
            uri,
            chain,
            issued_at,
            ends_at,
            not_before,
            resources: lines.resources()?,
        })
    }
}

struct Lines<'a>(std::collections::VecDeque<&'a str>);

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a str> {
        self.0.pop_front()
    }

    fn empty(&mut self, after: &'static str) -> Result<(), &'static str> {
        match self.next() {
            Some("") => Ok(()),
            Some(_) | None => Err(after),
        }
    }

    fn optional(&mut self, name: &str) -> Option<&'a str> {
        let line = self.0.front()?;
        let value = line.strip_prefix(name)?.strip_prefix(": ")?;
        self.0.pop_front();
        Some(value)
    }

    fn member(&mut self, name: &'static str) -> Result<&'a str, &'static str> {
        let value = self.optional(name).filter(|value| !value.is_empty());
        value.ok_or(name)
    }

    /// All that is left: nothing, or a list.
    fn resources(mut self) -> Result<Vec<&'a str>, &'static str> {
        match self.next() {
            None => Ok(Vec::new()),
            Some("Resources:") => {
                let list = self.0.iter().map(|line| line.strip_prefix("- "));
                let list: Option<Vec<_>> = list.collect();
                list.filter(|list| !list.is_empty()).ok_or("Resources")
            }
            Some(_) => Err("Resources"),
        }
    }
}

fn number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// RFC 3339 in UTC; a fraction of a second counts as a whole one, so that nothing ends later than is said.
fn time(text: &str) -> Option<UnixMs> {
    let Some((whole, fraction)) = text.split_once('.') else {
        return UnixMs::parse_rfc3339(text).ok();
    };
    let digits = fraction.strip_suffix('Z')?;
    let fine =
        !digits.is_empty() && digits.len() <= 9 && digits.bytes().all(|b| b.is_ascii_digit());
    let time = UnixMs::parse_rfc3339(&format!("{whole}Z"))
        .ok()
        .filter(|_| fine)?;
    let more = if digits.bytes().all(|b| b == b'0') {
        0
    } else {
        1000
    };
    Some(UnixMs(time.0.saturating_add(more)))
}
