//! What of an environment and a command line holds an agent key.

use claviger_client::agent_key::PREFIX;
use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

/// The variable an agent key is given in.
const AGENT_KEY: &str = "AGENT_API_KEY";
/// How a secret's file begins, as `claviger keygen` writes it.
const SECRET_PREFIX: &[u8] = b"clvs1_";
/// Shortest text behind the prefix that is taken for a key: the published scanner pattern.
const SCANNED: usize = 150;

/// Whether a variable is kept from the child: it is the agent key's, or its value holds the beginning of one.
#[must_use]
pub fn carries_agent_key(name: &OsStr, value: &OsStr) -> bool {
    let value = value.as_bytes();
    let holds = |part: &[u8]| value.windows(part.len()).any(|window| window == part);
    name == AGENT_KEY || holds(PREFIX.as_bytes()) || holds(SECRET_PREFIX)
}

/// Whether a text holds what the published scanner pattern finds: `clv1_[A-Za-z0-9_-]{150,}`.
#[must_use]
pub fn is_agent_key(text: &OsStr) -> bool {
    let prefix = PREFIX.as_bytes();
    let letter = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    text.as_bytes()
        .windows(prefix.len())
        .enumerate()
        .filter(|(_, window)| *window == prefix)
        .any(|(at, _)| {
            let rest = text.as_bytes().iter().skip(at + prefix.len());
            rest.take_while(letter).count() >= SCANNED
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_keys_variable_and_every_value_that_holds_a_key_are_kept_back() {
        let kept = |name: &str, value: &str| carries_agent_key(name.as_ref(), value.as_ref());
        assert!(kept("AGENT_API_KEY", "anything"));
        assert!(kept("OTHER", "x=clv1_abc"));
        assert!(kept("OTHER", "clvs1_abc"));
        assert!(!kept("PATH", "/usr/bin") && !kept("EMPTY", ""));
    }

    #[test]
    fn a_key_is_found_from_150_letters_on() {
        let text = |count: usize| format!("--key=clv1_{} x", "a".repeat(count));
        assert!(is_agent_key(text(150).as_ref()));
        assert!(!is_agent_key(text(149).as_ref()));
    }
}
