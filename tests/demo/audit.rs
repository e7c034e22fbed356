//! The log, read from the files of its store and verified without asking anybody.

use crate::report::Report;
use claviger_cli::profile::Profile;
use claviger_host::store::local::Reader;
use claviger_shared::{call::Echo, id::Digest};
use claviger_verify::audit::{Auditor, Report as Audited};

/// What an audit found, and the root at a size asked for, if the log is that long.
pub struct Found {
    /// The log's own sum.
    pub audited: Audited,
    /// Root at the remembered size.
    pub root_then: Option<Digest>,
}

/// Verifies the stored log of a profile.
pub fn audit(profile: &Profile, remembered: u64) -> anyhow::Result<Found> {
    let log = profile
        .log
        .as_deref()
        .ok_or_else(|| anyhow::anyhow!("no log"))?;
    let mut auditor = Auditor::new(profile.chain()?)?;
    let mut root_then = None;
    for stored in Reader::open(log)?.entries() {
        auditor.entry(&stored?)?;
        if auditor.size() == remembered {
            root_then = Some(auditor.report()?.root);
        }
    }
    Ok(Found {
        audited: auditor.report()?,
        root_then,
    })
}

/// Whether a log holds the tree head somebody remembers; a word for it.
pub fn holds(profile: &Profile, seen: Echo) -> anyhow::Result<Result<(), String>> {
    let found = audit(profile, seen.size)?;
    Ok(match found.root_then {
        Some(root) if root == seen.root => Ok(()),
        Some(_) => Err(format!("another root at size {}", seen.size)),
        None => Err(format!(
            "{} entries, but {} were seen",
            found.audited.size, seen.size
        )),
    })
}

/// The last part: the whole log.
pub fn whole(report: &mut Report, profile: &Profile) -> anyhow::Result<()> {
    report
        .part("The log, verified offline: from the store's files, the manifests and nothing else");
    match audit(profile, 0) {
        Ok(Found { audited, .. }) => {
            let Audited {
                origin,
                size,
                root,
                records,
            } = audited;
            report.say("log", origin);
            report.say("root", root);
            report.check(
                "every checkpoint, record and budget",
                records > 0,
                format!("{size} entries, {records} records, no violation"),
            );
        }
        Err(error) => report.check("every checkpoint, record and budget", false, error),
    }
    Ok(())
}
