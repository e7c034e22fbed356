//! P10: every seed of every fuzz target, and thousands of seeded mutations of them, within bounded memory and time.
//!
//! `make fuzz` runs the same functions under libFuzzer and AddressSanitizer for as long as one likes. Memory is what this thread
//! asks of Rust's allocator; what C code of the crypto library allocates is not in it.

use allocation_counter::measure;
use claviger_tests::fuzz::{
    MEMORY_FLOOR, TARGETS, Target, context::context, mutate::Mutator, samples, seeds,
};
use std::time::{Duration, Instant};

/// Mutations of each target's seeds, unless time is up first.
const MUTATIONS: u64 = 4000;
/// What one target may take.
const PATIENCE: Duration = Duration::from_millis(1000);

/// Runs one input and holds it to the target's bound.
fn run(target: &Target, input: &[u8]) -> u64 {
    let memory = measure(|| (target.run)(input)).bytes_max;
    let bound = MEMORY_FLOOR + target.memory * input.len() as u64;
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
        let (began, mut mutator) = (Instant::now(), Mutator::new(number as u64));
        let (mut done, mut most, mut slowest) = (0, 0, Duration::ZERO);
        while done < MUTATIONS && began.elapsed() < PATIENCE {
            let input = mutator.next(&samples);
            let at = Instant::now();
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
        claviger_verify::attestation::verify_at_own_time(seed, &context().root).is_ok()
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
