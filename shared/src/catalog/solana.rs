//! A route of Solana: who is paid, in what, and what may stand beside a payment.

use crate::{
    id::Unit,
    solana::{Cluster, Pubkey},
};
use serde::{Deserialize, Serialize};

/// Whom transactions may pay, in one asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SolanaRoute {
    /// The cluster: the assets'.
    pub cluster: Cluster,
    /// Lamports, or a token of the catalog.
    pub asset: Unit,
    /// Lamports, which fees and rent are charged in.
    pub coin: Unit,
    /// Who may be paid, at least one.
    pub to: Vec<Payee>,
    /// Whether a text may stand beside a payment, for everybody to read.
    pub memo: bool,
    /// The most that a payee's token account may cost to make; nothing where none is made.
    pub rent: Option<u64>,
    /// Who else must pay the fees; empty where the signing account does.
    pub fee_payer: Vec<Pubkey>,
}

/// Somebody who may be paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payee {
    /// The account.
    pub owner: Pubkey,
    /// Of a token: where the owner's are kept by convention, as it follows from owner, mint and program.
    pub account: Option<Pubkey>,
}
