//! RSA keys and the tokens they sign, proofs of possession, end to end: born or brought, wrapped, used, retired.

use aws_lc_rs::{
    encoding::AsDer,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::KeyPair,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use claviger_shared::{
    call::{Input, JwtInput},
    credential::Credential,
    denial::Code,
    id::Digest,
    jwk,
    owner::command::Alg,
};
use claviger_tests::{
    agent::Agent,
    deployment::{Deployment, Enclave},
    import::{attested, sealed},
    owner::{Granted, done, refused},
};
use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};

const ATH: &str = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo";

fn catalog() -> Value {
    json!({"v": 1, "resources": {
        "github": [{"kind": "jwt", "profile": "github-app", "audience": "https://api.github.com", "issuer": "123456"}],
        "storage": [{"kind": "jwt", "profile": "gcp", "audience": "https://storage.googleapis.com/",
            "issuer": "bot@acme.iam.gserviceaccount.com", "key_id": "1f2e3d"}],
        "proved": [{"kind": "jwt", "profile": "dpop", "host": "api.example.com", "path": "/v2/orders/{id}", "methods": ["GET"]}],
    }})
}

fn start() -> (Deployment, Enclave) {
    let deployment = Deployment::born();
    let enclave = deployment.boot();
    let set = json!({"type": "catalog.set", "catalog": catalog()});
    deployment.widen(&enclave, &set);
    create(&deployment, &enclave, "k_p256", "p256");
    (deployment, enclave)
}

fn create(deployment: &Deployment, enclave: &Enclave, id: &str, alg: &str) {
    let key = json!({"id": id, "kind": "jwt", "alg": alg, "env": "live", "agent": "bot"});
    deployment.widen(enclave, &json!({"type": "key.create", "key": key}));
}

/// A grant of one profile, whose first key is a P-256 one.
fn granted(
    deployment: &Deployment,
    enclave: &Enclave,
    id: &str,
    profile: &str,
    rsa: &str,
) -> Granted {
    deployment.grant(enclave, id, |grant| {
        grant["keys"] = json!(["k_p256", rsa]);
        grant["permissions"] = json!({"read": ["proved"], "write": ["github", "storage"]});
        grant["only"] = json!({});
        grant["credentials"] = json!({"jwt": {"profile": profile, "ttl_s": 540}});
        grant["allow_minting"] = json!(["github"]);
        grant["allow_identity_only"] = json!(["github", "storage"]);
        grant["budgets"] = json!([{"unit": "call", "max": "100", "window": "grant"}]);
    })
}

fn token(profile: &str, audience: &str) -> Input {
    Input::Jwt(JwtInput {
        profile: profile.to_owned(),
        audience: audience.to_owned(),
        nonce: None,
        ttl_s: None,
        method: None,
        url: None,
        ath: None,
        wit: None,
    })
}

fn github() -> Input {
    token("github-app", "https://api.github.com")
}

fn jwt(agent: &Agent, input: Input) -> String {
    match agent.sign(input).unwrap().issued.credential {
        Some(Credential::Jwt { jwt }) => jwt,
        other => panic!("{other:?}"),
    }
}

/// The header and claims of a token whose signature verifies under another provider.
fn verified(jwt: &str, alg: Alg, public: &[u8]) -> (Value, Value) {
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let verified = match alg {
        Alg::Rs256 => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public)
            .verify(signed.as_bytes(), &signature),
        _ => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public)
            .verify(signed.as_bytes(), &signature),
    };
    verified.unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let read = |part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    (read(header), read(claims))
}

fn public(deployment: &Deployment, id: &str) -> Vec<u8> {
    let state = deployment.audited();
    let key = state.keys().find(|(key, _)| key.as_str() == id).unwrap().1;
    key.public.clone()
}

