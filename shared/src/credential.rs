//! Credentials: what an agent gets for one call, and what it is told about it.
//!
//! A credential carries no key and nothing a key follows from. This module does not know how one is made.

use crate::{
    amount::Amount,
    effect::{Charge, Effect, Kind},
    id::Unit,
    time::UnixMs,
};
use serde::{Deserialize, Serialize};

/// The signed thing itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Credential {
    /// Header fields to add to the request, in order.
    Http {
        /// Name and value; names are lower case.
        headers: Vec<(String, String)>,
    },
    /// A compact JWS.
    Jwt {
        /// `header.payload.signature`.
        jwt: String,
    },
    /// A signed request to AWS.
    Aws {
        /// Header fields to add to the request, in order; none beside a URL.
        headers: Vec<(String, String)>,
        /// The whole URL to send instead of the request's, where one was asked for.
        url: Option<String>,
    },
    /// A signed transaction.
    Evm {
        /// To be sent as it is: `0x` and hexadecimal digits.
        raw_tx: String,
        /// What it is found by on its chain.
        tx_hash: String,
    },
    /// A signature over typed data or a text, for a chain of the Ethereum family.
    #[serde(rename = "evm_signature")]
    EvmSignature {
        /// `0x` and 130 hexadecimal digits: r, s, and 27 or 28.
        signature: String,
    },
    /// A request signed in a service's own way.
    Template {
        /// Header fields to add to the request, in order.
        headers: Vec<(String, String)>,
        /// The whole URL to send instead of the request's, where something was written into its query.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
        /// The whole body to send instead of the request's, where something was written into it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<serde_bytes::ByteBuf>,
    },
    /// A payment by HTTP.
    X402 {
        /// The header field to send with the request that is paid for.
        headers: Vec<(String, String)>,
        /// What the field holds in base64: the payment as JSON.
        payload: String,
    },
    /// What an SSH key signed.
    Ssh {
        /// One of the two forms.
        made: SshMade,
    },
    /// A signed transaction of Solana.
    Solana {
        /// Our signature, in base58: of a transaction that we alone sign it is also its id.
        signature: String,
        /// The transaction, in base64; where a fee payer signs too, its signature is zeros.
        transaction: String,
    },
}

/// The two things that an SSH key makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SshMade {
    /// A user certificate, as the one line of a `-cert.pub` file.
    Certificate(String),
    /// An armoured signature (OpenSSH `PROTOCOL.sshsig`).
    Signature(String),
}

impl Credential {
    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Http { .. } => Kind::Http,
            Self::Jwt { .. } => Kind::Jwt,
            Self::Aws { .. } => Kind::Aws,
            Self::Evm { .. } | Self::EvmSignature { .. } => Kind::Evm,
            Self::X402 { .. } => Kind::X402,
            Self::Ssh { .. } => Kind::Ssh,
            Self::Template { .. } => Kind::Template,
            Self::Solana { .. } => Kind::Solana,
        }
    }
}

/// How long and how often a credential could be used by whoever gets hold of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// Whether the destination can take it once only.
    pub single_use: bool,
    /// Seconds from now in which it is accepted; it says nothing where the end is [`crate::time::UnixMs::NEVER`].
    pub window_s: u64,
}

/// What is left of one budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remaining {
    /// The unit.
    pub unit: Unit,
    /// The window as the grant writes it.
    pub window: String,
    /// What may still be spent in it.
    pub amount: Amount,
    /// When all of it is back; nothing for `grant`.
    pub resets_at: Option<UnixMs>,
}

/// The whole answer to a Sign or Simulate, apart from the receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issued {
    /// Nothing for a simulated call.
    pub credential: Option<Credential>,
    /// When the credential ends.
    pub expires_at: UnixMs,
    /// How it could be replayed.
    pub replay: Replay,
    /// What it does.
    pub effects: Vec<Effect>,
    /// What was taken from budgets, one `call` included.
    pub charged: Vec<Charge>,
    /// What is left of every budget of the grant.
    pub remaining: Vec<Remaining>,
    /// Whether only a sandbox can be touched.
    pub sandbox: bool,
    /// Whether this is the answer to an earlier call of the same idempotency key.
    pub replayed: bool,
    /// Whether it may take the place of a transaction that the key signed before, whose charge stays.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replaces: bool,
}
