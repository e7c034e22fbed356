//! One credential, run to completion: parse, decide, sign, record.
//!
//! Order matters: nothing is signed before the core has reserved, nothing leaves before its record is stored. A call is
//! parsed outside the lock and parsed again when its grant or catalog changed meanwhile.

use super::{
    answer,
    hub::{Address, Counters, Hub, Leaving, Waiting},
    receipts::Once,
};
use crate::channel::Channel;
use crate::core::{
    Input as Step, Intent, Note, Output as Out, Reserved, Signed, Spent, Verdict, Withdrawn,
    call::AGAIN_MS,
};
use claviger_kinds::{Moment, any::AnyCall};
use claviger_shared::{
    call::{self, Reply, Sign},
    credential::{Credential, Issued},
    denial::{Code, Denial},
    effect::{Charge, Effect, Env},
    grant::Grant,
    id::Digest,
    ledger::{Idempotency, forgotten_at},
    log::record::{self, Body, Outcome},
};
use std::sync::Arc;

/// Times a call is parsed again because its grant or catalog changed meanwhile.
const MAX_STALE: usize = 4;

/// A call that was parsed under the grant and catalog in force.
struct Parsed {
    call: AnyCall,
    grant: Arc<Grant>,
    once: Option<Idempotency>,
}

/// Answers a Sign or Simulate.
pub fn credential(hub: &Arc<Hub>, to: Address, source: [u8; 16], sign: &Sign, simulate: bool) {
    for _ in 0..MAX_STALE {
        match decide(hub, &to.channel, source, sign, simulate) {
            Err(denial) => {
                hub.lock().count_denial(to.channel.slot, denial.code);
                return answer::deny(hub, to, denial);
            }
            Ok((_, Verdict::Stale)) => {}
            Ok((_, Verdict::Denied(denial))) => return answer::deny(hub, to, denial),
            Ok((parsed, Verdict::Again { reserved, nonce })) => {
                return repeat(hub, to, &parsed, reserved, nonce);
            }
            Ok((parsed, Verdict::Reserved(reserved))) => {
                return issue(hub, to, &parsed, reserved, source);
            }
            Ok((
                parsed,
                Verdict::Simulated {
                    charges,
                    expires_at,
                    remaining,
                    replaces,
                },
            )) => {
                let now = hub.time.now();
                let moment = Moment {
                    now,
                    expires_at,
                    nonce: [0; 16],
                };
                let issued = Issued {
                    credential: None,
                    expires_at,
                    replay: parsed.call.replay(&moment),
                    effects: told(&parsed),
                    charged: charges,
                    remaining,
                    sandbox: parsed.grant.env == Env::Sandbox,
                    replayed: false,
                    replaces,
                };
                let issued = call::IssuedWithReceipt {
                    issued,
                    receipt: Vec::new(),
                };
                return answer::send(hub, to, Reply::Issued(Box::new(issued)));
            }
        }
    }
    answer::unavailable(hub, to);
}

fn decide(
    hub: &Hub,
    channel: &Channel,
    source: [u8; 16],
    sign: &Sign,
    simulate: bool,
) -> Result<(Parsed, Verdict), Denial> {
    let fine = |key: &String| !key.is_empty() && key.len() <= call::MAX_IDEMPOTENCY_KEY;
    if !sign.idempotency_key.as_ref().is_none_or(fine) {
        return Err(Denial::at(Code::InvalidRequest, "/idempotency_key"));
    }
    let slot = channel.slot;
    let (grant, catalog) = {
        let now = hub.time.now();
        let core = hub.lock();
        let active = core.state().check_active(slot, now)?;
        (
            Arc::clone(&active.grant),
            Arc::clone(core.state().catalog()),
        )
    };
    if grant.env == Env::Live && !hub.boot.serves_live {
        return Err(Denial::at(Code::EnvMismatch, "env"));
    }
    let call = AnyCall::parse(sign, &catalog, &grant)?;
    let effects = Arc::clone(call.effects());
    let once = idempotency(channel, sign, &call);
    let intent = Intent {
        slot,
        grant: Arc::clone(&grant),
        catalog,
        effects,
        source,
        simulate,
        idempotency: once,
    };
    let now = hub.time.now();
    let mut out = Vec::with_capacity(1);
    hub.lock().step(now, Step::Intent(intent), &mut out);
    match out.pop() {
        Some(Out::Decided(verdict)) => Ok((Parsed { call, grant, once }, verdict)),
        Some(_) | None => Err(Code::Unavailable.into()),
    }
}

