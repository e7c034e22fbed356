//! Other credentials, to other people's libraries: an identity token, and a bot's signature by a key that owners brought.

use crate::{
    agent::issued,
    command::{done, text},
    owner,
    relying::ask,
    report::Report,
    stage::{Stage, get, grant},
};
use anyhow::{Context, bail, ensure};
use claviger_shared::{
    call::{Input, JwtInput, Sign},
    credential::Credential,
};
use serde_json::{Value, json};
use tokio::process::Command;

const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "sts.example.com";
const SITE: &str = "https://agents.example.com";

/// Both, of one agent.
pub async fn work(report: &mut Report, stage: &Stage) -> anyhow::Result<()> {
    report.part("Other credentials: an identity token, and a bot's signature by a key that owners brought along");
    let public = brought(report, stage).await?;
    let key = [
        "key", "create", "--kind", "jwt", "--alg", "p256", "--agent", "bot",
    ];
    done(stage, &[&key[..], &["--name", "k_identity"]].concat()).await?;
    let mut terms = grant(100, 5000, 20_000);
    terms["agent"] = json!({ "id": "bot" });
    terms["keys"] = json!(["k_brought", "k_identity"]);
    terms["permissions"] =
        json!({ "read": ["order_history"], "write": ["identity"], "delete": [] });
    terms["allow_minting"] = json!(["identity"]);
    terms["credentials"] = json!({
        "http": { "profile": "web-bot-auth", "signature_agent": SITE }, "jwt": { "profile": "oidc" },
    });
    terms["budgets"] = json!([{ "unit": "call", "max": "100", "window": "grant" }]);
    let agent = stage.agent("bot", &terms).await?;

    let sign = get("https://api.example.com/v1/orders/ord_5");
    let Some(Credential::Http { headers }) = issued(&agent, sign).await?.issued.credential else {
        bail!("no signature")
    };
    let line = |path: &str| {
        json!({ "method": "GET", "url": format!("https://api.example.com/v1/orders/{path}"),
                "headers": headers, "jwk": public, "tag": "web-bot-auth" })
    };
    let said = ask("verify_http.py", &line("ord_5")).await?;
    report.check(
        "web-bot-auth, to http-message-signatures with the owner's public key",
        said == "ok",
        &said,
    );
    let said = ask("verify_http.py", &line("ord_6")).await?;
    report.check("the same signature on another path", said != "ok", &said);

    let input = JwtInput {
        profile: "oidc".to_owned(),
        audience: AUDIENCE.to_owned(),
        nonce: Some("n-1".to_owned()),
        ttl_s: None,
        method: None,
        url: None,
        ath: None,
        wit: None,
    };
    let sign = Sign {
        input: Input::Jwt(input),
        idempotency_key: None,
    };
    let Some(Credential::Jwt { jwt }) = issued(&agent, sign).await?.issued.credential else {
        bail!("no token")
    };
    let profile = stage.profile()?;
    let subject = format!(
        "{}:bot:{}",
        profile.chain()?.newest().origin,
        agent.key().grant
    );
    let line = |subject: &str| json!({ "jwt": jwt, "host": profile.api, "issuer": ISSUER, "audience": AUDIENCE, "subject": subject, "nonce": "n-1" });
    let said = ask("verify_oidc.py", &line(&subject)).await?;
    report.check(
        "an identity token, to PyJWT by the issuer's discovery document",
        said == "ok",
        &said,
    );
    let other = subject.replace(":bot:", ":cat:");
    let said = ask("verify_oidc.py", &line(&other)).await?;
    report.check("the same token for another agent", said != "ok", &said);
    Ok(())
}

/// A key that `openssl` made, imported; its public half by `openssl`'s word.
async fn brought(report: &mut Report, stage: &Stage) -> anyhow::Result<Value> {
    let file = stage.dir.join("brought.pem");
    let path = owner::text(&file)?;
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "ed25519", "-out", path])
        .output()
        .await?;
    ensure!(made.status.success(), "openssl made no key");
    let args = [
        "key",
        "import",
        "--file",
        path,
        "--kind",
        "http",
        "--name",
        "k_brought",
        "--agent",
        "bot",
    ];
    let came = done(stage, &args).await?;
    let shown = done(stage, &["key", "show", "k_brought"]).await?;
    let printed = Command::new("openssl")
        .args(["pkey", "-in", path, "-pubout"])
        .output()
        .await?;
    let same = String::from_utf8(printed.stdout)?.trim() == shown.text("/pem").trim();
    let imported = shown.value.get("imported") == Some(&Value::Bool(true));
    report.check(
        "openssl makes a key, owners import it: sealed to the attested enclave",
        same && imported,
        format!(
            "{} {}, imported: {imported}",
            came.word(),
            text(&shown.value, "key")
        ),
    );
    Ok(shown.value.get("jwk").context("no key")?.clone())
}
