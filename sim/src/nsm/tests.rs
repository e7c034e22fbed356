//! The device's semantics, limits and errors, and documents that the unchanged verifier accepts.
#![expect(
    clippy::assertions_on_result_states,
    clippy::wildcard_enum_match_arm,
    reason = "tests say which side of a rule they are on"
)]

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_nitro_enclaves_nsm_api::api::AttestationDoc;
use claviger_verify::attestation::{self, At, Root};

use super::*;
use crate::nsm::pcr::PCR_LEN;

const NOW_MS: u64 = 1_800_000_000_000;
const HOUR_MS: u64 = 3_600_000;

struct Bench {
    nsm: MockNsm,
    now: Arc<AtomicU64>,
    root: Root,
}

fn measurements() -> Measurements {
    Measurements {
        pcr0: [1; PCR_LEN],
        pcr1: [2; PCR_LEN],
        pcr2: [3; PCR_LEN],
        role_arn: "arn:aws:iam::000000000000:role/claviger".to_owned(),
        instance_id: "i-0123456789abcdef0".to_owned(),
    }
}

fn boot() -> Bench {
    let pki = Arc::new(Pki::generate().unwrap());
    let now = Arc::new(AtomicU64::new(NOW_MS));
    let root = Root::Pinned(pki.root_der().to_vec());
    let clock = {
        let now = Arc::clone(&now);
        move || now.load(Ordering::Relaxed)
    };
    let nsm = MockNsm::new(
        pki,
        &measurements(),
        &MockNsm::random_module_id().unwrap(),
        Arc::new(clock),
    )
    .unwrap();
    Bench { nsm, now, root }
}

impl Bench {
    fn pcr(&self, index: u16) -> (bool, Vec<u8>) {
        match self.nsm.process(Request::DescribePCR { index }) {
            Response::DescribePCR { lock, data } => (lock, data),
            other => panic!("{other:?}"),
        }
    }

    fn extend(&self, index: u16, data: &[u8]) -> Response {
        self.nsm.process(Request::ExtendPCR {
            index,
            data: data.to_vec(),
        })
    }

    fn attest(
        &self,
        user_data: Option<usize>,
        nonce: Option<usize>,
        public_key: Option<usize>,
    ) -> Response {
        let bytes = |length: Option<usize>| length.map(|length| ByteBuf::from(vec![7; length]));
        self.nsm.process(Request::Attestation {
            user_data: bytes(user_data),
            nonce: bytes(nonce),
            public_key: bytes(public_key),
        })
    }

    fn document(&self) -> Vec<u8> {
        document(self.attest(Some(2), None, Some(1)))
    }

    fn verified(&self) -> Result<attestation::Document, attestation::Error> {
        attestation::verify(
            &self.document(),
            &self.root,
            self.now.load(Ordering::Relaxed),
            0,
        )
    }
}

#[track_caller]
fn document(response: Response) -> Vec<u8> {
    match response {
        Response::Attestation { document } => document,
        other => panic!("{other:?}"),
    }
}

macro_rules! assert_error {
    ($response:expr, $code:ident) => {
        let response = $response;
        assert!(
            matches!(response, Response::Error(ErrorCode::$code)),
            "{response:?}"
        );
    };
}

#[test]
fn the_platform_registers_are_locked_at_boot_and_the_others_are_not() {
    let bench = boot();
    for index in 0..32 {
        assert_eq!(bench.pcr(index).0, index < 16, "{index}");
    }
    assert_eq!(bench.pcr(0).1, [1; PCR_LEN]);
    assert_eq!(bench.pcr(2).1, [3; PCR_LEN]);
    let role = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA384,
        &[&[0; 48][..], b"arn:aws:iam::000000000000:role/claviger"].concat(),
    );
    assert_eq!(bench.pcr(3).1, role.as_ref());
    assert_eq!(bench.pcr(5).1, [0; PCR_LEN]);
    assert_error!(
        bench.nsm.process(Request::DescribePCR { index: 32 }),
        InvalidIndex
    );
}

