//! One test for every rule of a document, a real document of AWS's, and the tools to make bad ones.

mod chain;
mod document;
mod envelope;
mod members;
mod pki;
mod sample;
