//! The table of denials: one vector for each code, run against the enclave; table, page, code, host and command agree.

use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_cli::error::Error;
use claviger_client::render;
use claviger_shared::{
    call::{
        Ask, AwsInput, Echo, EvmInput, HttpInput, Input, JwtInput, Sign, SshCertificateInput,
        SshInput, SshSignatureInput, solana::SolanaInput, x402::X402Input,
    },
    chain,
    crypto::noise,
    denial::{Code, Denial},
    id::{Digest, GrantId, to_hex},
    time::Millis,
};
use claviger_tests::{
    agent::{Agent, Sent, issued},
    deployment::{Deployment, Enclave},
    import,
    owner::{Granted, done},
    solana,
    store::Mood,
};
use serde_json::Value;
use std::collections::BTreeSet;

/// Kinds, and what several of them have, whose vectors have a file of their own.
const KINDS: [(&str, &str); 6] = [
    ("prices", include_str!("../vectors/denials/prices.json")),
    ("x402", include_str!("../vectors/denials/x402.json")),
    ("evm", include_str!("../vectors/denials/evm.json")),
    ("solana", include_str!("../vectors/denials/solana.json")),
    ("wimse", include_str!("../vectors/denials/wimse.json")),
    (
        "directory",
        include_str!("../vectors/denials/directory.json"),
    ),
];

/// The table, and beside each row's vectors those of every kind.
fn table() -> Value {
    let mut table: Value = serde_json::from_str(include_str!("../vectors/denials.json")).unwrap();
    for (kind, file) in KINDS {
        let more: Value = serde_json::from_str(file).unwrap();
        for part in ["resources", "assets"] {
            for (name, _) in more["catalog"][part].as_object().into_iter().flatten() {
                let taken = &table["catalog"][part][name.as_str()];
                assert!(taken.is_null(), "{kind}: another table has {name}");
            }
        }
        merge(&mut table["catalog"], &more["catalog"]);
        let keys = table["keys"].as_array_mut().unwrap();
        keys.extend(list(&more["keys"]).iter().cloned());
        let denials = more["denials"].as_object().unwrap();
        let rows = table["denials"].as_array_mut().unwrap();
        assert_eq!(denials.len(), rows.len(), "{kind}: each code once");
        for row in rows {
            let mut vectors = denials[text(&row["code"])].clone();
            for vector in vectors.as_array_mut().into_iter().flatten() {
                let mut grant = more["grant"].clone();
                merge(&mut grant, &vector["grant"]);
                vector["grant"] = grant;
            }
            row[kind] = vectors;
        }
    }
    table
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text: {value}"))
}

fn code(name: &str) -> Code {
    let found = Code::ALL.iter().find(|code| code.as_str() == name);
    *found.unwrap_or_else(|| panic!("no code {name}"))
}

#[test]
fn table_page_and_code_agree() {
    let table = table();
    let page = include_str!("../../docs/spec/denials.md");
    let names: Vec<_> = list(&table["denials"])
        .iter()
        .map(|row| text(&row["code"]))
        .collect();
    let codes: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(names, codes, "each code once, in the order of the table");
    for row in list(&table["denials"]) {
        let code = code(text(&row["code"]));
        assert_eq!(row["status"], code.status(), "{row}");
        assert_eq!(row["exit"], code.exit(), "{row}");
        assert_eq!(row["next"], code.next(), "{row}");
        let (status, exit, next) = (&row["status"], &row["exit"], text(&row["next"]));
        let line = format!("| `{}` | {status} | {exit} | {next} |", code.as_str());
        assert!(page.lines().any(|found| found == line), "{line}");
        let built = row.get("vector").is_some();
        let reason = row.get("not_built").and_then(Value::as_str);
        assert!(
            built != reason.is_some_and(|reason| !reason.is_empty()),
            "a vector or a reason: {row}"
        );
        for kind in ["aws", "ssh"] {
            let of_kind = &row[kind];
            let reason = of_kind.get("not_built").and_then(Value::as_str);
            assert!(
                of_kind.is_object() && reason.is_none_or(|reason| !reason.is_empty()),
                "a vector of {kind} or a reason: {row}"
            );
        }
        for (kind, _) in KINDS {
            let vectors = &row[kind];
            let reason = vectors.get("not_built").and_then(Value::as_str);
            let built = !list(vectors).is_empty();
            assert!(
                built != reason.is_some_and(|reason| !reason.is_empty()),
                "vectors of {kind} or a reason: {row}"
            );
        }
    }
}

