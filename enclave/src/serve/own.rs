//! What an agent may do with its own grant: look at it, push its end forward, end it.
//!
//! Each works on the channel's grant alone; nobody names another's.

use super::{
    answer,
    hub::{Address, Hub, Waiting},
};
use crate::core::Standing;
use claviger_kinds::reach::reach;
use claviger_shared::{
    call::{Reply, Whoami},
    denial::Code,
    effect::Kind,
    grant::Grant,
    ledger::{Slot, State, Status},
    log::record::{self, Body, Record, Renewed, RevokedSelf},
    owner::sshsig::PublicKey,
};
use std::sync::Arc;

/// The own grant and what is left of it.
pub fn whoami(hub: &Hub, to: Address, slot: Slot) {
    let now = hub.time.now();
    let (known, catalog, stored) = {
        let core = hub.lock();
        let state = core.state();
        let known = state.grant(slot).map(|grant| {
            let word = grant.word(state.is_frozen(), now);
            let ssh_key = ssh_key(state, &grant.grant);
            let remaining = grant.remaining(now);
            (Arc::clone(&grant.grant), word, remaining, ssh_key)
        });
        (known, Arc::clone(state.catalog()), core.stored())
    };
    let Some((grant, state, remaining, ssh_key)) = known else {
        return answer::deny(hub, to, Code::GrantNotFound.into());
    };
    let (routes, more_routes) = reach(&catalog, &grant);
    let own = Whoami {
        grant: (*grant).clone(),
        state: state.to_owned(),
        remaining,
        routes,
        more_routes,
        ssh_key,
        now,
    };
    to.send(answer::text(stored, Reply::Grant(Box::new(own))));
}

/// The line of the key that would sign for kind `ssh`.
fn ssh_key(state: &State, grant: &Grant) -> Option<String> {
    let (id, key) = state.key_of(grant, Kind::Ssh, grant.env, |_| true)?;
    let key = PublicKey::of(key.alg, &key.public)?;
    Some(format!("{key} {id}"))
}

/// Pushes the grant's end forward; answered when its record is stored.
pub fn renew(hub: &Hub, to: Address, slot: Slot) {
    let now = hub.time.now();
    let Ok(salt) = hub.nonces.draw() else {
        return answer::unavailable(hub, to);
    };
    let mut core = hub.lock();
    if core.standing() != Standing::Serving {
        drop(core);
        return answer::unavailable(hub, to);
    }
    let Some(grant) = core.state().grant(slot).map(|grant| grant.grant.id.clone()) else {
        return;
    };
    let (at, expires_at) = match core.renew(now, slot) {
        Ok(renewed) => renewed,
        Err(denial) => {
            drop(core);
            return answer::deny(hub, to, denial);
        }
    };
    let body = Body::Renewed(Renewed {
        grant,
        expires_at,
        at,
    });
    let waiting = Waiting::Reply(Box::new((to, Reply::Renewed(expires_at))));
    put(&mut core, salt, body, waiting);
    hub.go_on(core);
}

/// Ends the grant for ever, in any state; answered when its record is stored. Once it is revoked, there is nothing to record.
pub fn revoke_self(hub: &Hub, to: Address, slot: Slot, leaked: bool) {
    let now = hub.time.now();
    let Ok(salt) = hub.nonces.draw() else {
        return answer::unavailable(hub, to);
    };
    let mut core = hub.lock();
    let Some(state) = core.state().grant(slot) else {
        return;
    };
    // Told at once only where the record of it cannot be under way any more.
    if state.status == Status::Revoked && core.is_settled() {
        drop(core);
        return answer::send(hub, to, Reply::Revoked);
    }
    let (grant, agent) = (state.grant.id.clone(), state.grant.agent.clone());
    let at = core.revoke_self(now, slot);
    let revoked = RevokedSelf {
        grant,
        agent,
        leaked,
        at,
    };
    let waiting = Waiting::Reply(Box::new((to, Reply::Revoked)));
    put(&mut core, salt, Body::RevokedSelf(revoked), waiting);
    hub.go_on(core);
}

/// Puts a small record that was just applied into the next entry, under the same lock.
fn put(core: &mut crate::core::Core<Waiting>, salt: [u8; 16], body: Body, waiting: Waiting) {
    if let Ok(bytes) = (Record { salt, body }).encode() {
        let hash = record::hash(&bytes);
        core.put(bytes, hash, Some(waiting));
    }
}
