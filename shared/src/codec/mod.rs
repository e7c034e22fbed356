//! The three codecs of the contract: canonical CBOR, strict JSON and frames.

pub mod cbor;
pub mod frame;
pub mod json;
