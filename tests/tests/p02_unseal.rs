//! P2: the root opens only under KMS, for a released build, this deployment and its newest anchor.

use claviger_cli::ceremony::manifest as writing;
use claviger_shared::{
    id::Pcr,
    wire::{
        Phase, RefusedCode,
        control::{MAX_KMS_DOCUMENTS, Measured, PhaseEvent, Unsealed},
    },
};
use claviger_tests::{
    deployment::{Deployment, Enclave},
    platform::Touched,
};
use std::sync::Arc;

#[track_caller]
fn refuses(enclave: &Enclave, deployment: &Deployment, reply: &[u8], bundle: &[u8]) {
    let refused = enclave
        .unseal(&deployment.recipient.arn, reply, bundle)
        .refusal();
    assert_eq!(refused.code, RefusedCode::Invalid, "{}", refused.reason);
}

#[test]
fn p2_a_reply_for_another_document_does_not_open() {
    let deployment = Deployment::born();
    let enclave = deployment.measured();
    let old = deployment.derive(&enclave.kms_document()).unwrap();
    let _newer = enclave.kms_document();
    refuses(&enclave, &deployment, &old, &deployment.bundle);
    // Nor one that is changed anywhere near its end, where nothing but the padding would tell.
    let mut reply = deployment.derive(&enclave.kms_document()).unwrap();
    let last = reply.len() / 2;
    reply[last] ^= 1;
    refuses(&enclave, &deployment, &reply, &deployment.bundle);
}

#[test]
fn p2_a_reply_is_good_once() {
    let deployment = Deployment::born();
    let enclave = deployment.measured();
    let reply = deployment.derive(&enclave.kms_document()).unwrap();
    let mut bundle = deployment.bundle.clone();
    *bundle.last_mut().unwrap() ^= 1;
    refuses(&enclave, &deployment, &reply, &bundle);
    let again = enclave
        .unseal(&deployment.recipient.arn, &reply, &deployment.bundle)
        .refusal();
    assert_eq!(again.code, RefusedCode::NotServing, "the key is used up");
}

#[test]
fn p2_documents_for_kms_are_limited_on_both_sides() {
    let deployment = Deployment::born();
    let enclave = deployment.measured();
    let mut last = Vec::new();
    for _ in 0..MAX_KMS_DOCUMENTS {
        last = enclave.kms_document();
    }
    let refused = enclave
        .control
        .ask(claviger_shared::wire::FrameType::AttestKms, &())
        .refusal();
    assert_eq!(refused.code, RefusedCode::NotServing);
    // The refused one erased the key of the last.
    let reply = deployment.derive(&last).unwrap();
    let refused = enclave
        .unseal(&deployment.recipient.arn, &reply, &deployment.bundle)
        .refusal();
    assert_eq!(refused.code, RefusedCode::NotServing);
}

#[test]
fn p2_the_bundle_of_another_deployment_does_not_open() {
    let (ours, theirs) = (Deployment::born(), Deployment::born());
    let enclave = ours.measured();
    let reply = ours.derive(&enclave.kms_document()).unwrap();
    refuses(&enclave, &ours, &reply, &theirs.bundle);
}

#[test]
fn p2_kms_refuses_every_other_register() {
    let deployment = Deployment::born();
    let other = Pcr([0xee; 48]);
    let enclave = deployment.measured();
    let document = enclave.kms_document();
    for register in [0, 16, 17] {
        let mut pins = deployment.pins();
        match register {
            0 => pins.releases[0].pcr0 = other,
            16 => pins.deployment = other,
            _ => pins.anchor = other,
        }
        deployment.put_policy(&pins);
        let refused = deployment.derive(&document).unwrap_err();
        assert!(refused.contains("AccessDenied"), "PCR{register}: {refused}");
    }
    deployment.put_policy(&deployment.pins());
    let reply = deployment.derive(&document).unwrap();
    let _: Unsealed = enclave
        .unseal(&deployment.recipient.arn, &reply, &deployment.bundle)
        .reply();
}

/// Whoever has a deployment's g0 can measure it alone, and a manifest of their own making cannot follow it.
#[test]
fn p2_manifests_that_do_not_follow_are_refused() {
    let deployment = Deployment::born();
    let stranger = Deployment::unborn();
    let (born, _) = stranger.genesis();
    let theirs = stranger.next_manifest(&born);
    let mut unsigned = deployment.links.clone();
    unsigned[1].signatures.clear();
    let mut by_operator = deployment.links.clone();
    let body = by_operator[1].body.clone();
    by_operator[1] = writing::sign(body, &[&deployment.operator]).unwrap();
    let mut changed = deployment.links.clone();
    changed[1].body.push(b' ');
    for (what, links) in [
        ("g1 of others", vec![deployment.links[0].clone(), theirs]),
        ("g1 unsigned", unsigned),
        ("g1 by an operator", by_operator),
        ("g1 changed", changed),
        ("g1 alone", deployment.links[1..].to_vec()),
        ("nothing", Vec::new()),
    ] {
        let enclave = deployment.start();
        let refused = enclave.measure(&links).refusal();
        assert_eq!(refused.code, RefusedCode::Invalid, "{what}");
    }
}

