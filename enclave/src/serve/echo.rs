//! A tree head that an agent holds and this log does not: proof, signed by our own log key, that the log was rolled back or
//! forked. The instance then stops, since what it would sign next was perhaps spent before.
//!
//! A note that is not the log key's proves nothing and stops nothing. In a volatile deployment answers are ahead of storage,
//! so a head that is missing proves nothing either.

use super::{
    answer,
    hub::{Address, Hub},
};
use claviger_shared::{
    call::Reply,
    crypto::AwsLc,
    denial::{Code, Denial},
    log::checkpoint,
    owner::manifest::Durability,
    wire::storage::MAX_CHECKPOINT,
};

/// Why an instance stops that is shown a genuine tree head of another history.
pub const REASON: &str =
    "an agent holds a signed tree head that this log does not: rolled back or forked";

/// Answers a tree head; stops the instance where it is genuine and not ours.
pub fn checkpoint(hub: &Hub, to: Address, note: &str) {
    let malformed = || Denial::at(Code::InvalidRequest, "/checkpoint");
    if note.len() > MAX_CHECKPOINT {
        return answer::deny(hub, to, malformed());
    }
    let Ok(head) = checkpoint::verify(note, hub.keys.log_key(), &AwsLc) else {
        return answer::deny(hub, to, malformed());
    };
    let fits = hub.lock().check_echo(head.size, &head.root);
    match fits {
        Ok(()) => answer::send(hub, to, Reply::Known),
        Err(denial) => {
            answer::deny(hub, to, denial);
            if hub.boot.durability == Durability::Durable {
                hub.fence(REASON);
            }
        }
    }
}
