//! Addresses and prefixes a grant may be used from: CIDR, IPv4 mapped into IPv6 (RFC 4291 §2.5.5.2).

use crate::{
    codec::json::{Object, Place},
    grant::SourcePrefix,
    owner::{Error, read},
};
use std::net::{IpAddr, Ipv6Addr};

/// Prefixes of one grant at most.
pub(super) const MAX_SOURCES: usize = 64;
/// Bits of a mapped address before the IPv4 address.
const MAPPED_BITS: u8 = 96;

pub(super) fn prefixes(object: &mut Object<'_>) -> Result<Vec<SourcePrefix>, Error> {
    let Some(place) = object.optional("reported_sources") else {
        return Ok(Vec::new());
    };
    let prefixes = read::each_once(&place, MAX_SOURCES, prefix)?;
    // Absent means any; a list that names nobody must not mean the same.
    read::some(&place, prefixes)
}

fn prefix(place: &Place<'_>) -> Result<SourcePrefix, Error> {
    let expected = "an address or a prefix such as 10.20.0.0/16, without bits after it";
    read::parsed(place, expected, |text| parse(text).ok_or(()))
}

fn parse(text: &str) -> Option<SourcePrefix> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(number(bits)?)),
        None => (text, None),
    };
    let (address, before) = match address.parse().ok()? {
        IpAddr::V4(address) => (address.to_ipv6_mapped(), MAPPED_BITS),
        IpAddr::V6(address) => (address, 0),
    };
    let bits = match bits {
        Some(bits) => before.checked_add(bits)?,
        None => 128,
    };
    let after = u128::MAX.checked_shr(bits.into()).unwrap_or(0);
    let fine = bits <= 128 && address.to_bits() & after == 0;
    fine.then_some(SourcePrefix {
        address: address.octets(),
        bits,
    })
}

fn number(text: &str) -> Option<u8> {
    let plain = text == "0" || !text.starts_with('0');
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    if plain && digits {
        text.parse().ok()
    } else {
        None
    }
}

/// The text that reads back as the same prefix.
pub(super) fn show(prefix: &SourcePrefix) -> String {
    let address = Ipv6Addr::from(prefix.address);
    match (
        address.to_ipv4_mapped(),
        prefix.bits.checked_sub(MAPPED_BITS),
    ) {
        (Some(address), Some(bits)) => format!("{address}/{bits}"),
        (Some(_), None) | (None, _) => format!("{address}/{}", prefix.bits),
    }
}
