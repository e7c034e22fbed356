//! What openssl, ssh-keygen and RFC 8037 write is read as the same key; anything else is refused with its reason.

use super::*;
use std::process::Command;

fn run(program: &str, args: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
    output.stdout
}

fn at(dir: &Path, name: &str) -> String {
    dir.join(name).to_str().unwrap().to_owned()
}

/// The public key that openssl says a private key has, in its last bytes.
fn public_by_openssl(path: &str) -> Vec<u8> {
    run(
        "openssl",
        &["pkey", "-in", path, "-pubout", "-outform", "DER"],
    )
}

#[test]
fn what_openssl_writes_is_read_as_openssl_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let (ed, ec) = (at(dir.path(), "ed.pem"), at(dir.path(), "ec.pem"));
    let (sec1, encrypted) = (at(dir.path(), "sec1.pem"), at(dir.path(), "enc.pem"));
    run(
        "openssl",
        &["genpkey", "-algorithm", "ed25519", "-out", &ed],
    );
    let curve = "ec_paramgen_curve:P-256";
    run(
        "openssl",
        &[
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            curve,
            "-out",
            &ec,
        ],
    );
    run("openssl", &["ec", "-in", &ec, "-out", &sec1]);
    let pass = [
        "pkcs8",
        "-topk8",
        "-in",
        &ec,
        "-out",
        &encrypted,
        "-passout",
        "pass:word",
    ];
    run("openssl", &pass);
    for (path, alg) in [(&ed, Alg::Ed25519), (&ec, Alg::P256), (&sec1, Alg::P256)] {
        let key = PrivateKey::read(Path::new(path), None).unwrap();
        assert_eq!(key.alg, alg, "{path}");
        assert!(public_by_openssl(path).ends_with(&key.public), "{path}");
    }
    assert_eq!(
        PrivateKey::read(Path::new(&sec1), None).unwrap().expose(),
        PrivateKey::read(Path::new(&ec), None).unwrap().expose()
    );
    let told = PrivateKey::read(Path::new(&encrypted), None).unwrap_err();
    assert!(told.to_string().contains("decrypt it first"), "{told}");
    for (algorithm, option) in [
        ("RSA", "rsa_keygen_bits:1024"),
        ("EC", "ec_paramgen_curve:P-384"),
    ] {
        let other = at(dir.path(), "other.pem");
        run(
            "openssl",
            &[
                "genpkey",
                "-algorithm",
                algorithm,
                "-pkeyopt",
                option,
                "-out",
                &other,
            ],
        );
        let told = PrivateKey::read(Path::new(&other), None).unwrap_err();
        assert!(told.to_string().contains("another type"), "{told}");
    }
}

#[test]
fn rsa_keys_are_read_as_openssl_reads_them_in_each_form() {
    let dir = tempfile::tempdir().unwrap();
    let (pkcs8, pkcs1) = (at(dir.path(), "pkcs8.pem"), at(dir.path(), "pkcs1.pem"));
    for bits in ["rsa_keygen_bits:2048", "rsa_keygen_bits:3072"] {
        let make = ["genpkey", "-algorithm", "RSA", "-pkeyopt", bits, "-out"];
        run("openssl", &[&make[..], &[&pkcs8]].concat());
        run(
            "openssl",
            &["rsa", "-traditional", "-in", &pkcs8, "-out", &pkcs1],
        );
        let text = std::fs::read_to_string(&pkcs1).unwrap();
        assert!(
            text.starts_with("-----BEGIN RSA PRIVATE KEY-----"),
            "{text}"
        );
        let key = PrivateKey::read(Path::new(&pkcs8), None).unwrap();
        assert_eq!(key.alg, Alg::Rs256);
        assert!(public_by_openssl(&pkcs8).ends_with(&key.public));
        let other = PrivateKey::read(Path::new(&pkcs1), None).unwrap();
        assert_eq!(other.expose(), key.expose(), "one form inside");
    }
    let encrypted = at(dir.path(), "enc.pem");
    run(
        "openssl",
        &[
            "rsa",
            "-traditional",
            "-aes128",
            "-passout",
            "pass:word",
            "-in",
            &pkcs8,
            "-out",
            &encrypted,
        ],
    );
    let told = PrivateKey::read(Path::new(&encrypted), None).unwrap_err();
    assert!(told.to_string().contains("decrypt it first"), "{told}");
}

