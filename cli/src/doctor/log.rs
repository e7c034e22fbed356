//! The log: audited from its first entry, held against what was seen before, and what stands in it that needs a person.

use super::{
    Known, Report, finding,
    seen::{self, Seen},
};
use crate::{
    Error,
    finding::Finding,
    owner::{lint, words::Around},
    profile::Profile,
    view::View,
};
use claviger_client::session::wall_clock_ms;
use claviger_shared::{
    id::Digest,
    ledger::{State, Status},
    time::{DAY, UnixMs},
};
use serde_json::Value;
use std::path::Path;

pub(super) async fn check(report: &mut Report, path: &Path, profile: &Profile, known: &mut Known) {
    if known.status.is_none() {
        return report.skipped("log", "the operators' face does not answer");
    }
    let before = match seen::read(path) {
        Ok(before) => before,
        Err(error) => {
            report.fault(
                "log",
                finding(
                    "seen",
                    seen::file(path).display().to_string(),
                    error.to_string(),
                    "a rollback could not be told",
                    "remove the file once you know why it is so",
                ),
            );
            None
        }
    };
    let mut root_then: Option<Digest> = None;
    let read = audited(profile, before, &mut root_then).await;
    let view = match read {
        Ok(view) => view,
        Err(error) => {
            report.fault(
                "log",
                finding(
                    "log",
                    profile.operator_api.clone(),
                    error.to_string(),
                    "what the log says cannot be relied on; nothing is shown from it",
                    "if it names a manifest: `claviger manifest fetch`; else freeze, keep the host's directory, and find out who changed it",
                ),
            );
            return;
        }
    };
    let Ok(head) = view.report() else {
        return report.skipped("log", "it is empty: the deployment is not born");
    };
    let now = Seen {
        size: head.size,
        root: head.root,
    };
    match held_against(before, now, root_then) {
        Some(fault) => report.fault("log", fault),
        None => {
            report.well("log", format!("{} entries, root {}", head.size, head.root));
            if let Err(error) = seen::keep(path, now) {
                report.skipped("log memory", error.to_string());
            }
        }
    }
    enclaves_word(report, known, head.size);
    standing(report, view.state());
    known.view = Some(view);
}

/// The whole log; the root at the size that was seen before, where it got there.
async fn audited(
    profile: &Profile,
    before: Option<Seen>,
    root_then: &mut Option<Digest>,
) -> Result<View, Error> {
    let mut view = View::new(profile.chain()?)?;
    let operator = profile.operator()?;
    view.read_on(&operator, |entry| {
        if before.is_some_and(|before| before.size == entry.leaf.index) {
            *root_then = Some(entry.leaf.parent);
        }
    })
    .await?;
    Ok(view)
}

fn held_against(before: Option<Seen>, now: Seen, root_then: Option<Digest>) -> Option<Finding> {
    let before = before?;
    let mend = "freeze, keep the host's directory, and find out who brought it back; the enclave stops by itself when an agent \
                shows it a receipt";
    if now.size < before.size {
        let (now, before) = (now.size, before.size);
        return Some(finding(
            "log_behind",
            "log",
            format!("it has {now} entries; {before} were seen before"),
            "the host hides the newest entries or brought an old log back: what was spent or revoked since is forgotten there",
            mend,
        ));
    }
    let then = if now.size == before.size {
        Some(now.root)
    } else {
        root_then
    };
    (then != Some(before.root)).then(|| {
        finding(
            "log_forked",
            "log",
            format!(
                "its first {} entries are not those that were seen before",
                before.size
            ),
            "there are two logs, and two pictures of what was spent and revoked",
            mend,
        )
    })
}

/// The enclave cannot be ahead of what the host shows.
fn enclaves_word(report: &mut Report, known: &Known, size: u64) {
    let stored = known
        .status
        .as_ref()
        .and_then(|status| status.get("stored"))
        .and_then(Value::as_u64);
    if stored.is_some_and(|stored| stored > size) {
        report.fault(
            "log",
            finding(
                "log_short",
                "log",
                format!(
                    "the host says it stored {} entries and shows {size}",
                    stored.unwrap_or_default()
                ),
                "some entries are not shown",
                "look at the host's log and store",
            ),
        );
    }
}

