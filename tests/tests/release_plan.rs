//! A plan of `claviger release plan`, applied to the mock KMS: the new build derives before it boots, the old one until it is
//! retired and not after it, and the way back is a plan like any other.

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rsa::{KeySize, PrivateDecryptingKey},
};
use aws_nitro_enclaves_nsm_api::api::{Request, Response};
use claviger_cli::{
    ceremony::{
        manifest,
        plan::Build,
        policy::{Pins, judge},
    },
    owner::release::{self, Plan, Stage},
};
use claviger_enclave::platform::Nsm;
use claviger_shared::{
    crypto::sha384,
    id::Pcr,
    label,
    owner::manifest::{Release, chain::Chain},
};
use claviger_sim::nsm::Measurements;
use claviger_tests::deployment::{Deployment, parties};
use claviger_verify::ring_verifier::RingVerifier;
use serde_bytes::ByteBuf;

/// A deployment with the documents that builds of it would bring.
struct Bench {
    deployment: Deployment,
    public: Vec<u8>,
}

fn build(release: &Release) -> Build {
    Build {
        version: release.version.to_string(),
        pcr0: release.pcr0,
        pcr1: release.pcr1,
        pcr2: release.pcr2,
    }
}

fn newer() -> Build {
    Build {
        version: "9.0.0".to_owned(),
        pcr0: Pcr([0xb0; 48]),
        pcr1: Pcr([0xb1; 48]),
        pcr2: Pcr([0xb2; 48]),
    }
}

impl Bench {
    fn new() -> Self {
        let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        let public: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
        Self {
            deployment: Deployment::born(),
            public: public.as_ref().to_vec(),
        }
    }

    /// Whether KMS lets the host derive for a build that booted under an anchor.
    fn derives(&self, build: &Build, anchor: &[u8]) -> bool {
        let measurements = Measurements {
            pcr0: build.pcr0.0,
            pcr1: build.pcr1.0,
            pcr2: build.pcr2.0,
            ..self.deployment.measurements.clone()
        };
        let module = self.deployment.module(&measurements);
        for (index, label, bytes) in [
            (16, label::PCR_DEPLOYMENT, self.deployment.g0()),
            (17, label::PCR_ANCHOR, anchor),
        ] {
            let data = sha384(&[label, bytes]).0.to_vec();
            module.process(Request::ExtendPCR { index, data });
            module.process(Request::LockPCR { index });
        }
        let asked = Request::Attestation {
            user_data: None,
            nonce: None,
            public_key: Some(ByteBuf::from(self.public.clone())),
        };
        let Response::Attestation { document } = module.process(asked) else {
            panic!("no document");
        };
        let derived = self.deployment.derive(&document);
        derived
            .inspect_err(|refused| assert!(refused.contains("AccessDenied"), "{refused}"))
            .is_ok()
    }

    /// Puts a stage's policy, which must be sound under its manifest.
    fn put(&self, chain: &Chain, stage: &Stage) {
        let pins = Pins::under(chain, &stage.proposal.body).unwrap();
        let wanted = judge::Wanted {
            key: Some(&self.deployment.recipient.arn),
            parties: &parties(),
            pins: Some(&pins),
        };
        let found = judge::policy(stage.policy.to_string().as_bytes(), &wanted);
        assert!(found.is_empty(), "{found:#?}");
        self.deployment.put_rendered(&stage.policy);
    }

    /// The chain with a stage's manifest, signed as owners do.
    fn set(&self, chain: &Chain, stage: &Stage) -> Chain {
        let signed = manifest::sign(stage.proposal.body.clone(), &[&self.deployment.owner]);
        chain.extended(&signed.unwrap(), &RingVerifier).unwrap()
    }
}

fn sids(list: &[serde_json::Value]) -> Vec<&str> {
    list.iter()
        .map(|one| one["Sid"].as_str().unwrap())
        .collect()
}

#[test]
fn an_upgrade_and_the_way_back_hold_at_kms() {
    let bench = Bench::new();
    let (old, new) = (build(&bench.deployment.release()), newer());
    let g1 = bench.deployment.links[1].body.clone();
    let chain = bench.deployment.verified_chain();
    assert!(bench.derives(&old, &g1) && !bench.derives(&new, &g1));

    let plan = release::plan(&chain, &parties(), &new).unwrap();
    assert!(!plan.is_rollback);
    let (admit, retire) = (plan.admit.unwrap(), plan.retire.unwrap());
    assert!(!admit.proposal.manifest.anchor && retire.proposal.manifest.anchor);
    assert_eq!(sids(&admit.difference.added), ["Release9x0x0"]);
    assert!(admit.difference.removed.is_empty());
    let changed: Vec<_> = admit
        .difference
        .changed
        .iter()
        .map(|(_, after)| after.clone())
        .collect();
    assert_eq!(sids(&changed), ["OnlyPcr0", "OnlyPcr1", "OnlyPcr2"]);
    bench.put(&chain, &admit);
    assert!(
        bench.derives(&old, &g1) && bench.derives(&new, &g1),
        "both, before the new one boots"
    );
    let chain = bench.set(&chain, &admit);

    let version = format!("Release{}", old.version.replace('.', "x"));
    assert_eq!(sids(&retire.difference.removed), [version.as_str()]);
    assert!(retire.difference.added.is_empty());
    let changed: Vec<_> = retire
        .difference
        .changed
        .iter()
        .map(|(_, after)| after.clone())
        .collect();
    assert_eq!(
        sids(&changed),
        ["OnlyPcr0", "OnlyPcr1", "OnlyPcr2", "OnlyPcr17"]
    );
    bench.put(&chain, &retire);
    let chain = bench.set(&chain, &retire);
    let anchor = retire.proposal.body.clone();
    assert!(bench.derives(&new, &anchor));
    for (build, anchor) in [(&old, &g1), (&old, &anchor), (&new, &g1)] {
        assert!(
            !bench.derives(build, anchor),
            "{} is retired",
            build.version
        );
    }

    back(&bench, &chain, &old, &new, &anchor);
}

