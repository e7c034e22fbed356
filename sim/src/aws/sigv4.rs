//! Checks Signature Version 4 over a request, as a service does: scope, date, signed headers, signature.
//!
//! Only the form KMS is called in is accepted: POST to `/` without a query, the signature in the Authorization header.
//! It does not know what the request asks for.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::credentials::{Directory, Known};
use super::error::{ErrorType, ServiceError};
use crate::hex;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "kms";
const TERMINATOR: &str = "aws4_request";

/// How far the date of a request may lie from the service's clock.
// AWS General Reference, signing elements: requests outside 5 minutes are refused.
const MAX_SKEW_MS: u64 = 5 * 60_000;

/// What a service needs to check signatures.
#[derive(Debug)]
pub(crate) struct Verifier {
    pub(crate) directory: Directory,
    /// The regions it answers for.
    pub(crate) regions: Vec<String>,
}

/// Who signed a request, and for which region.
#[derive(Debug)]
pub(crate) struct Signed<'a> {
    pub(crate) known: &'a Known,
    pub(crate) region: &'a str,
}

/// The Authorization header, taken apart.
struct Authorization<'a> {
    access_key_id: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    signed_headers: Vec<&'a str>,
    signature: &'a str,
}

impl Verifier {
    /// The credential that signed the request, and its region.
    pub(crate) fn verify(
        &self,
        parts: &Parts,
        body: &[u8],
        now_ms: u64,
    ) -> Result<Signed<'_>, ServiceError> {
        let header = text(&parts.headers, "authorization").ok_or_else(|| {
            ServiceError::new(
                ErrorType::MissingAuthenticationToken,
                "Missing Authentication Token",
            )
        })?;
        let authorization = Authorization::parse(header)?;
        let date = text(&parts.headers, "x-amz-date")
            .ok_or_else(|| incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."))?;
        let region = self.check_scope(&authorization, date)?;
        check_date(date, now_ms)?;
        check_signed_headers(&authorization.signed_headers, &parts.headers)?;
        let known = self
            .directory
            .find(authorization.access_key_id)
            .ok_or_else(unrecognized)?;
        if known.credential.session_token() != text(&parts.headers, "x-amz-security-token") {
            return Err(unrecognized());
        }
        let expected = authorization.expected(parts, body, date, known.credential.expose());
        let given = hex::decode(authorization.signature).unwrap_or_default();
        verify_slices_are_equal(&expected, &given).map_err(|_| {
            invalid("The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
        })?;
        Ok(Signed { known, region })
    }

    fn check_scope(
        &self,
        authorization: &Authorization<'_>,
        date: &str,
    ) -> Result<&str, ServiceError> {
        if authorization.service != SERVICE {
            return Err(invalid(
                "Credential should be scoped to correct service: 'kms'.",
            ));
        }
        let mut regions = self.regions.iter();
        let region = regions
            .find(|region| *region == authorization.region)
            .ok_or_else(|| invalid("Credential should be scoped to a valid region."))?;
        if date
            .split_once('T')
            .is_none_or(|(day, _)| day != authorization.date)
        {
            return Err(invalid(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP",
            ));
        }
        Ok(region)
    }
}

impl<'a> Authorization<'a> {
    fn parse(header: &'a str) -> Result<Self, ServiceError> {
        let (algorithm, rest) = header
            .split_once(' ')
            .ok_or_else(|| incomplete("Authorization header requires 'Credential' parameter."))?;
        if algorithm != ALGORITHM {
            return Err(incomplete("Unsupported AWS 'algorithm'."));
        }
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for parameter in rest.split(',') {
            let (name, value) = parameter.trim().split_once('=').ok_or_else(|| {
                incomplete("Authorization header has a parameter without a value.")
            })?;
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return Err(incomplete("Authorization header has an unknown parameter.")),
            };
            if slot.replace(value).is_some() {
                return Err(incomplete("Authorization header has a parameter twice."));
            }
        }
        let credential = credential
            .ok_or_else(|| incomplete("Authorization header requires 'Credential' parameter."))?;
        let signed_headers = signed_headers.ok_or_else(|| {
            incomplete("Authorization header requires 'SignedHeaders' parameter.")
        })?;
        let signature = signature
            .ok_or_else(|| incomplete("Authorization header requires 'Signature' parameter."))?;
        let parts: Vec<&str> = credential.split('/').collect();
        let [access_key_id, date, region, service, TERMINATOR] = parts[..] else {
            return Err(incomplete(
                "Credential must have exactly 5 slash-delimited elements.",
            ));
        };
        let signed_headers = signed_headers.split(';').collect();
        Ok(Self {
            access_key_id,
            date,
            region,
            service,
            signed_headers,
            signature,
        })
    }