/// The caller's key and input as digests under the grant's own key.
fn idempotency(channel: &Channel, sign: &Sign, call: &AnyCall) -> Option<Idempotency> {
    let key = sign.idempotency_key.as_ref()?;
    Some(Idempotency {
        key: channel.digests.idempotency(key),
        input: channel.digests.input(&call.canonical()),
    })
}

/// The same credential once more: the first call's time and nonce, its receipt, no charge. It leaves only once the record of
/// the first is stored.
fn repeat(hub: &Hub, to: Address, parsed: &Parsed, reserved: Reserved, nonce: [u8; 16]) {
    let now = hub.time.now();
    let slot = to.channel.slot;
    let once = reserved.idempotency();
    let Some(receipt) = once.and_then(|once| hub.receipts.of(slot, &once.key, now)) else {
        let busy = Denial {
            retry_after_ms: Some(AGAIN_MS),
            ..Denial::new(Code::Busy)
        };
        return answer::deny(hub, to, busy);
    };
    let (spent, made) = make(hub, parsed, reserved, Some(nonce));
    let Some(credential) = made else {
        return answer::unavailable(hub, to);
    };
    let now = hub.time.now();
    let may_leave = hub.lock().may_leave(now, &spent);
    if !may_leave {
        return answer::deny(hub, to, Code::Withdrawn.into());
    }
    let effects = told(parsed);
    let charged = spent.reserved().charges().to_vec();
    let mut issued = issued(
        parsed,
        spent.reserved(),
        (credential, nonce),
        effects,
        charged,
    );
    issued.replayed = true;
    let issued = call::IssuedWithReceipt {
        issued,
        receipt: receipt.to_vec(),
    };
    answer::send(hub, to, Reply::Issued(Box::new(issued)));
}

fn issue(hub: &Arc<Hub>, to: Address, parsed: &Parsed, reserved: Reserved, source: [u8; 16]) {
    let drawn = hub.nonces.pair().ok();
    let (spent, made) = make(hub, parsed, reserved, drawn.map(|[nonce, _]| nonce));
    let Some([nonce, salt]) = drawn else {
        hub.lock().abandon(spent);
        return answer::unavailable(hub, to);
    };
    let outcome = if made.is_some() {
        Outcome::Issued
    } else {
        Outcome::Failed
    };
    let call = fact(
        &to.channel,
        parsed,
        spent.reserved(),
        (source, nonce, outcome),
    );
    let body = Body::Call(Box::new(call));
    let recorded = salted(&salt, &body);
    let (Some((record, hash)), Body::Call(call)) = (recorded, body) else {
        hub.lock().abandon(spent);
        return answer::unavailable(hub, to);
    };
    let Some(credential) = made else {
        hub.lock().forget(&spent);
        return settle(hub, to, record, hash, Code::Unavailable);
    };
    let record::Call {
        effects, charges, ..
    } = *call;
    let spent_at = spent.reserved().decided_at();
    let issued = issued(
        parsed,
        spent.reserved(),
        (credential, nonce),
        effects,
        charges,
    );
    let once = parsed.once.map(|once| Once {
        slot: to.channel.slot,
        key: once.key,
        expires_at: forgotten_at(spent_at, issued.expires_at),
    });
    let waiting = Waiting::Credential(Box::new(Leaving { to, issued, once }));
    let signed = Signed {
        spent,
        nonce,
        record,
        hash,
        effects: Arc::clone(parsed.call.effects()),
        waiting,
    };
    let mut out = Vec::with_capacity(1);
    let now = hub.time.now();
    let mut core = hub.lock();
    core.step(now, Step::Signed(signed), &mut out);
    hub.go_on(core);
    if let Some(Out::Withdrawn(withdrawn)) = out.pop() {
        withdraw(hub, parsed, withdrawn, (source, nonce));
    }
}

/// A call's effects as they are told and recorded.
fn told(parsed: &Parsed) -> Vec<Effect> {
    parsed.call.effects().iter().map(Effect::told).collect()
}

