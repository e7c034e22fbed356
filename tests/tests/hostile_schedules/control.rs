//! The control connection's part of a schedule: commands, documents and boot material, held, repeated, cut, mixed up and late.
//!
//! What owners and operators sign goes to the courier, who delivers it as the dice say. Nothing is applied that nobody signed,
//! nothing twice, and a document answers the nonce that was asked.

use super::{GLANCE, MOMENT, Schedule};
use claviger_shared::{
    codec::cbor,
    log::record::{Body, Record},
    wire::{
        FrameType, Role,
        control::{Attest, CommandReply, Document, Genesis, Measure, Signed, Submitted, Unseal},
    },
};
use claviger_tests::{
    courier::Answer,
    deployment::{Enclave, NONCE},
    history::Dice,
    owner::Granted,
};
use claviger_verify::attestation::{self, At, Root};
use serde_json::json;
use std::collections::BTreeSet;

/// Control requests that the courier leaves unanswered at once; one more than the window ends the connection.
const WINDOW: usize = 3;
/// What one deployment's people sign in a schedule, beside what the stage needs.
const EXTRA: usize = 40;

/// A frame for the control connection.
#[derive(Clone)]
struct Frame {
    kind: FrameType,
    body: Vec<u8>,
}

impl Frame {
    fn of<T: serde::Serialize>(kind: FrameType, body: &T) -> Self {
        let body = cbor::encode(body).unwrap();
        Self { kind, body }
    }
}

/// A frame that was delivered, on the connection of that number.
struct Sent {
    connection: usize,
    id: u64,
    frame: Frame,
}

/// What the courier holds for the control connection.
#[derive(Default)]
pub(super) struct Control {
    /// Every command that people signed.
    signed: BTreeSet<Vec<u8>>,
    /// Grants that a signed command ends, by its bytes.
    revokes: Vec<(Vec<u8>, usize)>,
    held: Vec<Frame>,
    sent: Vec<Sent>,
    /// How often the connection was dialled.
    connection: usize,
    /// Commands that the enclave said it applied.
    done: BTreeSet<Vec<u8>>,
    /// What KMS answered to documents of lives before.
    ciphertexts: Vec<Vec<u8>>,
    pub(super) documents: usize,
    pub(super) refused: usize,
}

impl Control {
    pub(super) fn applied(&self) -> usize {
        self.done.len()
    }
}

/// The same bytes, or not quite.
fn mangled(dice: &mut Dice, held: &[Frame], mut frame: Frame) -> Frame {
    let len = frame.body.len() as u64;
    match dice.roll(14) {
        0 => frame.body.truncate(dice.roll(len) as usize),
        1 => {
            let at = dice.roll(len) as usize;
            frame.body[at] ^= 1 << dice.roll(8);
        }
        // Another's body under this kind.
        2 => frame.body.clone_from(&dice.pick(held).body),
        // Signatures of another command, or the sealed part of none.
        3 | 4 => {
            let other = dice.pick(held).clone();
            let read = |frame: &Frame| cbor::decode::<Submitted>(&frame.body, frame.body.len());
            if let (Ok(mut one), Ok(two)) = (read(&frame), read(&other)) {
                if dice.once_in(2) {
                    one.signed.signatures = two.signed.signatures;
                } else {
                    one.sealed = vec![7; 64];
                }
                frame = Frame::of(frame.kind, &one);
            }
        }
        5 => {
            let kinds = [FrameType::Command, FrameType::Attest, FrameType::Measure];
            frame.kind = *dice.pick(&kinds);
        }
        _ => {}
    }
    frame
}

impl Schedule {
    /// Somebody signs the next command of a chain as the log now is, and gives it to the courier.
    fn sign_command(&mut self) {
        if self.control.signed.len() >= EXTRA {
            return;
        }
        let at = self.dice.roll(self.granted.len() as u64) as usize;
        let may_end = self.control.revokes.len() + 1 < self.granted.len()
            && !self.control.revokes.iter().any(|(_, of)| *of == at);
        let signed = if may_end && self.dice.once_in(3) {
            let action = json!({"type": "grant.revoke", "grant": self.granted[at].id});
            let signed = self.deployment.narrowing(&action);
            self.control.revokes.push((signed.body.clone(), at));
            signed
        } else {
            let number = self.control.signed.len();
            let alg = json!({"id": format!("k_{number}"), "kind": "http", "alg": "ed25519", "agent": "bot"});
            self.deployment
                .widening(&json!({"type": "key.create", "key": alg}), &[])
        };
        self.control.signed.insert(signed.body.clone());
        let submitted = Submitted {
            signed,
            sealed: Vec::new(),
        };
        self.control
            .held
            .push(Frame::of(FrameType::Command, &submitted));
    }

