//! P10: every seed of every fuzz target, and thousands of seeded mutations of them, within bounded memory and time.
//!
//! `make fuzz` runs the same functions under libFuzzer and AddressSanitizer for as long as one likes. Memory is what this thread
//! asks of Rust's allocator; what C code of the crypto library allocates is not in it.

use allocation_counter::measure;
use claviger_shared::{
    codec::cbor::{MAX_ITEMS, encode},
    wire::{
        control::{Measure, Signed, Submitted},
        storage::{Entries, MAX_ENTRIES_ITEMS, MAX_LEAF, StoredEntry},
    },
};
use claviger_tests::fuzz::{
    TARGETS, Target, context::context, host_http, mutate::Mutator, samples, seeds,
};
use claviger_verify::attestation::{self, At};
use std::time::{Duration, Instant};

/// Mutations of each target's seeds, unless time is up first.
const MUTATIONS: u64 = 3000;
/// What one target may take.
const PATIENCE: Duration = Duration::from_millis(800);

#[expect(
    clippy::disallowed_methods,
    reason = "a test's own clock, to give up by"
)]
fn now() -> Instant {
    Instant::now()
}

/// Runs one input and holds it to the target's bound.
fn run(target: &Target, input: &[u8]) -> u64 {
    let memory = measure(|| (target.run)(input)).bytes_max;
    let bound = target.memory.bound(input.len() as u64);
    assert!(
        memory <= bound,
        "{}: {} bytes of input cost {memory} bytes, over {bound}",
        target.name,
        input.len()
    );
    memory
}

#[test]
fn p10_every_seed_and_its_mutations_end_in_an_answer_within_bounded_memory() {
    let _loaded = context();
    for (number, target) in TARGETS.iter().enumerate() {
        let samples = seeds(target.name);
        assert!(!samples.is_empty(), "no seed for {}", target.name);
        for sample in &samples {
            // What is made once and kept is not the input's.
            (target.run)(sample);
            run(target, sample);
        }
        let (began, mut mutator) = (now(), Mutator::new(number as u64));
        let (mut done, mut most, mut slowest) = (0, 0, Duration::ZERO);
        while done < MUTATIONS && began.elapsed() < PATIENCE {
            let input = mutator.next(&samples);
            let at = now();
            let memory = std::panic::catch_unwind(|| run(target, &input)).unwrap_or_else(|_| {
                panic!(
                    "{}: mutation {done} stops it: {}",
                    target.name,
                    hex::encode(&input)
                );
            });
            most = most.max(memory);
            slowest = slowest.max(at.elapsed());
            done += 1;
        }
        println!(
            "{:14} {} seeds, {done} mutations, at most {} KiB and {slowest:?}",
            target.name,
            samples.len(),
            most / 1024
        );
        assert!(
            done > 100,
            "{} is too slow: {done} inputs in {PATIENCE:?}",
            target.name
        );
        assert!(
            slowest < Duration::from_secs(2),
            "{}: {slowest:?}",
            target.name
        );
    }
}

/// Stored entries of so many records, each of so many bytes.
fn entries(of: &[(usize, usize)]) -> Entries {
    let entries = of.iter().map(|(records, bytes)| StoredEntry {
        index: 0,
        leaf: vec![1; MAX_LEAF],
        records: vec![vec![7; *bytes].into(); *records],
        checkpoint: String::new(),
    });
    Entries {
        entries: entries.collect(),
        end: true,
    }
}

/// Canonical documents with as many items as may be, or as many bytes.
fn at_the_limits() -> Vec<Vec<u8>> {
    let items = usize::try_from(MAX_ITEMS).unwrap();
    let many = usize::try_from(MAX_ENTRIES_ITEMS).unwrap();
    let signed = |signatures| Signed {
        body: Vec::new(),
        signatures: vec![String::new(); signatures],
    };
    let array = |part: &[u8]| [&[0x99, 0x0f, 0xff][..], &part.repeat(items - 1)].concat();
    let submitted = |sealed, signatures| Submitted {
        signed: signed(signatures),
        sealed: vec![0; sealed],
    };
    let measure = Measure {
        manifests: vec![signed(0); items / 5 - 1],
    };
    let entry = |of| encode(&entries(&[of]).entries[0]).unwrap();
    vec![
        array(&[0x60]),
        array(&[0x80]),
        array(&[0xa0]),
        array(&[0xf6]),
        encode(&submitted(0, items - 10)).unwrap(),
        encode(&submitted(1_000_000, 0)).unwrap(),
        encode(&measure).unwrap(),
        entry((items - 10, 0)),
        entry((2_000, 400)),
        entry((1, 1_000_000)),
        encode(&entries(&[(many - 20, 0)])).unwrap(),
        encode(&entries(&[(many - 20, 28)])).unwrap(),
        encode(&entries(&[(0, 0); 900])).unwrap(),
    ]
}

