//! Fuzz targets: what anybody outside can send, one function per format, each with what must hold of every input.
//!
//! The same functions run under libFuzzer (`make fuzz`) and, over the seeds and seeded mutations of them, in `make test`.
//! A target panics where a promise is broken and returns otherwise. docs/fuzzing.md lists what each asserts.

pub mod boot;
pub mod calls;
pub mod codec;
pub mod context;
pub mod edge;
pub mod log;
pub mod mutate;
pub mod owner;
pub mod samples;
pub mod wire;

use std::path::PathBuf;

/// One format and what must hold of it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, also that of its folder of seeds.
    pub name: &'static str,
    /// Tries one input.
    pub run: fn(&[u8]),
    /// Bytes of heap that one byte of input may cost at most, beside [`MEMORY_FLOOR`].
    pub memory: u64,
}

/// Heap that any input may cost, however short it is.
pub const MEMORY_FLOOR: u64 = 64 * 1024;

const fn target(name: &'static str, run: fn(&[u8]), memory: u64) -> Target {
    Target { name, run, memory }
}

/// Every target.
pub const TARGETS: &[Target] = &[
    target("agent_key", edge::agent_key, 64),
    target("attestation", boot::attestation, 64),
    target("audit_place", edge::audit_place, 64),
    target("bundle", boot::bundle, 64),
    target("catalog", owner::catalog, 128),
    target("cbor", codec::cbor_any, 64),
    target("chain", owner::chain, 128),
    target("checkpoint", log::checkpoint, 64),
    target("cms", boot::cms, 64),
    target("command", owner::command, 128),
    target("entries", log::entries, 64),
    target("frame", codec::frame, 64),
    target("grant", owner::grant, 128),
    target("host_config", edge::host_config, 64),
    target("http_call", calls::http_call, 128),
    target("inclusion", log::inclusion, 64),
    target("json", codec::json_any, 128),
    target("jwt_call", calls::jwt_call, 128),
    target("manifest", owner::manifest, 128),
    target("receipt", log::receipt, 64),
    target("record", log::record, 64),
    target("sealed", calls::sealed, 64),
    target("sidecar", edge::sidecar, 64),
    target("snapshot", log::snapshot, 128),
    target("ssh_key", owner::ssh_key, 64),
    target("sshsig", owner::sshsig, 64),
    target("stored_entry", edge::stored_entry, 64),
    target("stream", codec::stream, 64),
    target("url", calls::url, 64),
    target("wire_call", wire::call, 64),
    target("wire_control", wire::control, 64),
    target("wire_storage", wire::storage, 64),
];

/// The target of a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Where seeds and context are kept.
#[must_use]
pub fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz"))
}

/// The seeds of a target by file name.
#[must_use]
pub fn seeds(name: &str) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(folder().join(name)).unwrap();
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}
