//! Serving: the threads between the host's connections and the core.
//!
//! One thread per call connection runs each call to completion. Whoever ends the last call of an entry builds it (`press`); the
//! thread that reads `storage` releases what waited for it; `journal` keeps the time and sends again what was not stored.
//! `control` boots, takes commands and asks the NSM; `handshake` opens channels. The core's lock is never held across crypto,
//! parsing or a system call.

pub mod answer;
pub mod attestor;
pub mod call;
pub mod command;
pub mod control;
pub mod echo;
pub mod entry;
pub mod handshake;
pub mod hub;
pub mod issue;
pub mod journal;
pub mod life;
pub mod link;
pub mod nonces;
pub mod own;
pub mod press;
pub mod receipts;
pub mod run;
pub mod storage;
pub mod time;