/// Inputs that are made to cost more than they weigh: deep, wide, empty, endless.
fn swollen() -> Vec<Vec<u8>> {
    const MANY: usize = 60_000;
    let repeat = |part: &[u8], times: usize| part.repeat(times);
    let wide = |open: &[u8], part: &[u8], close: &[u8]| {
        [open, &repeat(part, MANY / part.len().max(1)), close].concat()
    };
    // A whole frame of the tiniest items.
    let cbor_array =
        |part: &[u8]| [&[0x9a, 0, 0x0f, 0xff, 0xf0][..], &repeat(part, 0xf_fff0)].concat();
    let mut all = at_the_limits();
    all.extend([
        repeat(b"[", MANY),
        repeat(b"{\"a\":", 10_000),
        wide(b"[0", b",0", b"]"),
        wide(b"[[]", b",[]", b"]"),
        wide(b"{\"v\":1,\"owners\":[{}", b",{}", b"]}"),
        wide(b"{\"v\":1,\"resources\":{\"a\":[", b"{},", b"{}]}}"),
        wide(b"{\"manifests\":[{\"body\":\"\",\"signatures\":[\"\"", b",\"\"", b"]}]}"),
        wide(b"GET https://api.example.com:8443/search?a=", b"&a=", b""),
        wide(b"GET https://api.example.com/v1/orders/1", b"\na: ", b""),
        wide(b"https://", b"a.", b"com"),
        wide(b"POST https://pay.example.com/v1/invoices\ncontent-type: application/x-www-form-urlencoded\n\na=", b"&a=", b""),
        repeat(b"\n", MANY),
        repeat(&[0x30, 0x80], MANY / 2),
        repeat(&[0x24, 0x80], MANY / 2),
        repeat(&[0x81], MANY),
        cbor_array(&[0x60]),
        cbor_array(&[0x80]),
        cbor_array(&[0xa0]),
        cbor_array(&[0xf6]),
        encode(&entries(&[(MANY, 0)])).unwrap(),
    ]);
    all
}

#[test]
fn p10_swollen_inputs_cost_no_more_than_others() {
    let _loaded = context();
    for target in TARGETS {
        for (number, input) in swollen().iter().enumerate() {
            let at = now();
            let memory = run(target, input);
            assert!(
                at.elapsed() < Duration::from_secs(2),
                "{} {number}: {:?}",
                target.name,
                at.elapsed()
            );
            if memory > 24 * input.len() as u64 {
                println!(
                    "{:14} {number}: {} bytes cost {} KiB",
                    target.name,
                    input.len(),
                    memory / 1024
                );
            }
        }
    }
}

/// The seeds themselves are accepted where they are meant to be: a target that refuses everything asserts nothing.
#[test]
fn p10_the_seeds_are_valid() {
    use claviger_enclave::boot::cms;
    use claviger_shared::{
        catalog::Catalog, grant::Grant, owner::command::Command, owner::manifest::Manifest,
    };
    let all = |name: &str, fine: &dyn Fn(&[u8]) -> bool| {
        for seed in seeds(name) {
            assert!(fine(&seed), "{name}: {}", String::from_utf8_lossy(&seed));
        }
    };
    all("cms", &|seed| {
        cms::parse(seed, &context().recipient).is_ok()
    });
    all("grant", &|seed| Grant::parse(seed).is_ok());
    all("catalog", &|seed| Catalog::parse(seed).is_ok());
    all("command", &|seed| Command::parse(seed).is_ok());
    all("manifest", &|seed| Manifest::parse(seed).is_ok());
    all("attestation", &|seed| {
        attestation::verify_at(seed, &context().root, At::Own).is_ok()
    });
    all("sshsig", &|seed| {
        let text = std::str::from_utf8(seed).unwrap();
        let message = claviger_tests::fuzz::owner::MESSAGE;
        let namespace = claviger_shared::label::NAMESPACE_COMMAND;
        claviger_shared::owner::sshsig::verify(
            text,
            namespace,
            message,
            &claviger_shared::crypto::AwsLc,
        )
        .is_ok()
    });
    for (name, text) in host_http::SEEDS {
        let fine = match *name {
            "agents-stream" => 101,
            "path-no-text" | "agents-discovery" => 404,
            "status" => 403,
            "genesis" | "manifests" => 409,
            "command-refused" => 422,
            _ => 200,
        };
        assert_eq!(host_http::status(text.as_bytes()), Some(fine), "{name}");
    }
    assert_eq!(context().entries.entries.len() as u64, {
        let mut reader = claviger_shared::log::entry::Reader::new(context().log_key.clone());
        for entry in &context().entries.entries {
            reader.next(entry, &claviger_shared::crypto::AwsLc).unwrap();
        }
        reader.frontier().size()
    });
}

/// Makes the seeds again; for a change of a format.
#[test]
#[ignore = "writes tests/fuzz"]
fn write_the_seeds() {
    samples::write();
}

/// Makes those again that are texts; for a new target.
#[test]
#[ignore = "writes tests/fuzz"]
fn write_the_texts() {
    samples::texts();
}