    /// The signature this request should carry.
    fn expected(&self, parts: &Parts, body: &[u8], date: &str, secret: &str) -> Vec<u8> {
        let mut canonical = format!("{}\n/\n\n", parts.method);
        for name in &self.signed_headers {
            let values: Vec<String> = parts
                .headers
                .get_all(*name)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .map(|value| value.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
                .collect();
            canonical.push_str(&format!("{name}:{}\n", values.join(",")));
        }
        canonical.push_str(&format!(
            "\n{}\n{}",
            self.signed_headers.join(";"),
            sha256_hex(body)
        ));

        let Self {
            date: day,
            region,
            service,
            ..
        } = self;
        let scope = format!("{day}/{region}/{service}/{TERMINATOR}");
        let to_sign = format!(
            "{ALGORITHM}\n{date}\n{scope}\n{}",
            sha256_hex(canonical.as_bytes())
        );
        let mut key = hmac_sha256(format!("AWS4{secret}").as_bytes(), day.as_bytes());
        for part in [
            region.as_bytes(),
            service.as_bytes(),
            TERMINATOR.as_bytes(),
            to_sign.as_bytes(),
        ] {
            key = hmac_sha256(&key, part);
        }
        key
    }
}

/// Every header that decides something must be signed, and every signed header be there.
fn check_signed_headers(signed: &[&str], headers: &HeaderMap) -> Result<(), ServiceError> {
    if !signed.is_sorted() || signed.iter().any(|name| !headers.contains_key(*name)) {
        return Err(invalid(
            "'SignedHeaders' is not a sorted list of headers in the request.",
        ));
    }
    let must = |name: &str| name == "host" || name == "content-type" || name.starts_with("x-amz-");
    let unsigned = headers
        .keys()
        .map(|name| name.as_str())
        .find(|name| must(name) && !signed.contains(name));
    match unsigned {
        Some(name) => Err(incomplete(&format!(
            "'{name}' must be a 'SignedHeader' in the AWS Authorization."
        ))),
        None if !signed.contains(&"host") => Err(incomplete(
            "'host' must be a 'SignedHeader' in the AWS Authorization.",
        )),
        None => Ok(()),
    }
}

fn check_date(date: &str, now_ms: u64) -> Result<(), ServiceError> {
    let at_ms =
        parse_date(date).ok_or_else(|| incomplete("Date must be in ISO-8601 'basic format'."))?;
    if now_ms.saturating_sub(at_ms) > MAX_SKEW_MS {
        return Err(invalid(&format!(
            "Signature expired: {date} is more than 5 minutes old."
        )));
    }
    if at_ms.saturating_sub(now_ms) > MAX_SKEW_MS {
        return Err(invalid(&format!(
            "Signature not yet current: {date} is more than 5 minutes ahead."
        )));
    }
    Ok(())
}

/// Milliseconds since the epoch of `YYYYMMDDTHHMMSSZ`.
fn parse_date(text: &str) -> Option<u64> {
    let (day, time) = text.strip_suffix('Z')?.split_once('T')?;
    let number = |text: &str, from: usize, to: usize| {
        let digits = text.get(from..to)?;
        digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| digits.parse::<u16>().ok())?
    };
    if day.len() != 8 || time.len() != 6 {
        return None;
    }
    let small =
        |text: &str, from: usize| u8::try_from(number(text, from, from.checked_add(2)?)?).ok();
    let month = time::Month::try_from(small(day, 4)?).ok()?;
    let date =
        time::Date::from_calendar_date(number(day, 0, 4)?.into(), month, small(day, 6)?).ok()?;
    let clock = time::Time::from_hms(small(time, 0)?, small(time, 2)?, small(time, 4)?).ok()?;
    let seconds = time::PrimitiveDateTime::new(date, clock)
        .assume_utc()
        .unix_timestamp();
    u64::try_from(seconds).ok()?.checked_mul(1000)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes).as_ref())
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message)
        .as_ref()
        .to_vec()
}

fn incomplete(message: &str) -> ServiceError {
    ServiceError::new(ErrorType::IncompleteSignature, message)
}

fn invalid(message: &str) -> ServiceError {
    ServiceError::new(ErrorType::InvalidSignature, message)
}

fn unrecognized() -> ServiceError {
    ServiceError::new(
        ErrorType::UnrecognizedClient,
        "The security token included in the request is invalid.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_the_basic_format_only() {
        assert_eq!(parse_date("20270115T080000Z"), Some(1_800_000_000_000));
        for date in [
            "2027-01-15T08:00:00Z",
            "20270115T080000",
            "20271315T080000Z",
            "20270115T240000Z",
            "2027011+T080000Z",
            "",
        ] {
            assert_eq!(parse_date(date), None, "{date}");
        }
    }

    #[test]
    fn a_request_is_dated_within_five_minutes_either_way() {
        let at = |now_ms| check_date("20270115T080000Z", now_ms).map_err(|error| error.kind);
        let date_ms = 1_800_000_000_000;
        assert_eq!(at(date_ms + MAX_SKEW_MS), Ok(()));
        assert_eq!(
            at(date_ms + MAX_SKEW_MS + 1),
            Err(ErrorType::InvalidSignature)
        );
        assert_eq!(at(date_ms - MAX_SKEW_MS), Ok(()));
        assert_eq!(
            at(date_ms - MAX_SKEW_MS - 1),
            Err(ErrorType::InvalidSignature)
        );
    }
}
