//! Payments by HTTP (x402, scheme `exact` on chains of the Ethereum family): a transfer of a token, signed for one payee.
//!
//! Having an [`X402Call`] means the server asks for a token of the catalog, on its chain, under its registered domain, to be
//! paid to a payee that a route of the grant's resources names. The URL that is paid for is not signed: it is the server's
//! word, and the payee is what is checked. docs/spec/credential-x402.md is the layout.

pub mod authorization;
mod requirements;

use crate::{
    Call, Moment, SigningKeyInfo, ToSign,
    canonical::Canonical,
    moment::{Span, replay},
    routes::{Candidate, named, only_one},
};
use authorization::Authorization;
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_shared::{
    call::x402::{MAX_EXTENSIONS, MAX_REQUIREMENTS, MAX_RESOURCE, Version, X402Input, header},
    catalog::{Asset, AssetForm, Catalog, DomainName, Route, X402Route},
    chain::{Address, account},
    codec::json::{self, Value},
    credential::{Credential, Replay},
    crypto::{keccak::keccak256, secp256k1::SIGNATURE},
    denial::{Code, Denial},
    effect::{Charge, Effect, Effects, Kind, Verb},
    grant::Grant,
    id::to_hex,
    time::Millis,
};
use requirements::Requirements;
use std::sync::Arc;

/// Longest life of a payment, whatever a server would wait.
pub const MAX_LIFETIME: Millis = Millis(300_000);
/// How long before its moment a payment is valid: clocks of chains are behind.
pub const BACK_S: u64 = 60;
/// What a payment does, in records.
const PAY: &str = "pay";
/// Label of the nonce, which is 32 bytes where a moment has 16.
const NONCE: &[u8] = b"claviger x402 nonce";

const ASSET_PARAM: &str = "/requirements/asset";
const NETWORK_PARAM: &str = "/requirements/network";
const PAY_TO_PARAM: &str = "/requirements/payTo";
const TTL_PARAM: &str = "/ttl_s";
const VERSION_PARAM: &str = "/version";

/// One payment, matched.
#[derive(Debug, Clone)]
pub struct X402Call {
    version: Version,
    network: String,
    input: X402Input,
    to: Address,
    value: u128,
    domain: [u8; 32],
    effects: Arc<Effects>,
}

impl Call for X402Call {
    const KIND: Kind = Kind::X402;
    type Input = X402Input;

    fn parse(
        input: &X402Input,
        _idempotency_key: Option<&str>,
        catalog: &Catalog,
        grant: &Grant,
    ) -> Result<Self, Denial> {
        let version = Version::of(input.version.into())
            .ok_or_else(|| Denial::at(Code::Unsupported, VERSION_PARAM))?;
        check_texts(input, version)?;
        let wanted = Requirements::parse(&input.requirements, version)?;
        let (found, asset) = find(&wanted, catalog, grant)?;
        let (name, contract) = token(asset)?;
        wanted.domain.check(name)?;
        let to = wanted.pay_to;
        let effect = Effect {
            kind: Kind::X402,
            verb: found.verb,
            resource: found.resource.clone(),
            route: found.number,
            destination: account(wanted.chain, &to),
            method: PAY.to_owned(),
            path_template: String::new(),
            parameters: vec![("payment.to".to_owned(), to.to_string())],
            mints: false,
            identity_only: false,
            charges: vec![Charge {
                unit: found.route.asset.clone(),
                amount: wanted.amount,
            }],
            max_lifetime: lifetime(input.ttl_s, wanted.timeout)?,
            fixed: false,
            ends_at: None,
            signer: None,
            token: None,
            nonce: None,
        };
        Ok(Self {
            version,
            network: wanted.network,
            input: input.clone(),
            to,
            value: wanted.amount.0,
            domain: authorization::domain(name, wanted.chain, &contract),
            effects: Arc::new(Effects::one(effect)),
        })
    }

    fn effects(&self) -> &Arc<Effects> {
        &self.effects
    }

    /// A contract takes a nonce once (EIP-3009).
    fn replay(&self, moment: &Moment) -> Replay {
        replay(moment, true)
    }

    fn canonical(&self) -> Vec<u8> {
        let input = &self.input;
        let ttl = input.ttl_s.map(u64::to_be_bytes);
        Canonical::of(Kind::X402.as_str())
            .part(&[input.version])
            .part(input.requirements.as_bytes())
            .optional(input.resource.as_deref().map(str::as_bytes))
            .optional(input.extensions.as_deref().map(str::as_bytes))
            .optional(ttl.as_ref().map(<[u8; 8]>::as_slice))
            .into_bytes()
    }

    fn to_sign(&self, key: &SigningKeyInfo, moment: &Moment) -> Result<ToSign, Denial> {
        let span = Span::of(&self.effects.first, key, moment)?;
        let from = key.alg.address(&key.public);
        let from = from.ok_or_else(|| Denial::at(Code::KeyDenied, Kind::X402.as_str()))?;
        Ok(ToSign::Payment(Authorization {
            from,
            to: self.to,
            value: self.value,
            valid_after: span.from.saturating_sub(BACK_S),
            valid_before: span.to,
            nonce: keccak256(&[NONCE, &moment.nonce]),
            domain: self.domain,
        }))
    }

