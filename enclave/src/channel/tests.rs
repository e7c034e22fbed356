//! One channel and the table of them, each rule by itself.

use super::{
    Channel,
    agents::{Agents, LIMIT},
    table::{PER_KEY, Table},
};
use crate::secret::{RootKeys, Secret};
use claviger_shared::{
    crypto::handshake::{FrameKey, Session},
    id::{AgentId, ChannelId, Digest, GrantId, X25519Public},
    ledger::Slot,
    wire::{RefusedCode, call::MAX_IN_FLIGHT},
};
use std::sync::Arc;

fn sealed(key: u8, number: u64, text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    FrameKey::new([key; 32])
        .unwrap()
        .seal(number, &mut text)
        .unwrap();
    text
}

/// A channel of this agent key; frames to it are sealed under ones, its answers under twos.
fn channel(agent: u8, number: u8) -> Arc<Channel> {
    let keys = RootKeys::derive(&Secret::take(&mut [1; 32]), &Digest([1; 32]), "o/1").unwrap();
    let session = Session {
        peer: X25519Public([agent; 32]),
        opening: FrameKey::new([1; 32]).unwrap(),
        sealing: FrameKey::new([2; 32]).unwrap(),
    };
    let digests = keys.digests_of(&GrantId::parse("gr_1").unwrap());
    let share = Agents::default().share(&AgentId::parse("bot").unwrap(), 0);
    let id = ChannelId([number; 16]);
    Arc::new(Channel::new(id, (Slot(0), digests), session, share))
}

#[test]
fn a_frame_opens_once_under_its_number_and_a_wrong_tag_marks_nothing() {
    let channel = channel(1, 1);
    let frame = sealed(1, 7, b"ask");
    assert_eq!(channel.open(8, &frame), Err(RefusedCode::Invalid));
    let mut changed = frame.clone();
    changed[0] ^= 1;
    assert_eq!(channel.open(7, &changed), Err(RefusedCode::Invalid));
    assert_eq!(channel.open(7, &frame).unwrap(), b"ask");
    assert_eq!(channel.open(7, &frame), Err(RefusedCode::Replayed));
    assert_eq!(channel.open(7, &changed), Err(RefusedCode::Replayed));
    assert_eq!(channel.open(8, &sealed(1, 8, b"next")).unwrap(), b"next");
}

#[test]
fn an_answer_opens_under_its_number_alone() {
    let channel = channel(1, 1);
    let answer = channel.seal(7, b"told".to_vec()).unwrap();
    let theirs = FrameKey::new([2; 32]).unwrap();
    assert_eq!(theirs.open(7, &answer).unwrap(), b"told");
    theirs.open(8, &answer).unwrap_err();
}

#[test]
fn a_channel_key_is_what_was_drawn_and_prints_its_name_alone() {
    struct Drawn(Vec<u8>);
    impl crate::platform::Entropy for Drawn {
        fn fill(&self, out: &mut [u8]) -> Result<(), crate::platform::NoEntropy> {
            out.copy_from_slice(&self.0);
            Ok(())
        }
    }
    let private = vec![7; 32];
    let key = super::key::ChannelKey::generate(&Drawn(private.clone())).unwrap();
    assert_eq!(key.expose()[..], private);
    let own = claviger_shared::crypto::noise::public_key(key.expose()).unwrap();
    assert_eq!(key.public().unwrap().0, own);
    assert_eq!(format!("{key:?}"), "ChannelKey");
}

#[test]
fn the_first_frame_confirms_and_no_other() {
    let channel = channel(1, 1);
    assert!(!channel.is_confirmed());
    assert!(channel.confirm());
    assert!(channel.is_confirmed());
    assert!(!channel.confirm());
    assert!(channel.is_confirmed());
}