#[test]
fn extending_hashes_the_old_value_before_the_data() {
    let bench = boot();
    let expected = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA384,
        &[&[0; 48][..], b"first"].concat(),
    );
    match bench.extend(16, b"first") {
        Response::ExtendPCR { data } => assert_eq!(data, expected.as_ref()),
        other => panic!("{other:?}"),
    }
    let twice = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA384,
        &[expected.as_ref(), b"second"].concat(),
    );
    bench.extend(16, b"second");
    assert_eq!(bench.pcr(16).1, twice.as_ref());
    assert_error!(bench.extend(0, b"x"), ReadOnlyIndex);
    assert_error!(bench.extend(32, b"x"), InvalidIndex);
}

#[test]
fn a_locked_register_stays_as_it_is() {
    let bench = boot();
    assert!(matches!(
        bench.nsm.process(Request::LockPCR { index: 16 }),
        Response::LockPCR
    ));
    assert_error!(bench.extend(16, b"x"), ReadOnlyIndex);
    assert_error!(
        bench.nsm.process(Request::LockPCR { index: 16 }),
        ReadOnlyIndex
    );
    assert_error!(
        bench.nsm.process(Request::LockPCR { index: 32 }),
        InvalidIndex
    );
    assert!(matches!(
        bench.nsm.process(Request::LockPCRs { range: 20 }),
        Response::LockPCRs
    ));
    assert_error!(bench.extend(19, b"x"), ReadOnlyIndex);
    assert!(matches!(bench.extend(20, b"x"), Response::ExtendPCR { .. }));
    assert!(matches!(
        bench.nsm.process(Request::LockPCRs { range: 32 }),
        Response::LockPCRs
    ));
    assert_error!(
        bench.nsm.process(Request::LockPCRs { range: 33 }),
        InvalidIndex
    );
}

#[test]
fn a_request_is_at_most_4096_bytes_encoded() {
    let bench = boot();
    // {"ExtendPCR": {"index": 16, "data": h'…'}} costs 27 bytes around the data.
    let overhead = serde_cbor::to_vec(&Request::ExtendPCR {
        index: 16,
        data: vec![0; 4000],
    })
    .unwrap()
    .len()
        - 4000;
    assert!(matches!(
        bench.extend(16, &vec![0; MAX_REQUEST - overhead]),
        Response::ExtendPCR { .. }
    ));
    assert_error!(
        bench.extend(16, &vec![0; MAX_REQUEST - overhead + 1]),
        InputTooLarge
    );
}

#[test]
fn user_data_nonce_and_public_key_have_the_devices_limits() {
    let bench = boot();
    document(bench.attest(Some(512), Some(512), Some(1024)));
    document(bench.attest(Some(0), Some(0), None));
    assert_error!(bench.attest(Some(513), None, None), InputTooLarge);
    assert_error!(bench.attest(None, Some(513), None), InputTooLarge);
    assert_error!(bench.attest(None, None, Some(1025)), InputTooLarge);
    assert_error!(bench.attest(None, None, Some(0)), InvalidArgument);
}

#[test]
fn random_bytes_differ() {
    let bench = boot();
    let random = || match bench.nsm.process(Request::GetRandom) {
        Response::GetRandom { random } => random,
        other => panic!("{other:?}"),
    };
    assert_eq!(random().len(), RANDOM_LEN);
    assert_ne!(random(), random());
}