/// What the sidecar, the command and the host answer with is the table's.
#[test]
fn faces_answer_with_the_tables_status_and_exit() {
    for row in list(&table()["denials"]) {
        let denial = Denial::new(code(text(&row["code"])));
        let problem = render::problem(&denial, false);
        for member in ["code", "status", "next"] {
            assert_eq!(problem[member], row[member], "{row}");
        }
        let exit = Error::Denied(Box::new(denial)).exit();
        assert_eq!(row["exit"], exit, "{row}");
    }
    // What the host refuses by itself in a denial's words has the denial's status.
    let host = include_str!("../../host/src/http/problem.rs");
    let mut shared = 0;
    for line in host.lines().filter(|line| line.contains("RefusedCode::")) {
        let Some((_, rest)) = line.split_once("=> (") else {
            continue;
        };
        let mut parts = rest.split(", ");
        let (status, name) = (
            parts.next().unwrap(),
            parts.next().unwrap().trim_matches('"'),
        );
        if let Some(code) = Code::ALL.iter().find(|code| code.as_str() == name) {
            assert_eq!(status, code.status().to_string(), "{line}");
            shared += 1;
        }
    }
    assert_eq!(shared, 2, "busy and unavailable");
}

/// A vector under way.
struct Run {
    deployment: Deployment,
    enclave: Enclave,
    agent: Agent,
    begun: Vec<Sent>,
    stops: Vec<u64>,
}

impl Run {
    fn start(table: &Value, vector: &Value) -> Self {
        let deployment = match vector.get("durability").map(text) {
            None => Deployment::born(),
            Some("volatile") => Deployment::volatile(),
            Some(other) => panic!("{other}"),
        };
        let enclave = deployment.boot();
        let set = serde_json::json!({"type": "catalog.set", "catalog": table["catalog"]});
        deployment.widen(&enclave, &set);
        for key in list(&table["keys"]) {
            if key["kind"] == "aws" {
                assert_eq!(key["id"], "k_aws");
                import::import_access_key(&deployment, &enclave, import::ACCESS_KEY);
                continue;
            }
            if let Some(seed) = key.get("seed") {
                solana::import_seed(&deployment, &enclave, key, &seed_of(text(seed)));
                continue;
            }
            deployment.widen(
                &enclave,
                &serde_json::json!({"type": "key.create", "key": key}),
            );
        }
        let secret = [9; 32];
        let mut grant = table["grant"].clone();
        merge(&mut grant, &vector["grant"]);
        let public = noise::public_key(&secret).unwrap();
        grant["agent"]["key"] = format!("x25519:{}", to_hex(&public)).into();
        for member in ["not_before", "expires_at"] {
            let after = text(&grant[member]).strip_prefix('+').unwrap();
            let at = deployment.clock.now().plus(Millis(after.parse().unwrap()));
            grant[member] = at.to_string().into();
        }
        deployment.widen(
            &enclave,
            &serde_json::json!({"type": "grant.create", "grant": grant}),
        );
        let granted = Granted {
            id: GrantId::parse(text(&grant["id"])).unwrap(),
            secret,
        };
        let agent = Agent::connect(&deployment, &enclave, &granted);
        Self {
            deployment,
            enclave,
            agent,
            begun: Vec::new(),
            stops: Vec::new(),
        }
    }

    fn step(&mut self, step: &Value) {
        let (name, what) = step
            .as_object()
            .unwrap()
            .iter()
            .find(|(name, _)| *name != "times")
            .unwrap();
        match name.as_str() {
            "advance_ms" => self.deployment.clock.advance_ms(what.as_u64().unwrap()),
            "begin" => self.begun.push(self.send(what, 0)),
            "call" => {
                for n in 0..step["times"].as_u64().unwrap_or(1) {
                    let sent = self.send(what, n);
                    issued(self.agent.wait(sent))
                        .unwrap_or_else(|denial| panic!("{step}: {denial:?}"));
                }
            }
            "finish" => {
                let answer = issued(self.agent.wait(self.begun.remove(0)));
                match text(what) {
                    "issued" => drop(answer.unwrap()),
                    name => assert_eq!(answer.unwrap_err().code, code(name)),
                }
            }
            "narrow" => drop(self.deployment.narrow(&self.enclave, what)),
            "narrow_begin" => {
                let stop = self.deployment.narrowing(what);
                self.stops.push(self.enclave.send_command(&stop));
                let mut acts = std::iter::repeat_with(|| self.agent.whoami().state).take(10_000);
                assert!(acts.any(|state| state != "active"), "the stop acts");
            }
            "store" => {
                let mood = match text(what) {
                    "fail" => Mood::Fail,
                    "hold" => Mood::Hold,
                    "honest" => Mood::Honest,
                    other => panic!("{other}"),
                };
                self.deployment.store.be(mood);
            }
            "wait" if text(what) == "held" => self.deployment.store.wait_until_held(),
            "wait" => {
                assert_eq!(text(what), "retry");
                let seen = self.deployment.store.appends().len();
                self.deployment.store.wait_for_appends(seen + 2);
            }
            other => panic!("no step {other}"),
        }
    }

