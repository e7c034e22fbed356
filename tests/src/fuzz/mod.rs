//! Fuzz targets: what anybody outside can send, one function per format, each with what must hold of every input.
//!
//! The same functions run under libFuzzer (`make fuzz`) and, over the seeds and seeded mutations of them, in `make test`.
//! A target panics where a promise is broken and returns otherwise. docs/fuzzing.md lists what each asserts.

pub mod aws;
pub mod boot;
pub mod calls;
pub mod codec;
pub mod context;
pub mod edge;
pub mod evm;
pub mod host_http;
pub mod log;
pub mod mutate;
pub mod owner;
pub mod profiles;
pub mod samples;
pub mod solana;
pub mod ssh;
pub mod template;
pub mod wire;
pub mod x402;

use std::path::PathBuf;

/// One format and what must hold of it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, also that of its folder of seeds.
    pub name: &'static str,
    /// Tries one input.
    pub run: fn(&[u8]),
    /// The heap that an input may cost at most.
    pub memory: Memory,
}

/// A bound on heap: so much for any input, and so much more for each of its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    floor: u64,
    per_byte: u64,
}

impl Memory {
    /// What an input of this length may cost.
    #[must_use]
    pub const fn bound(self, len: u64) -> u64 {
        self.floor + self.per_byte * len
    }
}

/// Texts and fixed layouts, copied a few times over.
const FLAT: Memory = memory(32, 4);
/// Canonical CBOR: few items, whatever they weigh, and their bytes.
const ITEMS: Memory = memory(256, 6);
/// Replies to Read, which have room for the items of many entries.
const MANY: Memory = memory(768, 5);
/// The host's faces: connections, and answers that are no longer for a longer request.
const FACES: Memory = memory(256, 6);
/// Strict JSON and what is made of it.
const TREE: Memory = memory(64, 48);

const fn memory(floor_kib: u64, per_byte: u64) -> Memory {
    Memory {
        floor: floor_kib * 1024,
        per_byte,
    }
}

const fn target(name: &'static str, run: fn(&[u8]), memory: Memory) -> Target {
    Target { name, run, memory }
}

/// Every target.
pub const TARGETS: &[Target] = &[
    target("agent_key", edge::agent_key, FLAT),
    target("attestation", boot::attestation, FLAT),
    target("audit_place", edge::audit_place, FLAT),
    target("aws_call", aws::aws_call, TREE),
    target("bundle", boot::bundle, ITEMS),
    target("catalog", owner::catalog, TREE),
    target("cbor", codec::cbor_any, ITEMS),
    target("chain", owner::chain, TREE),
    target("checkpoint", log::checkpoint, FLAT),
    target("cms", boot::cms, FLAT),
    target("command", owner::command, TREE),
    target("entries", log::entries, MANY),
    target("evm_call", evm::evm_call, TREE),
    target("frame", codec::frame, FLAT),
    target("grant", owner::grant, TREE),
    target("host_config", edge::host_config, FLAT),
    target("host_http", host_http::host_http, FACES),
    target("http_call", calls::http_call, TREE),
    target("inclusion", log::inclusion, FLAT),
    target("json", codec::json_any, TREE),
    target("jwt_call", calls::jwt_call, FLAT),
    target("manifest", owner::manifest, TREE),
    target("receipt", log::receipt, ITEMS),
    target("record", log::record, ITEMS),
    target("sealed", calls::sealed, ITEMS),
    target("sidecar", edge::sidecar, TREE),
    target("snapshot", log::snapshot, TREE),
    target("solana_call", solana::solana_call, ITEMS),
    target("ssh_agent", edge::ssh_agent, FLAT),
    target("ssh_call", ssh::ssh_call, FLAT),
    target("ssh_key", owner::ssh_key, FLAT),
    target("sshsig", owner::sshsig, FLAT),
    target("stored_entry", edge::stored_entry, ITEMS),
    target("stream", codec::stream, FLAT),
    target("template_call", template::template_call, TREE),
    target("url", calls::url, FLAT),
    target("wire_call", wire::call, ITEMS),
    target("wire_control", wire::control, ITEMS),
    target("wire_storage", wire::storage, MANY),
    target("x402_call", x402::x402_call, TREE),
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
