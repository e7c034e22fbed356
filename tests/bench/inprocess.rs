//! In this process, without a socket where there need be none: the serial core's steps, parsing, and a whole call on an
//! enclave whose store is memory.

use crate::{
    asks, aws, cell::Plan, cpu, deployment::Granted, evm, load, reference, run::Run, solana, ssh,
    template, x402,
};
use anyhow::{Context, bail, ensure};
use claviger_client::trust;
use claviger_enclave::{
    core::{Core, Input, Intent, Output, Signed, Verdict},
    vault::Vault,
};
use claviger_kinds::{ToSign, any::AnyCall};
use claviger_shared::{
    call::{self, Sign},
    effect::Effects,
    id::{Digest, KeyId},
    ledger::{Idempotency, Slot},
    time::UnixMs,
};
use claviger_tests::{agent, deployment::Deployment};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// What the figure of reading and matching the reference call is called.
pub const PARSE: &str = "parse a GET";
/// And of deciding it in the core.
pub const ALLOW: &str = "core: allow, 1 budget";
const ROUNDS: u32 = 100_000;
/// Records of an entry, as under load.
const RECORDS: u32 = 64;
/// Bytes of a record, as they are.
const RECORD: usize = 512;

/// A core over the state of a deployment, and what it is asked.
struct Bench {
    core: Core<()>,
    /// Signs nothing: it holds no key. What is measured is the core.
    vault: Vault,
    effects: Arc<Effects>,
    now: UnixMs,
    out: Vec<Output<()>>,
    waiting: u32,
}

