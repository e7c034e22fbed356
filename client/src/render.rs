//! Answers as JSON: what the command prints and what the sidecar serves, written in one place (docs/spec/problem.md).
//!
//! Times are RFC 3339 texts, amounts are decimal texts. Nothing is checked here: [`crate::Agent::ask`] has done that.

use crate::{Error, receipt::Checked};
use base64::{Engine, engine::general_purpose::STANDARD};
pub use claviger_shared::log::show::{charges, effect};
use claviger_shared::{
    call::{IssuedWithReceipt, Reach, Whoami},
    codec::cbor,
    credential::{Credential, Issued, Remaining, SshMade},
    denial::{Code, Denial},
    effect::{Assurance, Env},
    log::{
        entry::Leaf,
        receipt::{Receipt, Status},
    },
    time::UnixMs,
    wire::storage::MAX_LEAF,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// An issued or simulated credential.
///
/// # Errors
///
/// [`Error::Answer`] for a receipt that is none.
pub fn issued(answer: &IssuedWithReceipt, simulation: bool) -> Result<Value, Error> {
    shown(answer, None, simulation, |shown| {
        serde_json::to_value(shown)
    })
}

/// [`issued`] as a text, with the receipt that is read already, where there is one.
///
/// # Errors
///
/// As for [`issued`].
pub fn issued_text(
    answer: &IssuedWithReceipt,
    checked: Option<&Checked>,
    simulation: bool,
) -> Result<Vec<u8>, Error> {
    shown(answer, checked, simulation, |shown| {
        let mut text = Vec::with_capacity(answer.receipt.len().saturating_mul(2).max(4096));
        serde_json::to_writer(&mut text, shown).map(|()| text)
    })
}

/// The one form of an issued credential: members in the order of their names.
#[derive(Serialize)]
struct Shown<'a> {
    assurance: Assurance,
    charged: Value,
    credential: Option<ShownCredential<'a>>,
    effects: Vec<Value>,
    expires_at: String,
    receipt: Option<ShownReceipt<'a>>,
    remaining: Value,
    replay: ShownReplay,
    replayed: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    replaces: bool,
    sandbox: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    simulation: bool,
}

#[derive(Serialize)]
struct ShownReplay {
    single_use: bool,
    /// Nothing where nothing ends it.
    window_s: Option<u64>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ShownCredential<'a> {
    Http {
        headers: BTreeMap<&'a str, &'a str>,
        kind: &'static str,
    },
    Jwt {
        jwt: &'a str,
        kind: &'static str,
    },
    Url {
        kind: &'static str,
        url: &'a str,
    },
    Transaction {
        kind: &'static str,
        raw_tx: &'a str,
        tx_hash: &'a str,
    },
    Payment {
        headers: BTreeMap<&'a str, &'a str>,
        kind: &'static str,
        payload: Value,
    },
    Certificate {
        certificate: &'a str,
        kind: &'static str,
    },
    Signature {
        kind: &'static str,
        signature: &'a str,
    },
    Template {
        #[serde(skip_serializing_if = "Option::is_none")]
        body: Option<String>,
        headers: BTreeMap<&'a str, &'a str>,
        kind: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        url: Option<&'a str>,
    },
    SolanaTransaction {
        kind: &'static str,
        signature: &'a str,
        transaction: &'a str,
    },
}

#[derive(Serialize)]
struct ShownReceipt<'a> {
    checkpoint: &'a str,
    encoded: String,
    index: u64,
    place: u64,
    root: &'a str,
    simulation: bool,
    size: u64,
    status: Status,
}