#[test]
fn calls_under_way_are_limited_on_both_sides() {
    let channel = channel(1, 1);
    for _ in 0..MAX_IN_FLIGHT {
        assert!(channel.enter());
    }
    assert!(!channel.enter());
    channel.leave();
    assert!(channel.enter());
    assert!(!channel.enter());
    // A place that nobody took is not given back.
    for _ in 0..2 * MAX_IN_FLIGHT {
        channel.leave();
    }
    for _ in 0..MAX_IN_FLIGHT {
        assert!(channel.enter());
    }
    assert!(!channel.enter());
}

#[test]
fn an_agent_has_one_share_for_all_its_channels() {
    let agents = Agents::default();
    let of = |name: &str| agents.share(&AgentId::parse(name).unwrap(), 0);
    let (one, again, other) = (of("bot"), of("bot"), of("other"));
    for number in 0..LIMIT.burst {
        let share = if number % 2 == 0 { &one } else { &again };
        assert!(share.take(0));
    }
    assert!(!one.take(0) && !again.take(0));
    assert!(other.take(0), "another's");
    let own = channel(1, 1);
    for _ in 0..LIMIT.burst {
        assert!(own.is_within_share(0));
    }
    assert!(!own.is_within_share(0));
}

/// A key's channels by number, each in use or not, in the order they were opened.
fn table(channels: &[(u8, bool)]) -> (Table, Vec<Arc<Channel>>) {
    let table = Table::default();
    assert!(table.is_empty());
    let made = channels.iter().map(|(number, used)| {
        let channel = channel(1, *number);
        table.insert(Arc::clone(&channel), true).unwrap();
        if *used {
            channel.confirm();
            table.confirmed(&channel);
        }
        channel
    });
    let made = made.collect();
    assert!(!table.is_empty());
    (table, made)
}

#[track_caller]
fn left(table: &Table, made: &[Arc<Channel>], wanted: &[u8]) {
    let here = made
        .iter()
        .filter(|channel| table.get(&channel.id).is_some());
    let here: Vec<u8> = here.map(|channel| channel.id.0[0]).collect();
    assert_eq!(here, wanted);
    assert_eq!(table.len(), wanted.len());
}

#[test]
fn a_key_keeps_four_and_the_fifth_takes_the_place_of_its_oldest_once_it_is_used() {
    let four: Vec<_> = (1..=4).map(|number| (number, true)).collect();
    assert_eq!(four.len(), PER_KEY);
    let (table, mut made) = table(&four);
    left(&table, &made, &[1, 2, 3, 4]);
    let fifth = channel(1, 5);
    table.insert(Arc::clone(&fifth), true).unwrap();
    made.push(Arc::clone(&fifth));
    left(&table, &made, &[1, 2, 3, 4, 5]);
    fifth.confirm();
    table.confirmed(&fifth);
    left(&table, &made, &[2, 3, 4, 5]);
    // Another key's are its own.
    let other = channel(2, 9);
    table.insert(Arc::clone(&other), true).unwrap();
    other.confirm();
    table.confirmed(&other);
    assert_eq!(table.len(), PER_KEY + 1);
}

#[test]
fn channels_that_nobody_used_go_first() {
    let (table, mut made) = table(&[(1, true), (2, false), (3, true), (4, true)]);
    let fifth = channel(1, 5);
    table.insert(Arc::clone(&fifth), true).unwrap();
    made.push(Arc::clone(&fifth));
    left(&table, &made, &[1, 2, 3, 4, 5]);
    fifth.confirm();
    table.confirmed(&fifth);
    left(&table, &made, &[1, 3, 4, 5]);
}

#[test]
fn recorded_handshakes_take_each_others_place_alone() {
    let (table, mut made) = table(&[(1, true), (2, true), (3, true), (4, true)]);
    for number in 5..=9 {
        let replayed = channel(1, number);
        table.insert(Arc::clone(&replayed), true).unwrap();
        made.push(replayed);
        left(&table, &made, &[1, 2, 3, 4, number]);
    }
}
