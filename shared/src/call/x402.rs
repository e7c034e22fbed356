//! What a payment by HTTP (x402) is asked with: a server's requirements, as they came.
//!
//! The texts are the caller's word for a server's: which token and whom it pays is looked up, never taken from them.

use serde::{Deserialize, Serialize};

/// Longest requirements in bytes.
pub const MAX_REQUIREMENTS: usize = 8 * 1024;
/// Longest description of the resource that is paid for.
pub const MAX_RESOURCE: usize = 4 * 1024;
/// Longest extensions that are given back.
pub const MAX_EXTENSIONS: usize = 4 * 1024;

/// Header field in which a payment of a version is sent.
#[must_use]
pub const fn header(version: Version) -> &'static str {
    match version {
        Version::One => "x-payment",
        Version::Two => "payment-signature",
    }
}

/// Names of chains in version 1, those that the published clients agree on.
const NETWORKS: [(&str, u64); 11] = [
    ("abstract", 2741),
    ("abstract-testnet", 11_124),
    ("avalanche", 43_114),
    ("avalanche-fuji", 43_113),
    ("base", 8453),
    ("base-sepolia", 84_532),
    ("iotex", 4689),
    ("peaq", 3338),
    ("polygon", 137),
    ("polygon-amoy", 80_002),
    ("sei", 1329),
];

/// Which version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Chains by name; `X-PAYMENT`.
    One,
    /// Chains by CAIP-2; `PAYMENT-SIGNATURE`.
    Two,
}

impl Version {
    /// Of `x402Version`.
    #[must_use]
    pub const fn of(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::One),
            2 => Some(Self::Two),
            _ => None,
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }

    /// The chain that a network is, where it is one of the Ethereum family.
    #[must_use]
    pub fn chain(self, network: &str) -> Option<u64> {
        match self {
            Self::One => {
                let known = NETWORKS.iter().find(|(name, _)| *name == network);
                known.map(|(_, chain)| *chain)
            }
            Self::Two => crate::chain::of_caip2(network),
        }
    }
}

/// A payment to be signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct X402Input {
    /// `x402Version`: 1 or 2.
    pub version: u8,
    /// The one of `accepts` that is chosen: a JSON object, as the server wrote it.
    pub requirements: String,
    /// `resource` of version 2, given back as it came; a JSON object.
    pub resource: Option<String>,
    /// `extensions` of version 2, given back as they came; a JSON object.
    pub extensions: Option<String>,
    /// Shorter lifetime in seconds, if wanted.
    pub ttl_s: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_one_chain() {
        assert_eq!(Version::One.chain("base-sepolia"), Some(84_532));
        assert_eq!(Version::Two.chain("eip155:84532"), Some(84_532));
        for (version, network) in [
            (Version::One, "eip155:8453"),
            (Version::Two, "base"),
            (Version::One, "solana"),
            (Version::Two, "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"),
            (Version::Two, "eip155:08453"),
            (Version::Two, "eip155:0"),
            (Version::Two, "eip155:+1"),
            (Version::Two, "eip155:"),
            (Version::Two, "EIP155:1"),
            (Version::Two, "eip155:18446744073709551615"),
        ] {
            assert_eq!(version.chain(network), None, "{network}");
        }
        assert!(NETWORKS.is_sorted());
    }
}
