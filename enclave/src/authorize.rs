//! Authorisation: whether one active grant permits every effect of a call, from this source, with this key.
//!
//! Having an [`Authorized`] means every effect was in the scope, within `only`, of the grant's environment, and allowed to
//! mint, to carry no destination, or to charge, where it does. It says nothing about rate or budgets. Unknown means no.

use claviger_shared::{
    call::solana::FROM,
    catalog::{Catalog, Route},
    denial::{Code, Denial},
    effect::{Bound, Charge, Effect, Effects, Kind},
    grant::{Grant, SourcePrefix, profile},
    id::KeyId,
    jwk,
    ledger::{KeyState, State, reserve},
    owner::command::Alg,
    solana::Pubkey,
    time::{Millis, UnixMs},
};

/// Proof that a grant permits every effect of a call.
#[must_use]
#[derive(Debug)]
pub struct Authorized {
    charges: Vec<Charge>,
    key: KeyId,
    expires_at: UnixMs,
}

impl Authorized {
    /// What the call would spend, one `call` included.
    #[must_use]
    pub fn charges(&self) -> &[Charge] {
        &self.charges
    }

    /// The key it would be signed with.
    #[must_use]
    pub const fn key(&self) -> &KeyId {
        &self.key
    }

    /// When the credential would end.
    #[must_use]
    pub const fn expires_at(&self) -> UnixMs {
        self.expires_at
    }

    /// Gives up the proof for what it proved.
    pub(crate) fn into_parts(self) -> (Vec<Charge>, KeyId, UnixMs) {
        (self.charges, self.key, self.expires_at)
    }
}

/// Checks every effect against the grant, in this order: source, scope, `only`, environment, minting, identity, key,
/// lifetime.
///
/// # Errors
///
/// The first rule that refuses.
pub fn authorize(
    state: &State,
    grant: &Grant,
    effects: &Effects,
    source: &[u8; 16],
    now: UnixMs,
) -> Result<Authorized, Denial> {
    check_source(&grant.reported_sources, source)?;
    for effect in effects.iter() {
        check_effect(grant, state.catalog(), effect)?;
    }
    let kind = effects.first.kind;
    if effects.iter().any(|effect| effect.kind != kind) {
        return Err(Code::Unsupported.into());
    }
    let (key, _) = state
        .key_of(grant, kind, grant.env, |key| {
            fits(state.catalog(), grant, effects, key)
        })
        .ok_or_else(|| Denial::at(Code::KeyDenied, kind.as_str()))?;
    let charges = reserve::charges(effects.iter())?;
    let expires_at = lifetime(grant, effects, now)?;
    Ok(Authorized {
        charges,
        key: key.clone(),
        expires_at,
    })
}

/// Whether a key signs all of a call.
fn fits(catalog: &Catalog, grant: &Grant, effects: &Effects, key: &KeyState) -> bool {
    let mut all = effects.iter();
    let signs = all.all(|effect| is_signed_by(catalog, grant, effect, key));
    signs && is_signer(effects, key) && is_bound(effects, key)
}

/// Whether a key is the account's that what is signed names, where it names one.
fn is_signer(effects: &Effects, key: &KeyState) -> bool {
    let mut named = effects.iter().filter_map(|effect| effect.signer);
    named.all(|account| key.alg.address(&key.public) == Some(account))
}

/// Whether a key is the one that a token names, where what is signed proves its possession.
fn is_bound(effects: &Effects, key: &KeyState) -> bool {
    let mut tokens = effects.iter().filter_map(|effect| effect.token.as_ref());
    tokens.all(|token| jwk::thumbprint(key.alg, &key.public).as_ref() == Some(&token.key))
}

/// Whether a key signs what the effect's route asks for: the profile of a token or of requests, or a template, says which do.
fn is_signed_by(catalog: &Catalog, grant: &Grant, effect: &Effect, key: &KeyState) -> bool {
    let resource = catalog.resources.get(&effect.resource);
    let route = resource.and_then(|resource| resource.routes.get(usize::from(effect.route)));
    match route {
        Some(Route::Jwt(route)) => profile::signs(&route.profile, key.alg),
        Some(Route::Http(route)) => {
            let rule = grant.credentials.get(&Kind::Http);
            let named = rule.and_then(|rule| rule.profile.as_deref());
            // A directory is of its key, and not every key of a bot can stand in one.
            let stands = !route.directory || jwk::directory(key.alg, &key.public).is_some();
            stands && profile::signs(named.unwrap_or(profile::GENERIC), key.alg)
        }
        Some(Route::Aws(_) | Route::Ssh(_)) => true,
        Some(Route::Template(route)) => route.takes(key.alg, &key.public),
        Some(Route::X402(_) | Route::Evm(_)) => key.alg == Alg::Secp256k1,
        Some(Route::Solana(_)) => key.alg == Alg::Ed25519 && is_own(effect, key),
        None => false,
    }
}

/// Whether the account that pays is the key's.
fn is_own(effect: &Effect, key: &KeyState) -> bool {
    let from = effect.parameters.iter().find(|(name, _)| name == FROM);
    let own = Pubkey::of_public_key(&key.public).map(|own| own.to_string());
    own.is_some_and(|own| from.is_some_and(|(_, from)| *from == own))
}

