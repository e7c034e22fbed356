//! A small honest log, and every way to change it afterwards or to write it dishonestly.

mod honest;
mod log;
mod tampered;
