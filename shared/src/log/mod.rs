//! The log: one append-only Merkle tree that is journal, audit trail and rollback guard.
//!
//! Entry = leaf (small, hashed into the tree) + records (beside it, under the leaf's `records_root`) + the checkpoint of
//! the tree that ends with it, signed by the log key. This module builds and checks bytes; it decides nothing about them.

pub mod checkpoint;
pub mod entry;
pub mod merkle;
pub mod receipt;
pub mod record;
pub mod show;
