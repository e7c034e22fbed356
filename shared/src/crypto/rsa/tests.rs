//! RSA keys in and out of their one form.

use super::*;
use aws_lc_rs::encoding::PublicKeyX509Der;

#[test]
fn a_new_key_is_read_back_and_its_public_half_is_as_the_provider_writes_it() {
    let key = Private::generate().unwrap();
    let again = Private::from_pkcs8(key.expose()).unwrap();
    assert_eq!(again.expose(), key.expose());
    assert_eq!(again.public(), key.public());
    assert_eq!(modulus(key.public()).unwrap().len(), 256);
    let pair = RsaKeyPair::from_pkcs8(key.expose()).unwrap();
    let spki_of: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    assert_eq!(spki(key.public()).unwrap(), spki_of.as_ref());
    assert_ne!(Private::generate().unwrap().public(), key.public());
    assert_eq!(format!("{key:?}"), "Private");
}

#[test]
fn every_size_is_taken_and_one_spelling_only() {
    for (size, bytes) in [
        (KeySize::Rsa2048, 256),
        (KeySize::Rsa3072, 384),
        (KeySize::Rsa4096, 512),
    ] {
        let key = Private::of(&RsaKeyPair::generate(size).unwrap()).unwrap();
        let public = key.public();
        assert_eq!(modulus(public).unwrap().len(), bytes);
        for at in (0..9).chain(public.len() - 6..public.len()) {
            let mut bad = public.to_vec();
            bad[at] ^= 0x81;
            assert_eq!(modulus(&bad), None, "{bytes}: {at}");
        }
        for bad in [&public[1..], &public[..public.len() - 1], &[]] {
            assert_eq!(modulus(bad), None);
        }
        assert_eq!(modulus(&[public, &[0]].concat()), None);
        assert!(key.expose().len() < 2400, "it fits when sealed and wrapped");
    }
}

#[test]
fn what_is_no_key_is_refused() {
    assert!(Private::from_pkcs8(&[]).is_none());
    assert!(Private::from_pkcs1(b"key").is_none());
    let key = Private::generate().unwrap();
    let mut bad = key.expose().to_vec();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    assert!(
        Private::from_pkcs8(&bad).is_none(),
        "numbers that do not fit"
    );
    assert!(Private::from_pkcs1(key.expose()).is_none());
}
