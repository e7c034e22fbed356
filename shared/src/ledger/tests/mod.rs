//! Whole histories through [`State::apply`]: honest ones in any order a log may have, and every way to be dishonest.

mod calls;
mod commands;
mod denials;
mod grants;
mod history;
mod limits;
mod lines;
mod manifests;
mod order;
