//! Serving: the threads between the host's connections and the core.
//!
//! One thread per call connection runs each call to completion; `journal` stores entries and releases what waited;
//! `control` boots, takes commands and asks the NSM; `handshake` opens channels. The core's lock is never held across
//! crypto, parsing or a system call.

pub mod answer;
pub mod attestor;
pub mod call;
pub mod command;
pub mod control;
pub mod echo;
pub mod handshake;
pub mod hub;
pub mod issue;
pub mod journal;
pub mod life;
pub mod link;
pub mod nonces;
pub mod own;
pub mod receipts;
pub mod run;
pub mod storage;
pub mod time;
