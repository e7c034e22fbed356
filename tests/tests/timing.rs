//! Comparisons with a secret take the same time however much of what was given is right.
//!
//! Every comparison that matters goes through one of these: the tokens of the sidecar and of the operators' face through
//! `TokenDigest`, the MAC of a snapshot through `MacKey::verify`, both through `constant_time_eq`. Tags of frames, of wrapped keys and
//! of the bundle are compared inside the crypto library, whose own are measured here through a channel's key. The harness must tell
//! a comparison that ends at the first difference, or it proves nothing. `make timing` measures longer.

use claviger_shared::crypto::{MacKey, TokenDigest, constant_time_eq, handshake::FrameKey};
use claviger_tests::timing::{SURELY, t_of};

/// A machine that others use can be unlucky, a leak is there each time.
const TRIES: usize = 4;
const SHORT: usize = 10_000;
const LONG: usize = 1_000_000;

const TOKEN: &[u8] = b"Zm9yIHRoZSB0aW1pbmcgb2YgdG9rZW5zIGFsb25lISE";

/// What must not be done: it ends at the first byte that differs.
fn naive(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| std::hint::black_box(a == b))
}

fn told(name: &str, measurements: usize, right: &[u8], refuse: &dyn Fn(&[u8]) -> bool) -> bool {
    let mut least = f64::INFINITY;
    for _ in 0..TRIES {
        least = least.min(t_of(right, measurements, refuse));
        if least < SURELY {
            break;
        }
    }
    println!("{name:<40} |t| = {least:.2}");
    least >= SURELY
}

fn all(measurements: usize) {
    assert!(
        told(
            "a comparison that ends early",
            measurements,
            TOKEN,
            &|given| !naive(given, TOKEN)
        ),
        "the harness is blind"
    );
    let mut leaks = Vec::new();
    let mut check = |name, right: &[u8], refuse: &dyn Fn(&[u8]) -> bool| {
        if told(name, measurements, right, refuse) {
            leaks.push(name);
        }
    };
    check("constant_time_eq", TOKEN, &|given| {
        !constant_time_eq(given, TOKEN)
    });
    let token = TokenDigest::of(TOKEN);
    check("a token of sidecar or operators", TOKEN, &|given| {
        !token.admits(given)
    });
    let (key, body) = (MacKey::new(&[7; 32]), [9; 64]);
    let mac = key.mac(&[b"snapshot", &body]).0;
    check("the MAC of a snapshot", &mac, &|given| {
        !key.verify(&[b"snapshot", &body], given.try_into().unwrap())
    });
    let frames = FrameKey::new([3; 32]).unwrap();
    let mut sealed = vec![5; 64];
    frames.seal(1, &mut sealed).unwrap();
    let text = sealed[..64].to_vec();
    check("the tag of a frame", &sealed[64..], &|given| {
        frames.open(1, &[&text, given].concat()).is_err()
    });
    assert!(leaks.is_empty(), "time tells how much is right: {leaks:?}");
}

#[test]
fn no_comparison_with_a_secret_tells_how_much_of_it_is_right() {
    all(SHORT);
}

#[test]
#[ignore = "takes a minute on a quiet machine: make timing"]
fn no_comparison_tells_in_a_million_measurements() {
    all(LONG);
}