#[test]
fn the_module_describes_itself() {
    let bench = boot();
    bench.nsm.process(Request::LockPCR { index: 17 });
    match bench.nsm.process(Request::DescribeNSM) {
        Response::DescribeNSM {
            max_pcrs,
            locked_pcrs,
            digest,
            module_id,
            ..
        } => {
            assert_eq!((max_pcrs, digest), (32, Digest::SHA384));
            assert_eq!(
                locked_pcrs.into_iter().collect::<Vec<_>>(),
                (0..16).chain([17]).collect::<Vec<u16>>()
            );
            assert!(
                module_id.starts_with("i-") && module_id.len() == 39,
                "{module_id}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_document_has_the_shape_of_a_real_one() {
    let document = boot().document();
    assert_eq!(
        document[..9],
        [0x84, 0x44, 0xa1, 0x01, 0x38, 0x22, 0xa0, 0x59, document[8]]
    );
    let payload = &document[10..];
    assert_eq!(&payload[..11], b"\xa9\x69module_id");
    let text = |name: &str| {
        payload
            .windows(name.len())
            .position(|window| window == name.as_bytes())
            .unwrap()
    };
    let names = [
        "module_id",
        "digest",
        "timestamp",
        "pcrs",
        "certificate",
        "cabundle",
        "public_key",
        "user_data",
        "nonce",
    ];
    assert!(names.map(text).is_sorted());
    assert_eq!(payload[text("nonce") + 5], 0xf6);
    assert_eq!(document[document.len() - 98..][..2], [0x58, 0x60]);
}

#[test]
fn awss_own_decoder_reads_a_document() {
    let bench = boot();
    let made = bench.document();
    let parts: Vec<serde_cbor::Value> = serde_cbor::from_slice(&made).unwrap();
    let [_, _, serde_cbor::Value::Bytes(payload), _] = &parts[..] else {
        panic!("{parts:?}")
    };
    let read = AttestationDoc::from_binary(payload).unwrap();
    // Written again by AWS's encoder it has the same length: every head is in its shortest form.
    assert_eq!(read.to_binary().len(), payload.len());
    assert_eq!((read.timestamp, read.digest), (NOW_MS, Digest::SHA384));
    assert_eq!(read.pcrs.len(), 16);
    assert_eq!(read.pcrs[&2].as_slice(), [3; PCR_LEN]);
    assert_eq!((read.cabundle.len(), read.nonce), (4, None));
    assert_eq!(read.public_key, Some(ByteBuf::from([7])));
}

#[test]
fn openssl_accepts_the_chain() {
    if Command::new("openssl").arg("version").output().is_err() {
        println!("skipped: there is no openssl on this machine");
        return;
    }
    let pki = Pki::generate().unwrap();
    let signer = pki
        .issue("i-0123456789abcdef0-enc0123456789abcdef", NOW_MS)
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, pem: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, pem).unwrap();
        path
    };
    let root = write("root.pem", pki.root_pem());
    let between = write(
        "between.pem",
        signer.cabundle[1..]
            .iter()
            .map(|der| x509::to_pem(der))
            .collect(),
    );
    let leaf = write("leaf.pem", x509::to_pem(&signer.leaf));
    let verify = |at_s: u64| {
        let mut openssl = Command::new("openssl");
        openssl
            .args(["verify", "-attime", &at_s.to_string(), "-CAfile"])
            .arg(&root);
        openssl
            .arg("-untrusted")
            .arg(&between)
            .arg(&leaf)
            .output()
            .unwrap()
    };
    let accepted = verify(NOW_MS / 1000);
    assert!(
        accepted.status.success(),
        "{}",
        String::from_utf8_lossy(&accepted.stderr)
    );
    assert!(!verify(NOW_MS / 1000 + 3 * 3600 + 1).status.success());
}

#[test]
fn a_document_verifies_under_the_own_root_only() {
    let bench = boot();
    let document = bench.verified().unwrap();
    assert_eq!(document.timestamp_ms(), NOW_MS);
    assert_eq!(
        (
            document.public_key(),
            document.user_data(),
            document.nonce()
        ),
        (Some(&[7][..]), Some(&[7, 7][..]), None)
    );
    assert_eq!(document.pcr(1), Some(&[2; PCR_LEN]));
    assert!(!document.is_debug());
    assert!(attestation::verify_at(&bench.document(), &Root::Aws, At::Own).is_err());
    assert!(attestation::verify_at(&bench.document(), &boot().root, At::Own).is_err());
}

#[test]
fn a_register_appears_in_a_document_once_locked() {
    let bench = boot();
    bench.extend(16, b"deployment");
    assert_eq!(bench.verified().unwrap().pcr(16), None);
    bench.nsm.process(Request::LockPCR { index: 16 });
    let (_, value) = bench.pcr(16);
    assert_eq!(
        bench.verified().unwrap().pcr(16).map(|pcr| &pcr[..]),
        Some(&value[..])
    );
    assert_eq!(bench.verified().unwrap().pcr(17), None);
}

#[test]
fn a_leaf_lives_three_hours_and_is_renewed_when_due() {
    let bench = boot();
    let old = bench.document();
    let at = |now_ms| attestation::verify(&old, &bench.root, now_ms, u64::MAX);
    assert!(at(NOW_MS + 3 * HOUR_MS).is_ok());
    assert_eq!(
        at(NOW_MS + 3 * HOUR_MS + 1000),
        Err(attestation::Error::Validity)
    );
    for hours in [1, 3, 4, 200, 24 * 365] {
        bench.now.store(NOW_MS + hours * HOUR_MS, Ordering::Relaxed);
        assert!(bench.verified().is_ok(), "{hours} h");
    }
    bench.now.store(NOW_MS - 1, Ordering::Relaxed);
    assert!(bench.verified().is_ok());
}

#[test]
fn the_root_is_kept_and_never_replaced_silently() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("pki");
    let first = Pki::load_or_generate(&dir).unwrap();
    let second = Arc::new(Pki::load_or_generate(&dir).unwrap());
    assert_eq!(first.root_der(), second.root_der());

    let root = Root::Pinned(first.root_der().to_vec());
    let nsm = MockNsm::new(second, &measurements(), "i-0-enc0", Arc::new(|| NOW_MS)).unwrap();
    let made = document(nsm.process(Request::Attestation {
        user_data: None,
        nonce: None,
        public_key: None,
    }));
    assert!(attestation::verify(&made, &root, NOW_MS, 0).is_ok());

    let key = std::fs::read(dir.join("root.key")).unwrap();
    std::fs::remove_file(dir.join("root.key")).unwrap();
    assert!(matches!(Pki::load_or_generate(&dir), Err(PkiError::Stored)));
    let other = Pki::generate().unwrap();
    std::fs::write(dir.join("root.key"), key).unwrap();
    std::fs::write(dir.join("root.pem"), other.root_pem()).unwrap();
    assert!(matches!(Pki::load_or_generate(&dir), Err(PkiError::Stored)));
}

