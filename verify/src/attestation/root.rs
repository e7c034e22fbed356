//! The certificate a chain must end in: AWS's, or one the caller pinned.
//!
//! A root is always named by the caller and never taken from a document.

/// SHA-256 of the DER encoding of AWS's root certificate G1, as AWS publishes it.
// https://docs.aws.amazon.com/enclaves/latest/user/verify-root.html
#[cfg(test)]
pub(super) const AWS_ROOT_G1_SHA256: &str =
    "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b";

const AWS_ROOT_G1: &[u8] = include_bytes!("data/aws-root-g1.der");

/// Whom a chain of certificates must lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// The AWS Nitro Enclaves root G1, compiled in.
    Aws,
    /// A self-made root certificate, DER, as a simulation has.
    Pinned(Vec<u8>),
}

impl Root {
    /// The certificate, DER.
    pub fn der(&self) -> &[u8] {
        match self {
            Self::Aws => AWS_ROOT_G1,
            Self::Pinned(der) => der,
        }
    }
}
