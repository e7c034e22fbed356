//! What `claviger federate` prints works at each provider, as far as that can be tried here, and takes nobody else's tokens.
//!
//! A whole deployment; the verb by its program; then `tests/relying_party/federate.py`: AWS's commands by its own CLI against
//! moto and its trust policy by an evaluator of its own, Vault's against a real OpenBao where `make` installed one, Google's
//! keys by joserfc, the others' by PyJWT.

#[path = "../relying_party/python.rs"]
mod python;
#[path = "../demo/stage.rs"]
#[allow(dead_code, reason = "shared with the demonstration")]
mod stage;

use anyhow::{Context, bail, ensure};
use claviger_cli::owner::{
    federate::{Provider, Target},
    key::NewKey,
};
use claviger_client::Agent;
use claviger_shared::{
    call::{Ask, Input, JwtInput, Reply, Sign},
    credential::Credential,
    effect::{Env, Kind},
    id::{AgentId, KeyId, ResourceName},
    owner::command::Alg,
};
use serde_json::{Value, json};
use stage::{Stage, grant, program};
use std::{collections::BTreeSet, path::Path, process::Command};

const ISSUER: &str = "https://id.acme.example/claviger";
/// Resource, audience, and of which provider it is.
const ROUTES: [(&str, &str); 6] = [
    ("aws", "sts.amazonaws.com"),
    ("azure", "api://AzureADTokenExchange"),
    ("gcp", "https://gcp.acme.example/it's"),
    ("openai", "https://api.openai.com/v1"),
    ("anthropic", "https://api.anthropic.com"),
    ("vault", "vault.acme.example"),
];

/// OpenBao's program, where `make` installed it.
fn bao() -> Option<String> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/openbao/.bao");
    let program = std::fs::read_to_string(place).ok()?;
    let program = program.trim().to_owned();
    (!program.is_empty()).then_some(program)
}

fn catalog(issuer: &str) -> anyhow::Result<Value> {
    let text = include_str!("../../sim/src/up/catalog.json");
    let mut catalog: Value = serde_json::from_str(text)?;
    for (name, audience) in ROUTES {
        catalog["resources"][name] = json!([{
            "kind": "jwt", "profile": "oidc", "audience": audience, "issuer": issuer,
        }]);
    }
    catalog["resources"]["both"] = json!([
        { "kind": "jwt", "profile": "oidc", "audience": "one.example", "issuer": issuer },
        { "kind": "jwt", "profile": "oidc", "audience": "two.example", "issuer": issuer },
    ]);
    Ok(catalog)
}

async fn key(stage: &Stage, alg: Alg, name: &str) -> anyhow::Result<String> {
    let id = format!("k_{name}");
    let key = NewKey {
        name: KeyId::parse(&id).ok(),
        kind: Kind::Jwt,
        alg,
        env: Env::Live,
        agent: AgentId::parse("first-agent").ok(),
    };
    stage.desk().await?.create_key(&key).await?;
    Ok(id)
}

/// Terms under which everything above may be signed for.
fn terms(key: &str) -> Value {
    let mut grant = grant(1000, 5000, 20_000);
    let names: Vec<_> = ROUTES
        .iter()
        .map(|(name, _)| *name)
        .chain(["both"])
        .collect();
    grant["keys"] = json!([key]);
    grant["permissions"]["write"] = json!(names);
    grant["allow_minting"] = json!(names);
    grant["credentials"] = json!({ "jwt": { "profile": "oidc" } });
    grant
}

async fn token(agent: &Agent, audience: &str) -> anyhow::Result<String> {
    let input = Input::Jwt(JwtInput {
        profile: "oidc".to_owned(),
        audience: audience.to_owned(),
        nonce: None,
        ttl_s: None,
        method: None,
        url: None,
        ath: None,
        wit: None,
    });
    let sign = Sign {
        input,
        idempotency_key: None,
    };
    match agent.ask(Ask::Sign(sign)).await? {
        Reply::Issued(issued) => match issued.issued.credential {
            Some(Credential::Jwt { jwt }) => Ok(jwt),
            other => bail!("not a token: {other:?}"),
        },
        other => bail!("not issued: {other:?}"),
    }
}

