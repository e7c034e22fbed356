//! Catalogs, grants, keys and inputs that the tests of the kinds share.

use crate::{Moment, SigningKeyInfo};
use claviger_shared::{
    amount::Amount,
    call::{HttpInput, JwtInput},
    catalog::{
        BodyRule, Catalog, Extractor, HttpRoute, JwtRoute, Media, Members, Resource, Route,
        Segment, Source,
    },
    effect::{Env, Kind, Verb},
    grant::{Grant, Permissions, Scope},
    id::{AgentId, GrantId, KeyId, ResourceName, Unit, X25519Public},
    owner::command::Alg,
    time::UnixMs,
};
use std::{collections::BTreeMap, sync::Arc};

pub(crate) fn name(text: &str) -> ResourceName {
    ResourceName::parse(text).unwrap()
}

pub(crate) fn listed(names: &[&str]) -> Members {
    Members::Listed(names.iter().map(|name| (*name).to_owned()).collect())
}

/// A route on `api.example.com` without query, headers, body or charge.
pub(crate) fn route(path: &str, methods: &[&str]) -> HttpRoute {
    let segment = |part: &str| match part.strip_prefix('{') {
        Some(rest) => Segment::Parameter(rest.trim_end_matches('}').to_owned()),
        None => Segment::Literal(part.to_owned()),
    };
    let parts = path.trim_start_matches('/').split('/');
    HttpRoute {
        host: "api.example.com".into(),
        port: 443,
        path: parts.filter(|part| !part.is_empty()).map(segment).collect(),
        template: path.into(),
        methods: methods.iter().map(|method| (*method).to_owned()).collect(),
        verb: None,
        query: listed(&[]),
        headers: listed(&[]),
        body: None,
        charge: Vec::new(),
        replayable: false,
        probe: false,
        mints: false,
        directory: false,
        wimse: None,
    }
}

pub(crate) fn body(media: Media, members: &[&str]) -> Option<BodyRule> {
    let members = listed(members);
    Some(BodyRule { media, members })
}

pub(crate) fn extractor(from: Source, require: &[(&str, &str)]) -> Extractor {
    Extractor {
        unit: Unit::parse("usd-cents").unwrap(),
        from,
        require: require
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        per: None,
        times: None,
    }
}

/// A route that charges `/amount` of a JSON body in `usd`.
pub(crate) fn charges_route() -> HttpRoute {
    HttpRoute {
        body: body(Media::Json, &["/amount", "/currency", "/items"]),
        charge: vec![extractor(
            Source::Json("/amount".into()),
            &[("/currency", "usd")],
        )],
        ..route("/v1/charges", &["POST"])
    }
}

pub(crate) fn jwt_route(audience: &str) -> JwtRoute {
    JwtRoute {
        profile: "assertion".into(),
        audience: audience.into(),
        issuer: "client-7".into(),
        subject: "client-7".into(),
        nonce: false,
        verb: None,
        probe: false,
        mints: true,
        scope: None,
        key_id: None,
        token_endpoint: false,
        http: None,
    }
}

pub(crate) fn catalog(resources: Vec<(&str, Vec<Route>)>) -> Catalog {
    let resource = |(text, routes)| {
        let env = Env::Live;
        (name(text), Resource { env, routes })
    };
    Catalog {
        resources: resources.into_iter().map(resource).collect(),
        ..Catalog::default()
    }
}

/// `orders` to read, `invoices` (form), `charges` (JSON), `files` (opaque) and `tokens` to write.
pub(crate) fn whole() -> (Catalog, Grant) {
    let orders = HttpRoute {
        query: listed(&["expand", "limit"]),
        headers: listed(&["x-tenant"]),
        ..route("/v1/orders/{id}", &["GET", "HEAD"])
    };
    let invoices = HttpRoute {
        body: body(Media::Form, &["amount", "currency", "customer"]),
        charge: vec![extractor(
            Source::Form("amount".into()),
            &[("currency", "usd")],
        )],
        ..route("/v1/payment_intents", &["POST"])
    };
    let files = HttpRoute {
        body: body(Media::Opaque, &[]),
        ..route("/v1/files/{name}", &["PUT", "DELETE"])
    };
    let catalog = catalog(vec![
        ("orders", vec![Route::Http(orders)]),
        ("invoices", vec![Route::Http(invoices)]),
        ("charges", vec![Route::Http(charges_route())]),
        ("files", vec![Route::Http(files)]),
        (
            "tokens",
            vec![Route::Jwt(jwt_route("https://idp.example.com/token"))],
        ),
    ]);
    let writes = ["invoices", "charges", "files", "tokens"];
    (catalog, grant(&["orders"], &writes, &["files"]))
}

