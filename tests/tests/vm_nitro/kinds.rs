//! Every algorithm whose keys are born inside makes one and signs with it in the production image, under its list of system calls:
//! what a library asks of the kernel only then would end the machine.

use crate::{
    guest::{Guest, order, receipt},
    stage::grant,
};
use anyhow::{Context, ensure};
use claviger_cli::owner::key::NewKey;
use claviger_shared::{
    call::{Input, JwtInput, Sign},
    effect::{Env, Kind},
    id::{AgentId, KeyId},
    owner::command::Alg,
};
use claviger_tests::{
    solana, ssh, template,
    vm::{Part, nitro},
    x402,
};
use serde_json::{Value, json};

/// The algorithms that each kind's keys are born with.
const BORN: [(Kind, Alg); 14] = [
    (Kind::Http, Alg::Ed25519),
    (Kind::Http, Alg::P256),
    (Kind::Http, Alg::Ps512),
    (Kind::Jwt, Alg::Ed25519),
    (Kind::Jwt, Alg::P256),
    (Kind::Jwt, Alg::Rs256),
    (Kind::Evm, Alg::Secp256k1),
    (Kind::Solana, Alg::Ed25519),
    (Kind::Ssh, Alg::Ed25519),
    (Kind::Ssh, Alg::P256),
    (Kind::Template, Alg::Ed25519),
    (Kind::Template, Alg::P256),
    (Kind::Template, Alg::P521),
    (Kind::Template, Alg::Rs256),
];

/// The simulation's catalog and those of the kinds' tests.
fn catalog() -> anyhow::Result<Value> {
    let mut all: Value = serde_json::from_str(include_str!("../../../sim/src/up/catalog.json"))?;
    for more in [
        ssh::catalog(),
        template::catalog(),
        x402::catalog(),
        solana::catalog(),
    ] {
        for part in ["resources", "assets"] {
            for (name, meaning) in more[part].as_object().into_iter().flatten() {
                all[part][name] = meaning.clone();
            }
        }
    }
    Ok(all)
}

/// What a key of a kind, with this account on a chain, is asked to sign, and the resource it is for.
fn call(kind: Kind, alg: &str, account: Option<&str>) -> anyhow::Result<(Input, String)> {
    Ok(match kind {
        Kind::Http => (order(1).input, "order_history".to_owned()),
        Kind::Jwt => {
            let token = JwtInput {
                profile: "assertion".to_owned(),
                audience: "https://idp.example.com/token".to_owned(),
                nonce: None,
                ttl_s: None,
                method: None,
                url: None,
                ath: None,
                wit: None,
            };
            (Input::Jwt(token), "tokens".to_owned())
        }
        Kind::Evm => (x402::input(&x402::requirements("1")), "data".to_owned()),
        Kind::Solana => {
            let own = solana::key(account.context("no address")?);
            let to = solana::key(solana::PAYEE);
            let coins = solana::build::transfer(own, to, 1);
            (solana::input(own, &[coins]), "coins".to_owned())
        }
        Kind::Ssh => (
            ssh::certificate(ssh::PUBLIC_KEY, &["deploy"], None),
            "hosts".to_owned(),
        ),
        Kind::Template => (
            template::input(template::quote(alg)),
            format!("quotes-{alg}"),
        ),
        other => anyhow::bail!("no key of {other:?} is born"),
    })
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs QEMU's nitro-enclave: make vm-nitro-test"]
async fn every_algorithm_is_born_and_signs_in_the_image() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let nitro = nitro::start(dir.path(), nitro::MEMORY)?;
    let guest = Guest::of(dir, nitro.vm, &nitro.address).await?;
    let machine = guest.vm.pid(Part::Guest).context("no machine")?;
    let mut desk = guest.stage.desk().await?;
    desk.set_catalog(catalog()?.to_string().as_bytes(), &[])
        .await?;
    for (kind, alg) in BORN {
        let word = serde_json::to_value(alg)?;
        let word = word.as_str().context("no word")?;
        let name = format!("{}-{word}", kind.as_str());
        let id = format!("k_{kind}_{word}", kind = kind.as_str());
        let key = NewKey {
            name: KeyId::parse(&id).ok(),
            kind,
            alg,
            env: Env::Live,
            agent: AgentId::parse(&name).ok(),
        };
        desk.create_key(&key).await?;
        let shown = desk.show_key(&KeyId::parse(&id).ok().context("no name")?)?;
        let (input, resource) = call(kind, word, shown["address"].as_str())?;
        let mut wanted = grant(100, 5000, 20_000);
        wanted["agent"]["id"] = json!(name);
        wanted["keys"] = json!([id]);
        let verb = if kind == Kind::Http || kind == Kind::Template {
            "read"
        } else {
            "write"
        };
        wanted["permissions"] = json!({"read": [], "write": [], "delete": []});
        wanted["permissions"][verb] = json!([resource]);
        wanted["allow_minting"] = json!(["tokens"]);
        wanted["allow_identity_only"] = json!(["hosts"]);
        wanted["budgets"] = json!([
            {"unit": "call", "max": "100", "window": "grant"},
            {"unit": "usdc.base-sepolia", "max": "1000", "window": "grant"},
            {"unit": "sol", "max": "100000", "window": "grant"},
        ]);
        let agent = guest.stage.agent_by(&mut desk, &name, &wanted).await?;
        let sign = Sign {
            input,
            idempotency_key: None,
        };
        let receipt = receipt(&agent, sign).await;
        let receipt = receipt.with_context(|| format!("{name}\n{}", guest.vm.console()))?;
        ensure!(!receipt.is_empty(), "{name}");
        println!("{name}: born, and signs");
    }
    let same = guest.vm.pid(Part::Guest) == Some(machine);
    ensure!(same, "the same machine, without a second boot");
    guest.stop().await
}