    fn ask_document(&mut self) {
        let nonce = self.dice.roll(u64::MAX).to_be_bytes().repeat(2);
        self.control
            .held
            .push(Frame::of(FrameType::Attest, &Attest { nonce }));
    }

    /// Boot material, while it serves.
    fn boot_frame(&mut self) -> Frame {
        let links = self.deployment.links.clone();
        let ciphertext = match self.control.ciphertexts.as_slice() {
            [] => vec![1; 64],
            some => self.dice.pick(some).clone(),
        };
        let chain = |manifests: Vec<Signed>| Frame::of(FrameType::Measure, &Measure { manifests });
        let swapped = || {
            let mut links = links.clone();
            let last = links.len() - 1;
            let first = links[0].signatures.clone();
            links[0].signatures = links[last].signatures.clone();
            links[last].signatures = first;
            links
        };
        match self.dice.roll(9) {
            0 | 1 => chain(links),
            2 => chain(links[..1].to_vec()),
            3 => chain(links.into_iter().rev().collect()),
            4 => chain(swapped()),
            5 => Frame::of(FrameType::AttestKms, &()),
            6 => Frame::of(
                FrameType::Unseal,
                &Unseal {
                    recipient: self.deployment.recipient.arn.clone(),
                    ciphertext,
                    bundle: self.deployment.bundle.clone(),
                },
            ),
            7 => Frame::of(
                FrameType::Genesis,
                &Genesis {
                    nonce: NONCE.to_vec(),
                },
            ),
            _ => Frame::of(FrameType::Resume, &()),
        }
    }

    /// One step of the control connection.
    pub(super) fn control_step(&mut self) {
        match self.dice.roll(10) {
            0..=2 => self.sign_command(),
            3 => self.ask_document(),
            4 => {
                let frame = self.boot_frame();
                self.deliver_control(frame);
            }
            5 if self.dice.once_in(4) => self.redial(),
            _ => {
                if let Some(frame) = self.some_frame() {
                    self.deliver_control(frame);
                }
            }
        }
    }

    /// A held frame, more often a new one, mangled perhaps.
    fn some_frame(&mut self) -> Option<Frame> {
        let newest = self.control.held.len().saturating_sub(3);
        let from = if self.dice.once_in(3) { 0 } else { newest };
        let held = &self.control.held;
        let frame = held.get(from..).filter(|some| !some.is_empty())?;
        let frame = self.dice.pick(frame).clone();
        Some(mangled(&mut self.dice, held, frame))
    }

    /// A new control connection; the enclave closes the old one.
    fn redial(&mut self) {
        self.collect_control(GLANCE);
        self.enclave.control = self.enclave.link(Some(Role::Control));
        self.control.connection += 1;
        // What was under way has no answer any more; it may still be applied.
        self.control.sent.clear();
    }

    fn deliver_control(&mut self, frame: Frame) {
        if self.control.sent.len() >= WINDOW {
            self.collect_control(GLANCE);
        }
        if self.control.sent.len() >= WINDOW {
            return;
        }
        let id = self.enclave.control.send(frame.kind, &frame.body);
        let connection = self.control.connection;
        self.control.sent.push(Sent {
            connection,
            id,
            frame,
        });
        self.collect_control(GLANCE);
    }

    /// Looks for answers, and holds every one to the rules.
    pub(super) fn collect_control(&mut self, patience: std::time::Duration) {
        let mut closed = false;
        for one in std::mem::take(&mut self.control.sent) {
            assert_eq!(one.connection, self.control.connection);
            match self.enclave.control.wait_for(one.id, patience) {
                Some(Answer::Reply(body)) => self.answered_control(&one.frame, &body),
                Some(Answer::Refused(refused)) => {
                    assert!(!refused.reason.is_empty(), "{refused:?}");
                    self.control.refused += 1;
                }
                Some(Answer::Closed) => closed = true,
                None => self.control.sent.push(one),
            }
        }
        if closed {
            self.control.sent.clear();
            self.redial();
        }
    }

