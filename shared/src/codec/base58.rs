//! Base58 with Bitcoin's alphabet (draft-msporny-base58-03): how Solana writes accounts and signatures. One spelling for every
//! string of bytes.
//!
//! Work grows with the square of the length: callers bound what they pass, and [`decode`] refuses more than [`MAX_TEXT`].

/// Longest text that is read: 64 bytes are at most 88 digits.
pub const MAX_TEXT: usize = 88;

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// Writes bytes.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    // Digits, the lowest first.
    let mut digits: Vec<u32> = Vec::new();
    for byte in bytes.iter().skip(zeros) {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry = carry.saturating_add(digit.saturating_mul(256));
            *digit = carry.wrapping_rem(58);
            carry = carry.wrapping_div(58);
        }
        while carry > 0 {
            digits.push(carry.wrapping_rem(58));
            carry = carry.wrapping_div(58);
        }
    }
    let letter = |digit: &u32| {
        let place = usize::try_from(*digit).unwrap_or_default();
        char::from(ALPHABET.get(place).copied().unwrap_or(b'1'))
    };
    let zeros = std::iter::repeat_n('1', zeros);
    zeros.chain(digits.iter().rev().map(letter)).collect()
}

/// Reads a text; nothing for another letter, or a text that is too long.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len() > MAX_TEXT {
        return None;
    }
    let zeros = text.bytes().take_while(|letter| *letter == b'1').count();
    // Bytes, the lowest first.
    let mut bytes: Vec<u8> = Vec::new();
    for letter in text.bytes().skip(zeros) {
        let place = ALPHABET.iter().position(|known| *known == letter)?;
        let mut carry = u32::try_from(place).ok()?;
        for byte in &mut bytes {
            carry = carry.saturating_add(u32::from(*byte).saturating_mul(58));
            let [low, ..] = carry.to_le_bytes();
            *byte = low;
            carry >>= 8;
        }
        while carry > 0 {
            let [low, ..] = carry.to_le_bytes();
            bytes.push(low);
            carry >>= 8;
        }
    }
    bytes.extend(std::iter::repeat_n(0, zeros));
    bytes.reverse();
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn published_examples_are_written_and_read() {
        // draft-msporny-base58-03, §5.
        for (bytes, text) in [
            (b"Hello World!".to_vec(), "2NEpo7TZRRrLZSi2U"),
            (
                b"The quick brown fox jumps over the lazy dog.".to_vec(),
                "USm3fpXnKG5EUBx2ndxBDMPVciP5hGey2Jh4NDv6gmeo1LkMeiKrLJUUBk6Z",
            ),
            (vec![0, 0, 0x28, 0x7f, 0xb4, 0xcd], "11233QC4"),
            (vec![0; 32], "11111111111111111111111111111111"),
            (Vec::new(), ""),
        ] {
            assert_eq!(encode(&bytes), text);
            assert_eq!(decode(text), Some(bytes));
        }
    }

    #[test]
    fn other_letters_and_long_texts_are_refused() {
        for text in ["0", "O", "I", "l", " 1", "1 ", "é", "2NEpo7TZRRrLZSi2U\n"] {
            assert_eq!(decode(text), None, "{text}");
        }
        assert!(decode(&"1".repeat(MAX_TEXT)).is_some());
        assert_eq!(decode(&"1".repeat(MAX_TEXT + 1)), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..=64)) {
            let text = encode(&bytes);
            prop_assert!(text.len() <= MAX_TEXT);
            prop_assert_eq!(decode(&text), Some(bytes));
        }

        #[test]
        fn what_is_read_is_written(text in "[1-9A-HJ-NP-Za-km-z]{0,44}") {
            prop_assert_eq!(encode(&decode(&text).unwrap()), text);
        }
    }
}