/// Every figure, printed and kept by its name in microseconds.
pub fn measure(run: &mut Run) -> anyhow::Result<()> {
    let (deployment, enclave) = Deployment::serving();
    let granted: Vec<_> = (0..8)
        .map(|number| {
            // Each an agent of its own: a share of frames is an agent's.
            let (agent, key) = (format!("bot-{number}"), format!("k_{number}"));
            let made = json!({ "id": key, "kind": "http", "alg": "ed25519", "env": "live", "agent": agent });
            deployment.widen(&enclave, &json!({ "type": "key.create", "key": made }));
            deployment.grant(&enclave, &format!("gr_{number}"), |grant| {
                grant["agent"]["id"] = json!(agent);
                grant["keys"] = json!([key]);
                grant["permissions"] = json!({ "read": ["orders"] });
                grant["credentials"] = json!({ "http": { "profile": "generic", "ttl_s": 60 } });
                grant["budgets"] = json!([{ "unit": "call", "max": "1000000000", "window": "grant" }]);
                if let Some(members) = grant.as_object_mut() {
                    members.remove("allow_minting");
                }
            })
        })
        .collect();
    let spent = deployment.grant(&enclave, "gr_spent", |grant| {
        grant["budgets"] = json!([{ "unit": "call", "max": "1", "window": "grant" }]);
    });
    let state = deployment.audited();
    let slot = |id| state.slot(id).context("no grant");
    let slots = granted
        .iter()
        .map(|grant| slot(&grant.id))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let spent = slot(&spent.id)?;
    let sign = sign_of(agent::read_order("ord_17"));
    let grant = Arc::clone(&state.grant(slots[0]).context("no grant")?.grant);
    let catalog = Arc::clone(state.catalog());
    let parse = |sign: &Sign| AnyCall::parse(sign, &catalog, &grant);
    let effects = parse(&sign)
        .map_err(|_| anyhow::anyhow!("denied"))?
        .effects()
        .clone();
    let mut bench = Bench {
        core: Core::new(state.clone(), 1, Digest([1; 32])),
        vault: Vault::default(),
        effects,
        now: deployment.clock.now(),
        out: Vec::new(),
        waiting: 0,
    };
    let unlisted = asks::unlisted();
    let mut keep = |name: &str, us: f64| {
        println!("{name:<44} {us:>8.2} µs");
        run.inside.push((name.to_owned(), us));
    };
    keep(PARSE, timed(|_| drop(std::hint::black_box(parse(&sign)))));
    keep(
        "parse a GET that nothing lists",
        timed(|_| drop(std::hint::black_box(parse(&unlisted)))),
    );
    let call = parse(&sign).map_err(|_| anyhow::anyhow!("denied"))?;
    let reference = reference::Bench::new(call, &grant, deployment.clock.now())?;
    reference.check()?;
    keep(reference::MADE, timed(|_| reference.make()));
    keep(reference::RECORD, timed(|_| reference.record()));
    keep(reference::ANSWER, timed(|_| reference.answer()));
    let aws = aws::Bench::new(&grant, deployment.clock.now())?;
    aws.check()?;
    keep("aws: parse a GET of S3", timed(|_| aws.parse()));
    keep("aws: sign it", timed(|_| aws.sign()));
    let evm = evm::Bench::transfer(&grant, deployment.clock.now())?;
    evm.check()?;
    keep("evm: parse a transfer", timed(|_| evm.parse()));
    keep("evm: sign it", timed(|_| evm.sign()));
    keep("evm: secp256k1 alone", timed(|_| evm.raw()));
    let list = evm::Bench::list(&grant, deployment.clock.now())?;
    list.check()?;
    keep(
        "evm: parse a call with a list of 64",
        timed(|_| list.parse()),
    );
    keep("evm: sign a call with a list of 64", timed(|_| list.sign()));
    let x402 = x402::Bench::new(&grant, deployment.clock.now())?;
    x402.check()?;
    keep("secp256k1: sign 66 bytes", timed(|_| x402.curve()));
    keep("x402: parse a demand", timed(|_| x402.parse()));
    keep("x402: sign it", timed(|_| x402.sign()));
    let solana = solana::Bench::new(&grant, deployment.clock.now())?;
    solana.check()?;
    keep("ed25519: sign 300 bytes", timed(|_| solana.curve()));
    keep("solana: parse a message", timed(|_| solana.parse()));
    keep("solana: sign it", timed(|_| solana.sign()));
    let ssh = ssh::Bench::new(&grant, deployment.clock.now())?;
    keep("ssh: parse a certificate", timed(|_| ssh.parse(0)));
    keep("ssh: sign the certificate", timed(|_| ssh.sign(0)));
    keep("ssh: parse a commit", timed(|_| ssh.parse(1)));
    keep("ssh: sign the commit", timed(|_| ssh.sign(1)));
    let template = template::Bench::new(&grant, deployment.clock.now())?;
    template.check()?;
    keep("template: parse a GET", timed(|_| template.parse()));
    keep("template: sign it with HMAC", timed(|_| template.sign()));
    keep(
        "core: allow, 8 budgets",
        bench.timed(|bench, round| bench.allow(slots[round as usize % 8], None))?,
    );
    keep(ALLOW, bench.timed(|bench, _| bench.allow(slots[0], None))?);
    bench.allow(spent, None)?;
    bench.flush();
    keep(
        "core: deny, budget spent",
        bench.timed(|bench, _| bench.deny(spent))?,
    );
    let once = Idempotency {
        key: Digest([2; 32]),
        input: Digest([3; 32]),
    };
    bench.allow(slots[1], Some(once))?;
    bench.flush();
    keep(
        "core: replay of an idempotency key",
        bench.timed(|bench, _| bench.again(slots[1], once))?,
    );
    keep(
        "core: simulate",
        bench.timed(|bench, _| bench.simulate(slots[2]))?,
    );
    whole(run, &deployment, &enclave, &granted)
}

const fn sign_of(input: call::Input) -> Sign {
    Sign {
        input,
        idempotency_key: None,
    }
}

/// CPU of one round since a moment, in microseconds.
fn each(start: u64) -> f64 {
    (cpu::this_thread() - start) as f64 / 1e3 / f64::from(ROUNDS)
}

fn timed(mut work: impl FnMut(u32)) -> f64 {
    let start = cpu::this_thread();
    for round in 0..ROUNDS {
        work(round);
    }
    each(start)
}

impl Bench {
    fn timed(
        &mut self,
        mut work: impl FnMut(&mut Self, u32) -> anyhow::Result<()>,
    ) -> anyhow::Result<f64> {
        let start = cpu::this_thread();
        for round in 0..ROUNDS {
            work(self, round)?;
        }
        Ok(each(start))
    }

