//! The ceremony by hand: each step does one thing, says what it did and which step is next.
//!
//! A step that was done already is not done again: it says so.

use super::policy;
use crate::{
    args::init::{DurabilityArg, Init, PlanArgs, Step},
    output::Outcome,
    run::read_text,
};
use claviger_cli::{
    Error,
    ceremony::{
        folder::Folder,
        kms::{Kms, Place, region_of},
        manifest,
        plan::{self, Build, Named, Plan},
        policy::{
            judge::{self, Wanted},
            key, render, unborn,
        },
    },
    operator::Operator,
    owner::signers::Collected,
};
use claviger_client::{render as shown, session::wall_clock_ms};
use claviger_shared::{
    label,
    owner::{
        self,
        manifest::{Manifest, chain::Chain},
    },
    wire::control::Signed,
};
use claviger_verify::ring_verifier::RingVerifier;
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use zeroize::Zeroizing;

/// Looks for a phase, and the pause between two.
const TRIES: u32 = 600;
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) async fn init(init: Init) -> Result<Outcome, Error> {
    let Init { dir, step } = init;
    let folder = Folder::open(&dir)?;
    let done = match step {
        None => json!({}),
        Some(Step::Plan(args)) => make_plan(&folder, *args)?,
        Some(Step::Key { adopt }) => make_key(&folder, &adopt).await?,
        Some(Step::G0) => write_g0(&folder)?,
        Some(Step::Start { signatures }) => start(&folder, &signatures).await?,
        Some(Step::Birth) => birth(&folder).await?,
        Some(Step::Policy { print }) => put_policy(&folder, print).await?,
        Some(Step::Finish {
            signatures,
            owner_key,
        }) => finish(&folder, &signatures, owner_key).await?,
    };
    Ok(told(&folder, &dir, done))
}

/// What a step did, and the next.
fn told(folder: &Folder, dir: &Path, mut value: Value) -> Outcome {
    let dir = dir.display();
    let sign = |name: &str| {
        let file = folder.file(name);
        format!(
            "have owners sign it: ssh-keygen -Y sign -n manifest@claviger -f KEY {}",
            file.display()
        )
    };
    let (step, text) = match folder.next() {
        "start" => (
            "start",
            format!(
                "{}; then claviger init --dir {dir} start SIG…",
                sign("g0.json")
            ),
        ),
        "finish" => (
            "finish",
            format!(
                "{}; then claviger init --dir {dir} finish SIG…",
                sign("g1.json")
            ),
        ),
        "done" => (
            "done",
            format!(
                "claviger doctor --profile {}",
                folder.file("profile.json").display()
            ),
        ),
        "plan" => ("plan", format!("claviger init --dir {dir} plan --help")),
        step => (step, format!("claviger init --dir {dir} {step}")),
    };
    if let Some(members) = value.as_object_mut() {
        members.insert("step".to_owned(), json!(step));
        members.insert("next".to_owned(), json!(text));
    }
    let simulation = folder
        .plan()
        .is_ok_and(|plan| plan.attestation_root != "aws");
    shown::mark(&mut value, simulation);
    value.into()
}

