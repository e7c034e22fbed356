//! Payments of the `x402` kind, and a deployment whose agent makes them.

use crate::{
    agent::Agent,
    deployment::{Deployment, Enclave},
    owner::Granted,
};
use claviger_shared::call::{Input, x402::X402Input};
use serde_json::{Value, json};

/// USDC on Base Sepolia.
pub const TOKEN: &str = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";
/// Who may be paid for `data`.
pub const PAYEE: &str = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C";
/// Who may not.
pub const OTHER: &str = "0x857b06519E91e3A54538791bDbb0E22373e36b66";

/// What the names of this module's grants mean.
#[must_use]
pub fn catalog() -> Value {
    let domain = json!({"name": "USDC", "version": "2"});
    json!({
        "v": 1,
        "resources": {"data": [
            {"kind": "x402", "network": "eip155:84532", "asset": "usdc.base-sepolia", "pay_to": [PAYEE]},
        ]},
        "assets": {
            "usdc.base-sepolia": {"chain": 84532, "contract": TOKEN, "decimals": 6, "eip712": domain},
        },
    })
}

/// A server's demand: `amount` of the token, within a minute.
#[must_use]
pub fn requirements(amount: &str) -> Value {
    json!({
        "scheme": "exact", "network": "eip155:84532", "amount": amount, "asset": TOKEN, "payTo": PAYEE, "maxTimeoutSeconds": 60,
        "extra": {"name": "USDC", "version": "2"},
    })
}

/// A call that pays it.
#[must_use]
pub fn input(requirements: &Value) -> Input {
    Input::X402(X402Input {
        version: 2,
        requirements: requirements.to_string(),
        resource: None,
        extensions: None,
        ttl_s: None,
    })
}

/// A deployment that serves, with a key born inside, and a grant of 100,000 in all and 60,000 at once; `change` narrows it.
///
/// # Panics
///
/// When the deployment does not come up.
#[must_use]
pub fn serving(change: impl FnOnce(&mut Value)) -> (Deployment, Enclave, Granted) {
    let (deployment, enclave) = Deployment::serving();
    deployment.widen(
        &enclave,
        &json!({"type": "catalog.set", "catalog": catalog()}),
    );
    let key =
        json!({"id": "k_evm", "kind": "evm", "alg": "secp256k1", "env": "live", "agent": "bot"});
    deployment.widen(&enclave, &json!({"type": "key.create", "key": key}));
    let granted = deployment.grant(&enclave, "gr_pay", |grant| {
        grant["keys"] = json!(["k_evm"]);
        grant["permissions"] = json!({"read": [], "write": ["data"], "delete": []});
        grant["allow_minting"] = json!([]);
        grant["credentials"] = json!({});
        grant["budgets"] = json!([
            {"unit": "call", "max": "100000", "window": "grant"},
            {"unit": "usdc.base-sepolia", "max": "60000", "window": "call"},
            {"unit": "usdc.base-sepolia", "max": "100000", "window": "grant"},
        ]);
        change(grant);
    });
    (deployment, enclave, granted)
}

/// An agent of such a deployment.
#[must_use]
pub fn agent(deployment: &Deployment, enclave: &Enclave, granted: &Granted) -> Agent {
    Agent::connect(deployment, enclave, granted)
}
