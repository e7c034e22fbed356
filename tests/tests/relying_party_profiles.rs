//! What others' profiles ask for verifies with others' code, against a whole deployment and what its host publishes.
//!
//! `web-bot-auth` by the crate of that name (Cloudflare, Apache-2.0), which has Ed25519 only; `oidc` by PyJWT with its own JWKS
//! client and by joserfc, for both algorithms.

#[path = "../relying_party/python.rs"]
mod python;
#[path = "../demo/stage.rs"]
#[allow(dead_code, reason = "shared with the demonstration")]
mod stage;

use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_cli::owner::key::NewKey;
use claviger_client::Agent;
use claviger_shared::{
    call::{Ask, HttpInput, Input, JwtInput, Reply, Sign},
    credential::Credential,
    denial::Code,
    effect::{Env, Kind},
    id::{AgentId, KeyId},
    owner::command::Alg,
};
use serde_json::{Value, json};
use stage::{Stage, grant};
use web_bot_auth::{
    SignatureAgentLink, WebBotAuthVerifier,
    components::{CoveredComponent, DerivedComponent, HTTPField, HTTPFieldParameters},
    keyring::{JSONWebKeySet, KeyRing},
    message_signatures::{MessageVerifier, SignedMessage},
};

const AGENT: &str = "https://agents.example.com";
const ISSUER: &str = "https://id.acme.example/claviger";
const AUDIENCE: &str = "sts.example.com";

/// Header fields in their order.
type Fields = Vec<(String, String)>;
/// What a thief or a careless hop does to a request and its credential.
type Change<'a> = &'a dyn Fn(&mut HttpInput, &mut Fields);

/// A request as a site receives it.
struct Received {
    input: HttpInput,
    headers: Vec<(String, String)>,
}

impl Received {
    fn field(&self, name: &str) -> Vec<String> {
        let all = self.input.headers.iter().chain(&self.headers);
        all.filter(|(own, _)| own == name)
            .map(|(_, value)| value.clone())
            .collect()
    }

    /// The one member of a dictionary that has no other.
    fn member(&self, name: &str, key: &str) -> Vec<String> {
        let fields = self.field(name).into_iter();
        let values = fields.filter_map(|field| {
            let value = field.strip_prefix(key)?.strip_prefix('=')?;
            (!value.contains(',')).then(|| value.to_owned())
        });
        values.collect()
    }
}

impl SignedMessage for Received {
    fn lookup_component(&self, component: &CoveredComponent) -> Vec<String> {
        let (_, rest) = self.input.url.split_once("://").unwrap();
        let (authority, target) = rest.split_at(rest.find('/').unwrap());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match component {
            CoveredComponent::Derived(DerivedComponent::Method { req: false }) => {
                vec![self.input.method.clone()]
            }
            CoveredComponent::Derived(DerivedComponent::Authority { req: false }) => {
                vec![authority.to_owned()]
            }
            CoveredComponent::Derived(DerivedComponent::Path { req: false }) => {
                vec![path.to_owned()]
            }
            CoveredComponent::Derived(DerivedComponent::Query { req: false }) => {
                vec![format!("?{query}")]
            }
            CoveredComponent::Derived(_) => Vec::new(),
            CoveredComponent::HTTP(HTTPField { name, parameters }) => match &parameters.0[..] {
                [] => self.field(name),
                [HTTPFieldParameters::Key(key)] => self.member(name, key),
                _ => Vec::new(),
            },
        }
    }
}

fn verify(received: &Received, keys: &JSONWebKeySet) -> anyhow::Result<()> {
    let mut ring = KeyRing::default();
    // Keys of the other algorithm are no use to this verifier; it says so for each.
    let _ = ring.import_jwks(keys.clone());
    let verifier = WebBotAuthVerifier::parse(received)?;
    let found = verifier.get_signature_agents();
    ensure!(
        *found == [SignatureAgentLink::External(AGENT.to_owned())],
        "{found:?}"
    );
    verifier.verify(&ring, None)?;
    Ok(())
}

async fn credential(agent: &Agent, input: Input) -> anyhow::Result<Credential> {
    let sign = Sign {
        input,
        idempotency_key: None,
    };
    match agent.ask(Ask::Sign(sign)).await? {
        Reply::Issued(issued) => issued.issued.credential.context("no credential"),
        other => bail!("not issued: {other:?}"),
    }
}