    fn send(&self, call: &Value, n: u64) -> Sent {
        let pairs = |headers: &Value| {
            let pairs = list(headers).iter();
            let pairs = pairs.map(|pair| (text(&pair[0]).to_owned(), text(&pair[1]).to_owned()));
            pairs.collect::<Vec<_>>()
        };
        let body = |of: &Value| {
            of.get("body")
                .map(|body| text(body).as_bytes().to_vec().into())
        };
        let word = |of: &Value, name: &str| of.get(name).map(|word| text(word).to_owned());
        let request = |of: &Value| HttpInput {
            method: text(&of["method"]).to_owned(),
            url: text(&of["url"]).to_owned(),
            headers: pairs(&of["headers"]),
            body: body(of),
        };
        if let Some(payment) = call.get("x402") {
            return self.ask(call, n, Input::X402(x402(payment)));
        }
        if let Some(transaction) = call.get("solana") {
            let message = STANDARD.decode(text(&transaction["message"])).unwrap();
            let message = message.into();
            return self.ask(call, n, Input::Solana(SolanaInput { message }));
        }
        if let Some(evm) = call.get("evm") {
            return self.ask(call, n, Input::Evm(chain_input(evm)));
        }
        let kinds = ["http", "jwt", "aws", "ssh", "template"].map(|kind| call.get(kind));
        let input = match kinds {
            [Some(http), None, None, None, None] => Input::Http(request(http)),
            [None, None, None, None, Some(template)] => Input::Template(request(template)),
            [None, None, Some(aws), None, None] => Input::Aws(AwsInput {
                service: text(&aws["service"]).to_owned(),
                region: text(&aws["region"]).to_owned(),
                method: text(&aws["method"]).to_owned(),
                url: text(&aws["url"]).to_owned(),
                headers: pairs(&aws["headers"]),
                body: body(aws),
                presign: aws["presign"] == true,
                ttl_s: aws["ttl_s"].as_u64(),
            }),
            [None, Some(jwt), None, None, None] => Input::Jwt(JwtInput {
                profile: text(&jwt["profile"]).to_owned(),
                audience: word(jwt, "audience").unwrap_or_default(),
                ttl_s: jwt["ttl_s"].as_u64(),
                nonce: word(jwt, "nonce"),
                method: word(jwt, "method"),
                url: word(jwt, "url"),
                ath: word(jwt, "ath"),
                wit: word(jwt, "wit"),
            }),
            [None, None, None, Some(ssh), None] => Input::Ssh(ssh_input(ssh)),
            _ => panic!("one of http, jwt, aws, ssh, template, x402, evm and solana: {call}"),
        };
        self.ask(call, n, input)
    }

    fn ask(&self, call: &Value, n: u64, input: Input) -> Sent {
        if let Some(source) = call.get("source") {
            let source: std::net::Ipv4Addr = text(source).parse().unwrap();
            *self.agent.source.lock().unwrap() = source.to_ipv6_mapped().octets();
        }
        if let Some(echo) = call.get("echo") {
            *self.agent.echo.lock().unwrap() = Some(Echo {
                size: echo["size"].as_u64().unwrap(),
                root: serde_json::from_value::<Digest>(echo["root"].clone()).unwrap(),
            });
        }
        let key = call.get("idempotency_key").map(text);
        self.agent.send(&Ask::Sign(Sign {
            input,
            idempotency_key: key.map(|key| key.replace("{n}", &n.to_string())),
        }))
    }
}

/// A chain's input: JSON as it stands, or a text where it is none that this file could hold.
fn chain_input(evm: &Value) -> EvmInput {
    let json = |value: &Value| match value.as_str() {
        Some(text) => text.as_bytes().to_vec().into(),
        None => value.to_string().into_bytes().into(),
    };
    if let Some(tx) = evm.get("tx") {
        EvmInput::Tx(json(tx))
    } else if let Some(raw) = evm.get("raw_tx") {
        EvmInput::RawTx(chain::bytes(text(raw)).unwrap().into())
    } else if let Some(typed) = evm.get("typed_data") {
        EvmInput::TypedData(json(typed))
    } else {
        EvmInput::SignIn(text(&evm["sign_in"]).to_owned())
    }
}

/// 32 bytes in hexadecimal digits.
fn seed_of(text: &str) -> [u8; 32] {
    hex::decode(text).unwrap().try_into().unwrap()
}

/// A payment; requirements stand as an object, or as a text where it is the text that matters.
fn x402(of: &Value) -> X402Input {
    let requirements = &of["requirements"];
    let word = |name: &str| of.get(name).map(|word| text(word).to_owned());
    X402Input {
        version: of["version"].as_u64().unwrap().try_into().unwrap(),
        requirements: requirements
            .as_str()
            .map_or_else(|| requirements.to_string(), str::to_owned),
        resource: word("resource"),
        extensions: word("extensions"),
        ttl_s: of["ttl_s"].as_u64(),
    }
}