#[test]
fn an_rsa_key_is_born_signs_survives_a_restart_and_ends() {
    let (deployment, enclave) = start();
    create(&deployment, &enclave, "k_rsa", "rs256");
    let own = public(&deployment, "k_rsa");
    let shown = jwk::jwk(Alg::Rs256, &own).unwrap();
    assert_eq!(
        (&shown["kty"], &shown["alg"]),
        (&json!("RSA"), &json!("RS256"))
    );
    let grant = granted(&deployment, &enclave, "gr_1", "github-app", "k_rsa");
    let agent = Agent::connect(&deployment, &enclave, &grant);
    let (header, claims) = verified(&jwt(&agent, github()), Alg::Rs256, &own);
    assert_eq!(header, json!({"alg": "RS256", "typ": "JWT"}));
    assert_eq!(claims["iss"], "123456");
    let at = |name: &str| claims[name].as_u64().unwrap();
    let now = deployment.clock.now().secs();
    assert_eq!((at("iat"), at("exp") - at("iat")), (now - 60, 600));
    enclave.crash();
    let enclave = deployment.boot();
    let agent = Agent::connect(&deployment, &enclave, &grant);
    let (_, claims) = verified(&jwt(&agent, github()), Alg::Rs256, &own);
    assert_eq!(claims["iss"], "123456");
    deployment.widen(&enclave, &json!({"type": "key.retire", "key": "k_rsa"}));
    let denial = agent.sign(github()).unwrap_err();
    assert_eq!(
        denial.code,
        Code::KeyDenied,
        "the P-256 key does not stand in"
    );
    let blobs = deployment.store.blobs();
    assert!(
        blobs.into_values().all(|blob| blob
            .windows(9)
            .all(|part| part != b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01")),
        "no private key's form in what is stored"
    );
}

fn import(deployment: &Deployment, enclave: &Enclave, public: &[u8]) -> Value {
    let trusted = attested(deployment, enclave);
    let key = json!({
        "id": "k_mine", "kind": "jwt", "alg": "rs256", "env": "live", "agent": "bot", "public": STANDARD.encode(public)
    });
    json!({
        "type": "key.import", "key": key, "boot": trusted.boot_hash, "channel_key": trusted.channel_key,
        "sealed": Digest([0; 32]),
    })
}

#[test]
fn an_rsa_key_of_each_size_is_imported_and_no_other() {
    let (deployment, enclave) = start();
    let own: Vec<_> = [KeySize::Rsa4096, KeySize::Rsa2048]
        .map(|size| {
            let pair = RsaKeyPair::generate(size).unwrap();
            let der = pair.as_der().unwrap().as_ref().to_vec();
            (der, pair.public_key().as_ref().to_vec())
        })
        .into();
    let [(long, long_public), (short, short_public)] = &own[..] else {
        panic!("two keys");
    };
    // Another's public half, and bytes that are no key.
    for (secret, public) in [(short, long_public), (&vec![7; 32], long_public)] {
        let action = import(&deployment, &enclave, public);
        let (action, bytes) = sealed(&deployment, action, secret);
        let reply = enclave.submit(&deployment.widening(&action, &[]), &bytes);
        assert_eq!(
            refused(reply).pointer.as_deref(),
            Some("/action/key/public")
        );
    }
    let action = import(&deployment, &enclave, long_public);
    let (action, bytes) = sealed(&deployment, action, long);
    done(enclave.submit(&deployment.widening(&action, &[]), &bytes));
    assert_ne!(long_public, short_public);
    assert_eq!(&public(&deployment, "k_mine"), long_public);
    let grant = granted(&deployment, &enclave, "gr_1", "gcp", "k_mine");
    let agent = Agent::connect(&deployment, &enclave, &grant);
    let storage = token("gcp", "https://storage.googleapis.com/");
    let (header, claims) = verified(&jwt(&agent, storage), Alg::Rs256, long_public);
    assert_eq!(header["kid"], "1f2e3d");
    assert_eq!(claims["sub"], claims["iss"]);
    assert_eq!(claims["aud"], "https://storage.googleapis.com/");
}

#[test]
fn a_proof_is_for_one_request_under_the_key_it_shows() {
    let (deployment, enclave) = start();
    create(&deployment, &enclave, "k_rsa", "rs256");
    let own = public(&deployment, "k_p256");
    let grant = granted(&deployment, &enclave, "gr_1", "dpop", "k_rsa");
    let agent = Agent::connect(&deployment, &enclave, &grant);
    let proof = |url: &str| {
        Input::Jwt(JwtInput {
            profile: "dpop".to_owned(),
            audience: String::new(),
            nonce: Some("server-1".to_owned()),
            ttl_s: None,
            method: Some("GET".to_owned()),
            url: Some(url.to_owned()),
            ath: Some(ATH.to_owned()),
            wit: None,
        })
    };
    let url = "https://api.example.com/v2/orders/ord_1";
    let made = [jwt(&agent, proof(url)), jwt(&agent, proof(url))];
    let [(header, first), (_, second)] = made.map(|jwt| verified(&jwt, Alg::P256, &own));
    assert_eq!(header["typ"], "dpop+jwt");
    assert_eq!(header["jwk"], jwk::bare(Alg::P256, &own).unwrap());
    assert_eq!((&first["htm"], &first["htu"]), (&json!("GET"), &json!(url)));
    assert_eq!(
        (&first["ath"], &first["nonce"]),
        (&json!(ATH), &json!("server-1"))
    );
    assert_ne!(first["jti"], second["jti"]);
    let denial = agent
        .sign(proof("https://api.example.com/v2/orders"))
        .unwrap_err();
    assert_eq!(denial.code, Code::DestinationDenied);
    let whoami = agent.whoami();
    let way = whoami
        .routes
        .iter()
        .find(|way| way.resource.as_str() == "proved");
    assert_eq!(way.unwrap().methods, ["dpop", "GET"]);
}
