//! Points in time and lengths of time, in milliseconds; parsing of RFC 3339 and ISO 8601 as owners write them.
//!
//! This module reads no clock. A [`UnixMs`] is whatever its maker knows about time: in the enclave the NSM's word.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct UnixMs(pub u64);

/// A length of time in milliseconds.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(pub u64);

/// One day.
pub const DAY: Millis = Millis(86_400_000);
const MS_PER_DAY: u64 = DAY.0;

/// A text that is not a time or a duration in the one form accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time in the accepted form")]
pub struct BadTime;

impl Millis {
    /// How long what has no end lives.
    pub const ENDLESS: Self = Self(UnixMs::NEVER.0);

    /// Whole seconds as milliseconds, saturating.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// An ISO 8601 duration of days, hours, minutes and seconds: `P1D`, `PT8H`, `P1DT30M`. Months and years have no
    /// fixed length and are refused, as is zero.
    ///
    /// # Errors
    ///
    /// [`BadTime`] for anything else.
    pub fn parse_iso(text: &str) -> Result<Self, BadTime> {
        let rest = text.strip_prefix('P').ok_or(BadTime)?;
        let (days, clock) = match rest.split_once('T') {
            Some((_, "")) => return Err(BadTime),
            Some((days, clock)) => (days, clock),
            None => (rest, ""),
        };
        let mut total = 0_u64;
        take_units(days, &[('D', 86_400)], &mut total)?;
        take_units(clock, &[('H', 3600), ('M', 60), ('S', 1)], &mut total)?;
        if total == 0 {
            Err(BadTime)
        } else {
            total.checked_mul(1000).map(Self).ok_or(BadTime)
        }
    }
}

impl fmt::Display for Millis {
    /// The ISO 8601 form that [`Millis::parse_iso`] reads, in whole seconds rounded down.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0 / 1000;
        let (days, hours, minutes, seconds) =
            (secs / 86_400, secs / 3600 % 24, secs / 60 % 60, secs % 60);
        f.write_str("P")?;
        if days > 0 {
            write!(f, "{days}D")?;
        }
        if !secs.is_multiple_of(86_400) || days == 0 {
            f.write_str("T")?;
        }
        for (count, unit) in [(hours, 'H'), (minutes, 'M')] {
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        if seconds > 0 || secs == 0 {
            write!(f, "{seconds}S")?;
        }
        Ok(())
    }
}

fn take_units(mut text: &str, units: &[(char, u64)], total: &mut u64) -> Result<(), BadTime> {
    for (unit, secs) in units {
        let Some((digits, rest)) = text.split_once(*unit) else {
            continue;
        };
        if digits.is_empty() || digits.len() > 9 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(BadTime);
        }
        let count: u64 = digits.parse().map_err(|_| BadTime)?;
        let add = count.checked_mul(*secs).ok_or(BadTime)?;
        *total = total.checked_add(add).ok_or(BadTime)?;
        text = rest;
    }
    if text.is_empty() {
        Ok(())
    } else {
        Err(BadTime)
    }
}

impl UnixMs {
    /// The end of what has none: the last second that RFC 3339 can write, shown as `never`.
    pub const NEVER: Self = Self(253_402_300_799_000);

    /// This time plus a length, saturating at the end of time.
    #[must_use]
    pub const fn plus(self, length: Millis) -> Self {
        Self(self.0.saturating_add(length.0))
    }

    /// How long after `earlier` this is; zero when it is not after.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn secs(self) -> u64 {
        self.0 / 1000
    }

    /// RFC 3339 in UTC with whole seconds, `2026-11-23T09:00:00Z`: the one form accepted.
    ///
    /// # Errors
    ///
    /// [`BadTime`] for anything else, leap seconds and years before 1970 included.
    pub fn parse_rfc3339(text: &str) -> Result<Self, BadTime> {
        let bytes: &[u8; 20] = text.as_bytes().try_into().map_err(|_| BadTime)?;
        let marks = [
            (4, b'-'),
            (7, b'-'),
            (10, b'T'),
            (13, b':'),
            (16, b':'),
            (19, b'Z'),
        ];
        if marks.iter().any(|(at, mark)| bytes.get(*at) != Some(mark)) {
            return Err(BadTime);
        }
        let field = |from: usize, to: usize| -> Result<u64, BadTime> {
            let digits = text.get(from..to).ok_or(BadTime)?;
            if !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(BadTime);
            }
            digits.parse().map_err(|_| BadTime)
        };
        let (year, month, day) = (field(0, 4)?, field(5, 7)?, field(8, 10)?);
        let (hour, minute, second) = (field(11, 13)?, field(14, 16)?, field(17, 19)?);
        if year < 1970
            || hour > 23
            || minute > 59
            || second > 59
            || day == 0
            || day > days_in_month(year, month)?
        {
            return Err(BadTime);
        }
        let days = days_before(year, month, day)?;
        let clock = [(hour, 3600), (minute, 60), (second, 1)];
        let secs = clock
            .iter()
            .fold(days.saturating_mul(86_400), |sum, (n, unit)| {
                sum.saturating_add(n.saturating_mul(*unit))
            });
        secs.checked_mul(1000).map(Self).ok_or(BadTime)
    }

    /// The start of the UTC day this time lies in.
    #[must_use]
    pub const fn day_start(self) -> Self {
        Self(self.0.saturating_sub(self.0 % MS_PER_DAY))
    }

    /// The start of the UTC month this time lies in.
    #[must_use]
    pub fn month_start(self) -> Self {
        let (_, _, day) = self.civil();
        let back = day.saturating_sub(1).saturating_mul(MS_PER_DAY);
        Self(self.day_start().0.saturating_sub(back))
    }

    /// The start of the next UTC month.
    #[must_use]
    pub fn next_month_start(self) -> Self {
        let (year, month, _) = self.civil();
        let days = days_in_month(year, month).unwrap_or(31);
        Self(
            self.month_start()
                .0
                .saturating_add(days.saturating_mul(MS_PER_DAY)),
        )
    }

    /// Year, month 1..=12 and day 1..=31 in UTC (Gregorian, by whole 400-year cycles).
    #[must_use]
    pub fn civil(self) -> (u64, u64, u64) {
        let mut days = self.0 / MS_PER_DAY;
        let mut year = 1970_u64;
        let cycles = days / 146_097;
        year = year.saturating_add(cycles.saturating_mul(400));
        days = days.saturating_sub(cycles.saturating_mul(146_097));
        loop {
            let length = if is_leap(year) { 366 } else { 365 };
            if days < length {
                break;
            }
            days = days.saturating_sub(length);
            year = year.saturating_add(1);
        }
        let mut month = 1;
        while let Ok(length) = days_in_month(year, month) {
            if days < length {
                break;
            }
            days = days.saturating_sub(length);
            month = u64::saturating_add(month, 1);
        }
        (year, month, days.saturating_add(1))
    }
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_in_month(year: u64, month: u64) -> Result<u64, BadTime> {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Ok(31),
        4 | 6 | 9 | 11 => Ok(30),
        2 => Ok(if is_leap(year) { 29 } else { 28 }),
        _ => Err(BadTime),
    }
}

