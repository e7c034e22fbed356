//! Lies that a forged log may tell, and whether each must be found wherever it is told.

use claviger_shared::{
    amount::Amount,
    effect::{Charge, Verb},
    id::{Digest, GrantId, KeyId, Unit},
    log::record::{Body, Call, Outcome, Record},
    time::{Millis, UnixMs},
};
use claviger_tests::{forge::Loose, history::Dice};

/// Something that a record says is no longer true.
pub type Lie = fn(&mut Vec<Loose>, &mut Dice);

fn some_call(loose: &mut [Loose], dice: &mut Dice) -> (usize, usize) {
    let mut calls = Vec::new();
    for (at, entry) in loose.iter().enumerate() {
        let is_call = |record: &Record| matches!(record.body, Body::Call(_));
        let of_entry = entry.records.iter().enumerate();
        calls.extend(
            of_entry
                .filter(|(_, record)| is_call(record))
                .map(|(place, _)| (at, place)),
        );
    }
    *dice.pick(&calls)
}

fn change_call(loose: &mut [Loose], dice: &mut Dice, change: impl FnOnce(&mut Call)) {
    let (at, place) = some_call(loose, dice);
    match &mut loose[at].records[place].body {
        Body::Call(call) => change(call),
        other => panic!("{other:?}"),
    }
}

/// Each lie, and whether it must be found wherever it is told.
pub const LIES: &[(&str, bool, Lie)] = &[
    ("nothing", false, |_, _| {}),
    ("a charge raised with its effect", true, |loose, dice| {
        change_call(loose, dice, |call| {
            let charge = Charge {
                unit: Unit::parse("usd-cents").unwrap(),
                amount: Amount(1_000_000),
            };
            call.effects[0].charges = vec![charge.clone()];
            call.charges.truncate(1);
            call.charges.push(charge);
            call.outcome = Outcome::Issued;
        });
    }),
    ("a charge without its effect", true, |loose, dice| {
        change_call(loose, dice, |call| call.charges[0].amount = Amount(0));
    }),
    ("no effect", true, |loose, dice| {
        change_call(loose, dice, |call| call.effects.clear())
    }),
    ("another grant", false, |loose, dice| {
        let (at, place) = some_call(loose, dice);
        let Body::Call(other) = loose[at].records[place].body.clone() else {
            unreachable!()
        };
        change_call(loose, dice, |call| call.grant = other.grant);
    }),
    ("an unknown grant", true, |loose, dice| {
        change_call(loose, dice, |call| {
            call.grant = GrantId::parse("gr_nobody").unwrap()
        });
    }),
    ("a key that is not the grant's", true, |loose, dice| {
        change_call(loose, dice, |call| {
            call.outcome = Outcome::Issued;
            call.key = KeyId::parse("k_nobody").unwrap();
        });
    }),
    ("a verb outside the scope", true, |loose, dice| {
        change_call(loose, dice, |call| {
            call.outcome = Outcome::Issued;
            call.effects[0].verb = Verb::Delete;
        });
    }),
    ("decided long after its entry", true, |loose, dice| {
        change_call(loose, dice, |call| {
            call.decided_at = call.decided_at.plus(Millis(1_000_000_000))
        });
    }),
    ("decided long before", false, |loose, dice| {
        change_call(loose, dice, |call| {
            call.decided_at = UnixMs(call.decided_at.0 - 3_000_000)
        });
    }),
    ("a credential for ever", false, |loose, dice| {
        change_call(loose, dice, |call| {
            call.expires_at = call.expires_at.plus(Millis(1_000_000_000_000))
        });
    }),
    ("what was withdrawn left", false, |loose, _| {
        for record in loose.iter_mut().flat_map(|entry| &mut entry.records) {
            if let Body::Call(call) = &mut record.body {
                call.outcome = Outcome::Issued;
            }
        }
    }),
    ("a call told many times", true, |loose, dice| {
        let (at, place) = some_call(loose, dice);
        let record = loose[at].records[place].clone();
        loose[at].records.extend(std::iter::repeat_n(record, 70));
    }),
    ("no stop was ever applied", true, |loose, _| {
        let is_stop = |record: &Record| match &record.body {
            Body::Command(command) => {
                String::from_utf8_lossy(&command.body).contains("\"chain\":\"narrow\"")
            }
            _ => false,
        };
        for entry in loose.iter_mut() {
            entry.records.retain(|record| !is_stop(record));
        }
        loose.retain(|entry| !entry.records.is_empty());
    }),
    ("a command left out", true, |loose, _| {
        let is_command = |record: &Record| matches!(record.body, Body::Command(_));
        let at = loose
            .iter()
            .position(|entry| entry.records.iter().any(is_command))
            .unwrap();
        loose.remove(at);
    }),
    ("two entries change places", false, |loose, dice| {
        let at = usize::try_from(dice.roll(u64::try_from(loose.len() - 3).unwrap())).unwrap() + 2;
        let records = std::mem::take(&mut loose[at].records);
        loose[at].records = std::mem::replace(&mut loose[at - 1].records, records);
    }),
    ("time goes back", true, |loose, _| {
        let last = loose.last_mut().unwrap();
        last.leaf.time = UnixMs(last.leaf.time.0 - 1_000_000_000);
    }),
    ("genesis again", true, |loose, _| {
        let genesis = loose[0].records[0].clone();
        loose.last_mut().unwrap().records.push(genesis);
    }),
    ("a key that was never born", true, |loose, _| {
        for record in loose.iter_mut().flat_map(|entry| &mut entry.records) {
            if let Body::Command(command) = &mut record.body {
                command.born = None;
            }
        }
    }),
    ("a stop lifted that was never there", true, |loose, _| {
        for record in loose.iter_mut().flat_map(|entry| &mut entry.records) {
            let Body::Command(command) = &mut record.body else {
                continue;
            };
            let mut text: serde_json::Value = serde_json::from_slice(&command.body).unwrap();
            if let Some(lifts) = text.get_mut("lifts") {
                *lifts = serde_json::json!([Digest([7; 32])]);
                command.body = text.to_string().into_bytes();
            }
        }
    }),
];
