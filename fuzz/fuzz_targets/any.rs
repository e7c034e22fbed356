//! Every target of `claviger-tests` as one program: `CLAVIGER_FUZZ_TARGET` names the one that runs.
#![no_main]

use claviger_tests::fuzz::{Target, find};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static TARGET: LazyLock<&'static Target> = LazyLock::new(|| {
    let name = std::env::var("CLAVIGER_FUZZ_TARGET").expect("CLAVIGER_FUZZ_TARGET names a target");
    find(&name).unwrap_or_else(|| panic!("no target `{name}`"))
});

fuzz_target!(|data: &[u8]| (TARGET.run)(data));