fn check_effect(grant: &Grant, catalog: &Catalog, effect: &Effect) -> Result<(), Denial> {
    let resource = effect.resource.as_str();
    if !grant.permissions.allows(effect.verb, &effect.resource) {
        return Err(Denial::at(Code::PermissionDenied, resource));
    }
    if let Some(only) = grant.only.get(&effect.resource) {
        for (parameter, allowed) in only {
            // Elements of a list are several values of one name: each is one of these, and there is one at least.
            let of_name = |(name, _): &&(String, String)| name == parameter;
            let mut values = effect.parameters.iter().filter(of_name).peekable();
            let some = values.peek().is_some();
            if !some || !values.all(|(_, value)| allowed.contains(value)) {
                return Err(Denial::at(Code::PermissionDenied, parameter.as_str()));
            }
        }
    }
    let listed = catalog
        .resources
        .get(&effect.resource)
        .ok_or_else(|| Denial::at(Code::DestinationDenied, resource))?;
    if listed.env != grant.env {
        return Err(Denial::at(Code::EnvMismatch, resource));
    }
    if effect.mints && !grant.allow_minting.contains(&effect.resource) {
        return Err(Denial::at(Code::Minting, resource));
    }
    if effect.identity_only && !grant.allow_identity_only.contains(&effect.resource) {
        return Err(Denial::at(Code::IdentityOnly, resource));
    }
    Ok(())
}

fn check_source(prefixes: &[SourcePrefix], source: &[u8; 16]) -> Result<(), Denial> {
    if prefixes.is_empty() || prefixes.iter().any(|prefix| covers(prefix, source)) {
        Ok(())
    } else {
        Err(Denial::at(Code::SourceDenied, "reported_sources"))
    }
}

fn covers(prefix: &SourcePrefix, source: &[u8; 16]) -> bool {
    if prefix.bits > 128 {
        return false;
    }
    let shift = 128_u32.saturating_sub(u32::from(prefix.bits));
    let mask = u128::MAX.checked_shl(shift).unwrap_or(0);
    u128::from_be_bytes(prefix.address) & mask == u128::from_be_bytes(*source) & mask
}

/// min(grant end, kind's maximum, the grant's own ttl); past the grant's end only where the grant says so. What lives for a
/// time of its own is refused where that is longer.
fn lifetime(grant: &Grant, effects: &Effects, now: UnixMs) -> Result<UnixMs, Denial> {
    let rule = grant
        .credentials
        .get(&effects.first.kind)
        .and_then(|rule| rule.ttl);
    let kind = effects
        .iter()
        .map(|effect| effect.max_lifetime)
        .min()
        .unwrap_or_default();
    let fixed = effects.iter().any(|effect| effect.fixed);
    let length = rule.map_or(kind, |ttl| ttl.min(kind));
    if let Some(ends_at) = effects.iter().filter_map(|effect| effect.ends_at).max() {
        return stated(grant, effects, (ends_at, length), now);
    }
    // Nothing that is signed makes it shorter: where it may not live so long it is not made.
    let endless = kind == Millis::ENDLESS;
    if fixed && length < kind {
        return Err(too_long(effects, endless));
    }
    let outlives = may_outlive(grant, effects);
    if endless {
        return if outlives {
            Ok(UnixMs::NEVER)
        } else {
            Err(too_long(effects, endless))
        };
    }
    let wanted = effects.iter().try_fold(now.plus(length), |end, effect| {
        proved(effect.token.as_ref(), now).map(|token| token.map_or(end, |token| end.min(token)))
    })?;
    let end = if outlives {
        wanted
    } else if fixed && wanted > grant.expires_at {
        return Err(Code::Outliving.into());
    } else {
        wanted.min(grant.expires_at)
    };
    // A credential counts whole seconds: one that would end within this second is of no use to anybody.
    let end = UnixMs(end.secs().saturating_mul(1000));
    if end > now {
        Ok(end)
    } else {
        Err(Code::Outliving.into())
    }
}

/// When a token ends that a proof goes with: it has begun, and has not ended.
fn proved(token: Option<&Bound>, now: UnixMs) -> Result<Option<UnixMs>, Denial> {
    match token {
        Some(token) if token.from > now || token.ends_at <= now => {
            Err(Denial::at(Code::InvalidRequest, token.param))
        }
        Some(token) => Ok(Some(token.ends_at)),
        None => Ok(None),
    }
}

fn may_outlive(grant: &Grant, effects: &Effects) -> bool {
    let mut effects = effects.iter();
    effects.all(|effect| grant.allow_outliving.contains(&effect.resource))
}

/// The end that stands in what is signed: it has not come, and is no later than it may be.
fn stated(
    grant: &Grant,
    effects: &Effects,
    (ends_at, length): (UnixMs, Millis),
    now: UnixMs,
) -> Result<UnixMs, Denial> {
    let late = ends_at > now.plus(length);
    let outlives = ends_at > grant.expires_at && !may_outlive(grant, effects);
    if ends_at <= now || late || outlives {
        return Err(Code::Outliving.into());
    }
    Ok(ends_at)
}

/// What nothing ends is let out by its resource's name alone: the denial says which.
fn too_long(effects: &Effects, endless: bool) -> Denial {
    if endless {
        Denial::at(Code::Outliving, effects.first.resource.as_str())
    } else {
        Code::Outliving.into()
    }
}

#[cfg(test)]
mod keys_tests;
#[cfg(test)]
mod tests;
