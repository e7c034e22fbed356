//! The benchmark's own clock.

use std::time::Instant;

/// Now, by this machine.
pub fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "a benchmark's own clock")]
    Instant::now()
}
