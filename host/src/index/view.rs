//! What the folded log says, as JSON: keys, grants and their budgets, the catalog, sums.
//!
//! Every list is cut into pages. Nothing here is proof, and nothing in it is trusted to be plain text: names and purposes are
//! what owners wrote.

use super::{Counts, Fold, Index, Unavailable};
use crate::sync::lock;
use claviger_shared::{
    amount::Amount,
    crypto::sha256,
    effect::{Env, Kind},
    id::{AgentId, Digest, GrantId, KeyId},
    jwk,
    ledger::{GrantState, KeyState, State},
    log::record::Command,
    oidc,
    time::UnixMs,
};
use serde_json::{Value, json};

/// Elements of one page at most.
pub const MAX_LIST: usize = 500;
/// A budget is high from this many percent on.
const HIGH: u128 = 80;

/// The catalog as owners wrote it.
#[derive(Debug, Clone)]
pub(super) struct CatalogText {
    command: Digest,
    seq: Value,
    set_at: UnixMs,
    catalog: Value,
}

impl CatalogText {
    /// That of a command which sets one.
    pub(super) fn of(command: &Command) -> Option<Self> {
        let body: Value = serde_json::from_slice(&command.body).ok()?;
        let action = body.get("action")?;
        (action.get("type")? == "catalog.set").then_some(())?;
        Some(Self {
            command: sha256(&[&command.body]),
            seq: body.get("seq")?.clone(),
            set_at: command.applied_at,
            catalog: action.get("catalog")?.clone(),
        })
    }
}

/// Budgets and grants, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct High {
    /// Budgets of active grants that are spent to eighty percent or more.
    pub high: u64,
    /// Of those, the ones with nothing left.
    pub exhausted: u64,
    /// Active grants.
    pub active: u64,
    /// Grants of any state.
    pub grants: u64,
    /// Whether a freeze is in force.
    pub frozen: bool,
}

impl Index {
    fn with<R>(&self, look: impl FnOnce(&State, &Fold) -> R) -> Result<R, Unavailable> {
        let fold = lock(&self.fold);
        match &fold.state {
            Some(state) if !fold.broken => Ok(look(state, &fold)),
            Some(_) | None => Err(Unavailable),
        }
    }

    /// Public keys of one kind's live signing keys, as a JWK set.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub fn jwks(&self, kind: Kind) -> Result<Value, Unavailable> {
        self.with(|state, _| {
            let live = state
                .keys()
                .filter(|(_, key)| key.kind == kind && !key.retired && key.env == Env::Live);
            oidc::jwks(live.map(|(_, key)| (key.alg, key.public.as_slice())))
        })
    }

    /// What OpenID Connect Discovery asks of the catalog's issuer; nothing where no route has one.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub fn discovery(&self) -> Result<Option<Value>, Unavailable> {
        self.with(|state, _| state.catalog().issuer().map(oidc::discovery))
    }

    /// Signing keys after one, as far as anyone may know them.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub fn keys(&self, after: Option<&KeyId>, limit: usize) -> Result<Value, Unavailable> {
        self.with(|state, _| {
            let all = state
                .keys()
                .skip_while(|(id, _)| after.is_some_and(|after| *id <= after));
            let (keys, next) = page(all, limit, |(id, state)| (key(id, state), id.to_string()));
            json!({ "keys": keys, "next": next })
        })
    }

    /// Grants after one, with what is spent of their budgets.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub fn grants(
        &self,
        after: Option<&GrantId>,
        limit: usize,
        now: UnixMs,
    ) -> Result<Value, Unavailable> {
        self.with(|state, _| {
            let frozen = state.is_frozen();
            let all = state
                .grants()
                .skip_while(|(id, _)| after.is_some_and(|after| *id <= after));
            let (grants, next) = page(all, limit, |(id, grant)| {
                (short(id, grant, frozen, now), id.to_string())
            });
            json!({ "frozen": frozen, "grants": grants, "next": next })
        })
    }

    /// One grant as owners would write it, with what is spent and what it left outside.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub fn grant(&self, id: &GrantId, now: UnixMs) -> Result<Option<Value>, Unavailable> {
        self.with(|state, _| {
            let grant = state.slot(id).and_then(|slot| state.grant(slot))?;
            Some(long(id, grant, state, now))
        })
    }

    /// The grants of an agent.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub fn grants_of(&self, agent: &AgentId) -> Result<Vec<GrantId>, Unavailable> {
        self.with(|state, _| {
            let own = state
                .grants()
                .filter(|(_, grant)| grant.grant.agent == *agent);
            own.map(|(id, _)| id.clone()).collect()
        })
    }

    /// The catalog in force as owners wrote it, and the command that set it; nothing where none was set.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub fn catalog(&self) -> Result<Option<Value>, Unavailable> {
        self.with(|_, fold| {
            let CatalogText {
                command,
                seq,
                set_at,
                catalog,
            } = fold.catalog.as_ref()?;
            Some(json!({
                "command": command, "seq": seq, "set_at": set_at.to_string(), "catalog": catalog,
            }))
        })
    }

    /// Sums for metrics.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub fn sums(&self, now: UnixMs) -> Result<(Counts, High), Unavailable> {
        self.with(|state, fold| {
            let mut sums = High {
                frozen: state.is_frozen(),
                ..High::default()
            };
            for (_, grant) in state.grants() {
                sums.grants += 1;
                if grant.word(sums.frozen, now) != "active" {
                    continue;
                }
                sums.active += 1;
                let budgets = grant.grant.budgets.iter().zip(grant.remaining(now));
                for (budget, left) in budgets.filter(|(_, left)| left.window != "call") {
                    sums.high += u64::from(is_high(budget.max, left.amount));
                    sums.exhausted += u64::from(left.amount == Amount::ZERO);
                }
            }
            (fold.counts.clone(), sums)
        })
    }
}