fn shown<T>(
    answer: &IssuedWithReceipt,
    checked: Option<&Checked>,
    simulation: bool,
    write: impl FnOnce(&Shown<'_>) -> serde_json::Result<T>,
) -> Result<T, Error> {
    let Issued {
        credential,
        expires_at,
        replay,
        effects,
        charged,
        remaining: left,
        sandbox,
        replayed,
        replaces,
    } = &answer.issued;
    let read;
    let receipt = match (checked, answer.receipt.as_slice()) {
        (_, []) => None,
        (Some(Checked { receipt, proved }), bytes) => {
            Some(shown_receipt(receipt, &proved.leaf, bytes)?)
        }
        (None, bytes) => {
            read = read_receipt(bytes)?;
            Some(shown_receipt(&read.0, &read.1, bytes)?)
        }
    };
    let shown = Shown {
        assurance: Assurance::of(effects),
        charged: charges(charged),
        credential: credential.as_ref().map(self::credential),
        effects: effects.iter().map(effect).collect(),
        expires_at: expires_at.to_string(),
        receipt,
        remaining: remaining(left),
        replay: ShownReplay {
            single_use: replay.single_use,
            window_s: (*expires_at < UnixMs::NEVER).then_some(replay.window_s),
        },
        replayed: *replayed,
        replaces: *replaces,
        sandbox: *sandbox,
        simulation,
    };
    write(&shown).map_err(|_| Error::Answer("answer does not render"))
}

/// The own grant.
#[must_use]
pub fn whoami(own: &Whoami, simulation: bool) -> Value {
    let Whoami {
        grant,
        state,
        remaining: left,
        routes,
        more_routes,
        ssh_key,
        now,
    } = own;
    let mut value = json!({
        "grant": grant.id, "state": state, "document": grant.to_json(), "remaining": remaining(left),
        "routes": routes.iter().map(reach).collect::<Vec<_>>(), "more_routes": more_routes,
        "now": now.to_string(), "sandbox": grant.env == Env::Sandbox,
    });
    if let (Some(key), Some(members)) = (ssh_key, value.as_object_mut()) {
        members.insert("ssh_key".to_owned(), json!(key));
    }
    mark(&mut value, simulation);
    value
}

fn reach(reach: &Reach) -> Value {
    let Reach {
        resource,
        kind,
        methods,
        destination,
        probe,
    } = reach;
    json!({
        "resource": resource, "kind": kind, "methods": methods, "destination": destination, "probe": probe,
    })
}

/// A denial as an RFC 9457 problem document.
#[must_use]
pub fn problem(denial: &Denial, simulation: bool) -> Value {
    let Denial {
        code,
        param,
        requested,
        remaining: left,
        retry_after_ms,
        sandbox,
    } = denial;
    let mut value = json!({
        "type": "about:blank", "title": title(code.status()), "status": code.status(), "code": code.as_str(),
        "detail": detail(*code), "next": denial.next(),
    });
    let more = [
        ("param", param.as_ref().map(|param| json!(param))),
        (
            "requested",
            requested
                .as_ref()
                .map(|asked| json!({ "unit": asked.unit, "amount": asked.amount })),
        ),
        (
            "remaining",
            left.as_ref()
                .map(|left| remaining(std::slice::from_ref(left))),
        ),
        ("retry_after_ms", retry_after_ms.map(|wait| json!(wait))),
        ("sandbox", sandbox.then(|| json!(true))),
    ];
    if let Some(members) = value.as_object_mut() {
        let present = more.into_iter();
        members.extend(present.filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
    mark(&mut value, simulation);
    value
}

/// What is left of budgets.
#[must_use]
pub fn remaining(list: &[Remaining]) -> Value {
    let one = |left: &Remaining| {
        json!({
            "unit": left.unit, "window": left.window, "amount": left.amount,
            "resets_at": left.resets_at.map(|at| at.to_string()),
        })
    };
    list.iter().map(one).collect()
}

fn read_receipt(bytes: &[u8]) -> Result<(Receipt, Leaf), Error> {
    let malformed = || Error::Answer("receipt is malformed");
    let receipt = Receipt::decode(bytes).map_err(|_| malformed())?;
    let leaf = cbor::decode(&receipt.leaf, MAX_LEAF).map_err(|_| malformed())?;
    Ok((receipt, leaf))
}

/// A receipt: what it says, and its exact bytes.
fn shown_receipt<'a>(
    receipt: &'a Receipt,
    leaf: &Leaf,
    bytes: &[u8],
) -> Result<ShownReceipt<'a>, Error> {
    let malformed = || Error::Answer("receipt is malformed");
    let mut lines = receipt.checkpoint.split('\n').skip(1);
    let size: u64 = lines
        .next()
        .and_then(|size| size.parse().ok())
        .ok_or_else(malformed)?;
    let root = lines.next().ok_or_else(malformed)?;
    Ok(ShownReceipt {
        checkpoint: &receipt.checkpoint,
        encoded: STANDARD.encode(bytes),
        index: leaf.index,
        place: receipt.place,
        root,
        simulation: receipt.simulation,
        size,
        status: receipt.status,
    })
}

/// Says in an answer that its deployment is a simulation; an answer of a real one has no such member.
pub fn mark(value: &mut Value, simulation: bool) {
    if simulation && let Some(members) = value.as_object_mut() {
        members.insert("simulation".to_owned(), json!(true));
    }
}

fn credential(credential: &Credential) -> ShownCredential<'_> {
    match credential {
        Credential::Http { headers } => fields(headers, "http"),
        Credential::Jwt { jwt } => ShownCredential::Jwt { jwt, kind: "jwt" },
        Credential::Aws { url: Some(url), .. } => ShownCredential::Url { kind: "aws", url },
        Credential::Aws { headers, url: None } => fields(headers, "aws"),
        Credential::Evm { raw_tx, tx_hash } => ShownCredential::Transaction {
            kind: "evm",
            raw_tx,
            tx_hash,
        },
        Credential::EvmSignature { signature } => ShownCredential::Signature {
            kind: "evm",
            signature,
        },
        Credential::X402 { headers, payload } => ShownCredential::Payment {
            headers: pairs(headers),
            kind: "x402",
            payload: serde_json::from_str(payload).unwrap_or_default(),
        },
        Credential::Solana {
            signature,
            transaction,
        } => ShownCredential::SolanaTransaction {
            kind: "solana",
            signature,
            transaction,
        },
        Credential::Ssh {
            made: SshMade::Certificate(certificate),
        } => ShownCredential::Certificate {
            certificate,
            kind: "ssh",
        },
        Credential::Ssh {
            made: SshMade::Signature(signature),
        } => ShownCredential::Signature {
            kind: "ssh",
            signature,
        },
        Credential::Template { headers, url, body } => ShownCredential::Template {
            body: body.as_ref().map(|body| STANDARD.encode(body)),
            headers: pairs(headers),
            kind: "template",
            url: url.as_deref(),
        },
    }
}