fn standing(report: &mut Report, state: &State) {
    if state.is_frozen() {
        report.fault(
            "frozen",
            finding(
                "frozen",
                "deployment",
                format!("{} freezes are in force", state.freezes().len()),
                "nothing is issued, released or renewed",
                "once its cause is gone: claviger thaw",
            ),
        );
    } else {
        report.well("frozen", "nothing is");
    }
    let now = UnixMs(wall_clock_ms()).max(state.time());
    grants(report, state, now);
    let findings = lint::catalog::check(state.catalog());
    if let Some(first) = findings.first() {
        report.warning(
            "catalog",
            finding(
                "catalog_lint",
                first.at.clone(),
                format!(
                    "its lint has {} to say, first: {}",
                    findings.len(),
                    first.what
                ),
                first.why.clone(),
                "save `claviger catalog show` and run `claviger catalog lint FILE` on it",
            ),
        );
    } else {
        report.well(
            "catalog",
            format!("{} names", state.catalog().resources.len()),
        );
    }
}

fn grants(report: &mut Report, state: &State, now: UnixMs) {
    let live: Vec<_> = state
        .grants()
        .filter(|(_, grant)| grant.status != Status::Revoked && grant.grant.expires_at > now)
        .collect();
    let around = Around {
        catalog: state.catalog(),
        keys: state.keys().collect(),
        live: live.iter().map(|(_, grant)| &*grant.grant).collect(),
        now,
    };
    for (id, grant) in &live {
        if let Status::Suspended(by) = &grant.status {
            report.warning(
                "grants",
                finding(
                    "suspended",
                    id.as_str(),
                    format!("{} suspensions are in force", by.len()),
                    "its agent gets nothing",
                    format!("claviger grant resume {id}"),
                ),
            );
        }
        let end = grant.grant.renew_until.unwrap_or(grant.grant.expires_at);
        if end.since(now) < DAY {
            report.warning(
                "grants",
                finding("ends_soon", id.as_str(), format!("it ends at {end}, and its agent cannot renew it"), "its agent then gets nothing", format!("if it is still needed: claviger grant amend FILE, or claviger grant reissue {id}")),
            );
        }
        let findings = lint::grant(&grant.grant, &around);
        if let Some(first) = findings.first() {
            report.warning(
                "grants",
                finding(
                    "grant_lint",
                    id.as_str(),
                    format!(
                        "its lint has {} to say, first: {}",
                        findings.len(),
                        first.what
                    ),
                    first.why.clone(),
                    format!("claviger grant lint {id}"),
                ),
            );
        }
    }
    let retired = state.keys().filter(|(_, key)| key.retired).count();
    report.well(
        "grants",
        format!(
            "{} live, {} keys of which {retired} are retired",
            live.len(),
            state.keys().count()
        ),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn head(size: u64, root: u8) -> Seen {
        Seen {
            size,
            root: Digest([root; 32]),
        }
    }

    #[test]
    fn a_log_goes_on_from_what_was_seen_or_it_is_another() {
        let code = |before, now, then: Option<u8>| {
            let then = then.map(|root| Digest([root; 32]));
            held_against(before, now, then).map(|found| found.code)
        };
        assert_eq!(code(None, head(3, 3), None), None);
        assert_eq!(code(Some(head(3, 3)), head(3, 3), None), None);
        assert_eq!(code(Some(head(3, 3)), head(9, 9), Some(3)), None);
        assert_eq!(code(Some(head(3, 3)), head(2, 2), None), Some("log_behind"));
        assert_eq!(code(Some(head(3, 3)), head(3, 4), None), Some("log_forked"));
        assert_eq!(
            code(Some(head(3, 3)), head(9, 9), Some(4)),
            Some("log_forked")
        );
        assert_eq!(code(Some(head(3, 3)), head(9, 9), None), Some("log_forked"));
    }
}
