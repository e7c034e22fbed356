//! What must be an anchor, what need not be, and what cannot be changed.

use super::*;
use crate::{
    ceremony::manifest::{self, Birth, People, Person as Somebody, Recipient, Root},
    ssh::{self, Signer},
};
use claviger_shared::{
    crypto::sha256,
    id::{Digest, Pcr, from_hex, to_hex},
    log::checkpoint::LogKey,
    owner::manifest::{Durability, Release},
};

fn somebody(name: &str) -> (Signer, Named) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, ssh::generate(name).unwrap().0.as_bytes()).unwrap();
    let signer = Signer::read(&path).unwrap();
    let keys = vec![ssh::line(signer.public())];
    let name = name.to_owned();
    (signer, Named { name, keys })
}

fn build(version: &str, byte: u8) -> Build {
    Build {
        version: version.to_owned(),
        pcr0: Pcr([byte; 48]),
        pcr1: Pcr([byte; 48]),
        pcr2: Pcr([byte; 48]),
    }
}

/// A chain up to g1 of ana, ben and cem, of whom two must sign.
fn chain(durability: &'static str) -> Chain {
    let people: Vec<_> = ["ana", "ben", "cem"].map(somebody).into();
    let person = |named: &Named| Somebody {
        name: named.name.clone(),
        keys: named.keys.clone(),
    };
    let who = People {
        owners: people.iter().map(|(_, named)| person(named)).collect(),
        threshold: 2,
        operators: vec![person(&somebody("duty").1)],
    };
    let prefix = from_hex::<26>("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
    let to = [Recipient {
        arn: "arn:aws:kms:eu-west-1:111122223333:key/1".to_owned(),
        public_key: [&prefix[..], &[4], &[7; 64]].concat(),
    }];
    let g0 = manifest::g0("acme/claviger", &Root::Aws, &who, &to).unwrap();
    let log = LogKey {
        name: format!("acme/claviger/{}", to_hex(&sha256(&[&g0]).0[..8])),
        public: [4; 32],
    };
    let release: Vec<Release> = ["0.1.0", "0.2.0"]
        .into_iter()
        .zip(1..)
        .map(|(version, byte)| build(version, byte).release().unwrap())
        .collect();
    let birth = Birth {
        bundle: Digest([6; 32]),
        vkey: log.vkey(),
        first_root: Digest([7; 32]),
        releases: release,
        durability,
    };
    let g1 = manifest::g1(&g0, &who, &to, &birth).unwrap();
    let signers: Vec<&Signer> = people.iter().map(|(signer, _)| signer).collect();
    let links = [
        manifest::sign(g0, &signers).unwrap(),
        manifest::sign(g1, &signers).unwrap(),
    ];
    Chain::verify(&links, &RingVerifier).unwrap()
}

fn proposed(change: impl FnOnce(&mut Changes)) -> Result<Proposal, Error> {
    let mut changes = Changes::default();
    change(&mut changes);
    next(&chain("volatile"), &changes)
}

#[test]
fn what_takes_a_power_away_is_an_anchor_and_what_adds_one_is_not() {
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    type Change<'a> = Box<dyn FnOnce(&mut Changes) + 'a>;
    let table: [(bool, Change<'_>); 10] = [
        (true, Box::new(|c| c.remove_owners = names(&["cem"]))),
        (true, Box::new(|c| c.threshold = Some(3))),
        (true, Box::new(|c| c.remove_operators = names(&["duty"]))),
        (true, Box::new(|c| c.remove_releases = names(&["0.1.0"]))),
        (true, Box::new(|c| c.min_version = Some("0.2.0".to_owned()))),
        (true, Box::new(|c| c.durability = Some("durable"))),
        (
            false,
            Box::new(|c| {
                c.add_owners = vec![Named {
                    name: "ana".to_owned(),
                    ..somebody("x").1
                }]
            }),
        ),
        (
            false,
            Box::new(|c| c.add_operators = vec![somebody("night").1]),
        ),
        (
            false,
            Box::new(|c| c.add_releases = vec![build("0.3.0", 9)]),
        ),
        // More owners of whom as many must sign: two of four are no longer more than half.
        (
            true,
            Box::new(|c| {
                c.add_owners = vec![somebody("dan").1];
                c.threshold = Some(3);
            }),
        ),
    ];
    for (number, (anchor, change)) in table.into_iter().enumerate() {
        let proposal = proposed(change).unwrap();
        assert_eq!(
            proposal.must_anchor, anchor,
            "{number}: {:?}",
            proposal.words
        );
        assert_eq!(proposal.manifest.anchor, anchor, "{number}");
        assert_eq!(proposal.manifest.generation, 2);
        assert!(!proposal.words.is_empty(), "{number}");
    }
    let asked = proposed(|changes| changes.anchor = true).unwrap();
    assert!(asked.manifest.anchor && !asked.must_anchor);
}

#[test]
fn a_key_that_is_added_stands_beside_the_old_and_signers_are_named() {
    let more = somebody("ana").1;
    let proposal = proposed(|changes| changes.add_owners = vec![more]).unwrap();
    let ana = &proposal.manifest.owners[0];
    assert_eq!((ana.name.as_str(), ana.keys.len()), ("ana", 2));
    let before = chain("durable");
    assert_eq!(
        signers(before.newest(), &proposal.manifest),
        "2 of ana, ben, cem"
    );
    let fewer = proposed(|changes| changes.remove_owners = vec!["cem".to_owned()]).unwrap();
    assert_eq!(
        signers(before.newest(), &fewer.manifest),
        "2 of ana, ben, cem (the owners before), and 2 of ana, ben (its own)"
    );
    let running = proposal.manifest.running.unwrap();
    assert_eq!(running.durability, Durability::Volatile);
}

#[test]
fn what_cannot_be_is_refused_with_what_would_be_right() {
    type Change = fn(&mut Changes);
    let table: [Change; 7] = [
        |_| {},
        |c| c.remove_owners = vec!["nobody".to_owned()],
        |c| c.threshold = Some(1),
        |c| c.threshold = Some(4),
        |c| c.remove_releases = vec!["0.1.0".to_owned(), "0.2.0".to_owned()],
        |c| c.min_version = Some("two".to_owned()),
        |c| c.add_releases = vec![build("0.4.0", 0)],
    ];
    for (number, change) in table.into_iter().enumerate() {
        let refused = proposed(change);
        assert!(
            matches!(refused, Err(Error::Usage(_))),
            "{number}: {refused:?}"
        );
    }
}
