//! What an agent may do with its own grant: look at it, push its end forward, end it.
//!
//! Each works on the channel's grant alone; nobody names another's.

use super::{
    answer,
    hub::{Address, Hub, Waiting},
};
use crate::core::Standing;
use claviger_shared::{
    call::{Reply, Whoami},
    denial::Code,
    ledger::Slot,
    log::record::{self, Body, Record, Renewed, RevokedSelf},
};

/// The own grant and what is left of it.
pub fn whoami(hub: &Hub, to: Address, slot: Slot) {
    let now = hub.time.now();
    let (reply, stored) = {
        let core = hub.lock();
        let state = core.state();
        let reply = state.grant(slot).map(|grant| Whoami {
            grant: (*grant.grant).clone(),
            state: grant.word(state.is_frozen(), now).to_owned(),
            remaining: grant.remaining(now),
            now,
        });
        (reply, core.stored())
    };
    match reply {
        Some(reply) => to.send(answer::text(stored, Reply::Grant(Box::new(reply)))),
        None => answer::deny(hub, to, Code::GrantNotFound.into()),
    }
}

/// Pushes the grant's end forward; answered when its record is stored.
pub fn renew(hub: &Hub, to: Address, slot: Slot) {
    let now = hub.time.now();
    let Ok(salt) = hub.random16() else {
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
    drop(core);
    hub.wake.notify_one();
}

/// Ends the grant for ever, in any state; answered when its record is stored.
pub fn revoke_self(hub: &Hub, to: Address, slot: Slot, leaked: bool) {
    let now = hub.time.now();
    let Ok(salt) = hub.random16() else {
        return answer::unavailable(hub, to);
    };
    let mut core = hub.lock();
    let Some((grant, agent)) = core
        .state()
        .grant(slot)
        .map(|grant| (grant.grant.id.clone(), grant.grant.agent.clone()))
    else {
        return;
    };
    let at = core.revoke_self(now, slot);
    let body = Body::RevokedSelf(RevokedSelf {
        grant,
        agent,
        leaked,
        at,
    });
    put(
        &mut core,
        salt,
        body,
        Waiting::Reply(Box::new((to, Reply::Revoked))),
    );
    drop(core);
    hub.wake.notify_one();
}

/// Puts a small record that was just applied into the next entry, under the same lock.
fn put(core: &mut crate::core::Core<Waiting>, salt: [u8; 16], body: Body, waiting: Waiting) {
    if let Ok(bytes) = (Record { salt, body }).encode() {
        let hash = record::hash(&bytes);
        core.put(bytes, hash, Some(waiting));
    }
}
