//! The codecs of the contract: canonical CBOR, strict JSON, frames and base58.

pub mod base58;
pub mod cbor;
pub mod frame;
pub mod json;
