//! The ledger: what grants exist, what they have spent, what is stopped; a replay of the log.
//!
//! [`State::apply`] is the one function that turns records into state, in the enclave and in the auditor. What the enclave
//! reserves live goes through the same counters. A record that would overspend, use a grant that is not active, or break a
//! command chain is a [`Violation`], never a smaller state.

pub mod apply;
pub mod command;
mod nonces;
pub mod remember;
pub mod reserve;
mod scopes;
mod slab;
mod spending;
pub mod state;
pub mod window;
mod written;

pub use apply::Violation;
pub use command::{AuthorizedCommand, CommandDenied};
pub use remember::{Idempotency, Remembered, forgotten_at};
pub use state::{GrantState, KeyState, Slot, State, Status};

#[cfg(test)]
mod tests;
