//! Owners' verbs on a deployment that the command itself brought to be, against the simulation's processes one by one.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test stops where its script breaks"
)]

mod ceremony;
mod doctor;
mod drill;
mod grants;
mod proxy;
mod stage;
