//! Judging a key and its policy: who could unseal what, who could change that, and what mends it.
//!
//! The questions are asked of [`Policy`] for every caller that matters and for every attestation that a caller could bring.

use super::{
    Parties, Pins,
    reach::{DERIVE, Policy, Registers, Request},
    shape,
    vectors::{self, Vector},
};
use crate::finding::Finding;
use std::collections::{BTreeMap, BTreeSet};

/// Registers that a policy pins.
pub(super) const PINNED: [u8; 5] = [0, 1, 2, 16, 17];
/// A caller of an account that has nothing to do with the key.
const STRANGERS: [&str; 2] = [
    "arn:aws:iam::999999999999:role/stranger",
    "arn:aws:iam::888888888888:role/stranger",
];

/// What a policy is to be.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The key's ARN, where it is known.
    pub key: Option<&'a str>,
    /// Whom it may name.
    pub parties: &'a Parties,
    /// What registers must hold; nothing before the deployment is born, when nobody may derive.
    pub pins: Option<&'a Pins>,
}

/// Everything that is wrong with a policy.
#[must_use]
pub fn policy(text: &[u8], wanted: &Wanted<'_>) -> Vec<Finding> {
    let policy = match Policy::parse(text, wanted.key) {
        Ok(policy) => policy,
        Err((at, what)) => {
            return vec![finding(
                "not_understood",
                at,
                what,
                "a policy that is not wholly understood is not known to hold",
                RENDER,
            )];
        }
    };
    let callers = callers(&policy, wanted);
    let mut found = shape::check(&policy);
    found.extend(derive(&policy, wanted, &callers));
    if let Some(pins) = wanted.pins {
        found.extend(denies(&policy, pins, &callers));
        found.extend(shut_out(&policy, wanted.parties, pins));
    }
    found.extend(control(&policy, wanted.parties, &callers));
    found
}

/// What mends most of it.
pub(super) const RENDER: &str = "put the policy of `claviger policy render`";

pub(super) fn finding(
    code: &'static str,
    at: impl Into<String>,
    what: impl Into<String>,
    why: &str,
    mend: impl Into<String>,
) -> Finding {
    Finding {
        code,
        at: at.into(),
        what: what.into(),
        why: why.to_owned(),
        mend: mend.into(),
    }
}

/// Callers that matter: those the policy names, those it is to name, anybody else of the account, strangers.
fn callers(policy: &Policy, wanted: &Wanted<'_>) -> Vec<String> {
    let Parties {
        host,
        administrator,
        break_glass,
    } = wanted.parties;
    let mut callers: BTreeSet<String> = [host, administrator, break_glass]
        .into_iter()
        .cloned()
        .collect();
    callers.extend(policy.named());
    let of = |arn: &str| super::document::account_of(arn);
    let accounts: BTreeSet<String> = wanted
        .key
        .and_then(of)
        .into_iter()
        .chain(callers.iter().filter_map(|caller| of(caller)))
        .collect();
    for account in &accounts {
        callers.insert(format!("arn:aws:iam::{account}:root"));
        callers.insert(format!("arn:aws:iam::{account}:role/any-other"));
    }
    let stranger = STRANGERS
        .iter()
        .find(|arn| of(arn).is_some_and(|account| !accounts.contains(&account)));
    callers.extend(stranger.map(|arn| (*arn).to_owned()));
    callers.into_iter().collect()
}

