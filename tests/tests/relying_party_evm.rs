//! What a whole deployment signs for a chain is what eth-account reads and recovers, and a chain in memory (py-evm) never moves
//! more by it than was charged.
//!
//! Without Python the test says so and passes, except in continuous integration.

use anyhow::ensure;
use claviger_shared::{
    call::{EvmInput, Input},
    credential::{Credential, Issued},
    time::Millis,
};
use claviger_tests::{
    agent::Agent,
    evm::{
        CHAIN, OTHER, PAYEE, POOL, TOKEN, address, approve, basket, data, order, serving, sign_in,
        spread, transaction, transfer, tx, typed,
    },
    python::{self, Script},
};
use serde_json::{Value, json};

/// Random calls of each run.
const RANDOM: u64 = 120;

/// Numbers that are alike in every run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % below
    }

    /// A number of any length, zero among them.
    fn amount(&mut self) -> u128 {
        let bits = self.roll(90);
        (u128::from(self.roll(u64::MAX)) << 64 | u128::from(self.roll(u64::MAX)))
            & ((1 << bits) - 1)
    }
}

/// `deposit(uint256,bool)` of the pool, with coin sent along.
fn deposit(nonce: u64, value: u128, amount: u128) -> Value {
    let data = data("9a408321", &[&format!("{amount:x}"), "1"]);
    transaction(nonce, POOL, value, &data)
}

/// A transaction of any route and size.
fn random(dice: &mut Dice, nonce: u64) -> Value {
    let mut value = match dice.roll(4) {
        0 => transaction(nonce, PAYEE, dice.amount(), "0x"),
        1 => transfer(nonce, dice.amount()),
        2 => approve(nonce, dice.amount()),
        _ => deposit(nonce, dice.amount(), u128::from(dice.roll(1001))),
    };
    value["gas"] = json!(21_000 + dice.roll(200_000));
    if dice.roll(4) == 0 {
        let members = value.as_object_mut().into_iter();
        for members in members {
            members.remove("maxPriorityFeePerGas");
            members.remove("maxFeePerGas");
            members.insert(
                "gasPrice".to_owned(),
                json!(format!("{:#x}", 1_000_000_000 + dice.roll(1_000_000))),
            );
        }
    } else {
        value["maxFeePerGas"] = json!((1_000_000_000 + dice.amount() % (1 << 40)).to_string());
        value["maxPriorityFeePerGas"] = json!(dice.roll(1_000_000_000));
    }
    value
}

fn sent(agent: &Agent, value: &Value) -> anyhow::Result<(Value, Issued)> {
    let issued = agent.sign(tx(value));
    let issued = issued
        .map_err(|denial| anyhow::anyhow!("{denial:?} for {value}"))?
        .issued;
    let Some(Credential::Evm { raw_tx, tx_hash }) = &issued.credential else {
        anyhow::bail!("another kind");
    };
    let line = json!({"raw_tx": raw_tx, "tx_hash": tx_hash, "tx": value});
    Ok((line, issued))
}

fn signature(issued: &Issued) -> anyhow::Result<&str> {
    match &issued.credential {
        Some(Credential::EvmSignature { signature }) => Ok(signature),
        _ => anyhow::bail!("another kind"),
    }
}

fn charged(issued: &Issued, unit: &str) -> u128 {
    let list = issued
        .charged
        .iter()
        .filter(|charge| charge.unit.as_str() == unit);
    list.map(|charge| charge.amount.0).sum()
}

