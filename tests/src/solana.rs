//! Transactions of the `solana` kind, and a deployment whose agent signs them.

pub mod build;

use crate::{
    agent::Agent,
    deployment::{Deployment, Enclave},
    import,
    owner::Granted,
};
use build::{Call, Raw};
use claviger_shared::{
    call::{Input, solana::SolanaInput},
    solana::{ASSOCIATED_TOKEN, Pubkey, TOKEN, TokenProgram},
};
use serde_json::{Value, json};

/// Mainnet.
pub const NETWORK: &str = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp";
/// USDC there.
pub const MINT: &str = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";
/// Who may be paid.
pub const PAYEE: &str = "ErUUQhxai9qvXE2eB3V4PGLTJDNd4KFw9d9AnQFSArKz";
/// Who may not.
pub const OTHER: &str = "3wt5SGySRNayXvR7N7izyCHfAfg378jTqfq9gQTSJEYd";
/// Who pays the fees where another does: the key of the seed of 32 bytes of 5.
pub const PAYER: &str = "8SFqwqnq4whPhs8icwHA2hQg3hUoN1qrCLK1SBx3WKwe";

/// What the names of this module's grants mean.
#[must_use]
pub fn catalog() -> Value {
    let route =
        |asset: &str| json!({"kind": "solana", "network": NETWORK, "asset": asset, "to": [PAYEE]});
    let with = |mut route: Value, member: &str, value: Value| {
        route[member] = value;
        route
    };
    json!({
        "v": 1,
        "resources": {
            "coins": [route("sol")],
            "usdc": [with(with(route("usdc.solana"), "rent", json!("2039280")), "memo", json!(true))],
            "sponsored": [with(route("usdc.solana"), "fee_payer", json!([PAYER]))],
        },
        "assets": {
            "usdc.solana": {"cluster": NETWORK, "mint": MINT, "decimals": 6},
            "sol": {"cluster": NETWORK, "native": true, "decimals": 9},
        },
    })
}

/// The bytes of an address.
///
/// # Panics
///
/// For a text that is none.
#[must_use]
pub fn key(text: &str) -> [u8; 32] {
    Pubkey::parse(text).unwrap().0
}

/// Where an owner's USDC is kept.
///
/// # Panics
///
/// Never.
#[must_use]
pub fn tokens_of(owner: [u8; 32]) -> [u8; 32] {
    let mint = Pubkey(key(MINT));
    let account = Pubkey::associated(&Pubkey(owner), &mint, TokenProgram::Token);
    account.unwrap().0
}

/// USDC from one to another.
#[must_use]
pub fn usdc(from: [u8; 32], to: [u8; 32], amount: u64) -> Call {
    let accounts = (tokens_of(from), from);
    build::transfer_checked(TOKEN.0, key(MINT), accounts, tokens_of(to), (amount, 6))
}

/// Somebody's account for USDC.
#[must_use]
pub fn create(funder: [u8; 32], owner: [u8; 32]) -> Call {
    let programs = (ASSOCIATED_TOKEN.0, TOKEN.0);
    build::create(programs, funder, (tokens_of(owner), owner), key(MINT))
}

/// A call for a message of version 0.
#[must_use]
pub fn input(payer: [u8; 32], calls: &[Call]) -> Input {
    Input::Solana(SolanaInput {
        message: Raw::of(Some(0x80), payer, calls).bytes().into(),
    })
}

/// A grant that pays in lamports, 100,000 in all, and in tokens, 60,000 at once and 100,000 in all.
pub fn grant(grant: &mut Value) {
    grant["keys"] = json!(["k_sol"]);
    grant["permissions"] =
        json!({"read": [], "write": ["coins", "sponsored", "usdc"], "delete": []});
    grant["allow_minting"] = json!([]);
    grant["credentials"] = json!({});
    grant["budgets"] = json!([
        {"unit": "call", "max": "100000", "window": "grant"},
        {"unit": "sol", "max": "100000", "window": "grant"},
        {"unit": "usdc.solana", "max": "60000", "window": "call"},
        {"unit": "usdc.solana", "max": "100000", "window": "grant"},
    ]);
}

/// A deployment that serves, with a key born inside, its account, and a grant; `change` narrows it.
///
/// # Panics
///
/// When the deployment does not come up.
#[must_use]
pub fn serving(change: impl FnOnce(&mut Value)) -> (Deployment, Enclave, Granted, [u8; 32]) {
    let (deployment, enclave) = Deployment::serving();
    deployment.widen(
        &enclave,
        &json!({"type": "catalog.set", "catalog": catalog()}),
    );
    let key =
        json!({"id": "k_sol", "kind": "solana", "alg": "ed25519", "env": "live", "agent": "bot"});
    deployment.widen(&enclave, &json!({"type": "key.create", "key": key}));
    let granted = deployment.grant(&enclave, "gr_pay", |terms| {
        grant(terms);
        change(terms);
    });
    let account = account(&deployment);
    (deployment, enclave, granted, account)
}

/// The account of `k_sol`.
///
/// # Panics
///
/// Without such a key.
#[must_use]
pub fn account(deployment: &Deployment) -> [u8; 32] {
    let state = deployment.audited();
    let found = state.keys().find(|(id, _)| id.as_str() == "k_sol");
    let (_, key) = found.unwrap();
    key.public.as_slice().try_into().unwrap()
}

/// An agent of such a deployment.
#[must_use]
pub fn agent(deployment: &Deployment, enclave: &Enclave, granted: &Granted) -> Agent {
    Agent::connect(deployment, enclave, granted)
}

/// Imports the key of a seed under these facts; it must be done.
///
/// # Panics
///
/// When it is refused.
pub fn import_seed(deployment: &Deployment, enclave: &Enclave, facts: &Value, seed: &[u8; 32]) {
    let trusted = import::attested(deployment, enclave);
    let mut action = import::action(&trusted, "k_sol", &import::public(seed));
    for member in ["id", "kind", "alg", "env", "agent"] {
        action["key"][member] = facts[member].clone();
    }
    let (action, bytes) = import::sealed(deployment, action, seed);
    let reply = enclave.submit(&deployment.widening(&action, &[]), &bytes);
    let _done = crate::owner::done(reply);
}
