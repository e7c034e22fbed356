//! Hosts: exact, lower-case ASCII names, one spelling each.
//!
//! A host that passes is the same text in every parser. Nothing is resolved and no list of names is known here.

/// Longest host name (RFC 1035 §2.3.4, without the root's dot).
pub const MAX_HOST: usize = 253;
/// Longest label of a host name (RFC 1035 §2.3.4).
pub const MAX_LABEL: usize = 63;

/// Whether a text is a host in normal form: labels of lower-case letters, digits and inner hyphens, no trailing dot.
///
/// An IPv4 address passes only as four plain decimal octets: a last label that parsers could take for a number
/// (`127.1`, `0x7f.1`, `010.0.0.1`, `2130706433`) is refused otherwise. IPv6 literals are refused.
#[must_use]
pub fn is_host(text: &str) -> bool {
    if text.is_empty() || text.len() > MAX_HOST || !text.split('.').all(is_label) {
        return false;
    }
    let last = text.rsplit('.').next().unwrap_or(text);
    !looks_numeric(last) || is_ipv4(text)
}

fn is_label(label: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let edges = !label.starts_with('-') && !label.ends_with('-');
    !label.is_empty() && label.len() <= MAX_LABEL && edges && label.bytes().all(inner)
}

// WHATWG URL, "ends in a number checker": all digits, or 0x and hexadecimal digits (none included).
fn looks_numeric(label: &str) -> bool {
    let hex = label
        .strip_prefix("0x")
        .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()));
    hex || label.bytes().all(|b| b.is_ascii_digit())
}

fn is_ipv4(text: &str) -> bool {
    let octet = |part: &str| {
        let plain = part == "0" || !part.starts_with('0');
        plain && part.bytes().all(|b| b.is_ascii_digit()) && part.parse::<u8>().is_ok()
    };
    text.split('.').count() == 4 && text.split('.').all(octet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_spelling() {
        for good in [
            "api.example.com",
            "localhost",
            "xn--bcher-kva.example",
            "a-b.c1",
            "127.0.0.1",
            "10.0.0.255",
            "1and1.example",
        ] {
            assert!(is_host(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "API.example.com",
            "bücher.example",
            "a_b.example",
            "-a.example",
            "a-.example",
            "a b",
            "a%2eb",
            "127.1",
            "127.0.0.01",
            "127.0.0.256",
            "2130706433",
            "0x7f.1",
            "0x",
            "a.0x7f000001",
            "1.2.3.4.5",
            "[::1]",
            "::1",
            "a,b",
            "a\0b",
        ] {
            assert!(!is_host(bad), "{bad}");
        }
    }

    #[test]
    fn lengths_hold_on_both_sides() {
        assert!(is_host(&"a".repeat(MAX_LABEL)));
        assert!(!is_host(&"a".repeat(MAX_LABEL + 1)));
        let long = format!("{}{}", "a.".repeat(95), "b".repeat(63));
        assert_eq!(long.len(), MAX_HOST);
        assert!(is_host(&long));
        assert!(!is_host(&format!("a.{}", long.replacen("a.", "aa.", 1))));
    }
}
