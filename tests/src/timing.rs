//! Whether the time that a function takes tells two classes of input apart: Welch's t-test, as dudect does it.
//!
//! Inputs of both classes are made beforehand and stand in one buffer when they are measured, in random order; what an
//! interruption made slow is cut away at several heights, and the largest |t| of them counts.

use crate::timing::Class::{First, Last};
use std::time::Instant;

/// |t| above which two classes are surely told apart: chance alone reaches it once in 10^23 tests.
pub const SURELY: f64 = 10.0;
/// Calls that one measurement covers, so that the clock's own grain does not hide a few nanoseconds.
const BATCH: usize = 16;
/// Shares of the measurements, from the quickest on, that are compared.
const CUTS: [f64; 5] = [0.5, 0.7, 0.8, 0.9, 0.99];

/// How an input is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// At its first byte.
    First,
    /// At its last byte alone.
    Last,
}

/// The largest |t| between inputs that are wrong at their first and at their last byte.
///
/// `refuse` must refuse every input; `right` is what it would take.
///
/// # Panics
///
/// When an input is taken.
pub fn t_of(right: &[u8], measurements: usize, refuse: &dyn Fn(&[u8]) -> bool) -> f64 {
    let wrong = |class| {
        let mut input = right.to_vec();
        let at = if class == First { 0 } else { input.len() - 1 };
        input[at] ^= 1;
        input
    };
    let inputs = [wrong(First), wrong(Last)];
    assert!(refuse(&inputs[0]) && refuse(&inputs[1]) && !refuse(right));
    let mut times = Vec::with_capacity(measurements);
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut buffer = right.to_vec();
    for _ in 0..measurements {
        // Xorshift (Marsaglia 2003): the order of classes alone.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let class = (seed >> 40 & 1) as usize;
        buffer.copy_from_slice(&inputs[class]);
        #[expect(clippy::disallowed_methods, reason = "time is what is measured")]
        let start = Instant::now();
        let mut refused = true;
        for _ in 0..BATCH {
            refused &= refuse(std::hint::black_box(&buffer));
        }
        let took = start.elapsed().as_nanos() as f64;
        assert!(std::hint::black_box(refused));
        times.push((class, took));
    }
    // The first are slow while caches fill.
    largest(&times[measurements / 10..])
}

fn largest(times: &[(usize, f64)]) -> f64 {
    let mut sorted: Vec<f64> = times.iter().map(|(_, took)| *took).collect();
    sorted.sort_by(f64::total_cmp);
    let cut = |share: f64| sorted[((sorted.len() - 1) as f64 * share) as usize];
    let t = |most: f64| {
        let of = |class| {
            let own = times
                .iter()
                .filter(move |(own, took)| *own == class && *took <= most);
            own.map(|(_, took)| *took).collect::<Vec<_>>()
        };
        welch(&of(0), &of(1)).abs()
    };
    CUTS.map(cut).map(t).into_iter().fold(0.0, f64::max)
}

/// Welch's t of two samples; 0 where there is nothing to compare.
fn welch(a: &[f64], b: &[f64]) -> f64 {
    let moments = |sample: &[f64]| {
        let count = sample.len() as f64;
        let mean = sample.iter().sum::<f64>() / count;
        let variance = sample.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    };
    if a.len() < 2 || b.len() < 2 {
        return 0.0;
    }
    let ((mean_a, error_a), (mean_b, error_b)) = (moments(a), moments(b));
    let error = (error_a + error_b).sqrt();
    if error == 0.0 {
        return if mean_a == mean_b { 0.0 } else { f64::INFINITY };
    }
    (mean_a - mean_b) / error
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: means 3 and 6, variances 2.5 and 10, five of each: t = -3 / sqrt(0.5 + 2).
    #[test]
    fn welchs_t_is_what_it_is_by_hand() {
        let t = welch(&[1.0, 2.0, 3.0, 4.0, 5.0], &[2.0, 4.0, 6.0, 8.0, 10.0]);
        assert!((t + 3.0 / 2.5_f64.sqrt()).abs() < 1e-12, "{t}");
        assert!(welch(&[1.0, 2.0], &[1.0, 2.0]).abs() < 1e-12);
    }
}