/// What the agent is told of a credential made with this nonce.
fn issued(
    parsed: &Parsed,
    reserved: &Reserved,
    (credential, nonce): (Credential, [u8; 16]),
    effects: Vec<Effect>,
    charged: Vec<Charge>,
) -> Issued {
    let moment = Moment {
        now: reserved.decided_at(),
        expires_at: reserved.expires_at(),
        nonce,
    };
    Issued {
        credential: Some(credential),
        expires_at: reserved.expires_at(),
        replay: parsed.call.replay(&moment),
        effects,
        charged,
        remaining: reserved.remaining().to_vec(),
        sandbox: reserved.sandbox(),
        replayed: false,
        replaces: reserved.replaces(),
    }
}

/// Builds the bytes and signs them, using the reservation up; nothing comes of it when the platform fails.
fn make(
    hub: &Hub,
    parsed: &Parsed,
    reserved: Reserved,
    nonce: Option<[u8; 16]>,
) -> (Spent, Option<Credential>) {
    let (now, expires_at) = (reserved.decided_at(), reserved.expires_at());
    let key = hub.vault.info(reserved.key());
    let (Some(nonce), Some(key)) = (nonce, key) else {
        return (reserved.spend(), None);
    };
    let moment = Moment {
        now,
        expires_at,
        nonce,
    };
    let Ok(to_sign) = parsed.call.to_sign(&key, &moment) else {
        return (reserved.spend(), None);
    };
    let slow = key.alg.is_slow().then(|| hub.press.slow(hub));
    let (spent, signature) = hub.vault.sign(reserved, &to_sign);
    drop(slow);
    let credential = signature.ok();
    let credential =
        credential.and_then(|signature| parsed.call.assemble(&moment, &to_sign, &signature).ok());
    (spent, credential)
}

/// The fact of a call, as the log has it.
fn fact(
    channel: &Channel,
    parsed: &Parsed,
    reserved: &Reserved,
    (source, nonce, outcome): ([u8; 16], [u8; 16], Outcome),
) -> record::Call {
    let input = match parsed.once {
        Some(once) => once.input,
        None => channel.digests.input(&parsed.call.canonical()),
    };
    record::Call {
        grant: parsed.grant.id.clone(),
        outcome,
        decided_at: reserved.decided_at(),
        expires_at: reserved.expires_at(),
        key: reserved.key().clone(),
        effects: told(parsed),
        charges: reserved.charges().to_vec(),
        input,
        idempotency: parsed.once.map(|once| once.key),
        nonce,
        source,
        replaces: reserved.replaces(),
    }
}

/// A record's bytes, salted, and their hash.
pub fn encode(hub: &Hub, body: &Body) -> Option<(Vec<u8>, Digest)> {
    salted(&hub.nonces.draw().ok()?, body)
}

fn salted(salt: &[u8; 16], body: &Body) -> Option<(Vec<u8>, Digest)> {
    let bytes = record::encode(salt, body).ok()?;
    let hash = record::hash(&bytes);
    Some((bytes, hash))
}

/// The grant changed while the call was signed: the credential is dropped here, its charge is recorded.
fn withdraw(
    hub: &Arc<Hub>,
    parsed: &Parsed,
    withdrawn: Withdrawn<Waiting>,
    (source, nonce): ([u8; 16], [u8; 16]),
) {
    let Withdrawn { spent, waiting } = withdrawn;
    Counters::add(&hub.counters.withdrawn, 1);
    let Waiting::Credential(waiting) = waiting else {
        return;
    };
    let Leaving { to, .. } = *waiting;
    let call = fact(
        &to.channel,
        parsed,
        spent.reserved(),
        (source, nonce, Outcome::Withdrawn),
    );
    match encode(hub, &Body::Call(Box::new(call))) {
        Some((record, hash)) => settle(hub, to, record, hash, Code::Withdrawn),
        None => {
            hub.lock().abandon(spent);
            answer::unavailable(hub, to);
        }
    }
}

/// Records a reservation that gives no credential; the denial waits for the record.
fn settle(hub: &Hub, to: Address, record: Vec<u8>, hash: Digest, code: Code) {
    let sandbox = hub.lock().state().is_sandbox(to.channel.slot);
    let denial = Denial {
        sandbox,
        ..Denial::new(code)
    };
    let waiting = Waiting::Reply(Box::new((to, Reply::Denied(denial))));
    let note = Note {
        record,
        hash,
        waiting: Some(waiting),
        release: None,
        settles: true,
    };
    let now = hub.time.now();
    let mut core = hub.lock();
    core.step(now, Step::Note(note), &mut Vec::new());
    hub.go_on(core);
}