#[test]
fn measurements_are_hexadecimal_in_json() {
    let json = serde_json::to_string(&measurements()).unwrap();
    assert_eq!(
        serde_json::from_str::<Measurements>(&json).unwrap(),
        measurements()
    );
    assert!(serde_json::from_str::<Measurements>(&json.replacen("01", "0", 1)).is_err());
    assert!(serde_json::from_str::<Measurements>(&json.replacen("01", "0x", 1)).is_err());
}

#[test]
fn a_debug_enclave_is_recognised() {
    let pki = Arc::new(Pki::generate().unwrap());
    let root = Root::Pinned(pki.root_der().to_vec());
    let nsm = MockNsm::new(
        pki,
        &measurements().debug(),
        "i-0-enc0",
        Arc::new(|| NOW_MS),
    )
    .unwrap();
    let made = document(nsm.process(Request::Attestation {
        user_data: None,
        nonce: None,
        public_key: None,
    }));
    assert!(
        attestation::verify(&made, &root, NOW_MS, 0)
            .unwrap()
            .is_debug()
    );
}

#[test]
fn a_module_id_fits_a_certificate_or_is_refused() {
    let pki = Arc::new(Pki::generate().unwrap());
    let boot = |id: &str| {
        MockNsm::new(Arc::clone(&pki), &measurements(), id, Arc::new(|| NOW_MS)).map(|_| ())
    };
    assert!(boot(&"i".repeat(48)).is_ok());
    assert!(matches!(boot(&"i".repeat(49)), Err(PkiError::ModuleId)));
    assert!(matches!(boot(""), Err(PkiError::ModuleId)));
}