    fn assemble(
        &self,
        _moment: &Moment,
        signed: &ToSign,
        signature: &[u8],
    ) -> Result<Credential, Denial> {
        let ToSign::Payment(authorization) = signed else {
            return Err(Code::InvalidRequest.into());
        };
        let payload = self.payload(authorization, &ethereum(signature)?);
        let value = STANDARD.encode(&payload);
        Ok(Credential::X402 {
            headers: vec![(header(self.version).to_owned(), value)],
            payload,
        })
    }
}

impl X402Call {
    /// The payment as JSON: what the server wrote stands in it as it came.
    fn payload(&self, authorization: &Authorization, signature: &str) -> String {
        let authorization = authorization.shown();
        let signed =
            format!(r#""payload":{{"signature":"{signature}","authorization":{authorization}}}"#);
        let X402Input {
            version: _,
            requirements,
            resource,
            extensions,
            ttl_s: _,
        } = &self.input;
        match self.version {
            Version::One => format!(
                r#"{{"x402Version":1,"scheme":"exact","network":"{}",{signed}}}"#,
                self.network
            ),
            Version::Two => {
                let optional = |name: &str, text: &Option<String>| match text {
                    Some(text) => format!(r#""{name}":{text},"#),
                    None => String::new(),
                };
                let resource = optional("resource", resource);
                let extensions = optional("extensions", extensions);
                format!(
                    r#"{{"x402Version":2,{resource}"accepted":{requirements},{extensions}{signed}}}"#
                )
            }
        }
    }
}

/// The texts that go back as they came: within their limits, one JSON object each.
fn check_texts(input: &X402Input, version: Version) -> Result<(), Denial> {
    if input.requirements.len() > MAX_REQUIREMENTS {
        return Err(Denial::at(Code::InvalidRequest, "/requirements"));
    }
    let texts = [
        ("/resource", &input.resource, MAX_RESOURCE),
        ("/extensions", &input.extensions, MAX_EXTENSIONS),
    ];
    for (place, text, most) in texts {
        let Some(text) = text else { continue };
        if version == Version::One {
            return Err(Denial::at(Code::UnlistedMember, place));
        }
        if text.len() > most {
            return Err(Denial::at(Code::InvalidRequest, place));
        }
        let value = json::parse(text.as_bytes());
        if !matches!(value, Ok(Value::Object(_))) {
            return Err(Denial::at(Code::UnparsableContent, place));
        }
    }
    Ok(())
}

/// The one route that pays this payee in this token, and the token.
fn find<'a>(
    wanted: &Requirements,
    catalog: &'a Catalog,
    grant: &'a Grant,
) -> Result<(Candidate<'a, X402Route>, &'a Asset), Denial> {
    let mut furthest = NETWORK_PARAM;
    let mut matching = Vec::new();
    for (resource, number, route) in named(catalog, grant) {
        let Route::X402(route) = route else { continue };
        if route.chain != wanted.chain {
            continue;
        }
        let contract = catalog.assets.get(&route.asset).and_then(Asset::contract);
        if contract != Some(wanted.asset) {
            if furthest == NETWORK_PARAM {
                furthest = ASSET_PARAM;
            }
            continue;
        }
        furthest = PAY_TO_PARAM;
        if route.pay_to.contains(&wanted.pay_to) {
            matching.push(Candidate {
                resource,
                number,
                verb: Verb::Write,
                route,
            });
        }
    }
    let none = Denial::at(Code::DestinationDenied, furthest);
    let one = only_one(matching, grant, none, PAY_TO_PARAM)?;
    let asset = catalog.assets.get(&one.route.asset);
    let asset = asset.ok_or_else(|| Denial::at(Code::DestinationDenied, ASSET_PARAM))?;
    Ok((one, asset))
}

/// A token's registered domain and contract.
fn token(asset: &Asset) -> Result<(&DomainName, Address), Denial> {
    match &asset.form {
        AssetForm::Token {
            contract,
            eip712: Some(name),
        } => Ok((name, *contract)),
        AssetForm::Token { eip712: None, .. }
        | AssetForm::Native { .. }
        | AssetForm::Collection { .. }
        | AssetForm::Solana { .. } => Err(Denial::at(Code::DestinationDenied, ASSET_PARAM)),
    }
}

/// What the call says, or the server; never longer than the server waits, nor than the kind's.
fn lifetime(ttl_s: Option<u64>, timeout: Millis) -> Result<Millis, Denial> {
    let longest = timeout.min(MAX_LIFETIME);
    match ttl_s.map(Millis::from_secs) {
        None => Ok(longest),
        Some(Millis(0)) => Err(Denial::at(Code::InvalidRequest, TTL_PARAM)),
        Some(ttl) if ttl > longest => Err(Denial::at(Code::Outliving, TTL_PARAM)),
        Some(ttl) => Ok(ttl),
    }
}

/// A signature in hexadecimal, its last byte 27 or 28.
fn ethereum(signature: &[u8]) -> Result<String, Denial> {
    let v = match signature.split_last() {
        Some((0, _)) => "1b",
        Some((1, _)) => "1c",
        Some(_) | None => return Err(Denial::at(Code::KeyDenied, Kind::X402.as_str())),
    };
    match signature.get(..SIGNATURE.saturating_sub(1)) {
        Some(rs) if signature.len() == SIGNATURE => Ok(format!("0x{}{v}", to_hex(rs))),
        Some(_) | None => Err(Denial::at(Code::KeyDenied, Kind::X402.as_str())),
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