    fn decide(
        &mut self,
        slot: Slot,
        simulate: bool,
        idempotency: Option<Idempotency>,
    ) -> anyhow::Result<Verdict> {
        let state = self.core.state();
        let intent = Intent {
            slot,
            grant: Arc::clone(&state.grant(slot).context("no grant")?.grant),
            catalog: Arc::clone(state.catalog()),
            effects: self.effects.clone(),
            source: agent::SOURCE,
            simulate,
            idempotency,
        };
        self.core
            .step(self.now, Input::Intent(intent), &mut self.out);
        match self.out.pop() {
            Some(Output::Decided(verdict)) => Ok(verdict),
            other => bail!("{other:?}"),
        }
    }

    fn allow(&mut self, slot: Slot, idempotency: Option<Idempotency>) -> anyhow::Result<()> {
        let Verdict::Reserved(reserved) = self.decide(slot, false, idempotency)? else {
            bail!("not reserved")
        };
        let (spent, _) = self.vault.sign(reserved, &ToSign::Message(Vec::new()));
        let signed = Signed {
            spent,
            nonce: [4; 16],
            record: vec![0; RECORD],
            hash: Digest([5; 32]),
            effects: self.effects.clone(),
            waiting: (),
        };
        self.core
            .step(self.now, Input::Signed(signed), &mut self.out);
        self.waiting += 1;
        if self.waiting == RECORDS {
            self.flush();
        }
        Ok(())
    }

    fn flush(&mut self) {
        self.core.step(self.now, Input::Begin, &mut self.out);
        let root = Digest([6; 32]);
        self.core
            .step(self.now, Input::Stored { root }, &mut self.out);
        self.out.clear();
        self.waiting = 0;
    }

    fn deny(&mut self, slot: Slot) -> anyhow::Result<()> {
        let verdict = self.decide(slot, false, None)?;
        ensure!(matches!(verdict, Verdict::Denied(_)), "{verdict:?}");
        Ok(())
    }

    fn again(&mut self, slot: Slot, once: Idempotency) -> anyhow::Result<()> {
        let verdict = self.decide(slot, false, Some(once))?;
        ensure!(matches!(verdict, Verdict::Again { .. }), "{verdict:?}");
        Ok(())
    }

    fn simulate(&mut self, slot: Slot) -> anyhow::Result<()> {
        let verdict = self.decide(slot, true, None)?;
        ensure!(matches!(verdict, Verdict::Simulated { .. }), "{verdict:?}");
        Ok(())
    }
}

/// Frame in, frame out: client, enclave and store are threads of this process, between them Unix sockets.
fn whole(
    run: &mut Run,
    deployment: &Deployment,
    enclave: &claviger_tests::deployment::Enclave,
    granted: &[claviger_tests::owner::Granted],
) -> anyhow::Result<()> {
    let nonce = [7; 32];
    let document = enclave.attest(&nonce);
    let (chain, entry) = (deployment.verified_chain(), deployment.boot_entry());
    let trusted = trust::check(chain, &document, &nonce, &entry, deployment.clock.now().0)?;
    let state = deployment.audited();
    let mut agents = Vec::new();
    for (number, granted) in granted.iter().enumerate() {
        let key = KeyId::parse(&format!("k_{number}"))?;
        agents.push(Granted {
            grant: granted.id.clone(),
            secret: granted.secret,
            public: state.key(&key).context("no key")?.public.clone(),
        });
    }
    let ask = asks::sign(sign_of(agent::read_order("ord_17")));
    let lane = load::direct::connect(enclave.socket(), &trusted, &agents, &ask)?;
    let stop = Arc::new(AtomicBool::new(false));
    // The deployment's clock stands still until it is moved.
    let ticker = std::thread::spawn({
        let (stop, clock) = (Arc::clone(&stop), deployment.clock.clone());
        move || {
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
                clock.advance_ms(1);
            }
        }
    });
    let plan = Plan {
        name: "in one process, memory for a store".to_owned(),
        depth: 64,
        // Its store forgets nothing, and neither does what listens in on it.
        length: Duration::from_millis(500),
        pids: Vec::new(),
        log: None,
    };
    let kept = plan.keep(run, vec![lane]);
    stop.store(true, Ordering::Relaxed);
    let _ = ticker.join();
    kept
}
