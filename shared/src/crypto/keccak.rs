//! Keccak-256 as Ethereum uses it: the sponge of the original submission, whose padding is not that of SHA-3 (FIPS 202).
//!
//! The permutation is a crate's. What is hashed it does not know.

use keccak::Keccak;

/// Bytes absorbed by one permutation: 1600 bits less twice the digest's.
const RATE: usize = 136;
/// Lanes of a block.
const LANES: usize = RATE / 8;
/// First byte of padding; SHA-3 has 6 in its place.
const FIRST: u8 = 1;
/// Bit set in the last byte of a block that is padded.
const LAST: u8 = 0x80;

/// Keccak-256 of the parts, one after the other.
#[must_use]
pub fn keccak256(parts: &[&[u8]]) -> [u8; 32] {
    let mut sponge = Sponge {
        state: [0; 25],
        block: [0; RATE],
        filled: 0,
    };
    for part in parts {
        sponge.absorb(part);
    }
    sponge.finish()
}

struct Sponge {
    state: [u64; 25],
    block: [u8; RATE],
    /// Bytes of the block that are there; less than all of them.
    filled: usize,
}

impl Sponge {
    fn absorb(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let free = self.block.iter_mut().skip(self.filled);
            let mut taken = 0_usize;
            for (to, from) in free.zip(bytes) {
                *to = *from;
                taken = taken.saturating_add(1);
            }
            bytes = bytes.get(taken..).unwrap_or_default();
            self.filled = self.filled.saturating_add(taken);
            if self.filled == RATE {
                self.permute();
            }
        }
    }

    fn permute(&mut self) {
        let (lanes, _) = self.block.as_chunks::<8>();
        for (lane, bytes) in self.state.iter_mut().take(LANES).zip(lanes) {
            *lane ^= u64::from_le_bytes(*bytes);
        }
        Keccak::new().with_f1600(|f1600| f1600(&mut self.state));
        self.filled = 0;
    }

    fn finish(mut self) -> [u8; 32] {
        let rest = self.block.iter_mut().skip(self.filled);
        for (place, byte) in rest.enumerate() {
            *byte = if place == 0 { FIRST } else { 0 };
        }
        if let Some(byte) = self.block.last_mut() {
            *byte |= LAST;
        }
        self.permute();
        let mut out = [0; 32];
        for (bytes, lane) in out.chunks_exact_mut(8).zip(&self.state) {
            bytes.copy_from_slice(&lane.to_le_bytes());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        hex::encode(keccak256(&[text.as_bytes()]))
    }

    #[test]
    fn words_of_ethereum_have_their_known_hashes() {
        // The empty code hash and the empty list's (Yellow Paper, appendix); selectors of ERC-20 (the Solidity ABI specification).
        assert_eq!(
            of(""),
            "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
        );
        assert_eq!(
            hex::encode(keccak256(&[&[0xc0]])),
            "1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347"
        );
        assert!(of("transfer(address,uint256)").starts_with("a9059cbb"));
        assert!(of("approve(address,uint256)").starts_with("095ea7b3"));
        // EIP-3009: the type's hash.
        assert_eq!(
            of(
                "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
            ),
            "7c7c6cdb67a18743f49ec6fa9b35f50d52ed05cbed4cc592e13b44501c1a2267"
        );
    }

    #[test]
    fn where_the_parts_are_cut_does_not_matter() {
        let text: Vec<u8> = (0..=255).cycle().take(700).collect();
        for length in [0, 1, 134, 135, 136, 137, 271, 272, 273, 700] {
            let whole = keccak256(&[&text[..length]]);
            for cut in [0, 1, 135, 136, 137, 300] {
                let cut = cut.min(length);
                let parts = [&text[..cut], &text[cut..length]];
                assert_eq!(keccak256(&parts), whole, "{length} cut at {cut}");
            }
        }
    }
}
