//! The relying party: a Python program that verifies with public libraries and knows nothing but a public key.

use crate::stage::{python, scripts};
use anyhow::{Context, ensure};
use claviger_shared::call::HttpInput;
use serde_json::Value;
use std::{path::Path, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
};

/// A running API.
pub struct Api {
    base: String,
    http: reqwest::Client,
    // INVARIANT: it serves until its standard input ends.
    _child: Child,
}

/// Runs one of the scripts under the Python that has the libraries.
fn run(script: &str) -> anyhow::Result<Command> {
    let python = python();
    ensure!(
        python.exists(),
        "{} is missing: run `make demo`",
        python.display()
    );
    let mut command = Command::new(python);
    command
        .arg(scripts().join(script))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    Ok(command)
}

impl Api {
    /// Starts it with the owner's public key.
    pub async fn start(dir: &Path, jwk: &Value) -> anyhow::Result<Self> {
        let file = dir.join("relying-party.jwk");
        std::fs::write(&file, jwk.to_string())?;
        let mut child = run("server.py")?.arg(file).spawn()?;
        let mut port = String::new();
        BufReader::new(child.stdout.take().context("no output")?)
            .read_line(&mut port)
            .await?;
        Ok(Self {
            base: format!("http://127.0.0.1:{}", port.trim()),
            http: claviger_client::web::builder(false, &[])?
                .no_proxy()
                .build()?,
            _child: child,
        })
    }

    /// Sends a request as an agent would, with a credential's headers beside its own: status and body.
    pub async fn send(
        &self,
        input: &HttpInput,
        credential: &[(String, String)],
    ) -> anyhow::Result<(u16, String)> {
        let (host, path) = input
            .url
            .strip_prefix("https://")
            .and_then(|rest| rest.split_once('/'))
            .context("no URL")?;
        let method = input.method.parse()?;
        let mut request = self
            .http
            .request(method, format!("{}/{path}", self.base))
            .header("host", host);
        for (name, value) in input.headers.iter().chain(credential) {
            request = request.header(name, value);
        }
        if let Some(body) = &input.body {
            request = request.body(body.to_vec());
        }
        let answer = request.send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }
}

/// What PyJWT says of a line: `ok`, or why not.
pub async fn verify_jwt(line: &Value) -> anyhow::Result<String> {
    ask("verify_jwt.py", line).await
}

/// What a script says of a line: `ok`, or why not.
pub async fn ask(script: &str, line: &Value) -> anyhow::Result<String> {
    let mut child = run(script)?.spawn()?;
    let mut stdin = child.stdin.take().context("no input")?;
    stdin.write_all(format!("{line}\n").as_bytes()).await?;
    drop(stdin);
    let output = child.wait_with_output().await?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