#[test]
fn another_library_reads_what_is_signed_and_whose_it_is() -> anyhow::Result<()> {
    if !python::is_there()? {
        return Ok(());
    }
    let mut script = Script::start("verify_evm.py")?;
    let (deployment, enclave, granted) = serving(|_| {});
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let account = json!(address(&deployment, "k_evm"));
    let mut check = |mut line: Value| -> anyhow::Result<()> {
        line["account"] = account.clone();
        let said = script.ask(&line)?;
        ensure!(said == "ok", "{said}: {line}");
        // Another account's, and another signature.
        line["account"] = json!(OTHER);
        ensure!(script.ask(&line)? != "ok", "{line}");
        line["account"] = account.clone();
        for member in ["raw_tx", "signature"] {
            if let Some(text) = line[member].as_str() {
                let at = text.len() - 20;
                let digit = if text.as_bytes()[at] == b'0' {
                    "1"
                } else {
                    "0"
                };
                line[member] = json!([&text[..at], digit, &text[at + 1..]].concat());
            }
        }
        ensure!(script.ask(&line)? != "ok", "{line}");
        Ok(())
    };
    let mut dice = Dice(7);
    for nonce in 0..RANDOM {
        check(sent(&agent, &random(&mut dice, nonce))?.0)?;
    }
    for (nonce, parts) in [
        (RANDOM, &[(PAYEE, 5)][..]),
        (RANDOM + 1, &[(OTHER, 0), (PAYEE, 999)]),
    ] {
        let (mut line, _) = sent(&agent, &spread(nonce, parts, "thanks"))?;
        let parts = parts
            .iter()
            .map(|(whom, amount)| json!([whom, amount.to_string()]));
        let parts: Vec<_> = parts.collect();
        line["call"] = json!({"name": "spread", "types": ["(address,uint256)[]", "string"], "values": [parts, "thanks"]});
        check(line)?;
    }
    let now = deployment.clock.now();
    let until = now.secs() + 60;
    let orders = ["0", "1", "500"].map(|amount| order(amount, until));
    let baskets = [&["1"][..], &["5", "0", "995"]].map(|prices| basket(prices, until));
    for data in orders.into_iter().chain(baskets) {
        let issued = agent
            .sign(typed(&data))
            .map_err(|denial| anyhow::anyhow!("{denial:?}"))?
            .issued;
        check(json!({"typed_data": data, "signature": signature(&issued)?}))?;
    }
    let text = sign_in(
        &address(&deployment, "k_evm"),
        &now.plus(Millis(60_000)).to_string(),
    );
    let input = Input::Evm(EvmInput::SignIn(text.clone()));
    let issued = agent
        .sign(input)
        .map_err(|denial| anyhow::anyhow!("{denial:?}"))?
        .issued;
    check(json!({"sign_in": text, "signature": signature(&issued)?}))?;
    script.stop()
}

#[test]
fn a_chain_never_moves_more_than_was_charged() -> anyhow::Result<()> {
    if !python::is_there()? {
        return Ok(());
    }
    let mut chain = Script::start("evm_chain.py")?;
    let (deployment, enclave, granted) = serving(|_| {});
    let agent = Agent::connect(&deployment, &enclave, &granted);
    let account = address(&deployment, "k_evm");
    let ready = chain.ask(
        &json!({"account": account, "chain": CHAIN, "payee": PAYEE, "token": TOKEN, "pool": POOL}),
    )?;
    ensure!(ready == "ready", "{ready}");
    let mut carry_out = |value: &Value, moves: Option<u128>| -> anyhow::Result<Value> {
        let (line, issued) = sent(&agent, value)?;
        let mut line = json!({
            "raw_tx": line["raw_tx"], "coin": charged(&issued, "eth").to_string(), "token": charged(&issued, "usd").to_string(),
        });
        if let Some(moves) = moves {
            line["moves"] = json!(moves.to_string());
        }
        let said = chain.ask(&line)?;
        ensure!(said == "ok", "{said}: {value}");
        Ok(line)
    };
    let exact = [
        (transaction(0, PAYEE, 77, "0x"), 0),
        (transfer(1, 5_000_000), 5_000_000),
        (approve(2, 70), 70),
        (approve(3, 0), 0),
        (deposit(4, 9, 1000), 0),
    ];
    for (value, moves) in &exact {
        carry_out(value, Some(*moves))?;
    }
    let mut dice = Dice(11);
    for nonce in 5..5 + RANDOM {
        carry_out(&random(&mut dice, nonce), None)?;
    }
    // A chain takes each once, and the test can fail: charged less than is moved.
    let mut less = carry_out(&transfer(5 + RANDOM, 3), Some(3))?;
    ensure!(chain.ask(&less)?.contains("nonce"), "taken twice");
    let (line, _) = sent(&agent, &transfer(6 + RANDOM, 3))?;
    less["raw_tx"] = line["raw_tx"].clone();
    less["token"] = json!("2");
    let said = chain.ask(&less)?;
    ensure!(said.contains("3 of the token moved, 2 charged"), "{said}");
    chain.stop()
}