/// The verb by its program: exit code, what it printed.
fn federate(stage: &Stage, arguments: &[&str]) -> anyhow::Result<(i32, String)> {
    let done = Command::new(program("claviger")?)
        .arg("--profile")
        .arg(stage.dir.join("ready.json"))
        .arg("federate")
        .args(arguments)
        .output()?;
    let code = done.status.code().context("no exit code")?;
    Ok((code, String::from_utf8(done.stdout)?))
}

/// What a provider is told, and its answers to tokens: those it takes, those it refuses.
struct Told {
    line: Value,
    takes: Vec<String>,
    refuses: Vec<String>,
}

impl Told {
    fn of(
        stage: &Stage,
        provider: &str,
        target: &str,
        dir: &Path,
        takes: Vec<String>,
        refuses: Vec<String>,
    ) -> anyhow::Result<Self> {
        let out = dir.to_str().context("a name")?;
        let (code, said) = federate(stage, &[provider, target, provider, "--out", out, "--json"])?;
        ensure!(code == 0, "{provider} {target}: {said}");
        let setup: Value = serde_json::from_str(&said)?;
        let line = json!({ "provider": provider, "dir": out, "setup": setup, "bao": bao() });
        Ok(Self {
            line,
            takes,
            refuses,
        })
    }

    fn check(&self) -> anyhow::Result<()> {
        let with = |token: &String| {
            let mut line = self.line.clone();
            line["token"] = json!(token);
            line
        };
        let lines: Vec<_> = self.takes.iter().chain(&self.refuses).map(with).collect();
        let said = python::ask("federate.py", &lines)?;
        let (taken, refused) = said.split_at(self.takes.len());
        ensure!(
            taken.iter().all(|word| word == "ok"),
            "{}: {said:?}",
            self.line
        );
        ensure!(
            refused.iter().all(|word| word != "ok"),
            "{}: {said:?}",
            self.line
        );
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_provider_takes_the_tokens_it_was_told_of_and_no_others() -> anyhow::Result<()> {
    if !python::is_ready()? {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let stage = Stage::start(dir.path()).await?;
    let mut desk = stage.desk().await?;
    desk.set_catalog(catalog(ISSUER)?.to_string().as_bytes(), &[])
        .await?;
    let nist = key(&stage, Alg::P256, "nist").await?;
    let rsa = key(&stage, Alg::Rs256, "rsa").await?;
    let edwards = key(&stage, Alg::Ed25519, "edwards").await?;
    // Of the kind, and of no grant: nobody is to believe it.
    key(&stage, Alg::P256, "unused").await?;
    let own = stage.agent("own", &terms(&nist)).await?;
    let sibling = stage.agent("sibling", &terms(&nist)).await?;
    let big = stage.agent("big", &terms(&rsa)).await?;
    let curve = stage.agent("curve", &terms(&edwards)).await?;
    let id = |agent: &Agent| agent.key().grant.to_string();
    let audience = |provider: &str| {
        let found = ROUTES.iter().find(|(name, _)| *name == provider);
        found.map_or("", |(_, audience)| audience)
    };
    let mut all = Vec::new();
    let mut published = BTreeSet::new();
    for (provider, _) in ROUTES {
        let agents = match provider {
            "azure" => vec![(&big, &own)],
            // The same key, another grant; and a key that is not named.
            "vault" if bao().is_some() => vec![(&own, &sibling), (&curve, &own)],
            "vault" => {
                println!("skipped: vault: no OpenBao, which `make target/openbao/.bao` brings");
                continue;
            }
            _ => vec![(&own, &sibling), (&big, &own)],
        };
        for (agent, other) in agents {
            let folder = dir.path().join(format!("{provider}-{}", id(agent)));
            let good = token(agent, audience(provider)).await?;
            let wrong = [
                token(other, audience(provider)).await?,
                token(agent, "one.example").await?,
                good.replacen(".eyJ", ".eyI", 1),
            ];
            let told = Told::of(
                &stage,
                provider,
                &id(agent),
                &folder,
                vec![good],
                wrong.to_vec(),
            )?;
            let setup = &told.line["setup"];
            let exact = format!(
                "{}:first-agent:{}",
                stage.profile()?.chain()?.newest().origin,
                id(agent)
            );
            ensure!(setup["subject"] == json!({ "exact": exact }), "{setup}");
            published.insert(std::fs::read_to_string(
                folder.join(".well-known/jwks.json"),
            )?);
            all.push(told);
        }
    }
    // An agent: its grants with one key, whichever; another agent's name stands where the first's does.
    for provider in ["aws", "gcp", "anthropic", "vault"] {
        if provider == "vault" && bao().is_none() {
            continue;
        }
        // Three algorithms sign for this agent: a provider that does not take all of them is not set up by halves.
        let (code, said) = federate(&stage, &[provider, "first-agent", provider, "--json"])?;
        if provider == "vault" {
            ensure!(code == 0, "{said}");
        } else {
            ensure!(code == 1 && said.contains("key_algorithm"), "{said}");
        }
    }
    let mut desk = stage.desk().await?;
    desk.revoke_grant(&curve.key().grant).await?;
    for provider in ["aws", "gcp", "anthropic", "vault"] {
        if provider == "vault" && bao().is_none() {
            continue;
        }
        let folder = dir.path().join(format!("{provider}-agent"));
        let mut takes = Vec::new();
        for agent in [&own, &sibling, &big] {
            takes.push(token(agent, audience(provider)).await?);
        }
        let wrong = vec![token(&own, "two.example").await?];
        all.push(Told::of(
            &stage,
            provider,
            "first-agent",
            &folder,
            takes,
            wrong,
        )?);
    }
    for told in &all {
        told.check()?;
    }
    // One issuer, one document: the keys of every grant that may have identity tokens, and no other.
    ensure!(published.len() == 1, "{published:?}");
    let keys: Value = serde_json::from_str(published.first().context("nothing")?)?;
    ensure!(keys["keys"].as_array().map(Vec::len) == Some(3), "{keys}");
    let (code, text) = federate(&stage, &["aws", &id(&own), "aws"])?;
    ensure!(
        code == 0 && text.contains("cat >trust-policy.json <<'EOF'"),
        "{text}"
    );
    let parsed = Command::new("bash").args(["-n", "-c", &text]).status()?;
    ensure!(parsed.success(), "{text}");
    ensure!(stage.stop().await?.success(), "`up` does not end cleanly");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_is_refused_by_name() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let stage = Stage::start(dir.path()).await?;
    let mut desk = stage.desk().await?;
    desk.set_catalog(catalog(ISSUER)?.to_string().as_bytes(), &[])
        .await?;
    let edwards = key(&stage, Alg::Ed25519, "edwards").await?;
    let rsa = key(&stage, Alg::Rs256, "rsa").await?;
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut terms = terms(&rsa);
        change(&mut terms);
        terms
    };
    let mut grants = Vec::new();
    for (name, terms) in [
        ("rsa", terms(&rsa)),
        ("edwards", terms(&edwards)),
        (
            "assertion",
            changed(&|terms| terms["credentials"] = json!({})),
        ),
        (
            "scope",
            changed(&|terms| {
                terms["permissions"]["write"] = json!(["vault"]);
                terms["allow_minting"] = json!(["vault"]);
            }),
        ),
        (
            "minting",
            changed(&|terms| terms["allow_minting"] = json!([])),
        ),
        ("revoked", terms(&rsa)),
    ] {
        let agent = stage.agent(name, &terms).await?;
        grants.push((name, agent.key().grant.clone()));
    }
    let id = |name: &str| {
        let found = grants.iter().find(|(own, _)| *own == name);
        found.map(|(_, id)| id.to_string()).unwrap_or_default()
    };
    let (_, revoked) = grants.last().context("none")?;
    stage.desk().await?.revoke_grant(revoked).await?;
    let desk = stage.desk().await?;
    let code = |provider: Provider, target: &str, resource: &str, audience: Option<&str>| {
        let target = Target::parse(target).context("no name")?;
        let resource = ResourceName::parse(resource)?;
        Ok::<_, anyhow::Error>(
            match desk.federate(provider, &target, &resource, audience) {
                Ok(_) => "ok".to_owned(),
                Err(error) => format!("{} {}", error.code(), error.exit()),
            },
        )
    };
    let (rsa, edwards) = (id("rsa"), id("edwards"));
    for (provider, target, resource, audience, expected) in [
        (Provider::Aws, rsa.as_str(), "aws", None, "ok"),
        (Provider::Azure, &rsa, "azure", None, "ok"),
        (Provider::Aws, &rsa, "charges", None, "no_route 1"),
        (Provider::Aws, &rsa, "nothing", None, "no_route 1"),
        (
            Provider::Aws,
            &rsa,
            "aws",
            Some("vault.acme.example"),
            "no_route 1",
        ),
        (Provider::Aws, &rsa, "both", None, "several_routes 1"),
        (Provider::Aws, &rsa, "both", Some("two.example"), "ok"),
        (Provider::Aws, "gr_none", "aws", None, "no_grant 1"),
        (Provider::Aws, "nobody", "aws", None, "no_grant 1"),
        (Provider::Aws, &id("revoked"), "aws", None, "no_grant 1"),
        (
            Provider::Aws,
            &id("assertion"),
            "aws",
            None,
            "not_granted 1",
        ),
        (Provider::Aws, &id("scope"), "aws", None, "not_granted 1"),
        (Provider::Vault, &id("scope"), "vault", None, "ok"),
        (Provider::Aws, &id("minting"), "aws", None, "not_granted 1"),
        (Provider::Aws, &edwards, "aws", None, "key_algorithm 1"),
        (Provider::Gcp, &edwards, "gcp", None, "key_algorithm 1"),
        (Provider::Azure, &edwards, "azure", None, "key_algorithm 1"),
        (Provider::Vault, &edwards, "vault", None, "ok"),
        (Provider::Azure, &rsa, "aws", None, "audience_unfit 1"),
        (
            Provider::Azure,
            "first-agent",
            "azure",
            None,
            "subject_prefix 1",
        ),
        (
            Provider::Openai,
            "first-agent",
            "openai",
            None,
            "subject_prefix 1",
        ),
    ] {
        let said = code(provider, target, resource, audience)?;
        ensure!(said == expected, "{provider:?} {target} {resource}: {said}");
    }
    let (exit, said) = federate(&stage, &["aws", &edwards, "aws", "--json"])?;
    let said: Value = serde_json::from_str(&said)?;
    ensure!(
        exit == 1 && said["error"]["code"] == "key_algorithm",
        "{said}"
    );
    // Where nobody else can ask, only those are told that need not.
    let names = grants.iter().map(|(_, id)| id.clone()).collect::<Vec<_>>();
    let mut desk = stage.desk().await?;
    let private = catalog("https://idp.corp.internal")?.to_string();
    let touched: Vec<_> = names.into_iter().filter(|id| id != revoked).collect();
    desk.set_catalog(private.as_bytes(), &touched).await?;
    let target = Target::parse(&rsa).context("no name")?;
    let mut codes = Vec::new();
    for (provider, name) in [
        (Provider::Aws, "aws"),
        (Provider::Azure, "azure"),
        (Provider::Gcp, "gcp"),
    ] {
        let told = desk.federate(provider, &target, &ResourceName::parse(name)?, None);
        codes.push(told.err().map(|error| error.code().to_owned()));
    }
    let unfit = Some("issuer_unfit".to_owned());
    ensure!(codes == [unfit.clone(), unfit, None], "{codes:?}");
    ensure!(stage.stop().await?.success(), "`up` does not end cleanly");
    Ok(())
}