/// From the newer build, which alone may run, to the older one.
fn back(bench: &Bench, chain: &Chain, old: &Build, new: &Build, anchor: &[u8]) {
    let plan = release::plan(chain, &parties(), old).unwrap();
    assert!(plan.is_rollback);
    assert!(
        plan.steps("D")
            .iter()
            .any(|step| step.contains("simulation"))
    );
    let (admit, retire) = (plan.admit.unwrap(), plan.retire.unwrap());
    // What was raised comes down again, or the older build would stop by itself.
    let running = admit.proposal.manifest.running.as_ref().unwrap();
    assert_eq!(running.min_version.to_string(), old.version);
    assert!(!admit.proposal.manifest.anchor);
    bench.put(chain, &admit);
    assert!(bench.derives(old, anchor) && bench.derives(new, anchor));
    let chain = bench.set(chain, &admit);
    bench.put(&chain, &retire);
    bench.set(&chain, &retire);
    let anchor = &retire.proposal.body;
    assert!(bench.derives(old, anchor) && !bench.derives(new, anchor));
}

#[test]
fn a_build_that_may_run_already_needs_no_manifest_to_go_back_to() {
    let bench = Bench::new();
    let (old, new) = (build(&bench.deployment.release()), newer());
    let chain = bench.deployment.verified_chain();
    let upgrade = release::plan(&chain, &parties(), &new).unwrap();
    let chain = bench.set(&chain, &upgrade.admit.unwrap());
    let Plan {
        admit,
        retire,
        is_rollback,
        ..
    } = release::plan(&chain, &parties(), &old).unwrap();
    assert!(admit.is_none() && is_rollback);
    let retire = retire.unwrap();
    assert_eq!(sids(&retire.difference.removed), ["Release9x0x0"]);
    bench.set(&chain, &retire);

    let other = Build {
        pcr0: Pcr([1; 48]),
        ..new
    };
    let refused = release::plan(&chain, &parties(), &other).unwrap_err();
    assert!(
        refused.to_string().contains("version of its own"),
        "{refused}"
    );
}

/// Puts another image in the place of the one before.
fn put_image(deployment: &mut Deployment, build: &Build) {
    let release = build.release().unwrap();
    deployment.version = release.version;
    deployment.measurements.pcr0 = release.pcr0.0;
    deployment.measurements.pcr1 = release.pcr1.0;
    deployment.measurements.pcr2 = release.pcr2.0;
}

/// The same with enclaves that really boot, on one log.
#[test]
fn enclaves_boot_by_the_plan_and_the_old_build_no_more_once_it_is_retired() {
    let (mut deployment, enclave) = Deployment::serving();
    enclave.crash();
    let (old, new) = (build(&deployment.release()), newer());
    let plan = release::plan(&deployment.verified_chain(), &parties(), &new).unwrap();
    let signed = |deployment: &Deployment, stage: &Stage| {
        let body = stage.proposal.body.clone();
        manifest::sign(body, &[&deployment.owner]).unwrap()
    };

    let admit = plan.admit.unwrap();
    deployment.put_rendered(&admit.policy);
    let link = signed(&deployment, &admit);
    deployment.links.push(link);
    for build in [&old, &new, &old, &new] {
        put_image(&mut deployment, build);
        deployment.boot().crash();
    }

    let retire = plan.retire.unwrap();
    let link = signed(&deployment, &retire);
    deployment.links.push(link);
    // Set, and its policy not put yet: a restart waits for it.
    let waiting = deployment.measured();
    let document = waiting.kms_document();
    assert!(deployment.derive(&document).is_err());
    deployment.put_rendered(&retire.policy);
    assert!(deployment.derive(&document).is_ok());
    waiting.crash();
    deployment.boot().crash();

    // A host that hides the anchor brings the old build to ask, and no further.
    put_image(&mut deployment, &old);
    deployment.links.pop();
    let hidden = deployment.measured();
    assert!(deployment.derive(&hidden.kms_document()).is_err());
    hidden.crash();
}