fn already(what: &str) -> Value {
    json!({ "already": what })
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn make_plan(folder: &Folder, args: PlanArgs) -> Result<Value, Error> {
    let people = |list: &[String]| {
        let people = list.iter().map(|one| Named::read(one));
        people.collect::<Result<Vec<_>, Error>>()
    };
    let (owners, operators) = (people(&args.owners)?, people(&args.operators)?);
    let releases = args.releases.iter().map(|one| Build::read(one));
    let plan = Plan {
        origin: args.origin,
        api: args.api,
        operator_api: args.operator_api,
        operator_token_file: args.operator_token_file.as_deref().map(absolute),
        attestation_root: plan::read_root(&args.attestation_root)?,
        owners,
        threshold: args.threshold,
        operators,
        releases: releases.collect::<Result<_, _>>()?,
        durability: match args.durability {
            DurabilityArg::Durable => "durable",
            DurabilityArg::Volatile => "volatile",
        }
        .to_owned(),
        parties: policy::parties(None, &args.parties)?,
        region: args.region,
        kms: args.kms_endpoint,
        aws_profile: args.aws_profile,
        aws_credentials_file: args.aws_credentials.as_deref().map(absolute),
    };
    let text =
        serde_json::to_string_pretty(&plan).map_err(|error| Error::Usage(error.to_string()))?;
    folder.write("plan.json", format!("{text}\n").as_bytes())?;
    Ok(json!({ "plan": folder.file("plan.json") }))
}

fn place(plan: &Plan, region: String) -> Place {
    Place {
        region,
        endpoint: plan.kms.clone(),
        profile: plan.aws_profile.clone(),
        credentials_file: plan.aws_credentials_file.clone(),
    }
}

async fn make_key(folder: &Folder, adopt: &[String]) -> Result<Value, Error> {
    let plan = folder.plan()?;
    if folder.has("recipients.json") {
        return Ok(already("recipients.json holds the keys"));
    }
    let policy = unborn(&plan.parties);
    let mut recipients = Vec::new();
    for arn in adopt {
        let kms = Kms::connect(&place(&plan, region_of(arn)?)).await;
        recipients.push(kms.recipient(arn).await?);
        kms.put_policy(arn, &policy).await?;
    }
    if adopt.is_empty() {
        let kms = Kms::connect(&place(&plan, plan.region.clone())).await;
        recipients.push(kms.create_key(&policy).await?);
    }
    folder.write(
        "recipients.json",
        plan::recipients_text(&recipients).as_bytes(),
    )?;
    let arns: Vec<_> = recipients.iter().map(|to| &to.arn).collect();
    Ok(json!({ "recipients": arns }))
}

fn write_g0(folder: &Folder) -> Result<Value, Error> {
    let (plan, to) = (folder.plan()?, folder.recipients()?);
    if !folder.has("g0.json") {
        let g0 = manifest::g0(&plan.origin, &plan.root()?, &plan.people(), &to)?;
        folder.write("g0.json", &g0)?;
    }
    let g0 = Manifest::parse(&folder.read("g0.json", "g0")?)?;
    Ok(json!({ "g0": folder.file("g0.json"), "fingerprint": g0.digest }))
}

fn operator(plan: &Plan) -> Result<Operator, Error> {
    let token = plan.operator_token_file.as_deref().map(|path| {
        let text = read_text("cannot read the token", path)?;
        Ok::<_, Error>(Zeroizing::new(text.trim().to_owned()))
    });
    Operator::new(&plan.operator_api, token.transpose()?)
}

/// Bytes with the signatures in files.
fn signed(body: Vec<u8>, signatures: &[PathBuf]) -> Result<Signed, Error> {
    let signatures = signatures
        .iter()
        .map(|path| read_text("cannot read the signature", path))
        .collect::<Result<_, _>>()?;
    Ok(Signed { body, signatures })
}

/// Checks a chain's links; too few owners of the last one is pending, with names.
fn verified(links: &[Signed]) -> Result<Chain, Error> {
    let refused = match Chain::verify(links, &RingVerifier) {
        Ok(chain) => return Ok(chain),
        Err(refused) => refused,
    };
    let missing = links.last().and_then(|last| {
        let manifest = Manifest::parse(&last.body).ok()?;
        let collected = Collected {
            namespace: label::NAMESPACE_MANIFEST,
            body: &last.body,
            signatures: &last.signatures,
        };
        collected.missing(&manifest.owners, manifest.threshold)
    });
    match missing {
        Some(what) if refused.code() == owner::Error::THRESHOLD => Err(Error::Pending(what)),
        Some(_) | None => Err(refused.into()),
    }
}

async fn start(folder: &Folder, signatures: &[PathBuf]) -> Result<Value, Error> {
    let plan = folder.plan()?;
    let first = signed(folder.read("g0.json", "g0")?, signatures)?;
    let file = if folder.has("chain.json") {
        String::from_utf8_lossy(&folder.read("chain.json", "start")?).into_owned()
    } else {
        verified(std::slice::from_ref(&first))?;
        Chain::to_file(std::slice::from_ref(&first))
    };
    let operator = operator(&plan)?;
    operator.put_manifests(&file).await?;
    if !folder.has("chain.json") {
        folder.write("chain.json", file.as_bytes())?;
    }
    wait_for(&operator, "measured").await?;
    Ok(json!({ "phase": "measured" }))
}

/// Waits until the host says that the enclave is in a phase.
async fn wait_for(operator: &Operator, phase: &str) -> Result<(), Error> {
    let mut said = String::new();
    for _ in 0..TRIES {
        match operator.status().await {
            Ok(status) => {
                let found = status
                    .get("phase")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                if found == phase {
                    return Ok(());
                }
                said = format!("the enclave is `{found}`");
            }
            Err(error) => said = error.to_string(),
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(Error::Unavailable(format!(
        "not {phase} in time: {said}; look at the host's log, then give this step again"
    )))
}

async fn birth(folder: &Folder) -> Result<Value, Error> {
    let plan = folder.plan()?;
    folder.chain()?;
    if !folder.has("birth.json") {
        let nonce = folder.nonce()?;
        let born = operator(&plan)?.genesis(&nonce).await.map_err(twice)?;
        folder.keep_birth(&born, wall_clock_ms())?;
    }
    let g1 = folder.checked_g1()?;
    if !folder.has("g1.json") {
        folder.write("g1.json", &g1)?;
    } else if folder.read("g1.json", "birth")? != g1 {
        let what = "g1.json is not what this birth and this plan make".to_owned();
        return Err(Error::Distrust(what));
    }
    let manifest = Manifest::parse(&g1)?;
    Ok(json!({
        "g1": folder.file("g1.json"), "digest": manifest.digest,
        "checked": "document, root of trust, build, PCR16 of this g0, bundle and its recipients, log key, own nonce",
    }))
}

/// What it means that genesis was over before this folder knew of it.
fn twice(error: Error) -> Error {
    if matches!(&error, Error::Refused { code, .. } if code == "exists") {
        return Error::Distrust(
            "a root was born there already and not for this folder's nonce, or its answer was lost: nothing of it can be \
             believed; empty the host's directory, make a new folder and begin anew"
                .to_owned(),
        );
    }
    error
}

async fn put_policy(folder: &Folder, print: bool) -> Result<Value, Error> {
    let plan = folder.plan()?;
    let pins = folder.pins()?;
    let document = render(&plan.parties, &pins);
    let mut state = "printed: have it put on every recipient before `finish`";
    if !print {
        for to in folder.recipients()? {
            let kms = Kms::connect(&place(&plan, region_of(&to.arn)?)).await;
            kms.put_policy(&to.arn, &document).await?;
            let wanted = Wanted {
                key: Some(&to.arn),
                parties: &plan.parties,
                pins: Some(&pins),
            };
            let found = key::live(&kms, &to.arn, &to.public_key, &wanted).await?;
            if let Some(first) = found.first() {
                return Err(Error::Distrust(format!("key policy: {}", first.line())));
            }
        }
        state = "put, read back and judged sound";
    }
    let own = Wanted {
        key: None,
        parties: &plan.parties,
        pins: Some(&pins),
    };
    if let Some(first) = judge::policy(document.to_string().as_bytes(), &own).first() {
        return Err(Error::Usage(format!(
            "no sound policy names these: {}",
            first.line()
        )));
    }
    folder.replace("policy.json", format!("{document:#}\n").as_bytes())?;
    Ok(json!({ "policy": folder.file("policy.json"), "state": state }))
}

async fn finish(
    folder: &Folder,
    signatures: &[PathBuf],
    owner_key: Option<PathBuf>,
) -> Result<Value, Error> {
    let plan = folder.plan()?;
    let mut links = Chain::parse_file(&folder.read("chain.json", "start")?)?;
    if links.len() == 1 {
        links.push(signed(folder.read("g1.json", "birth")?, signatures)?);
    }
    let chain = verified(&links)?;
    let file = Chain::to_file(&links);
    let operator = operator(&plan)?;
    operator.put_manifests(&file).await?;
    folder.replace("chain.json", file.as_bytes())?;
    wait_for(&operator, "serving").await?;
    let profile = json!({
        "api": plan.api, "operator_api": plan.operator_api, "operator_token_file": plan.operator_token_file,
        "manifest": folder.file("chain.json"), "owner_key": owner_key.as_deref().map(absolute), "kms": plan.kms,
        "parties": plan.parties, "aws_profile": plan.aws_profile, "aws_credentials_file": plan.aws_credentials_file,
    });
    folder.replace("profile.json", format!("{profile:#}\n").as_bytes())?;
    Ok(json!({
        "phase": "serving", "fingerprint": chain.fingerprint(), "profile": folder.file("profile.json"),
    }))
}