async fn bots(agent: &Agent, keys: &JSONWebKeySet) -> anyhow::Result<()> {
    let order = HttpInput {
        method: "GET".to_owned(),
        url: "https://api.example.com/v1/orders/ord_7?expand=items".to_owned(),
        headers: Vec::new(),
        body: None,
    };
    let charge = HttpInput {
        method: "POST".to_owned(),
        url: "https://pay.example.com/v1/charges".to_owned(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: Some(br#"{"amount":1200,"currency":"usd"}"#.to_vec().into()),
    };
    for input in [order, charge] {
        let Credential::Http { headers } = credential(agent, Input::Http(input.clone())).await?
        else {
            bail!("not a signature")
        };
        let received = |change: Change<'_>| {
            let (mut input, mut headers) = (input.clone(), headers.clone());
            change(&mut input, &mut headers);
            Received { input, headers }
        };
        verify(&received(&|_, _| {}), keys)?;
        let nobody = JSONWebKeySet { keys: Vec::new() };
        ensure!(verify(&received(&|_, _| {}), &nobody).is_err());
        let changes: [Change<'_>; 6] = [
            &|input, _| input.method.push('X'),
            &|input, _| input.url = input.url.replace("example.com", "example.net"),
            &|input, _| input.url.push('1'),
            &|_, headers| headers.retain(|(name, _)| name != "signature-agent"),
            &|_, headers| {
                for (_, value) in headers {
                    *value = value.replace("agents.example.com", "agents.example.net");
                }
            },
            &|_, headers| {
                for (_, value) in headers {
                    *value = value.replace("web-bot-auth", "claviger");
                }
            },
        ];
        for change in changes {
            ensure!(verify(&received(change), keys).is_err());
        }
    }
    Ok(())
}

/// A directory's response, as a verifier gets it that asked an authority.
struct Served {
    authority: &'static str,
    headers: Fields,
    body: String,
}

impl SignedMessage for Served {
    fn lookup_component(&self, component: &CoveredComponent) -> Vec<String> {
        match component {
            CoveredComponent::Derived(DerivedComponent::Authority { req: true }) => {
                vec![self.authority.to_owned()]
            }
            CoveredComponent::Derived(_) => Vec::new(),
            CoveredComponent::HTTP(HTTPField { name, parameters }) if parameters.0.is_empty() => {
                let fields = self.headers.iter().filter(|(own, _)| own == name);
                fields.map(|(_, value)| value.clone()).collect()
            }
            CoveredComponent::HTTP(_) => Vec::new(),
        }
    }
}

impl Served {
    /// Appendix B.1: the key it publishes, the digest of its body, the tag, the time.
    fn verify(&self) -> anyhow::Result<()> {
        let verifier = MessageVerifier::parse(self, |_| true)?;
        let details = &verifier.parsed.base.parameters.details;
        ensure!(details.tag.as_deref() == Some("http-message-signatures-directory"));
        ensure!(
            !verifier
                .parsed
                .base
                .parameters
                .details
                .possibly_insecure(|_| false)
                .is_expired
                .unwrap_or(true)
        );
        let digest = ring::digest::digest(&ring::digest::SHA256, self.body.as_bytes());
        let digest = format!("sha-256=:{}:", STANDARD.encode(digest));
        let sent = self
            .headers
            .iter()
            .find(|(name, _)| name == "content-digest");
        ensure!(
            sent.is_some_and(|(_, value)| *value == digest),
            "content-digest"
        );
        let mut ring = KeyRing::default();
        let faults = ring.import_jwks(serde_json::from_str(&self.body)?);
        ensure!(faults.iter().all(Option::is_none), "{faults:?}");
        verifier.verify(&ring, None)?;
        Ok(())
    }
}

const DIRECTORY: &str = "https://agents.example.com/.well-known/http-message-signatures-directory";

/// The agent's key signs its own directory; the body is what owners export.
async fn directories(stage: &Stage, agent: &Agent, key: &str) -> anyhow::Result<()> {
    let input = HttpInput {
        method: "GET".to_owned(),
        url: DIRECTORY.to_owned(),
        headers: Vec::new(),
        body: None,
    };
    let Credential::Http { headers } = credential(agent, Input::Http(input)).await? else {
        bail!("not a signature")
    };
    let body = stage.desk().await?.directory(&KeyId::parse(key)?)?;
    let served = |change: &dyn Fn(&mut Served)| {
        let mut served = Served {
            authority: "agents.example.com",
            headers: headers.clone(),
            body: body.clone(),
        };
        change(&mut served);
        served.verify()
    };
    served(&|_| {})?;
    let changes: [&dyn Fn(&mut Served); 4] = [
        // Served again by another.
        &|served| served.authority = "agents.example.net",
        &|served| served.body.push('\n'),
        &|served| {
            for (_, value) in &mut served.headers {
                *value = value.replace(";req", "");
            }
        },
        &|served| {
            for (_, value) in &mut served.headers {
                *value = value.replace("created=1", "created=2");
            }
        },
    ];
    for change in changes {
        ensure!(served(change).is_err());
    }
    Ok(())
}

fn identity(nonce: Option<&str>) -> Input {
    Input::Jwt(JwtInput {
        profile: "oidc".to_owned(),
        audience: AUDIENCE.to_owned(),
        nonce: nonce.map(str::to_owned),
        ttl_s: None,
        method: None,
        url: None,
        ath: None,
        wit: None,
    })
}

async fn identities(agent: &Agent, host: &str, origin: &str) -> anyhow::Result<()> {
    let subject = format!("{origin}:first-agent:{}", agent.key().grant);
    for nonce in [None, Some("n-0S6_WzA2Mj")] {
        let Credential::Jwt { jwt } = credential(agent, identity(nonce)).await? else {
            bail!("not a token")
        };
        let good = json!({
            "jwt": jwt, "host": host, "issuer": ISSUER, "audience": AUDIENCE, "subject": subject, "nonce": nonce,
        });
        let with = |name: &str, value: Value| {
            let mut line = good.clone();
            line[name] = value;
            line
        };
        let lines = [
            good.clone(),
            with("audience", json!("sts.example.net")),
            with("issuer", json!("https://id.acme.example")),
            with("subject", json!(format!("{origin}:other-agent:gr_1"))),
            with("nonce", json!("another")),
            with("jwt", json!(jwt.replacen(".eyJ", ".eyI", 1))),
        ];
        for script in ["verify_oidc.py", "verify_oidc_joserfc.py"] {
            let said = python::ask(script, &lines)?;
            ensure!(said[0] == "ok", "{script}: {said:?}");
            ensure!(
                said[1..].iter().all(|word| word != "ok"),
                "{script}: {said:?}"
            );
        }
    }
    Ok(())
}

/// Adds the identity's resource to the simulation's catalog.
async fn set_catalog(stage: &Stage) -> anyhow::Result<()> {
    let text = include_str!("../../sim/src/up/catalog.json");
    let mut catalog: Value = serde_json::from_str(text)?;
    catalog["resources"]["identity"] = json!([{
        "kind": "jwt", "profile": "oidc", "audience": AUDIENCE, "issuer": ISSUER, "nonce": true,
    }]);
    catalog["resources"]["directory"] = json!([{
        "kind": "http", "directory": true, "host": "agents.example.com",
    }]);
    let mut desk = stage.desk().await?;
    desk.set_catalog(catalog.to_string().as_bytes(), &[])
        .await?;
    Ok(())
}

/// An agent with a pair of keys of one algorithm under both profiles.
async fn agent(stage: &Stage, alg: Alg, name: &str, mints: &[&str]) -> anyhow::Result<Agent> {
    let mut desk = stage.desk().await?;
    let mut keys = Vec::new();
    for kind in [Kind::Http, Kind::Jwt] {
        let id = format!("k_{}_{name}", kind.as_str());
        let key = NewKey {
            name: KeyId::parse(&id).ok(),
            kind,
            alg,
            env: Env::Live,
            agent: AgentId::parse("first-agent").ok(),
        };
        desk.create_key(&key).await?;
        keys.push(id);
    }
    let mut grant = grant(100, 5000, 20_000);
    grant["keys"] = json!(keys);
    grant["permissions"]["write"] = json!(["charges", "identity", "directory"]);
    grant["allow_minting"] = json!(mints);
    grant["credentials"] = json!({
        "http": { "profile": "web-bot-auth", "signature_agent": AGENT }, "jwt": { "profile": "oidc" },
    });
    stage.agent(name, &grant).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sites_that_know_bots_and_relying_parties_of_openid_accept_what_is_signed()
-> anyhow::Result<()> {
    if !python::is_ready()? {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let stage = Stage::start(dir.path()).await?;
    let profile = stage.profile()?;
    let host = profile.api.clone();
    let discovery = format!("{host}/.well-known/openid-configuration");
    let http = claviger_client::web::builder(false, &[])?.build()?;
    let before = http.get(&discovery).send().await?;
    ensure!(before.status() == 404, "no issuer, no document");
    set_catalog(&stage).await?;
    let ed = agent(&stage, Alg::Ed25519, "edwards", &["identity"]).await?;
    let p256 = agent(&stage, Alg::P256, "nist", &["identity"]).await?;
    let none = agent(&stage, Alg::P256, "none", &[]).await?;
    // No wait: who was told of a key finds it.
    let directory = format!("{host}/.well-known/http-message-signatures-directory");
    let answer = http.get(&directory).send().await?;
    let media = answer.headers()["content-type"].to_str()?.to_owned();
    ensure!(
        media == "application/http-message-signatures-directory+json",
        "{media}"
    );
    let published: Value = answer.json().await?;
    let keys = published["keys"].as_array().context("no keys")?;
    let jwks: Value = http
        .get(format!("{host}/.well-known/jwks.json"))
        .send()
        .await?
        .json()
        .await?;
    let tokens = jwks["keys"].as_array().context("no keys")?;
    ensure!(keys.len() == 4 && tokens.len() == 4, "{keys:?} {tokens:?}");
    ensure!(
        keys.iter().all(|key| !tokens.contains(key)),
        "a kind's keys are its own"
    );
    bots(&ed, &serde_json::from_value(published)?).await?;
    directories(&stage, &ed, "k_http_edwards").await?;
    let origin = profile.chain()?.newest().origin.clone();
    identities(&ed, &host, &origin).await?;
    identities(&p256, &host, &origin).await?;
    let sign = Sign {
        input: identity(None),
        idempotency_key: None,
    };
    match none.ask(Ask::Sign(sign)).await? {
        Reply::Denied(denial) => ensure!(denial.code == Code::Minting, "{denial:?}"),
        other => bail!("an identity that the grant does not let out: {other:?}"),
    }
    ensure!(stage.stop().await?.success(), "`up` does not end cleanly");
    Ok(())
}