fn fields<'a>(headers: &'a [(String, String)], kind: &'static str) -> ShownCredential<'a> {
    let headers = pairs(headers);
    ShownCredential::Http { headers, kind }
}

fn pairs(headers: &[(String, String)]) -> BTreeMap<&str, &str> {
    let pairs = headers.iter();
    pairs
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

const fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        403 => "Forbidden",
        409 => "Conflict",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Error",
    }
}

/// The code in a sentence.
const fn detail(code: Code) -> &'static str {
    match code {
        Code::BudgetExceeded => "the call would exceed a budget of the grant",
        Code::Busy => "too many calls are under way; nothing was charged",
        Code::EchoMismatch => "the agent has seen another log than this enclave's",
        Code::DestinationDenied => "no route of the granted resources has this destination",
        Code::EnvMismatch => "key, resource and grant are not of one environment",
        Code::Frozen => "everything is stopped by an operator",
        Code::GrantExpired => "the grant is over",
        Code::GrantNotFound => "no grant has this agent key",
        Code::GrantRevoked => "the grant is revoked for ever",
        Code::GrantSuspended => "the grant is suspended",
        Code::IdempotencyConflict => "the idempotency key was used with another input",
        Code::IdempotencyFull => "no room to remember another idempotency key",
        Code::IdentityOnly => {
            "the credential would name no destination, which the grant does not allow"
        }
        Code::InvalidRequest => "a member is missing or wrong",
        Code::KeyDenied => "the grant has no key of this kind",
        Code::MethodDenied => "the route does not take this method",
        Code::Minting => "the response is itself a credential, which the grant does not allow",
        Code::NotNormalForm => "the URL is not in normal form",
        Code::NotYetValid => "the grant has not begun",
        Code::Outliving => "the credential would live longer than allowed",
        Code::PerCallExceeded => "one call may not ask for so much",
        Code::PermissionDenied => "the grant's scope does not hold this",
        Code::RateLimited => "too many calls in the window of the rate",
        Code::SourceDenied => "the grant does not list the caller's address",
        Code::UnboundCharge => "nothing at the destination makes this charge single use",
        Code::UnbudgetedUnit => "the grant has no budget in the unit this call spends",
        Code::Unavailable => "the log cannot be written just now; nothing was signed",
        Code::UnlistedMember => "the route does not list a member of this call",
        Code::UnparsableContent => "what was sent cannot be read as the route demands",
        Code::Unsupported => "the mechanism is not built",
        Code::Withdrawn => {
            "the grant changed, or storage took too long, while the credential was made; the charge stays"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_shared::{
        amount::Amount,
        credential::Replay,
        denial::{RENEW_UNTIL, Requested},
        effect::Charge,
        id::Unit,
    };

    fn left() -> Remaining {
        Remaining {
            unit: Unit::call(),
            window: "grant".to_owned(),
            amount: Amount(2),
            resets_at: None,
        }
    }

    #[test]
    fn a_problem_says_code_next_and_what_is_left_and_nothing_absent() {
        let mut denial = Denial::at(Code::BudgetExceeded, "/url");
        denial.requested = Some(Requested {
            unit: Unit::call(),
            amount: Amount(3),
        });
        denial.remaining = Some(left());
        let value = problem(&denial, true);
        assert_eq!(value["status"], 403);
        assert_eq!(value["code"], "budget_exceeded");
        assert_eq!(value["requested"]["amount"], "3");
        assert_eq!(value["remaining"][0]["amount"], "2");
        assert_eq!(value["simulation"], true);
        let bare = problem(&Denial::new(Code::Frozen), false);
        for absent in [
            "param",
            "requested",
            "remaining",
            "retry_after_ms",
            "sandbox",
            "simulation",
        ] {
            assert!(bare.get(absent).is_none(), "{absent}");
        }
        let sandbox = problem(
            &Denial {
                sandbox: true,
                ..Denial::new(Code::Frozen)
            },
            false,
        );
        assert_eq!(sandbox["sandbox"], true);
        let renewal = problem(&Denial::at(Code::PermissionDenied, RENEW_UNTIL), false);
        assert!(renewal["next"].as_str().unwrap().contains("reissue"));
        let scope = problem(&Denial::new(Code::PermissionDenied), false);
        assert_eq!(scope["next"], Code::PermissionDenied.next());
    }

    #[test]
    fn every_status_of_the_table_has_its_registered_phrase() {
        assert!(Code::ALL.iter().all(|code| title(code.status()) != "Error"));
    }

    #[test]
    fn a_credential_is_shown_with_texts_for_times_and_amounts() {
        let mut answer = IssuedWithReceipt {
            issued: Issued {
                credential: Some(Credential::Http {
                    headers: vec![("signature".to_owned(), "sig=:AA==:".to_owned())],
                }),
                expires_at: UnixMs(1_795_424_460_000),
                replay: Replay {
                    single_use: false,
                    window_s: 60,
                },
                effects: Vec::new(),
                charged: vec![Charge {
                    unit: Unit::call(),
                    amount: Amount(1),
                }],
                remaining: vec![left()],
                sandbox: false,
                replayed: false,
                replaces: false,
            },
            receipt: Vec::new(),
        };
        let value = issued(&answer, false).unwrap();
        assert_eq!(value["credential"]["headers"]["signature"], "sig=:AA==:");
        assert_eq!(value["assurance"], "token", "no effect, nothing bound");
        assert_eq!(value["charged"], json!([{ "unit": "call", "amount": "1" }]));
        assert!(value["expires_at"].as_str().unwrap().ends_with('Z'));
        assert!(value["receipt"].is_null());
        assert!(value.get("simulation").is_none());
        assert_eq!(value["replay"]["window_s"], 60);
        answer.issued.expires_at = UnixMs::NEVER;
        let value = issued(&answer, false).unwrap();
        assert_eq!(value["expires_at"], "never");
        assert!(value["replay"]["window_s"].is_null());
        let broken = IssuedWithReceipt {
            receipt: vec![1],
            ..answer
        };
        assert!(matches!(issued(&broken, false), Err(Error::Answer(_))));
    }
}
