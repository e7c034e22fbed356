//! Each provider's limits, on both sides.

use super::*;
use crate::owner::federate::Signing;
use claviger_shared::{
    id::{AgentId, GrantId, KeyId, ResourceName},
    oidc,
};

fn facts(alg: Alg, subject: Subject, audience: &str, issuer: &str) -> Facts {
    let grant = GrantId::parse("gr_1").unwrap();
    Facts {
        resource: ResourceName::parse("identity").unwrap(),
        agent: AgentId::parse("bot").unwrap(),
        grants: vec![grant.clone()],
        issuer: issuer.to_owned(),
        audience: audience.to_owned(),
        subject,
        signing: vec![Signing {
            id: KeyId::parse("k_1").unwrap(),
            alg,
            public: vec![7; 32],
            imported: false,
            grant,
        }],
        published: vec![("x".to_owned(), oidc::discovery(issuer))],
    }
}

const ISSUER: &str = "https://id.acme.example/claviger";

fn exact(length: usize) -> Subject {
    Subject::Exact("s".repeat(length))
}

/// What a provider says of one change to facts that it would take.
fn code(provider: Provider, change: impl Fn(&mut Facts)) -> Option<&'static str> {
    let audience = if provider == Provider::Azure {
        AZURE_AUDIENCE
    } else {
        "sts.example.com"
    };
    let mut facts = facts(Alg::Rs256, exact(40), audience, ISSUER);
    assert_eq!(check(provider, &facts), Ok(()));
    change(&mut facts);
    check(provider, &facts).err().map(|refusal| refusal.code())
}

#[test]
fn an_algorithm_that_a_provider_does_not_name_is_refused() {
    for provider in Provider::ALL {
        for alg in [
            Alg::Rs256,
            Alg::P256,
            Alg::Ed25519,
            Alg::SigV4,
            Alg::Secp256k1,
        ] {
            let takes = match provider {
                Provider::Azure => alg == Alg::Rs256,
                Provider::Vault => !matches!(alg, Alg::SigV4 | Alg::Secp256k1),
                Provider::Anthropic | Provider::Aws | Provider::Gcp | Provider::Openai => {
                    matches!(alg, Alg::Rs256 | Alg::P256)
                }
            };
            let said = code(provider, |facts| facts.signing[0].alg = alg);
            let expected = (!takes).then_some("key_algorithm");
            assert_eq!(said, expected, "{provider:?} {alg:?}");
        }
        let second = |facts: &mut Facts| {
            let mut key = facts.signing[0].clone();
            key.alg = Alg::Secp256k1;
            facts.signing.push(key);
        };
        assert_eq!(code(provider, second), Some("key_algorithm"), "one of two");
    }
}

#[test]
fn a_subject_longer_than_a_provider_keeps_is_refused() {
    for (provider, most) in [
        (Provider::Gcp, 127),
        (Provider::Aws, 255),
        (Provider::Azure, 600),
    ] {
        let with = |length| code(provider, |facts| facts.subject = exact(length));
        assert_eq!(with(most), None, "{provider:?}");
        assert_eq!(with(most + 1), Some("subject_too_long"), "{provider:?}");
    }
    // What may come behind a beginning counts: a grant's id has up to 43 bytes.
    let with = |length| {
        let prefix = Subject::Prefix("s".repeat(length));
        code(Provider::Gcp, |facts| facts.subject = prefix.clone())
    };
    assert_eq!(
        (with(127 - 43), with(127 - 42)),
        (None, Some("subject_too_long"))
    );
}

#[test]
fn a_beginning_goes_only_to_providers_that_compare_one() {
    for provider in Provider::ALL {
        let said = code(provider, |facts| {
            facts.subject = Subject::Prefix("a:b:".to_owned())
        });
        let whole = matches!(provider, Provider::Azure | Provider::Openai);
        assert_eq!(said, whole.then_some("subject_prefix"), "{provider:?}");
    }
}

#[test]
fn an_audience_is_what_the_provider_wants() {
    let with = |provider, audience: &str| {
        let audience = audience.to_owned();
        code(provider, |facts| facts.audience.clone_from(&audience))
    };
    let unfit = Some("audience_unfit");
    assert_eq!(with(Provider::Azure, "sts.amazonaws.com"), unfit);
    assert_eq!(with(Provider::Azure, "api://azureadtokenexchange"), unfit);
    assert_eq!(with(Provider::Gcp, "a,b"), unfit);
    assert_eq!(with(Provider::Gcp, &"a".repeat(256)), None);
    assert_eq!(with(Provider::Gcp, &"a".repeat(257)), unfit);
    assert_eq!(with(Provider::Aws, &"a".repeat(255)), None);
    assert_eq!(with(Provider::Aws, &"a".repeat(256)), unfit);
    assert_eq!(with(Provider::Vault, "a,b"), None);
}

#[test]
fn an_issuer_that_is_fetched_has_a_public_name() {
    let private = [
        "https://localhost",
        "https://idp",
        "https://10.0.0.1/x",
        "https://[::1]",
        "https://id.acme.example:8443",
        "https://id.local",
        "https://id.corp.internal/a",
        "https://id.test",
        "https://id.invalid",
        "https://router.home.arpa",
    ];
    for provider in Provider::ALL {
        let with = |issuer: &str| {
            let issuer = issuer.to_owned();
            code(provider, |facts| facts.issuer.clone_from(&issuer))
        };
        let fetches = provider.rules().fetches;
        for issuer in private {
            let expected = fetches.then_some("issuer_unfit");
            assert_eq!(with(issuer), expected, "{provider:?} {issuer}");
        }
        assert_eq!(with("http://id.acme.example"), Some("issuer_unfit"));
        assert_eq!(with("https://id.acme.example"), None);
    }
    let long = |length: usize| format!("https://{}.example", "a".repeat(length - 16));
    for (provider, most) in [(Provider::Aws, 255), (Provider::Azure, 600)] {
        let with = |length| code(provider, |facts| facts.issuer = long(length));
        assert_eq!((with(most), with(most + 1)), (None, Some("issuer_unfit")));
    }
}