/// RFC 7515 A.2: an RSA key of 2048 bits.
#[test]
fn a_published_rsa_jwk_is_read_and_no_part_may_be_another() {
    let vectors = include_str!("../../../../../tests/vectors/jose/vectors.json");
    let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
    let jwk = &vectors["rfc7515-a2"]["jwk"];
    let key = PrivateKey::parse(&jwk.to_string()).unwrap();
    assert_eq!((key.alg, key.public.len()), (Alg::Rs256, 270));
    for name in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
        let mut other = jwk.clone();
        other[name] = "AQAD".into();
        assert!(PrivateKey::parse(&other.to_string()).is_err(), "{name}");
        other.as_object_mut().unwrap().remove(name);
        assert!(PrivateKey::parse(&other.to_string()).is_err(), "{name}");
    }
}

#[test]
fn what_ssh_keygen_writes_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = at(dir.path(), "id");
    run(
        "ssh-keygen",
        &["-q", "-t", "ed25519", "-N", "", "-f", &path],
    );
    let key = PrivateKey::read(Path::new(&path), None).unwrap();
    let line = std::fs::read_to_string(format!("{path}.pub")).unwrap();
    let stated = claviger_shared::owner::sshsig::PublicKey::parse_line(line.trim()).unwrap();
    assert!(stated.blob.ends_with(&key.public));
    let path = at(dir.path(), "ecdsa");
    run("ssh-keygen", &["-q", "-t", "ecdsa", "-N", "", "-f", &path]);
    let key = PrivateKey::read(Path::new(&path), None).unwrap();
    let line = std::fs::read_to_string(format!("{path}.pub")).unwrap();
    let stated = claviger_shared::owner::sshsig::PublicKey::parse_line(line.trim()).unwrap();
    assert_eq!(key.alg, Alg::P256);
    assert!(stated.blob.ends_with(&key.public));
    // Under a passphrase, on another curve, or with a byte changed, it is none.
    let text = std::fs::read_to_string(&path).unwrap();
    for (at, byte) in text
        .char_indices()
        .filter(|(_, byte)| byte.is_ascii_alphanumeric())
    {
        let other = if byte == 'A' { "B" } else { "A" };
        let mut changed = text.clone();
        changed.replace_range(at..=at, other);
        if let Ok(read) = PrivateKey::parse(&changed) {
            assert_eq!(read.public, key.public, "{at}");
        }
    }
    let path = at(dir.path(), "locked");
    run(
        "ssh-keygen",
        &["-q", "-t", "ecdsa", "-N", "secret", "-f", &path],
    );
    PrivateKey::read(Path::new(&path), None).unwrap_err();
    let path = at(dir.path(), "p384");
    run(
        "ssh-keygen",
        &["-q", "-t", "ecdsa", "-b", "384", "-N", "", "-f", &path],
    );
    PrivateKey::read(Path::new(&path), None).unwrap_err();
}

/// RFC 8037 A.1, and RFC 7517 A.2's P-256 key.
#[test]
fn published_jwks_are_read() {
    let ed = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let ec = r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE","use":"enc","kid":"1"}"#;
    assert_eq!(PrivateKey::parse(ed).unwrap().alg, Alg::Ed25519);
    assert_eq!(PrivateKey::parse(ec).unwrap().alg, Alg::P256);
    // The stated public half must be the private one's.
    assert_eq!(
        PrivateKey::parse(&ed.replace("11qY", "21qY")).err(),
        Some(Bad::Form)
    );
    assert_eq!(
        PrivateKey::parse(&ec.replace("4Etl", "5Etl")).err(),
        Some(Bad::Form)
    );
    assert_eq!(
        PrivateKey::parse(&ec.replace("P-256", "P-384")).err(),
        Some(Bad::Type)
    );
    assert_eq!(
        PrivateKey::parse(&ed.replace("nWGx", "")).err(),
        Some(Bad::Form)
    );
}

