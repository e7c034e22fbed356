//! The host, the phase it says, the chain it serves, and the enclave's own word: a fresh attestation document.

use super::{Known, Report, finding};
use crate::{
    Error,
    attest::{self, Attested, SKEW},
    owner::follow::{Followed, Standing},
    profile::Profile,
};
use claviger_client::session::wall_clock_ms;
use claviger_shared::{
    owner::manifest::{Durability, Version},
    time::{Millis, UnixMs},
};
use serde_json::Value;

pub(super) async fn check(report: &mut Report, profile: &Profile, known: &mut Known) {
    operators(report, profile, known).await;
    match Followed::read(profile).await {
        Ok(followed) => chain(report, profile, &followed),
        Err(error) => {
            unreachable(report, "agents' face", &profile.api, &error);
            return;
        }
    }
    match attest::ask(profile).await {
        Ok(attested) => {
            attestation(report, &attested);
            known.attested = Some(attested);
        }
        Err(error) => refused(report, &error, serves(known)),
    }
}

fn serves(known: &Known) -> bool {
    let status = known.status.as_ref();
    status
        .and_then(|status| status.get("phase"))
        .and_then(Value::as_str)
        == Some("serving")
}

fn unreachable(report: &mut Report, face: &'static str, at: &str, error: &Error) {
    report.fault(
        "host",
        finding(
            "host_unreachable",
            at,
            format!("the {face}: {error}"),
            "no agent gets a credential through it, and nothing that it holds can be checked",
            "start the host (`systemctl status claviger-host`), or correct the address in the profile",
        ),
    );
}

async fn operators(report: &mut Report, profile: &Profile, known: &mut Known) {
    let operator = match profile.operator() {
        Ok(operator) => operator,
        Err(error) => return unreachable(report, "operators' face", &profile.operator_api, &error),
    };
    match operator.status().await {
        Ok(status) => {
            report.well(
                "host",
                format!("operators' face at {}", profile.operator_api),
            );
            phase(report, &status);
            clock(report, &status);
            known.status = Some(status);
        }
        Err(Error::Refused { code, .. }) if code == "unauthorized" => report.fault(
            "host",
            finding(
                "token",
                profile.operator_api.clone(),
                "the operators' face does not take the token",
                "no command can be sent from here",
                "put the host's token into the profile's operator_token_file",
            ),
        ),
        Err(error) => unreachable(report, "operators' face", &profile.operator_api, &error),
    }
}

fn phase(report: &mut Report, status: &Value) {
    let word = |name: &str| status.get(name).and_then(Value::as_str).unwrap_or_default();
    let phase = word("phase");
    let (why, mend) = match phase {
        "serving" => return report.well("phase", "serving, by the host's word"),
        "booted" => (
            "the enclave waits for a manifest chain, or the deployment is born and its g1 is not there yet",
            "hand the chain over: `claviger init start`, `claviger init finish`, or `claviger manifest set` once more",
        ),
        "measured" => (
            "the enclave waits for its root: KMS does not derive for it, or genesis was not held",
            "`claviger policy check`, the host's log (\"KMS refused\"), the host role's credentials; before birth: `claviger init birth`",
        ),
        "unsealed" | "replaying" => (
            "the enclave reads its log",
            "wait; if it stays, look at the host's log",
        ),
        "fenced" => (
            "another writer or a broken promise of storage was found: this instance never signs again",
            "make sure that one host alone writes this log, then restart the enclave",
        ),
        _ => (
            "the enclave is closed",
            "start it again, and read its last reason",
        ),
    };
    let reason = word("reason");
    let reason = if reason.is_empty() {
        String::new()
    } else {
        format!(": {reason}")
    };
    report.fault(
        "phase",
        finding(
            "not_serving",
            "phase",
            format!("{phase}{reason}"),
            why,
            mend,
        ),
    );
}

fn clock(report: &mut Report, status: &Value) {
    let Some(theirs) = status
        .get("now_ms")
        .and_then(Value::as_u64)
        .filter(|ms| *ms > 0)
    else {
        return report.skipped("clock", "the enclave has no time yet");
    };
    skew(report, UnixMs(theirs));
}

fn skew(report: &mut Report, theirs: UnixMs) {
    let ours = UnixMs(wall_clock_ms());
    let apart = Millis(ours.0.abs_diff(theirs.0));
    if apart <= SKEW {
        report.well("clock", format!("{} ms from the enclave's", apart.0));
        return;
    }
    report.fault(
        "clock",
        finding(
            "clock_skew",
            "this machine",
            format!("its clock is {} s from the enclave's", apart.0 / 1000),
            "commands are refused as too old or too early, and fresh documents look stale",
            "set this machine's clock (chrony, systemd-timesyncd)",
        ),
    );
}

