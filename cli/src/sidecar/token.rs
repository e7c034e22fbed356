//! The sidecar's bearer token: 256 random bits that die with the process. Compared as digests, in constant time.

use crate::Error;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use claviger_shared::crypto::TokenDigest;
use hyper::header::{AUTHORIZATION, HeaderMap};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

/// A token. `Debug` shows nothing of it.
pub struct Token {
    text: Zeroizing<String>,
    digest: TokenDigest,
}

impl Token {
    /// A new one.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] without randomness.
    pub fn random() -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        let filled = SystemRandom::new().fill(bytes.as_mut());
        filled.map_err(|_| Error::Unavailable("no randomness".to_owned()))?;
        let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_ref()));
        let digest = TokenDigest::of(text.as_bytes());
        Ok(Self { text, digest })
    }

    /// The one door to its text: 43 letters of base64url.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Whether a request carries it, exactly once.
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return false;
        };
        let given = value.as_bytes().strip_prefix(b"Bearer ");
        given.is_some_and(|given| self.digest.admits(given))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_the_whole_token_given_once_admits() {
        let token = Token::random().unwrap();
        let whole = format!("Bearer {}", token.expose());
        assert_eq!(token.expose().len(), 43);
        assert!(token.admits(&headers(&[&whole])));
        assert!(!token.admits(&headers(&[&whole, &whole])), "given twice");
        let cut = &whole.as_bytes()[..whole.len() - 1];
        let mut shorter = HeaderMap::new();
        shorter.append(AUTHORIZATION, cut.try_into().unwrap());
        assert!(!token.admits(&shorter));
        let other = format!("Bearer {}", Token::random().unwrap().expose());
        for none in ["", "Bearer ", token.expose(), &other] {
            assert!(!token.admits(&headers(&[none])));
        }
        assert!(!token.admits(&headers(&[&format!("{whole}x")])));
        assert!(!token.admits(&headers(&[])));
    }

    #[test]
    fn debug_shows_nothing_of_a_token() {
        assert_eq!(format!("{:?}", Token::random().unwrap()), "Token");
    }
}
