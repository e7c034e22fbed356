//! What the chain rules need of a certificate and a path library does not tell: names, dates, key use, the key.
//!
//! A certificate that has a part this reader cannot account for is refused. It verifies no signature.

use super::der::{
    self, BIT_STRING, BOOLEAN, GENERALIZED_TIME, INTEGER, OCTET_STRING, OID, Reader, SEQUENCE,
    UTC_TIME,
};
use super::error::Error;

const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const V3: &[u8] = &[INTEGER, 0x01, 0x02];

/// `{ id-ecPublicKey, secp384r1 }`.
const EC_P384: &[u8] = &[
    OID, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, OID, 5, 0x2b, 0x81, 0x04, 0x00, 0x22,
];
/// `{ ecdsa-with-SHA384 }`.
const ECDSA_SHA384: &[u8] = &[OID, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
const ID_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const ID_BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];

/// Length of an uncompressed P-384 point.
pub(super) const POINT_LEN: usize = 97;

/// The parts of one certificate.
pub(super) struct Certificate<'a> {
    pub(super) issuer: &'a [u8],
    pub(super) subject: &'a [u8],
    not_before_s: i64,
    not_after_s: i64,
    pub(super) point: [u8; POINT_LEN],
    pub(super) is_ca: bool,
    pub(super) path_len: Option<u8>,
    key_usage: u8,
}

impl<'a> Certificate<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut outer = Reader::new(bytes);
        let mut certificate = outer.inside(SEQUENCE)?;
        outer.finish()?;
        let mut tbs = certificate.inside(SEQUENCE)?;
        let algorithm = certificate.value(SEQUENCE)?;
        certificate.value(BIT_STRING)?;
        certificate.finish()?;

        if tbs.value(VERSION)? != V3 {
            return Err(Error::Certificate("not version 3"));
        }
        tbs.value(INTEGER)?;
        if tbs.value(SEQUENCE)? != algorithm || algorithm != ECDSA_SHA384 {
            return Err(Error::Certificate("not signed with ECDSA and SHA-384"));
        }
        let issuer = tbs.value(SEQUENCE)?;
        let mut validity = tbs.inside(SEQUENCE)?;
        let (not_before_s, not_after_s) = (time(&mut validity)?, time(&mut validity)?);
        validity.finish()?;
        let subject = tbs.value(SEQUENCE)?;
        let point = point(tbs.inside(SEQUENCE)?)?;
        let mut parsed = Self {
            issuer,
            subject,
            not_before_s,
            not_after_s,
            point,
            is_ca: false,
            path_len: None,
            key_usage: 0,
        };
        parsed.read_extensions(tbs)?;
        Ok(parsed)
    }

    /// Whether the certificate is valid at this time, both ends included (RFC 5280 §4.1.2.5).
    pub(super) fn is_valid_at(&self, at_ms: u64) -> bool {
        i64::try_from(at_ms / 1000)
            .is_ok_and(|at| self.not_before_s <= at && at <= self.not_after_s)
    }

    /// Key usage keyCertSign: bit 5.
    pub(super) const fn may_sign_certificates(&self) -> bool {
        self.key_usage & 0b0000_0100 != 0
    }

    /// Key usage digitalSignature: bit 0.
    pub(super) const fn may_sign_documents(&self) -> bool {
        self.key_usage & 0b1000_0000 != 0
    }

    fn read_extensions(&mut self, mut tbs: Reader<'a>) -> Result<(), Error> {
        let mut explicit = tbs.inside(EXTENSIONS)?;
        tbs.finish()?;
        let mut extensions = explicit.inside(SEQUENCE)?;
        explicit.finish()?;
        let (mut constraints_seen, mut usage_seen) = (false, false);
        while !extensions.is_done() {
            let mut extension = extensions.inside(SEQUENCE)?;
            let id = extension.value(OID)?;
            extension.value_if(BOOLEAN)?;
            let value = Reader::new(extension.value(OCTET_STRING)?);
            extension.finish()?;
            let seen = match id {
                ID_BASIC_CONSTRAINTS => {
                    self.read_basic_constraints(value)?;
                    &mut constraints_seen
                }
                ID_KEY_USAGE => {
                    self.read_key_usage(value)?;
                    &mut usage_seen
                }
                // Other extensions are left to the path library, which refuses an unknown critical one.
                _ => continue,
            };
            if std::mem::replace(seen, true) {
                return Err(Error::Certificate("an extension is there twice"));
            }
        }
        Ok(())
    }

    fn read_basic_constraints(&mut self, mut value: Reader<'_>) -> Result<(), Error> {
        let mut constraints = value.inside(SEQUENCE)?;
        value.finish()?;
        self.is_ca = match constraints.value_if(BOOLEAN)? {
            None => false,
            Some([0xff]) => true,
            Some(_) => return Err(Error::Certificate("not DER")),
        };
        self.path_len = match constraints.value_if(INTEGER)? {
            None => None,
            Some([length @ 0..=0x7f]) => Some(*length),
            Some(_) => return Err(Error::Certificate("a path length that is not 0 to 127")),
        };
        constraints.finish()
    }

    fn read_key_usage(&mut self, mut value: Reader<'_>) -> Result<(), Error> {
        let bits = value.value(BIT_STRING)?;
        value.finish()?;
        // INVARIANT: only bits 0 and 5 are asked for, both in the first byte after the count of unused bits.
        match bits {
            [0..=7, first, ..] if bits.len() <= 3 => self.key_usage = *first,
            _ => return Err(Error::Certificate("an unreadable key usage")),
        }
        Ok(())
    }
}

