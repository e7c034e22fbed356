//! Whole histories through [`State::apply`]: honest ones in any order a log may have, and every way to be dishonest.

mod calls;
mod catalogs;
mod commands;
mod denials;
mod grants;
mod history;
mod keys;
mod limits;
mod lines;
mod manifests;
mod memory;
mod nonces;
mod order;
mod refusals;
mod reissues;
mod states;
mod stops;
mod times;