fn chain(report: &mut Report, profile: &Profile, followed: &Followed) {
    let (known, served) = (
        followed.known.newest().generation,
        followed.served.newest().generation,
    );
    let (code, what, why, mend) = match followed.standing() {
        Standing::Same => {
            report.well(
                "host's chain",
                format!("generation {served}, as the profile's"),
            );
            return;
        }
        Standing::Ahead => (
            "profile_chain_old",
            format!("the host has generation {served}, the profile {known}"),
            "the log is read under an older chain than it was written under",
            "claviger manifest fetch".to_owned(),
        ),
        Standing::Behind => (
            "host_chain_old",
            format!("the host has generation {served}, the profile {known}"),
            "its next boot would be under manifests that owners have replaced",
            "hand it the chain again: `claviger manifest set FILE SIG…` with the newest manifest"
                .to_owned(),
        ),
        Standing::Other => (
            "other_deployment",
            "the host serves another deployment".to_owned(),
            "this profile and this host do not belong together",
            format!(
                "correct `api` or `manifest` in the profile: its g0 is {}",
                followed.known.fingerprint()
            ),
        ),
        Standing::Forked => (
            "chain_forked",
            "the host has another manifest of a generation that the profile holds".to_owned(),
            "owners signed two manifests of one generation",
            "stop, and find out which one owners meant".to_owned(),
        ),
    };
    report.fault(
        "host's chain",
        finding(code, profile.api.clone(), what, why, mend),
    );
}

fn refused(report: &mut Report, error: &Error, serving: bool) {
    if !serving {
        return report.skipped(
            "attestation",
            format!("the enclave does not serve ({error})"),
        );
    }
    let text = error.to_string();
    let stale = text.contains("another manifest")
        || text.contains("another anchor")
        || text.contains("boot or manifest");
    let mend = if stale {
        "restart the enclave: it attests the manifest it booted under"
    } else {
        "do not use it: find out what runs there; `claviger attest` says the check that failed"
    };
    report.fault(
        "attestation",
        finding(
            "attestation",
            "document",
            text,
            "agents refuse this enclave, and so should you",
            mend,
        ),
    );
}

fn attestation(report: &mut Report, attested: &Attested) {
    let trusted = &attested.trusted;
    let running = trusted.boot.version;
    report.well(
        "attestation",
        format!(
            "a fresh document of release {running}, generation {}",
            trusted.boot.generation
        ),
    );
    skew(report, UnixMs(trusted.document.timestamp_ms()));
    versions(report, attested, running);
    if let Some(manifest) = trusted.chain.newest().running.as_ref() {
        if manifest.rollback_accepted {
            report.warning(
                "rollback",
                finding(
                    "rollback_accepted",
                    "rollback",
                    "the manifest accepts rollback: there are no witnesses",
                    "a host that brings an old log back is detected (by what agents and owners remember), not prevented",
                    "keep this profile's .seen file, and read the log from more than one place",
                ),
            );
        }
        if manifest.durability == Durability::Volatile {
            report.warning(
                "durability",
                finding(
                    "volatile",
                    "durability",
                    "answers do not wait for storage",
                    "a crash can forget what was spent: sandbox grants and benchmarks only",
                    "claviger manifest propose --durability durable",
                ),
            );
        }
    }
}

fn versions(report: &mut Report, attested: &Attested, running: Version) {
    let manifest = attested.trusted.chain.newest().running.as_ref();
    let newest = manifest.and_then(|running| running.releases.iter().map(|one| one.version).max());
    if newest.is_some_and(|newest| newest > running) {
        report.warning(
            "versions",
            finding(
                "older_release",
                "releases",
                format!("release {running} runs, and a newer one may"),
                "what the newer one mends is still open",
                "start the newer image, then take the old release out with `claviger manifest propose --remove-release`",
            ),
        );
    }
    let own = Version::parse(env!("CARGO_PKG_VERSION"));
    if own.is_some_and(|own| own < running) {
        report.warning(
            "versions",
            finding(
                "older_command",
                "this command",
                format!("it is {}, the enclave {running}", env!("CARGO_PKG_VERSION")),
                "it may not know members that newer documents have",
                "install the command of that release",
            ),
        );
    } else {
        report.well(
            "versions",
            format!("command {}, enclave {running}", env!("CARGO_PKG_VERSION")),
        );
    }
}