/// Some elements, and the name of the last where there are more.
fn page<T>(
    all: impl Iterator<Item = T>,
    limit: usize,
    show: impl Fn(T) -> (Value, String),
) -> (Vec<Value>, Option<String>) {
    let mut all = all.peekable();
    let (mut shown, mut last) = (Vec::new(), None);
    while shown.len() < limit
        && let Some(one) = all.next()
    {
        let (value, name) = show(one);
        shown.push(value);
        last = Some(name);
    }
    let more = all.peek().is_some();
    (shown, last.filter(|_| more))
}

fn key(id: &KeyId, key: &KeyState) -> Value {
    let mut value = json!({
        "id": id, "kind": key.kind, "alg": key.alg, "env": key.env,
        "agent": key.agent.as_ref().map(ToString::to_string), "imported": key.imported, "retired": key.retired,
        "jwk": null, "pem": null,
    });
    if let Some(members) = value.as_object_mut() {
        members.extend(jwk::shown(id, key.kind, key.alg, &key.public));
    }
    value
}

/// Whether so little is left that the budget is spent to [`HIGH`] percent.
fn is_high(max: Amount, left: Amount) -> bool {
    let spent = max.less(left).0;
    // Amounts reach 2^128: divided before they are multiplied, rounded towards a warning.
    spent >= max.0.div_ceil(100).saturating_mul(HIGH) || left == Amount::ZERO
}

fn budgets(state: &GrantState, now: UnixMs) -> Vec<Value> {
    let budgets = state.grant.budgets.iter().zip(state.remaining(now));
    budgets
        .map(|(budget, left)| {
            json!({
                "unit": budget.unit, "window": left.window, "max": budget.max, "spent": budget.max.less(left.amount),
                "remaining": left.amount, "resets_at": left.resets_at.map(|at| at.to_string()),
            })
        })
        .collect()
}

fn short(id: &GrantId, state: &GrantState, frozen: bool, now: UnixMs) -> Value {
    let grant = &state.grant;
    json!({
        "id": id, "agent": grant.agent, "env": grant.env, "status": state.word(frozen, now),
        "not_before": grant.not_before.to_string(), "expires_at": grant.expires_at.to_string(),
        "renew_until": grant.renew_until.map(|until| until.to_string()), "purpose": grant.purpose,
        "budgets": budgets(state, now),
    })
}

fn long(id: &GrantId, state: &GrantState, all: &State, now: UnixMs) -> Value {
    let outstanding: Vec<Value> = state
        .outstanding(now)
        .into_iter()
        .map(|left| {
            json!({"kind": left.kind, "destination": left.destination, "dies_at": left.dies_at.to_string()})
        })
        .collect();
    let successor = state.successor().and_then(|slot| all.grant(slot));
    let mut value = short(id, state, all.is_frozen(), now);
    if let Value::Object(members) = &mut value {
        members.extend([
            ("grant".to_owned(), state.grant.to_json()),
            ("outstanding".to_owned(), json!(outstanding)),
            (
                "successor".to_owned(),
                json!(successor.map(|state| &state.grant.id)),
            ),
        ]);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_high_from_eighty_percent_on() {
        let high = |max, left| is_high(Amount(max), Amount(left));
        assert!(!high(100, 21) && high(100, 20) && high(100, 0));
        assert!(high(1, 0) && !high(1, 1));
        assert!(!high(u128::MAX, u128::MAX) && high(u128::MAX, 1));
    }

    #[test]
    fn a_page_names_its_last_element_only_where_more_follow() {
        let of = |limit| page(1..=3, limit, |n| (json!(n), n.to_string()));
        assert_eq!(of(2), (vec![json!(1), json!(2)], Some("2".to_owned())));
        assert_eq!(of(3), (vec![json!(1), json!(2), json!(3)], None));
        assert_eq!(of(9).1, None);
    }
}
