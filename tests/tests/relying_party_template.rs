//! What a deployment signs by the templates of docs/templates.md is what each service's documentation says, computed again in
//! Python over random requests; and nothing else is taken.
//!
//! Without Python the test says so and passes, except in continuous integration.

use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_shared::{call::HttpInput, credential::Credential, jwk, owner::command::Alg};
use claviger_tests::{
    agent::Agent,
    python,
    template::{call, granted, import_secret, input, start},
};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    sync::Arc,
};

/// Random requests of each service.
const RANDOM: u64 = 60;

/// What the script says of each line.
fn ask(lines: &[Value]) -> anyhow::Result<Vec<String>> {
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/relying_party/verify_template.py"
    );
    let mut child = Command::new(python::python())
        .args(["-B", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("no input")?;
    let output = child.stdout.take().context("no output")?;
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let said: Vec<String> = BufReader::new(output).lines().collect::<Result<_, _>>()?;
    writer.join().ok().context("the writer")??;
    ensure!(
        child.wait()?.success() && said.len() == lines.len(),
        "{said:?}"
    );
    Ok(said)
}

/// Numbers that are alike in every run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % below
    }

    fn word(&mut self) -> String {
        let letters = b"abcXYZ0123456789-_.~";
        let length = self.roll(9) + 1;
        let mut one = || letters[usize::try_from(self.roll(20)).unwrap()];
        (0..length).map(|_| char::from(one())).collect()
    }
}

/// A random request of a service.
fn request(service: &str, dice: &mut Dice) -> HttpInput {
    let (a, b, n) = (dice.word(), dice.word(), dice.roll(1_000_000));
    let json = [("content-type", "application/json")];
    match service {
        "binance" => {
            let url = format!(
                "https://api.binance.com/api/v3/order?symbol={a}&price={n}.{b}&side=%C3%BC{b}"
            );
            call("POST", &url, &[], None)
        }
        "kraken" => {
            let media = [("content-type", "application/x-www-form-urlencoded")];
            let form = format!("pair={a}&volume={n}&type=%2B+{b}");
            let url = "https://api.kraken.com/0/private/AddOrder";
            call("POST", url, &media, Some(form.as_bytes()))
        }
        "bitmex" if n % 2 == 0 => {
            let url = format!("https://www.bitmex.com/api/v1/instrument?symbol={a}&count={n}");
            call("GET", &url, &[], None)
        }
        "bitmex" => {
            let body =
                json!({"symbol": a, "orderQty": n, "clOrdID": format!("{b}\" ü")}).to_string();
            call(
                "POST",
                "https://www.bitmex.com/api/v1/order",
                &json,
                Some(body.as_bytes()),
            )
        }
        "okx" => {
            let body = json!({"instId": a, "sz": n.to_string(), "side": b}).to_string();
            call(
                "POST",
                "https://www.okx.com/api/v5/trade/order",
                &json,
                Some(body.as_bytes()),
            )
        }
        _ => {
            let body =
                json!({"currency": "GBP", "max_amount_in_minor": n, "name": format!("{a} ü")})
                    .to_string();
            let url = format!("https://api.truelayer.com/merchant_accounts/m{b}/sweeping");
            call("POST", &url, &json, Some(body.as_bytes()))
        }
    }
}

/// A signed request as the service receives it.
fn received(agent: &Agent, asked: &HttpInput) -> anyhow::Result<Value> {
    let issued = agent.sign(input(asked.clone()));
    let issued = issued.map_err(|denial| anyhow::anyhow!("{denial:?} for {asked:?}"))?;
    let Some(Credential::Template { headers, url, body }) = issued.issued.credential else {
        anyhow::bail!("another kind");
    };
    let all: Vec<_> = asked.headers.iter().chain(&headers).collect();
    let body = body.as_ref().or(asked.body.as_ref());
    Ok(json!({
        "method": asked.method, "url": url.as_ref().unwrap_or(&asked.url), "headers": all,
        "body_b64": body.map(|body| STANDARD.encode(body)),
    }))
}

#[test]
fn every_services_own_rules_accept_what_is_signed_and_nothing_else() -> anyhow::Result<()> {
    if !python::is_there()? {
        return Ok(());
    }
    let (deployment, enclave) = start();
    let link = Arc::new(enclave.call_link());
    let mut dice = Dice(7);
    let mut lines = Vec::new();
    let mut wanted = Vec::new();
    for (service, names, alg) in [
        ("binance", &["binance-orders"][..], "hs256"),
        ("kraken", &["kraken-orders"], "hs512"),
        ("bitmex", &["bitmex-instruments", "bitmex-orders"], "hs256"),
        ("okx", &["okx-orders"], "hs256"),
        ("truelayer", &["truelayer-sweeping"], "p521"),
    ] {
        let (id, name) = (format!("k_{service}"), format!("name.of/{service}+1"));
        let secret: Vec<u8> = (0..48)
            .map(|_| u8::try_from(dice.roll(256)).unwrap())
            .collect();
        let (id, key, key_id) = if alg == "p521" {
            let state = deployment.audited();
            let own = state
                .keys()
                .find(|(key, _)| key.as_str() == "k_p521")
                .context("no key")?;
            let key = jwk::jwk(Alg::P521, &own.1.public).context("no JWK")?;
            (
                "k_p521".to_owned(),
                key,
                "45fc75cf-5649-4134-84b3-192c2c78e990".to_owned(),
            )
        } else {
            import_secret(&deployment, &enclave, (&id, alg), &name, &secret);
            (id, json!(STANDARD.encode(&secret)), name)
        };
        let grant = granted(
            &deployment,
            &enclave,
            &format!("gr_{service}"),
            names,
            &[&id],
        );
        let agent = Agent::on(&link, &deployment, &enclave, &grant);
        for _ in 0..RANDOM {
            deployment.clock.advance_ms(1);
            let asked = request(service, &mut dice);
            let mut good = received(&agent, &asked)?;
            good["service"] = json!(service);
            good["key"] = key.clone();
            good["key_id"] = json!(key_id);
            good["now_ms"] = json!(deployment.clock.now().0 + 1000);
            let with = |name: &str, value: Value| {
                let mut line = good.clone();
                line[name] = value;
                line
            };
            // A thief's changes: another body or query, another key, much later.
            let url = good["url"].as_str().context("url")?;
            let other = match good["body_b64"].as_str() {
                Some(body) => {
                    let mut bytes = STANDARD.decode(body)?;
                    let last = bytes.len() - 2;
                    bytes[last] ^= 1;
                    with("body_b64", json!(STANDARD.encode(bytes)))
                }
                None => with("url", json!(url.replacen('=', "=1", 1))),
            };
            let late = with("now_ms", json!(deployment.clock.now().0 + 120_000));
            lines.push(other);
            wanted.push(false);
            // What has no time is good until it is seen; a nonce is the service's to remember.
            if !matches!(service, "truelayer" | "kraken") {
                lines.push(late);
                wanted.push(false);
            }
            if alg != "p521" {
                lines.push(with("key", json!(STANDARD.encode([7; 48]))));
                wanted.push(false);
            }
            lines.push(good.clone());
            wanted.push(true);
            if service == "kraken" {
                lines.push(good);
                wanted.push(false);
            }
        }
    }
    let said = ask(&lines)?;
    for ((said, wanted), line) in said.iter().zip(wanted).zip(&lines) {
        ensure!((said == "ok") == wanted, "{said}: {line}");
    }
    Ok(())
}