fn ssh_input(ssh: &Value) -> SshInput {
    if let Some(certificate) = ssh.get("certificate") {
        let principals = list(&certificate["principals"]).iter();
        return SshInput::Certificate(SshCertificateInput {
            public_key: text(&certificate["public_key"]).to_owned(),
            principals: principals.map(|one| text(one).to_owned()).collect(),
            ttl_s: certificate["ttl_s"].as_u64(),
        });
    }
    let signature = &ssh["signature"];
    SshInput::Signature(SshSignatureInput {
        namespace: text(&signature["namespace"]).to_owned(),
        object: text(&signature["object"]).as_bytes().to_vec().into(),
    })
}

/// RFC 7396.
fn merge(into: &mut Value, patch: &Value) {
    let Some(members) = patch.as_object() else {
        if !patch.is_null() {
            *into = patch.clone();
        }
        return;
    };
    for (name, value) in members {
        if value.is_null() {
            into.as_object_mut().unwrap().remove(name);
        } else {
            merge(&mut into[name.as_str()], value);
        }
    }
}

/// What of each budget a vector says is spent.
fn spent(vector: &Value, unit: &str) -> u128 {
    list(&vector["spent"])
        .iter()
        .filter(|charge| text(&charge["unit"]) == unit)
        .map(|charge| text(&charge["amount"]).parse::<u128>().unwrap())
        .sum()
}

fn run(table: &Value, name: &str, vector: &Value) {
    let mut run = Run::start(table, vector);
    let full = run.agent.whoami().remaining;
    for step in list(&vector["steps"]) {
        run.step(step);
    }
    let before = run.agent.whoami().remaining;
    if let Some(call) = vector.get("call") {
        let sent = run.send(call, 0);
        let denial = issued(run.agent.wait(sent))
            .err()
            .unwrap_or_else(|| panic!("{name}: issued"));
        assert_eq!(denial.code, code(name), "{name}: {denial:?}");
        *run.agent.echo.lock().unwrap() = None;
        let after = run.agent.whoami().remaining;
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(before, after, "{name}: something was spent");
        }
    }
    for step in list(&vector["after"]) {
        run.step(step);
    }
    for stop in std::mem::take(&mut run.stops) {
        done(run.enclave.control.wait(stop).reply());
    }
    if vector.get("call").is_none() {
        for (full, left) in full.iter().zip(run.agent.whoami().remaining) {
            let per_call = full.window.as_str() == "call";
            let wanted = if per_call {
                0
            } else {
                spent(vector, full.unit.as_str())
            };
            assert_eq!(full.amount.0 - left.amount.0, wanted, "{name}: {full:?}");
        }
    }
    // The log agrees: what was denied is in it, and in no budget.
    let _state = run.deployment.audited();
}

/// The vectors, shared among threads: each has a deployment of its own.
#[test]
fn every_vector_gets_exactly_its_code_and_spends_nothing() {
    let table = table();
    let built =
        |row: &Value, form: &str| row[form].is_object() && row[form].get("not_built").is_none();
    let rows = list(&table["denials"]).iter();
    let rows = rows.flat_map(|row| ["vector", "aws", "ssh"].map(|form| (row, form)));
    let mut rows: Vec<_> = rows
        .filter(|(row, form)| built(row, form))
        .map(|(row, form)| (text(&row["code"]), form, &row[form]))
        .collect();
    let ran: BTreeSet<_> = rows.iter().map(|(code, form, _)| (code, form)).collect();
    assert_eq!(ran.len(), rows.len());
    // The profiles of tokens, and templates: more than one of a code.
    for (form, least) in [("tokens", 30), ("templates", 35)] {
        let more = list(&table["denials"]).iter().flat_map(|row| {
            let vectors = list(&row[form]).iter();
            vectors.map(move |vector| (text(&row["code"]), form, vector))
        });
        let before = rows.len();
        rows.extend(more);
        assert!(rows.len() > before + least, "every one of {form}");
    }
    for (kind, _) in KINDS {
        let vectors = list(&table["denials"]).iter().flat_map(|row| {
            let vectors = list(&row[kind]).iter();
            vectors.map(move |vector| (text(&row["code"]), kind, vector))
        });
        rows.extend(vectors);
    }
    std::thread::scope(|scope| {
        let (half, rest) = rows.split_at(rows.len() / 2);
        for part in [half, rest] {
            let table = &table;
            scope.spawn(move || {
                for (code, form, vector) in part {
                    println!("{code}, {form}");
                    run(table, code, vector);
                }
            });
        }
    });
}