pub(crate) fn grant(read: &[&str], write: &[&str], delete: &[&str]) -> Grant {
    let names = |of: &[&str]| of.iter().map(|text| name(text)).collect();
    Grant {
        id: GrantId::parse("gr_1").unwrap(),
        agent: AgentId::parse("billing-bot").unwrap(),
        agent_key: X25519Public([9; 32]),
        not_before: UnixMs(0),
        expires_at: UnixMs(u64::MAX),
        renew_until: None,
        keys: Vec::new(),
        purpose: None,
        scope: Arc::new(Scope {
            env: Env::Live,
            permissions: Permissions {
                read: names(read),
                write: names(write),
                delete: names(delete),
            },
            only: BTreeMap::new(),
            credentials: BTreeMap::new(),
            budgets: Vec::new(),
            rate: Vec::new(),
            reported_sources: Vec::new(),
            allow_identity_only: Vec::new(),
            allow_minting: Vec::new(),
            allow_outliving: Vec::new(),
        }),
    }
}

pub(crate) fn get(url: &str) -> HttpInput {
    HttpInput {
        method: "GET".into(),
        url: url.into(),
        headers: Vec::new(),
        body: None,
    }
}

pub(crate) fn post(url: &str, media: &str, body: &[u8]) -> HttpInput {
    HttpInput {
        method: "POST".into(),
        url: url.into(),
        headers: vec![("content-type".into(), media.into())],
        body: Some(serde_bytes::ByteBuf::from(body)),
    }
}

pub(crate) fn charge(body: &str) -> HttpInput {
    let url = "https://api.example.com/v1/charges";
    post(url, "application/json", body.as_bytes())
}

pub(crate) fn token(ttl_s: Option<u64>) -> JwtInput {
    JwtInput {
        profile: "assertion".into(),
        audience: "https://idp.example.com/token".into(),
        nonce: None,
        ttl_s,
        method: None,
        url: None,
        ath: None,
        wit: None,
    }
}

/// 60 seconds from 2026-11-23T09:00:00.250Z.
pub(crate) fn moment() -> Moment {
    Moment {
        now: UnixMs(1_795_424_400_250),
        expires_at: UnixMs(1_795_424_460_000),
        nonce: *b"\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f",
    }
}

/// RFC 8037 A.3 thumbprint as the key's name.
pub(crate) fn key(kind: Kind, alg: Alg) -> SigningKeyInfo {
    SigningKeyInfo {
        id: KeyId::parse("k_1").unwrap(),
        kind,
        alg,
        deployment: "acme-prod/claviger".into(),
        public: match alg {
            Alg::Ed25519 => vec![7; 32],
            Alg::P256 => [vec![4], vec![7; 64]].concat(),
            Alg::Hs256 | Alg::Hs512 => b"partner-7".to_vec(),
            Alg::Rs256 | Alg::Ps512 | Alg::SigV4 | Alg::P521 | Alg::Secp256k1 => Vec::new(),
        },
        thumbprint: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k".into(),
        session_token: None,
    }
}

pub(crate) fn cents(amount: u128) -> claviger_shared::effect::Charge {
    claviger_shared::effect::Charge {
        unit: Unit::parse("usd-cents").unwrap(),
        amount: Amount(amount),
    }
}

pub(crate) fn read_as(verb: Verb, route: HttpRoute) -> HttpRoute {
    let verb = Some(verb);
    HttpRoute { verb, ..route }
}
