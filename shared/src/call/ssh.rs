//! THE rules for what SSH certificates and signatures may say: users, commands, addresses, extensions, people, objects.
//!
//! The catalog's parser, the `ssh` kind and the sidecar all use this module. It knows no route and no key.

use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The one namespace of signatures that is built: what `git` gives to `ssh-keygen -Y sign -n`.
pub const GIT: &str = "git";
/// Longest life of a certificate.
pub const MAX_LIFETIME: Millis = Millis(300_000);
/// Seconds that a certificate's validity begins before it was made, for hosts whose clocks are behind.
pub const BACK_S: u64 = 30;
/// Users that one certificate may be for.
pub const MAX_PRINCIPALS: usize = 16;
/// Longest name of a user.
pub const MAX_PRINCIPAL: usize = 64;
/// Longest forced command.
pub const MAX_COMMAND: usize = 1024;
/// Longest line with a public key that is to be certified, its comment included.
pub const MAX_PUBLIC_KEY: usize = 1024;
/// Largest object that is signed.
pub const MAX_OBJECT: usize = 64 * 1024;
/// Longest `Name <mail>`.
pub const MAX_IDENTITY: usize = 256;

/// What a certificate may permit, in the order in which certificates name them (OpenSSH `PROTOCOL.certkeys`). What weakens a
/// hardware key is not among them: no such key is certified.
pub const EXTENSIONS: [&str; 5] = [
    "permit-X11-forwarding",
    "permit-agent-forwarding",
    "permit-port-forwarding",
    "permit-pty",
    "permit-user-rc",
];

/// What of git's objects is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectType {
    /// A commit.
    Commit,
    /// An annotated tag.
    Tag,
}

impl ObjectType {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Commit, Self::Tag];

    /// The word of catalogs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tag => "tag",
        }
    }

    /// The word of effects.
    #[must_use]
    pub const fn method(self) -> &'static str {
        match self {
            Self::Commit => "git:commit",
            Self::Tag => "git:tag",
        }
    }

    /// Reads the word of catalogs.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

/// Whether a text names one user: no pattern, no list, nothing that is quoted.
#[must_use]
pub fn is_principal(text: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"._-@+:/=".contains(&b);
    let starts = text.bytes().next().is_some_and(|b| b != b'-');
    starts && text.len() <= MAX_PRINCIPAL && text.bytes().all(fine)
}

/// Whether a text is one command line.
#[must_use]
pub fn is_command(text: &str) -> bool {
    let printable = text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    printable && text.trim() == text && !text.is_empty() && text.len() <= MAX_COMMAND
}

/// Whether a text is an address or a prefix in its one spelling, without bits after it: what sshd takes in `source-address`.
#[must_use]
pub fn is_source(text: &str) -> bool {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let Ok(read) = address.parse::<IpAddr>() else {
        return false;
    };
    let (value, most) = match read {
        IpAddr::V4(read) => (u128::from(read.to_bits()) << 96, 32_u32),
        IpAddr::V6(read) => (read.to_bits(), 128),
    };
    let bits = match bits {
        None => Some(most),
        Some(bits) => bits
            .parse()
            .ok()
            .filter(|read: &u32| read.to_string() == bits),
    };
    let Some(bits) = bits.filter(|bits| *bits <= most) else {
        return false;
    };
    let after = u128::MAX.checked_shr(bits).unwrap_or(0);
    read.to_string() == address && value & after == 0
}

/// Whether a text is a person as git writes one: `Name <mail>`.
#[must_use]
pub fn is_identity(text: &str) -> bool {
    let inner = text.strip_suffix('>');
    let parts = inner.and_then(|inner| inner.split_once(" <"));
    let Some((name, mail)) = parts else {
        return false;
    };
    let plain = |part: &str| {
        !part.is_empty() && part.trim() == part && !part.contains(['<', '>', '\u{7f}'])
    };
    let control = text.chars().any(char::is_control);
    let spaced = mail.chars().any(char::is_whitespace);
    plain(name) && plain(mail) && !control && !spaced && text.len() <= MAX_IDENTITY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_one_plain_name() {
        let longest = "u".repeat(MAX_PRINCIPAL);
        for good in ["deploy", "svc-1", "a@b", "team:x/y", &longest] {
            assert!(is_principal(good), "{good}");
        }
        let longer = "u".repeat(MAX_PRINCIPAL + 1);
        for bad in [
            "", "a,b", "*", "a*", "a?", "!a", "a b", "\"a\"", "ü", "a\n", "-a", &longer,
        ] {
            assert!(!is_principal(bad), "{bad}");
        }
    }

    #[test]
    fn a_command_is_one_line() {
        let longest = "c".repeat(MAX_COMMAND);
        assert!(is_command("/usr/bin/backup --all") && is_command(&longest));
        let longer = "c".repeat(MAX_COMMAND + 1);
        for bad in ["", " a", "a ", "a\nb", "a\tb", "a\0", "é", &longer] {
            assert!(!is_command(bad), "{bad}");
        }
    }

    #[test]
    fn a_source_has_one_spelling_and_no_bits_after_its_prefix() {
        for good in [
            "10.0.0.0/8",
            "0.0.0.0/0",
            "192.0.2.7",
            "192.0.2.7/32",
            "2001:db8::/32",
            "::/0",
            "::1",
        ] {
            assert!(is_source(good), "{good}");
        }
        for bad in [
            "",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0/08",
            "10.0.0.0/",
            "010.0.0.0/8",
            "10.0.0.0/+8",
            "host",
            "2001:DB8::/32",
            "2001:db8::1/32",
            "2001:db8:0::/32",
            "::/129",
            "10.0.0.0/8,0.0.0.0/0",
            "!10.0.0.0/8",
            "*",
        ] {
            assert!(!is_source(bad), "{bad}");
        }
    }

    #[test]
    fn a_person_has_a_name_and_an_address() {
        let longest = format!("{} <b@c>", "n".repeat(MAX_IDENTITY - 6));
        for good in [
            "Bot <bot@example.com>",
            "A B. C <x>",
            "Jürg <j@x>",
            &longest,
        ] {
            assert!(is_identity(good), "{good}");
        }
        let longer = format!("{} <b@c>", "n".repeat(MAX_IDENTITY - 5));
        for bad in [
            "",
            "Bot",
            "<a@b>",
            " <a@b>",
            "Bot <>",
            "Bot <a b>",
            "Bot  <a@b>",
            "Bot <a@b> ",
            "B<o <a@b>",
            "Bot <a@b>>",
            "Bot\n <a@b>",
            "Bot <a@b> <c@d>",
            &longer,
        ] {
            assert!(!is_identity(bad), "{bad}");
        }
    }

    #[test]
    fn extensions_stand_in_the_order_of_their_bytes() {
        assert!(EXTENSIONS.is_sorted());
        const { assert!(BACK_S <= 60) };
    }
}
