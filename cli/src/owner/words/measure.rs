//! Lengths, windows and amounts of assets in human terms.

use claviger_shared::{amount::Amount, grant::Window, time::Millis};

/// Seconds of each unit, largest first.
const UNITS: [(u64, &str); 4] = [
    (86_400, "day"),
    (3600, "hour"),
    (60, "minute"),
    (1, "second"),
];

/// A length in its two largest units: `8 hours`, `1 day 2 hours`.
#[must_use]
pub fn length(length: Millis) -> String {
    let mut left = length.0 / 1000;
    let mut words = Vec::new();
    for (seconds, unit) in UNITS {
        let count = left / seconds;
        left %= seconds;
        if count > 0 {
            let plural = if count == 1 { "" } else { "s" };
            words.push(format!("{count} {unit}{plural}"));
        }
    }
    words.truncate(2);
    if words.is_empty() {
        "less than a second".to_owned()
    } else {
        words.join(" ")
    }
}

/// What an amount in an asset's smallest unit is in whole ones, in brackets; nothing where the smallest is a whole one.
///
/// Whoever reads `100000 sol` in a budget must not take them for whole ones.
#[must_use]
pub fn whole(amount: Amount, decimals: u8) -> String {
    let places = usize::from(decimals);
    if places == 0 {
        return String::new();
    }
    let digits = format!("{:0>width$}", amount.0, width = places + 1);
    let (whole, part) = digits.split_at(digits.len() - places);
    let part = part.trim_end_matches('0');
    let point = if part.is_empty() { "" } else { "." };
    format!(" (of the smallest unit: {whole}{point}{part} whole ones)")
}

/// The time that a budget counts over.
#[must_use]
pub fn window(window: Window) -> String {
    match window {
        Window::Call => "in any one call".to_owned(),
        Window::Grant => "in the grant's whole life".to_owned(),
        Window::CalendarDay => "in any UTC day".to_owned(),
        Window::CalendarMonth => "in any UTC month".to_owned(),
        Window::Rolling(over) => format!("in any {}", length(over)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_said_in_whole_ones_too() {
        for (amount, decimals, words) in [
            (100_000, 9, " (of the smallest unit: 0.0001 whole ones)"),
            (0, 6, " (of the smallest unit: 0 whole ones)"),
            (
                1,
                18,
                " (of the smallest unit: 0.000000000000000001 whole ones)",
            ),
            (12_500_000, 6, " (of the smallest unit: 12.5 whole ones)"),
            (3_000_000, 6, " (of the smallest unit: 3 whole ones)"),
            (7, 0, ""),
        ] {
            assert_eq!(whole(Amount(amount), decimals), words);
        }
        let most = whole(Amount(u128::MAX), 38);
        assert!(
            most.contains(": 3.40282366920938463463374607431768211455 "),
            "{most}"
        );
    }

    #[test]
    fn a_length_is_said_in_its_two_largest_units() {
        for (seconds, words) in [
            (0, "less than a second"),
            (1, "1 second"),
            (60, "1 minute"),
            (28_800, "8 hours"),
            (93_600, "1 day 2 hours"),
            (90_061, "1 day 1 hour"),
            (2_592_000, "30 days"),
        ] {
            assert_eq!(length(Millis(seconds * 1000)), words);
        }
        assert_eq!(window(Window::Rolling(Millis(86_400_000))), "in any 1 day");
    }
}