#[test]
fn p2_g0_alone_opens_nothing() {
    let deployment = Deployment::born();
    let enclave = deployment.start();
    let _: Measured = enclave.measure(&deployment.links[..1]).reply();
    let refused = enclave
        .control
        .ask(claviger_shared::wire::FrameType::AttestKms, &())
        .refusal();
    assert_eq!(refused.code, RefusedCode::NotServing);
}

#[test]
fn p2_registers_must_be_untouched_and_are_measured_once() {
    let deployment = Deployment::born();
    for register in [16, 17] {
        let module = Touched::at(deployment.module(&deployment.measurements), register);
        let enclave = deployment.start_on(Arc::new(module));
        let refused = enclave.measure(&deployment.links).refusal();
        assert_eq!(refused.code, RefusedCode::Invalid, "PCR{register}");
        assert!(
            refused.reason.contains("PCR16 or PCR17"),
            "{}",
            refused.reason
        );
    }
    let enclave = deployment.measured();
    let refused = enclave.measure(&deployment.links).refusal();
    assert_eq!(refused.code, RefusedCode::NotServing, "a second Measure");
}

#[test]
fn p2_debug_mode_and_unreleased_builds_are_refused() {
    let deployment = Deployment::born();
    let mut other = deployment.measurements.clone();
    other.pcr2[47] ^= 1;
    for (measurements, reason) in [
        (deployment.measurements.debug(), "debug mode"),
        (other, "not released"),
    ] {
        let module = deployment.module(&measurements);
        let enclave = deployment.start_on(Arc::new(module));
        let refused = enclave.measure(&deployment.links).refusal();
        assert!(refused.reason.contains(reason), "{}", refused.reason);
    }
}

#[test]
fn p2_genesis_happens_once() {
    let deployment = Deployment::born();
    // Not under g1, and not over a log that is there.
    let enclave = deployment.measured();
    assert_eq!(enclave.genesis().refusal().code, RefusedCode::NotServing);
    let enclave = deployment.start();
    let _: Measured = enclave.measure(&deployment.links[..1]).reply();
    let refused = enclave.genesis().refusal();
    assert!(
        refused.reason.contains("genesis happens once"),
        "{}",
        refused.reason
    );
    let _: PhaseEvent = enclave
        .control
        .event(|event: &PhaseEvent| event.phase == Phase::Stopped);
    assert_eq!(deployment.store.entries().len(), 1);
}

#[test]
fn p2_a_log_that_is_not_this_deployments_is_refused() {
    let deployment = Deployment::born();
    let _ = deployment.boot();
    let honest = deployment.store.entries();
    deployment.store.replace(Vec::new());
    assert_eq!(deployment.refuses_to_boot(), "log refused: log is empty");
    let other = Deployment::born();
    deployment.store.replace(other.store.entries());
    assert_eq!(
        deployment.refuses_to_boot(),
        "log refused: entry 0 does not verify"
    );
    let mut changed = honest.clone();
    changed[1].records[0][20] ^= 1;
    deployment.store.replace(changed);
    assert_eq!(
        deployment.refuses_to_boot(),
        "log refused: entry 1 does not verify"
    );
    deployment.store.replace(honest[1..].to_vec());
    assert_eq!(
        deployment.refuses_to_boot(),
        "log refused: entry 0 does not verify"
    );
    deployment.store.replace(honest);
    let _ = deployment.boot();
}

#[test]
fn p2_a_log_of_a_genesis_that_g1_does_not_name_is_refused() {
    // Two births under one g0: the second has another root, whose bundle g1 does not name.
    let deployment = Deployment::born();
    let first = deployment.store.entries();
    deployment.store.replace(Vec::new());
    let (second, _) = deployment.genesis();
    let log_of_second = deployment.store.entries();
    deployment.store.replace(log_of_second);
    assert_eq!(
        deployment.refuses_to_boot(),
        "log refused: entry 0 does not verify"
    );
    let enclave = deployment.measured();
    let reply = deployment.derive(&enclave.kms_document()).unwrap();
    refuses(&enclave, &deployment, &reply, &second.bundle);
    deployment.store.replace(first);
    let _ = deployment.boot();
}

#[test]
fn p2_a_swapped_key_blob_stops_the_boot() {
    let (deployment, enclave) = Deployment::serving();
    enclave.crash();
    let mut blobs = deployment.store.blobs();
    for bytes in blobs.values_mut() {
        bytes[8] ^= 1;
    }
    deployment.store.replace_blobs(blobs);
    let reason = deployment.refuses_to_boot();
    assert!(reason.contains("blob"), "{reason}");
}