/// A reachable attestation that is not pinned, by what is wrong with it and by which statement.
type Reached = BTreeMap<(&'static str, String, String), Vec<String>>;

fn derive(policy: &Policy, wanted: &Wanted<'_>, callers: &[String]) -> Vec<Finding> {
    let vectors = vectors::all(policy, wanted.pins);
    let mut reached = Reached::new();
    let mut derivers = BTreeSet::new();
    for caller in callers {
        let asked = policy.asked(caller, DERIVE);
        let mut seen = BTreeSet::new();
        for Vector {
            registers,
            context,
            wrong,
        } in &vectors
        {
            let pinned = wanted.pins.is_some() && wrong.is_empty();
            if pinned && *caller == wanted.parties.host {
                continue;
            }
            // One example of each sort is enough, the one with the least wrong about it first.
            let sort = vectors::sort(registers, wrong, wanted.pins.is_some());
            if seen.contains(&sort) {
                continue;
            }
            let Some(statement) = asked.reaches(context).map(str::to_owned) else {
                continue;
            };
            seen.insert(sort);
            if pinned {
                derivers.insert((caller.clone(), statement));
            } else {
                let key = (sort, statement, wrong.join(", "));
                reached.entry(key).or_default().push(caller.clone());
            }
        }
    }
    let mut found: Vec<Finding> = reached.into_iter().map(unpinned).collect();
    found.extend(derivers.into_iter().map(|(caller, statement)| {
        finding(
            "other_deriver",
            statement,
            format!("{caller} may derive for the released enclave"),
            "only the host's role has to; another can bring up an enclave of its own to it",
            RENDER,
        )
    }));
    found
}

fn unpinned(
    ((code, statement, wrong), callers): ((&'static str, String, String), Vec<String>),
) -> Finding {
    let who = callers.join(", ");
    let what = match code {
        "derive_unborn" => format!("{who} can derive before the deployment is born"),
        "derive_without_attestation" => format!("{who} can derive without any attestation"),
        "derive_debug" => format!("{who} can derive for an enclave in debug mode"),
        _ => format!("{who} can derive with {wrong}"),
    };
    finding(
        code,
        statement,
        what,
        "whoever does it has the root secret, and every key follows from it",
        RENDER,
    )
}

/// Denies must hold by themselves: they are what beats grants and IAM.
fn denies(policy: &Policy, pins: &Pins, callers: &[String]) -> Vec<Finding> {
    let mut found = Vec::new();
    let Some(base) = vectors::pinned(pins).into_iter().next() else {
        return found;
    };
    for register in PINNED {
        let spared = |registers: &Registers| {
            callers.iter().any(|caller| {
                !policy.denies(&Request {
                    caller,
                    action: DERIVE,
                    registers,
                })
            })
        };
        let mut other = base.clone();
        other.insert(register, vectors::OTHER);
        let mut absent = base.clone();
        absent.remove(&register);
        let (code, what) = match (spared(&other), spared(&absent)) {
            (false, false) => continue,
            (true, _) => (
                "missing_deny",
                format!("nothing denies deriving with another PCR{register}"),
            ),
            (false, true) => (
                "deny_spares_absent",
                format!("a document without PCR{register} is not denied"),
            ),
        };
        found.push(finding(
            code,
            format!("PCR{register}"),
            what,
            "a grant or an IAM policy could allow it",
            format!(
                "deny {DERIVE} to * with StringNotEqualsIgnoreCase on kms:RecipientAttestation:PCR{register}"
            ),
        ));
    }
    found
}

fn shut_out(policy: &Policy, parties: &Parties, pins: &Pins) -> Vec<Finding> {
    let releases = pins.releases.iter().zip(vectors::pinned(pins));
    let shut = releases.filter(|(_, registers)| {
        let request = Request {
            caller: &parties.host,
            action: DERIVE,
            registers,
        };
        policy.reaches(&request).is_none()
    });
    shut.map(|(release, _)| {
        let version = release.version;
        finding(
            "release_shut_out",
            format!("release {}.{}.{}", version.0, version.1, version.2),
            format!("{} cannot derive for it", parties.host),
            "its next boot gets no key",
            RENDER,
        )
    })
    .collect()
}

/// Who may change what holds.
fn control(policy: &Policy, parties: &Parties, callers: &[String]) -> Vec<Finding> {
    let mut found = ways_beside(policy, callers);
    for (action, code, why) in [
        (
            "kms:PutKeyPolicy",
            "policy_changeable",
            "whoever changes the policy can let themselves derive",
        ),
        (
            "kms:ScheduleKeyDeletion",
            "deletable",
            "with the key every secret of the deployment is gone",
        ),
    ] {
        let others = callers
            .iter()
            .filter(|caller| **caller != parties.break_glass);
        for caller in others {
            found.extend(
                policy
                    .reaches(&unattested(caller, action))
                    .map(|statement| {
                        let what = format!("{caller} may {action}");
                        finding(
                            code,
                            statement,
                            what,
                            why,
                            "leave it to the break-glass role alone",
                        )
                    }),
            );
        }
    }
    let change = unattested(&parties.break_glass, "kms:PutKeyPolicy");
    if policy.reaches(&change).is_none() {
        found.push(finding(
            "policy_locked",
            "kms:PutKeyPolicy",
            format!("{} may not change the policy", parties.break_glass),
            "the next release or anchor manifest could never be allowed",
            RENDER,
        ));
    }
    found
}

/// What would let a key be used beside its policy must be denied to everybody.
fn ways_beside(policy: &Policy, callers: &[String]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (action, code, why) in [
        (
            "kms:CreateGrant",
            "grants_not_denied",
            "a grant allows deriving beside the policy and outlives its change",
        ),
        (
            "kms:ReplicateKey",
            "replicas_not_denied",
            "a replica is the same key under a policy of its own",
        ),
    ] {
        let spared = callers
            .iter()
            .find(|caller| !policy.denies(&unattested(caller, action)));
        found.extend(spared.map(|caller| {
            let what = format!("{action} is not denied to {caller}");
            finding(code, action, what, why, format!("deny {action} to *"))
        }));
    }
    found
}

/// A request without attestation.
fn unattested<'a>(caller: &'a str, action: &'a str) -> Request<'a> {
    static NONE: Registers = Registers::new();
    Request {
        caller,
        action,
        registers: &NONE,
    }
}