fn point(mut spki: Reader<'_>) -> Result<[u8; POINT_LEN], Error> {
    if spki.value(SEQUENCE)? != EC_P384 {
        return Err(Error::Certificate("not a P-384 key"));
    }
    let point = der::whole_bytes(spki.value(BIT_STRING)?)?;
    spki.finish()?;
    match <[u8; POINT_LEN]>::try_from(point) {
        Ok(point) if point.first() == Some(&0x04) => Ok(point),
        Ok(_) | Err(_) => Err(Error::Certificate("not an uncompressed point")),
    }
}

/// Seconds since the Unix epoch of a UTCTime or GeneralizedTime in the one form RFC 5280 §4.1.2.5 allows.
fn time(reader: &mut Reader<'_>) -> Result<i64, Error> {
    let (tag, text) = reader.any()?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = two_digits(text)?;
            (
                if year < 50 {
                    year.saturating_add(2000)
                } else {
                    year.saturating_add(1900)
                },
                rest,
            )
        }
        GENERALIZED_TIME => {
            let (century, rest) = two_digits(text)?;
            let (year, rest) = two_digits(rest)?;
            (century.saturating_mul(100).saturating_add(year), rest)
        }
        _ => return Err(BAD_TIME),
    };
    let (month, rest) = two_digits(rest)?;
    let (day, rest) = two_digits(rest)?;
    let (hour, rest) = two_digits(rest)?;
    let (minute, rest) = two_digits(rest)?;
    let (second, rest) = two_digits(rest)?;
    let fits = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if rest != b"Z" || !fits {
        return Err(BAD_TIME);
    }
    let of_day = hour
        .saturating_mul(3600)
        .saturating_add(minute.saturating_mul(60))
        .saturating_add(second);
    Ok(days_since_epoch(year, month, day)
        .saturating_mul(86_400)
        .saturating_add(of_day))
}

const BAD_TIME: Error = Error::Certificate("an unreadable date");

fn two_digits(text: &[u8]) -> Result<(i64, &[u8]), Error> {
    match text {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9', rest @ ..] => {
            let (tens, ones) = (i64::from(tens & 0x0f), i64::from(ones & 0x0f));
            Ok((tens.saturating_mul(10).saturating_add(ones), rest))
        }
        _ => Err(BAD_TIME),
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, for years 0 to 9999.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    // The year is taken to begin in March, so that the leap day is its last.
    let (year, month) = if month > 2 {
        (year, month.saturating_sub(3))
    } else {
        (year.saturating_sub(1), month.saturating_add(9))
    };
    let leaps = year
        .div_euclid(4)
        .saturating_sub(year.div_euclid(100))
        .saturating_add(year.div_euclid(400));
    let days_before_month = month.saturating_mul(153).saturating_add(2).div_euclid(5);
    year.saturating_mul(365)
        .saturating_add(leaps)
        .saturating_add(days_before_month)
        .saturating_add(day)
        .saturating_sub(719_469)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tag: u8, text: &str) -> Result<i64, Error> {
        let mut bytes = vec![tag, u8::try_from(text.len()).unwrap()];
        bytes.extend_from_slice(text.as_bytes());
        time(&mut Reader::new(&bytes))
    }

    #[test]
    fn dates_become_seconds_since_the_epoch() {
        for (tag, text, seconds) in [
            (UTC_TIME, "700101000000Z", 0),
            (UTC_TIME, "191028132805Z", 1_572_269_285),
            (UTC_TIME, "491028142805Z", 2_519_044_085),
            (UTC_TIME, "000229235959Z", 951_868_799),
            (GENERALIZED_TIME, "20500101000000Z", 2_524_608_000),
            (GENERALIZED_TIME, "21000301000000Z", 4_107_542_400),
        ] {
            assert_eq!(read(tag, text), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn a_date_in_another_form_is_refused() {
        for (tag, text) in [
            (UTC_TIME, "7001010000Z"),
            (UTC_TIME, "700101000000+0000"),
            (UTC_TIME, "701301000000Z"),
            (UTC_TIME, "700100000000Z"),
            (UTC_TIME, "700101240000Z"),
            (UTC_TIME, "70010100000 Z"),
            (GENERALIZED_TIME, "20500101000000.5Z"),
            (INTEGER, "700101000000Z"),
        ] {
            assert!(read(tag, text).is_err(), "{text}");
        }
    }
}
