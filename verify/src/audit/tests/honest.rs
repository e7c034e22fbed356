//! What the auditor says of an honest log, and of one that its writer wrote dishonestly.

use super::{
    super::{Auditor, Error, Report},
    log::{Log, call},
};
use claviger_shared::{id::GrantId, ledger::Violation, wire::storage::StoredEntry};

pub(super) fn audit(log: &Log, entries: &[StoredEntry]) -> Result<Report, Error> {
    let mut auditor = Auditor::new(log.chain.clone())?;
    for entry in entries {
        auditor.entry(entry)?;
    }
    auditor.report()
}

#[test]
fn an_honest_log_is_summed_up() {
    let log = Log::running();
    let head = log.head();
    let expected = Report {
        origin: head.origin,
        size: 4,
        root: head.root,
        records: 6,
    };
    assert_eq!(audit(&log, &log.entries), Ok(expected));
}

#[test]
fn the_auditor_knows_what_is_left_of_a_grant() {
    let log = Log::running();
    let mut auditor = Auditor::new(log.chain.clone()).unwrap();
    let mut last = None;
    for (at, entry) in (0_u64..).zip(&log.entries) {
        assert_eq!(auditor.size(), at);
        last = Some(auditor.entry(entry).unwrap());
    }
    let now = last.unwrap().leaf.time;
    let state = auditor.state();
    let slot = state.slot(&GrantId::parse("gr_1").unwrap()).unwrap();
    let left = state.grant(slot).unwrap().remaining(now);
    let left: Vec<u128> = left.iter().map(|left| left.amount.0).collect();
    assert_eq!(left, [1, 5]);
    assert_eq!(auditor.log_key().name, log.head().origin);
}

#[test]
fn a_log_without_its_tail_is_valid_and_shorter() {
    let log = Log::running();
    let report = audit(&log, &log.entries[..3]).unwrap();
    assert_eq!((report.size, report.records), (3, 5));
    assert_ne!(report.root, log.head().root);
}

#[test]
fn an_empty_log_is_none() {
    let log = Log::running();
    assert_eq!(audit(&log, &[]), Err(Error::Empty));
}

#[test]
fn a_budget_is_spent_to_the_last_cent_and_no_further() {
    let mut log = Log::running();
    log.append(vec![call(5)]);
    audit(&log, &log.entries).unwrap();
    let mut log = Log::running();
    log.append(vec![call(6)]);
    assert_eq!(audit(&log, &log.entries), overspent(4, 0));
    // Two calls at most, however cheap; the third record of the deployment's first grant overspends.
    let mut log = Log::running();
    log.append(vec![call(1), call(1)]);
    assert_eq!(audit(&log, &log.entries), overspent(4, 1));
}

fn overspent(index: u64, place: usize) -> Result<Report, Error> {
    let source = Violation::Overspent(GrantId::parse("gr_1").unwrap());
    Err(Error::Violation {
        index,
        place,
        source,
    })
}
