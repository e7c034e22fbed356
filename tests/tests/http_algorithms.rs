//! Requests signed with RSA-PSS and with HMAC, end to end: a key born or brought, wrapped, used, and refused where it may not be.

use aws_lc_rs::{
    encoding::AsDer,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::KeyPair,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_shared::{
    call::{HttpInput, Input},
    catalog::DIRECTORY,
    credential::Credential,
    denial::Code,
    id::Digest,
    jwk,
    owner::command::Alg,
};
use claviger_tests::{
    agent::{Agent, read_order},
    deployment::{Deployment, Enclave},
    import::{attested, sealed},
    owner::{Granted, done, refused},
};
use ring::{
    hmac,
    signature::{RSA_PSS_2048_8192_SHA512, UnparsedPublicKey},
};
use serde_json::{Value, json};

const SECRET: &[u8] = b"a secret that a partner has too";
const NAME: &str = "partner-7\"key";

fn create(id: &str, alg: &str) -> Value {
    let key = json!({"id": id, "kind": "http", "alg": alg, "env": "live", "agent": "bot"});
    json!({"type": "key.create", "key": key})
}

/// The action that imports a key of kind http, and the sealed bytes.
fn import(
    deployment: &Deployment,
    enclave: &Enclave,
    (id, alg): (&str, &str),
    public: &[u8],
    secret: &[u8],
) -> (Value, Vec<u8>) {
    let trusted = attested(deployment, enclave);
    let key = json!({
        "id": id, "kind": "http", "alg": alg, "env": "live", "agent": "bot", "public": STANDARD.encode(public)
    });
    let action = json!({
        "type": "key.import", "key": key, "boot": trusted.boot_hash, "channel_key": trusted.channel_key,
        "sealed": Digest([0; 32]),
    });
    sealed(deployment, action, secret)
}

fn granted(deployment: &Deployment, enclave: &Enclave, id: &str, key: &str) -> Granted {
    deployment.grant(enclave, id, |grant| {
        grant["keys"] = json!([key, "k_jwt"]);
    })
}

/// What was signed and the signature, read back from the fields by the layout of docs/spec/credential-http.md.
fn signed(agent: &Agent) -> (String, Vec<u8>) {
    let input = read_order("1");
    let Input::Http(HttpInput { url, .. }) = &input else {
        panic!("no request")
    };
    let (_, rest) = url.split_once("://").unwrap();
    let (authority, target) = rest.split_at(rest.find('/').unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let Some(Credential::Http { headers }) = agent.sign(input.clone()).unwrap().issued.credential
    else {
        panic!("no fields")
    };
    let field = |name: &str| {
        let found = headers.iter().find(|(own, _)| own == name);
        found.unwrap().1.strip_prefix("sig1=").unwrap().to_owned()
    };
    let params = field("signature-input");
    let base = format!(
        "\"@method\": GET\n\"@authority\": {authority}\n\"@path\": {path}\n\"@query\": ?{query}\n\"@signature-params\": {params}"
    );
    let signature = field("signature");
    (base, STANDARD.decode(signature.trim_matches(':')).unwrap())
}

fn public(deployment: &Deployment, id: &str) -> Vec<u8> {
    let state = deployment.audited();
    let key = state.keys().find(|(key, _)| key.as_str() == id).unwrap().1;
    key.public.clone()
}

/// Ring takes no salt but one of 64 bytes.
fn verify_pss(public: &[u8], (base, signature): &(String, Vec<u8>)) {
    let named = format!("keyid=\"{}\"", jwk::thumbprint(Alg::Ps512, public).unwrap());
    assert!(base.contains(&named), "{base}");
    assert!(base.contains(";alg=\"rsa-pss-sha512\";"), "{base}");
    let key = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA512, public);
    key.verify(base.as_bytes(), signature).unwrap();
    key.verify(format!("{base} ").as_bytes(), signature)
        .unwrap_err();
}

#[test]
fn an_rsa_key_is_born_signs_requests_and_survives_a_restart() {
    let (deployment, enclave) = Deployment::serving();
    deployment.widen(&enclave, &create("k_pss", "ps512"));
    let own = public(&deployment, "k_pss");
    assert_eq!(jwk::jwk(Alg::Ps512, &own).unwrap()["alg"], "PS512");
    let grant = granted(&deployment, &enclave, "gr_1", "k_pss");
    let agent = Agent::connect(&deployment, &enclave, &grant);
    let (first, second) = (signed(&agent), signed(&agent));
    assert_eq!(first.1.len(), 256);
    assert_ne!(first.1, second.1);
    verify_pss(&own, &first);
    enclave.crash();
    let enclave = deployment.boot();
    let agent = Agent::connect(&deployment, &enclave, &grant);
    verify_pss(&own, &signed(&agent));
}

#[test]
fn rsa_keys_of_every_size_are_brought() {
    let (deployment, enclave) = Deployment::serving();
    for (number, size) in [(2, KeySize::Rsa2048), (4, KeySize::Rsa4096)] {
        let pair = RsaKeyPair::generate(size).unwrap();
        let (public, der) = (pair.public_key().as_ref(), pair.as_der().unwrap());
        let id = format!("k_pss{number}");
        let (action, bytes) = import(&deployment, &enclave, (&id, "ps512"), public, der.as_ref());
        done(enclave.submit(&deployment.widening(&action, &[]), &bytes));
        let grant = granted(&deployment, &enclave, &format!("gr_{number}"), &id);
        let agent = Agent::connect(&deployment, &enclave, &grant);
        verify_pss(public, &signed(&agent));
        // The same key never signs tokens as well.
        let mut other = action.clone();
        other["key"]["id"] = json!("k_twin");
        other["key"]["kind"] = json!("jwt");
        other["key"]["alg"] = json!("rs256");
        let (other, bytes) = sealed(&deployment, other, der.as_ref());
        let told = refused(enclave.submit(&deployment.widening(&other, &[]), &bytes));
        assert_eq!(told.pointer.as_deref(), Some("/action/key/public"));
    }
}

#[test]
fn a_shared_secret_is_brought_and_signs_under_the_name_its_owner_gave() {
    let (deployment, enclave) = Deployment::serving();
    let facts = ("k_mac", "hs256");
    let (action, bytes) = import(&deployment, &enclave, facts, NAME.as_bytes(), SECRET);
    done(enclave.submit(&deployment.widening(&action, &[]), &bytes));
    let grant = granted(&deployment, &enclave, "gr_1", "k_mac");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    let check = |agent: &Agent| {
        let (base, signature) = signed(agent);
        assert!(base.contains(r#";keyid="partner-7\"key";"#), "{base}");
        assert!(base.contains(";alg=\"hmac-sha256\";"), "{base}");
        hmac::verify(&key, base.as_bytes(), &signature).unwrap();
        hmac::verify(&key, b"", &signature).unwrap_err();
    };
    check(&Agent::connect(&deployment, &enclave, &grant));
    enclave.crash();
    let enclave = deployment.boot();
    check(&Agent::connect(&deployment, &enclave, &grant));
    let stored = deployment.store.blobs().into_values();
    let mut stored = stored.chain(deployment.store.entries().into_iter().flat_map(|entry| {
        let records = entry.records.into_iter();
        records.map(serde_bytes::ByteBuf::into_vec)
    }));
    assert!(stored.all(|bytes| bytes.windows(SECRET.len()).all(|part| part != SECRET)));
}

#[test]
fn a_secret_is_never_born_too_short_or_of_another_kind_or_under_a_name_that_is_none() {
    let (deployment, enclave) = Deployment::serving();
    for (alg, place) in [
        ("hs256", "/action/key"),
        ("hs512", "/action/key/alg"),
        ("rs256", "/action/key/alg"),
        ("sigv4", "/action/key/alg"),
        ("p521", "/action/key/alg"),
    ] {
        let signed = deployment.widening(&create("k_new", alg), &[]);
        let told = refused(enclave.submit(&signed, &[]));
        assert_eq!(told.pointer.as_deref(), Some(place), "{alg}");
    }
    let place = |alg: &str, kind: &str, name: &[u8], secret: &[u8]| {
        let (mut action, bytes) = import(&deployment, &enclave, ("k_mac", "hs256"), b"n", secret);
        action["key"]["alg"] = json!(alg);
        action["key"]["kind"] = json!(kind);
        action["key"]["public"] = json!(STANDARD.encode(name));
        let told = refused(enclave.submit(&deployment.widening(&action, &[]), &bytes));
        told.pointer.unwrap_or_default()
    };
    for name in [&b""[..], b"a b", b"\xc3\xbc", &[b'x'; 129]] {
        assert_eq!(place("hs256", "http", name, SECRET), "/action/key/public");
    }
    assert_eq!(place("hs256", "jwt", b"n", SECRET), "/action/key/alg");
    assert_eq!(place("hs512", "http", b"n", SECRET), "/action/key/alg");
    for secret in [&SECRET[..15], &[7; 513]] {
        let facts = ("k_mac", "hs256");
        let (action, bytes) = import(&deployment, &enclave, facts, NAME.as_bytes(), secret);
        let told = refused(enclave.submit(&deployment.widening(&action, &[]), &bytes));
        assert_eq!(told.pointer.as_deref(), Some("/action/key/public"));
    }
}

/// web-bot-auth forbids HMAC.
#[test]
fn a_bot_has_no_shared_secret() {
    let (deployment, enclave) = Deployment::serving();
    let facts = ("k_mac", "hs256");
    let (action, bytes) = import(&deployment, &enclave, facts, NAME.as_bytes(), SECRET);
    done(enclave.submit(&deployment.widening(&action, &[]), &bytes));
    let grant = deployment.grant(&enclave, "gr_1", |grant| {
        grant["keys"] = json!(["k_mac", "k_jwt"]);
        grant["credentials"] = json!({
            "http": {"profile": "web-bot-auth", "signature_agent": "https://agents.example.com"}
        });
    });
    let agent = Agent::connect(&deployment, &enclave, &grant);
    let denial = agent.sign(read_order("1")).unwrap_err();
    assert_eq!(
        (denial.code, denial.param.as_deref()),
        (Code::KeyDenied, Some("http"))
    );
}

/// What cannot stand in a directory signs none, and nothing is spent in finding out.
#[test]
fn an_rsa_key_signs_no_directory() {
    let (deployment, enclave) = Deployment::serving();
    deployment.widen(&enclave, &create("k_pss", "ps512"));
    let set = json!({"type": "catalog.set", "catalog": {"v": 1, "resources": {
        "directory": [{"kind": "http", "directory": true, "host": "agents.example.com"}]
    }}});
    deployment.widen(&enclave, &set);
    let grant = deployment.grant(&enclave, "gr_1", |grant| {
        grant["keys"] = json!(["k_pss"]);
        grant["permissions"] = json!({"write": ["directory"]});
        for member in ["only", "allow_minting"] {
            grant.as_object_mut().unwrap().remove(member);
        }
        grant["credentials"] = json!({
            "http": {"profile": "web-bot-auth", "signature_agent": "https://agents.example.com"}
        });
    });
    let agent = Agent::connect(&deployment, &enclave, &grant);
    let before = agent.whoami().remaining;
    let input = Input::Http(HttpInput {
        method: "GET".to_owned(),
        url: format!("https://agents.example.com{DIRECTORY}"),
        headers: Vec::new(),
        body: None,
    });
    let denial = agent.sign(input).unwrap_err();
    let place = denial.param.as_deref();
    assert_eq!((denial.code, place), (Code::KeyDenied, Some("http")));
    assert_eq!(agent.whoami().remaining, before);
}