#[test]
fn access_keys_are_read_in_both_words() {
    let (id, secret) = (
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    );
    let ours = format!(r#"{{"access_key_id":"{id}","secret_access_key":"{secret}"}}"#);
    let theirs = format!(
        r#"{{"Version":1,"AccessKeyId":"{id}","SecretAccessKey":"{secret}","SessionToken":"t=","Expiration":"x"}}"#
    );
    for (text, token) in [(&ours, ""), (&theirs, "t=")] {
        let key = PrivateKey::parse(text).unwrap();
        assert_eq!(
            (key.alg, key.public.as_slice()),
            (Alg::SigV4, id.as_bytes())
        );
        let parts = import::access_key_parts(key.expose());
        assert_eq!(parts, Some((secret.as_bytes(), token)));
    }
    for (from, to) in [
        (id, "short"),
        (secret, ""),
        (secret, "a b"),
        (id, "AKIA-IOSFODNN7EXAMPLE"),
    ] {
        assert_eq!(
            PrivateKey::parse(&ours.replace(from, to)).err(),
            Some(Bad::Form),
            "{to}"
        );
    }
    assert_eq!(
        PrivateKey::parse(r#"{"access_key_id":"AKIAIOSFODNN7EXAMPLE"}"#).err(),
        Some(Bad::Form)
    );
}

#[test]
fn what_is_no_key_is_refused() {
    for text in [
        "",
        "hello",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        "{}",
        "[]",
    ] {
        assert_eq!(PrivateKey::parse(text).err(), Some(Bad::Form), "{text:?}");
    }
    assert_eq!(
        PrivateKey::parse("-----BEGIN CERTIFICATE-----").err(),
        Some(Bad::Type)
    );
    assert_eq!(
        PrivateKey::parse(&"{".repeat(MAX_FILE + 1)).err(),
        Some(Bad::Form)
    );
}

#[test]
fn debug_shows_no_secret() {
    let key = PrivateKey::new(Alg::Ed25519, &[7; 32]).unwrap();
    assert_eq!(format!("{key:?}"), "PrivateKey");
}

/// RFC 7517's form with RFC 8812's curve, PEM as openssl writes it, and bare digits, which say nothing of what they are.
#[test]
fn keys_of_secp256k1_are_read_in_every_form() {
    let dir = tempfile::tempdir().unwrap();
    let (ec, sec1) = (at(dir.path(), "ec.pem"), at(dir.path(), "sec1.pem"));
    let curve = "ec_paramgen_curve:secp256k1";
    run(
        "openssl",
        &[
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            curve,
            "-out",
            &ec,
        ],
    );
    run("openssl", &["ec", "-in", &ec, "-out", &sec1]);
    let key = PrivateKey::read(Path::new(&ec), None).unwrap();
    assert_eq!(key.alg, Alg::Secp256k1);
    assert!(public_by_openssl(&ec).ends_with(&key.public));
    let same = |other: &PrivateKey| other.alg == key.alg && other.expose() == key.expose();
    assert!(same(&PrivateKey::read(Path::new(&sec1), None).unwrap()));
    let digits = claviger_shared::id::to_hex(key.expose());
    let file = at(dir.path(), "hex");
    for text in [digits.clone(), format!("0x{}\n", digits.to_uppercase())] {
        std::fs::write(&file, text).unwrap();
        let named = PrivateKey::read(Path::new(&file), Some(Alg::Secp256k1));
        assert!(same(&named.unwrap()));
        for other in [None, Some(Alg::Ed25519), Some(Alg::P256)] {
            PrivateKey::read(Path::new(&file), other).unwrap_err();
        }
    }
    let short: String = digits.chars().skip(1).collect();
    for text in [
        "0".repeat(64),
        "f".repeat(64),
        short.clone(),
        format!("{digits}0"),
        format!("{short}g"),
    ] {
        std::fs::write(&file, text).unwrap();
        PrivateKey::read(Path::new(&file), Some(Alg::Secp256k1)).unwrap_err();
    }
    let point = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&key.public[range]);
    let (x, y, d) = (
        point(1..33),
        point(33..65),
        URL_SAFE_NO_PAD.encode(key.expose()),
    );
    let jwk = format!(r#"{{"kty":"EC","crv":"secp256k1","x":"{x}","y":"{y}","d":"{d}"}}"#);
    assert!(same(&PrivateKey::parse(&jwk).unwrap()));
    let other = jwk.replace(&format!("\"y\":\"{y}\""), &format!("\"y\":\"{x}\""));
    assert_eq!(PrivateKey::parse(&other).err(), Some(Bad::Form));
    assert_eq!(
        PrivateKey::parse(&jwk.replace("secp256k1", "P-256")).err(),
        Some(Bad::Form)
    );
}

#[test]
fn secrets_of_hmac_are_read_as_they_say_and_never_guessed_at() {
    let file = |secret: &str, encoding: &str| {
        format!(r#"{{"key_id":"partner-7","secret":"{secret}","encoding":"{encoding}"}}"#)
    };
    let bytes = b"0123456789abcdef";
    for (secret, encoding) in [
        ("0123456789abcdef", "utf8"),
        ("MDEyMzQ1Njc4OWFiY2RlZg==", "base64"),
        ("30313233343536373839616263646566", "hex"),
        (
            "30313233343536373839616263646566".to_uppercase().as_str(),
            "hex",
        ),
    ] {
        let key = PrivateKey::parse(&file(secret, encoding)).unwrap();
        assert_eq!(
            (key.alg, key.public.as_slice()),
            (Alg::Hs256, &b"partner-7"[..])
        );
        assert_eq!(key.expose(), bytes, "{encoding}");
    }
    let longest = "x".repeat(512);
    PrivateKey::parse(&file(&longest, "utf8")).unwrap();
    let hex = "+0".repeat(16);
    for (secret, encoding) in [
        ("0123456789abcde", "utf8"),
        (format!("{longest}x").as_str(), "utf8"),
        ("0123456789abcdef", "ascii"),
        ("MDEyMzQ1Njc4OWFiY2RlZg", "base64"),
        ("303132333435363738396162636465666", "hex"),
        (&hex, "hex"),
    ] {
        let told = PrivateKey::parse(&file(secret, encoding)).err();
        assert_eq!(told, Some(Bad::Form), "{encoding}: {secret}");
    }
    let whole = file("0123456789abcdef", "utf8");
    for (from, to) in [
        ("partner-7", ""),
        ("partner-7", "partner 7"),
        ("partner-7", &"x".repeat(129)),
        (r#","encoding":"utf8""#, ""),
        ("}", r#","more":1}"#),
    ] {
        let told = PrivateKey::parse(&whole.replace(from, to)).err();
        assert_eq!(told, Some(Bad::Form), "{to}");
    }
    let read = || PrivateKey::parse(&whole).unwrap();
    let under = |kind, asked| read().for_kind(kind, asked).map(|key| key.alg).ok();
    assert_eq!(under(Kind::Http, None), Some(Alg::Hs256));
    assert_eq!(under(Kind::Http, Some(Alg::Ps512)), None);
    assert_eq!(
        under(Kind::Jwt, None),
        None,
        "a secret does not say its hash"
    );
    assert_eq!(under(Kind::Jwt, Some(Alg::Hs512)), Some(Alg::Hs512));
}

#[test]
fn an_rsa_key_is_of_pss_where_it_signs_requests_and_for_ever_where_its_file_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (plain, pss) = (at(dir.path(), "rsa.pem"), at(dir.path(), "pss.pem"));
    for (algorithm, path) in [("RSA", &plain), ("RSA-PSS", &pss)] {
        let make = ["genpkey", "-algorithm", algorithm, "-out", path];
        run("openssl", &make);
    }
    let of = |path: &str, kind, asked| {
        let key = PrivateKey::read(Path::new(path), None).unwrap();
        key.for_kind(kind, asked).map(|key| key.alg).ok()
    };
    assert_eq!(of(&plain, Kind::Http, None), Some(Alg::Ps512));
    assert_eq!(of(&plain, Kind::Jwt, None), Some(Alg::Rs256));
    assert_eq!(of(&plain, Kind::Jwt, Some(Alg::Ps512)), Some(Alg::Ps512));
    assert_eq!(of(&plain, Kind::Jwt, Some(Alg::P256)), None);
    assert_eq!(of(&pss, Kind::Http, None), Some(Alg::Ps512));
    assert_eq!(of(&pss, Kind::Jwt, Some(Alg::Rs256)), None);
    let key = PrivateKey::read(Path::new(&pss), None).unwrap();
    assert!(public_by_openssl(&pss).ends_with(&key.public));
}

#[test]
fn a_key_of_p521_is_read_in_each_form() {
    let dir = tempfile::tempdir().unwrap();
    let (ec, sec1) = (at(dir.path(), "ec.pem"), at(dir.path(), "sec1.pem"));
    let curve = ["-pkeyopt", "ec_paramgen_curve:P-521", "-out", &ec];
    run(
        "openssl",
        &[&["genpkey", "-algorithm", "EC"][..], &curve].concat(),
    );
    run("openssl", &["ec", "-in", &ec, "-out", &sec1]);
    let keys = [&ec, &sec1].map(|path| PrivateKey::read(Path::new(path), None).unwrap());
    for key in &keys {
        assert_eq!(
            (key.alg, key.public.len(), key.expose().len()),
            (Alg::P521, 133, 66)
        );
        assert!(public_by_openssl(&ec).ends_with(&key.public));
    }
    assert_eq!(keys[0].expose(), keys[1].expose());
    for short in [&[1_u8; 65][..], &[1; 67], &[1; 32]] {
        assert_eq!(PrivateKey::new(Alg::P521, short).err(), Some(Bad::Form));
    }
    for short in [&[1_u8; 31][..], &[1; 33], &[1; 66]] {
        assert_eq!(PrivateKey::new(Alg::P256, short).err(), Some(Bad::Form));
        assert_eq!(PrivateKey::new(Alg::Ed25519, short).err(), Some(Bad::Form));
    }
}

#[test]
fn a_key_of_another_algorithm_is_named_by_what_it_is() {
    let aws = r#"{"access_key_id":"AKIAIOSFODNN7EXAMPLE","secret_access_key":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}"#;
    let key = PrivateKey::parse(aws).unwrap();
    let refused = key.for_kind(Kind::Template, Some(Alg::Hs256)).unwrap_err();
    let text = refused.to_string();
    let named = "\"sigv4\", not of \"hs256\"";
    assert!(text.contains(named) && text.contains("key_id"), "{text}");
}
