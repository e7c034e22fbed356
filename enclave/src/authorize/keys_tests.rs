//! Which of a grant's keys signs: by the route's algorithm, and where what is signed names an account or a token, by that alone.

use super::{
    tests::{effect, grant},
    *,
};
use crate::secret::ChainKey;
use claviger_shared::{
    effect::Env,
    id::{Digest, ResourceName},
};

/// One route of each rule.
const CATALOG: &str = r#"{"v":1,
  "assets":{"eth":{"chain":1,"native":true,"decimals":18,"extra_fee_max":"1"},
    "sol":{"cluster":"solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp","native":true,"decimals":9}},
  "resources":{
    "orders":[{"kind":"http","host":"api.example.com","path":"/orders/{id}"}],
    "bot":[{"kind":"http","host":"agents.example.com","directory":true}],
    "tokens":[{"kind":"jwt","profile":"assertion","audience":"https://idp.example.com/token","issuer":"a","subject":"a","mints":true}],
    "chain":[{"kind":"evm","chain":1,"to":["0x1111111111111111111111111111111111111111"]}],
    "coins":[{"kind":"solana","network":"solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp","asset":"sol",
      "to":["9jgXmAs1zzjWkcZB6XL9vPfqLLZkVeUaZExkWFDRs4W1"]}]}}"#;

fn catalog() -> Catalog {
    Catalog::parse(CATALOG.as_bytes()).unwrap()
}

fn key(alg: Alg, public: &[u8]) -> KeyState {
    KeyState {
        kind: Kind::Http,
        alg,
        env: Env::Live,
        public: public.to_vec(),
        agent: None,
        blob: Digest([0; 32]),
        imported: false,
        retired: false,
    }
}

fn signs(members: &str, effect: &Effect, key: &KeyState) -> bool {
    is_signed_by(&catalog(), &grant(members), effect, key)
}

#[test]
fn a_key_is_of_the_routes_algorithm() {
    let [ed, p256, rsa, curve] =
        [Alg::Ed25519, Alg::P256, Alg::Rs256, Alg::Secp256k1].map(|alg| key(alg, &[9; 32]));
    for (resource, fitting, other) in [
        ("orders", &ed, &rsa),
        ("orders", &p256, &curve),
        ("tokens", &rsa, &curve),
        ("chain", &curve, &ed),
    ] {
        assert!(signs("", &effect(resource), fitting), "{resource}");
        assert!(!signs("", &effect(resource), other), "{resource}");
    }
    let mut none = effect("orders");
    none.route = 1;
    assert!(!signs("", &none, &ed), "no such route");
    none.resource = ResourceName::parse("unknown").unwrap();
    assert!(!signs("", &none, &ed), "no such name");
}

#[test]
fn a_directory_is_signed_by_a_key_that_stands_in_it() {
    let bot = r#","credentials":{"http":{"profile":"web-bot-auth","signature_agent":"https://agents.example.com"}}"#;
    let pss = key(Alg::Ps512, &[9; 32]);
    assert!(signs(bot, &effect("orders"), &pss), "requests");
    assert!(!signs(bot, &effect("bot"), &pss), "no directory");
    assert!(signs(bot, &effect("bot"), &key(Alg::Ed25519, &[9; 32])));
    let p521 = key(Alg::P521, &[9; 32]);
    assert!(
        !signs("", &effect("orders"), &p521),
        "nor does it sign requests"
    );
}

#[test]
fn lamports_are_paid_by_the_account_of_the_key() {
    let own = Pubkey([9; 32]);
    let paid_by = |from: &[(&str, String)]| {
        let mut effect = effect("coins");
        let owned = |(name, value): &(&str, String)| ((*name).to_owned(), value.clone());
        effect.parameters = from.iter().map(owned).collect();
        effect
    };
    let (ours, theirs) = (own.to_string(), Pubkey([8; 32]).to_string());
    let key = |alg| key(alg, &own.0);
    let from = paid_by(&[("payment.to", theirs.clone()), (FROM, ours.clone())]);
    assert!(signs("", &from, &key(Alg::Ed25519)));
    assert!(!signs("", &from, &key(Alg::Secp256k1)), "another algorithm");
    for other in [
        paid_by(&[(FROM, theirs)]),
        paid_by(&[("payment.to", ours)]),
        paid_by(&[]),
    ] {
        assert!(
            !signs("", &other, &key(Alg::Ed25519)),
            "{:?}",
            other.parameters
        );
    }
}

#[test]
fn a_named_account_signs_alone() {
    let (one, two) = (ChainKey::new(&[7; 32]), ChainKey::new(&[8; 32]));
    let [one, two] = [one, two].map(|made| key(Alg::Secp256k1, &made.unwrap().public()));
    let named = |key: &KeyState| Effect {
        signer: key.alg.address(&key.public),
        ..effect("chain")
    };
    let fits = |effects: &Effects, key: &KeyState| fits(&catalog(), &grant(""), effects, key);
    assert!(fits(&Effects::one(effect("chain")), &one), "none is named");
    assert!(fits(&Effects::one(named(&one)), &one));
    assert!(!fits(&Effects::one(named(&one)), &two));
    assert!(!fits(&Effects::one(named(&two)), &one));
    let both = Effects {
        first: named(&one),
        rest: vec![named(&two)],
    };
    assert!(!fits(&both, &one) && !fits(&both, &two), "of two neither");
    // Of the account, and of no algorithm of the route.
    let mut requests = named(&one);
    requests.resource = ResourceName::parse("orders").unwrap();
    assert!(!fits(&Effects::one(requests), &one));
}

#[test]
fn the_key_that_a_token_names_signs_alone() {
    let [one, two] = [[9; 32], [8; 32]].map(|public| key(Alg::Ed25519, &public));
    let bound = |key: &KeyState| Effect {
        token: Some(Bound {
            key: jwk::thumbprint(key.alg, &key.public).unwrap(),
            from: UnixMs(0),
            ends_at: UnixMs::NEVER,
            param: "/headers/token",
        }),
        ..effect("orders")
    };
    let fits =
        |effect: Effect, key: &KeyState| fits(&catalog(), &grant(""), &Effects::one(effect), key);
    assert!(fits(effect("orders"), &one), "none is named");
    assert!(fits(bound(&one), &one));
    assert!(!fits(bound(&two), &one) && !fits(bound(&one), &two));
}