fn days_before(year: u64, month: u64, day: u64) -> Result<u64, BadTime> {
    let mut days = day.checked_sub(1).ok_or(BadTime)?;
    for y in 1970..year {
        days = days.saturating_add(if is_leap(y) { 366 } else { 365 });
    }
    for m in 1..month {
        days = days.saturating_add(days_in_month(year, m)?);
    }
    Ok(days)
}

impl fmt::Display for UnixMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self >= Self::NEVER {
            return f.write_str("never");
        }
        let (year, month, day) = self.civil();
        let secs = self.secs() % 86_400;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
            secs / 3600,
            secs / 60 % 60,
            secs % 60
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn never_is_the_last_time_that_can_be_written() {
        let never = UnixMs::parse_rfc3339("9999-12-31T23:59:59Z");
        assert_eq!(never, Ok(UnixMs::NEVER));
        assert_eq!(UnixMs::NEVER.to_string(), "never");
        assert_eq!(UnixMs(u64::MAX).to_string(), "never");
        let before = UnixMs(UnixMs::NEVER.0 - 1000);
        assert_eq!(before.to_string(), "9999-12-31T23:59:58Z");
    }

    #[test]
    fn known_times() {
        // RFC 3339 §5.8 style, checked against `date -u -d @1795510800`
        assert_eq!(
            UnixMs::parse_rfc3339("2026-11-24T09:00:00Z")
                .unwrap()
                .secs(),
            1_795_510_800
        );
        assert_eq!(UnixMs(951_782_400_000).to_string(), "2000-02-29T00:00:00Z");
        assert_eq!(
            UnixMs(951_782_400_000).next_month_start().to_string(),
            "2000-03-01T00:00:00Z"
        );
    }

    #[test]
    fn other_forms_are_refused() {
        for bad in [
            "",
            "2026-11-24",
            "2026-11-24T09:00:00+00:00",
            "2026-11-24 09:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "1969-12-31T00:00:00Z",
            "2026-11-24T24:00:00Z",
            "2026-11-24T09:00:60Z",
            "+026-11-24T09:00:00Z",
        ] {
            assert_eq!(UnixMs::parse_rfc3339(bad), Err(BadTime), "{bad}");
        }
    }

    #[test]
    fn a_duration_is_written_as_it_is_read() {
        for text in ["P1D", "PT8H", "P1DT30M", "PT1H1M1S", "P30D", "PT90M"] {
            let length = Millis::parse_iso(text).unwrap();
            assert_eq!(Millis::parse_iso(&length.to_string()), Ok(length), "{text}");
        }
        assert_eq!(Millis(0).to_string(), "PT0S");
        assert_eq!(Millis::from_secs(86_400 + 1800).to_string(), "P1DT30M");
    }

    #[test]
    fn durations() {
        assert_eq!(Millis::parse_iso("P1D"), Ok(DAY));
        assert_eq!(
            Millis::parse_iso("P1DT1H30M5S"),
            Ok(Millis((86_400 + 3600 + 1800 + 5) * 1000))
        );
        for bad in [
            "",
            "P",
            "PT",
            "P0D",
            "P1M",
            "P1Y",
            "1D",
            "P1DT",
            "PT1S1M",
            "P-1D",
            "P1.5D",
            "P1D1D",
            "PT9999999999S",
        ] {
            assert_eq!(Millis::parse_iso(bad), Err(BadTime), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_time_reads_back(secs in 0_u64..250_000_000_000) {
            let time = UnixMs(secs * 1000);
            prop_assert_eq!(UnixMs::parse_rfc3339(&time.to_string()), Ok(time));
            prop_assert!(time.month_start() <= time && time < time.next_month_start());
        }
    }
}
