//! The demonstration. To come.

fn main() {}