    fn answered_control(&mut self, asked: &Frame, body: &[u8]) {
        match asked.kind {
            FrameType::Command => self.commanded(asked, body),
            FrameType::Attest => {
                let asked: Attest = cbor::decode(&asked.body, asked.body.len()).unwrap();
                let Document { document } = cbor::decode(body, body.len()).unwrap();
                let root = Root::Pinned(self.deployment.attestation_root());
                let document = attestation::verify_at(&document, &root, At::Own).unwrap();
                let told = document.document().nonce().unwrap_or_default();
                assert_eq!(told, asked.nonce, "a document for another nonce");
                self.control.documents += 1;
            }
            other => panic!("{other:?} is answered while it serves"),
        }
    }

    fn commanded(&mut self, asked: &Frame, body: &[u8]) {
        match cbor::decode(body, body.len()).unwrap() {
            CommandReply::Done(_) => {
                let submitted: Submitted = cbor::decode(&asked.body, asked.body.len()).unwrap();
                let body = submitted.signed.body;
                assert!(self.control.signed.contains(&body), "nobody signed it");
                let ends = self.control.revokes.iter().filter(|(own, _)| *own == body);
                self.revoked.extend(ends.map(|(_, at)| *at));
                self.control.done.insert(body);
            }
            CommandReply::Refused(refused) => {
                assert!(!refused.code.is_empty(), "{refused:?}");
                self.control.refused += 1;
            }
        }
    }

    /// A life whose boot the courier carries as the dice say: whatever it comes to, it comes to it by honest material alone.
    pub(super) fn hostile_boot(&mut self) {
        let enclave = self.deployment.start();
        let mut measured = None;
        for _ in 0..6 + self.dice.roll(10) {
            let mut frame = self.boot_frame();
            if self.dice.once_in(5) {
                frame = mangled(&mut self.dice, std::slice::from_ref(&frame), frame.clone());
            }
            let id = enclave.control.send(frame.kind, &frame.body);
            match enclave.control.wait_for(id, MOMENT) {
                Some(Answer::Closed) => break,
                Some(Answer::Reply(body)) => match frame.kind {
                    FrameType::Measure => measured = Some(frame.body),
                    FrameType::AttestKms => self.derive(&measured, &body),
                    _ => {}
                },
                Some(Answer::Refused(_)) | None => {}
            }
        }
        self.forget(&enclave);
    }

    /// Asks KMS with a document: it answers for the whole chain alone.
    fn derive(&mut self, measured: &Option<Vec<u8>>, body: &[u8]) {
        let Ok(Document { document }) = cbor::decode(body, body.len()) else {
            return;
        };
        let whole = Measure {
            manifests: self.deployment.links.clone(),
        };
        let honest = measured.as_ref() == Some(&cbor::encode(&whole).unwrap());
        match self.deployment.derive(&document) {
            Ok(ciphertext) => {
                assert!(honest, "KMS answered for another chain");
                self.control.ciphertexts.push(ciphertext);
            }
            Err(_) => assert!(!honest, "KMS refused the honest chain"),
        }
    }

    fn forget(&self, enclave: &Enclave) {
        enclave.crash();
        // What it wrote, if it came so far, is a log that verifies.
        let _ = self.deployment.audited();
    }

    /// Nothing of a connection outlives its enclave.
    pub(super) fn restart_control(&mut self) {
        self.control.sent.clear();
        self.control.connection += 1;
    }

    /// Every command in the log was signed, and stands there once; what was said to be done is there.
    pub(super) fn judge_control(&self, staged: &[Granted], seed: u64) {
        let mut found = BTreeSet::new();
        let entries = self.deployment.store.entries();
        for bytes in entries.iter().flat_map(|entry| &entry.records) {
            if let Body::Command(command) = Record::decode(bytes).unwrap().body {
                assert!(found.insert(command.body), "seed {seed}: applied twice");
            }
        }
        for body in &self.control.done {
            assert!(found.contains(body), "seed {seed}: done and not recorded");
        }
        // A catalog, three keys and the grants were set up before the schedule began.
        let unsigned = found
            .iter()
            .filter(|body| !self.control.signed.contains(*body));
        assert_eq!(
            unsigned.count(),
            4 + staged.len(),
            "seed {seed}: nobody signed it"
        );
    }
}
