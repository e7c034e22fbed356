//! A hostile host: it has the manifests, the bundle, the log and the role at KMS, and lies with all of them.

use crate::{
    agent::issued,
    audit,
    courier::{Answer, Courier, HostRole, copy},
    forger::{Differs, document},
    hijack::word,
    liar::{Bodies, Liar},
    report::Report,
    stage::{Stage, answered, get},
};
use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_client::{Agent, AgentKey, Error, face::Face};
use claviger_shared::{
    call::{Ask, Reply},
    codec::cbor,
    owner::manifest::chain::Chain,
    wire::control::Signed,
};
use serde_json::json;
use std::{fs, path::Path};

/// How many entries the host forgets.
const FORGOTTEN: usize = 5;

/// Everything it tries; the deployment is as it was afterwards.
pub async fn attack(report: &mut Report, stage: Stage, agent: &Agent) -> anyhow::Result<Stage> {
    report.part("A hostile host: it lies with everything a courier carries");
    let profile = stage.profile()?;
    let role = HostRole::of(&stage.dir, &profile).await?;
    let links = Chain::parse_file(&fs::read(&profile.manifest)?)
        .ok()
        .context("no manifests")?;
    forged(report, &stage.dir, &role, &links).await?;
    swapped_replies(report, &stage.dir, &role, &links).await?;
    old_manifest(report, &stage.dir, &links)?;
    lying_face(report, &stage, &links).await?;
    forgotten(report, stage, agent).await
}

fn shown<T>(answer: &Answer<T>) -> String {
    match answer {
        Ok(_) => "accepted".to_owned(),
        Err(reason) => format!("refused: {}", short(reason)),
    }
}

/// The first words of a reason; operators see all of it.
fn short(reason: &str) -> String {
    match reason.char_indices().nth(56) {
        Some((end, _)) => format!("{}…", &reason[..end]),
        None => reason.to_owned(),
    }
}

/// KMS is asked with documents of an image that the host made.
async fn forged(
    report: &mut Report,
    dir: &Path,
    role: &HostRole,
    links: &[Signed],
) -> anyhow::Result<()> {
    let mut courier = Courier::boot(dir, "another-build", true)?;
    let measured = courier.measure(links)?;
    report.check(
        "the enclave's own code in another image",
        measured.is_err(),
        shown(&measured),
    );
    for (what, differs) in [
        (
            "KMS is asked by another image (PCR0 differs)",
            Differs::Image,
        ),
        (
            "KMS is asked for another deployment (PCR16 differs)",
            Differs::Deployment,
        ),
        (
            "KMS is asked under an older manifest (PCR17 differs)",
            Differs::Anchor,
        ),
    ] {
        let denied = role.derive(document(dir, links, differs)?).await;
        let right = matches!(&denied, Err(code) if code.contains("AccessDenied"));
        report.check(what, right, shown(&denied));
    }
    let allowed = role.derive(document(dir, links, Differs::Nothing)?).await;
    report.check(
        "the same question with every register as owners pinned it",
        allowed.is_ok(),
        shown(&allowed),
    );
    Ok(())
}

/// KMS's replies, swapped and changed; then the same courier, honest.
async fn swapped_replies(
    report: &mut Report,
    dir: &Path,
    role: &HostRole,
    links: &[Signed],
) -> anyhow::Result<()> {
    let mut courier = Courier::boot(dir, "courier", false)?;
    let measured = courier.measure(links)?;
    ensure!(measured.is_ok(), "not measured: {}", shown(&measured));
    let old = reply(&mut courier, role).await?;
    let _ = courier.document()?;
    let swapped = courier.unseal(&role.recipient, &old, &role.bundle)?;
    report.check(
        "KMS's reply to an earlier document of the same enclave",
        swapped.is_err(),
        shown(&swapped),
    );

    let mut changed = reply(&mut courier, role).await?;
    let last = changed.len() - 20;
    changed[last] ^= 1;
    let answer = courier.unseal(&role.recipient, &changed, &role.bundle)?;
    report.check(
        "KMS's reply with one bit changed",
        answer.is_err(),
        shown(&answer),
    );

    let fine = reply(&mut courier, role).await?;
    let mut bundle = role.bundle.clone();
    let last = bundle.len() - 1;
    bundle[last] ^= 1;
    let answer = courier.unseal(&role.recipient, &fine, &bundle)?;
    report.check(
        "the sealed bundle with one bit changed",
        answer.is_err(),
        shown(&answer),
    );

    let fine = reply(&mut courier, role).await?;
    let answer = courier.unseal(&role.recipient, &fine, &role.bundle)?;
    report.check(
        "the same courier, honest for once",
        answer.is_ok(),
        shown(&answer),
    );
    Ok(())
}

async fn reply(courier: &mut Courier, role: &HostRole) -> anyhow::Result<Vec<u8>> {
    let document = courier.document()?.map_err(anyhow::Error::msg)?;
    role.derive(document).await.map_err(anyhow::Error::msg)
}

/// The chain as it was before the last manifest, and a manifest nobody signed.
fn old_manifest(report: &mut Report, dir: &Path, links: &[Signed]) -> anyhow::Result<()> {
    let mut courier = Courier::boot(dir, "old-manifest", false)?;
    let measured = courier.measure(&links[..1])?;
    ensure!(measured.is_ok(), "not measured: {}", shown(&measured));
    let document = courier.document()?;
    report.check(
        "the enclave is shown the first manifest alone and asked to unseal",
        document.is_err(),
        shown(&document),
    );
    let mut courier = Courier::boot(dir, "changed-manifest", false)?;
    let mut changed = links.to_vec();
    let last = changed.last_mut().context("no manifest")?;
    last.body.push(b' ');
    let measured = courier.measure(&changed)?;
    report.check(
        "the newest manifest with one byte added",
        measured.is_err(),
        shown(&measured),
    );
    Ok(())
}

/// Agents at a face that serves what was true once.
async fn lying_face(report: &mut Report, stage: &Stage, links: &[Signed]) -> anyhow::Result<()> {
    let key = stage.agent_key("edge")?;
    let face = Face::new(&key.api)?;
    let old = Bodies::from([("/v1/manifests", Chain::to_file(&links[..1]).into_bytes())]);
    let came = connect_to(stage, old).await?;
    report.check(
        "an agent is shown the manifests of before birth",
        distrusted(&came),
        told(&came),
    );

    let entry = face.boot().await?;
    let boot = json!({ "index": entry.index, "entry": STANDARD.encode(cbor::encode(&entry).ok().context("no entry")?) });
    let recorded = Bodies::from([
        ("/v1/manifests", face.manifests().await?),
        ("/v1/attestation", face.attestation(&[9; 32]).await?),
        ("/v1/boot", boot.to_string().into_bytes()),
    ]);
    let came = connect_to(stage, recorded).await?;
    report.check(
        "an agent is shown a genuine document, recorded earlier",
        distrusted(&came),
        told(&came),
    );
    Ok(())
}

async fn connect_to(stage: &Stage, bodies: Bodies) -> anyhow::Result<Result<Agent, Error>> {
    let liar = Liar::start(bodies).await?;
    let mut key: AgentKey = stage.agent_key("edge")?;
    key.api.clone_from(&liar.url);
    Ok(Agent::connect(key).await)
}

const fn distrusted(came: &Result<Agent, Error>) -> bool {
    matches!(came, Err(Error::Distrust(_)))
}

fn told(came: &Result<Agent, Error>) -> String {
    match came {
        Ok(_) => "it connects".to_owned(),
        Err(Error::Distrust(why)) => format!("the agent refuses: {why}"),
        Err(error) => error.to_string(),
    }
}

/// The end of the log is cut off, then put back.
async fn forgotten(report: &mut Report, stage: Stage, agent: &Agent) -> anyhow::Result<Stage> {
    let dir = stage.dir.clone();
    let profile = stage.profile()?;
    let last = issued(agent, get("https://api.example.com/v1/orders/ord_9")).await?;
    audit::keep(&dir, &last.receipt)?;
    stage.stop().await?;
    let (log, kept) = (dir.join("host/log"), dir.join("log-kept"));
    copy(&log, &kept)?;
    let cut = cut(&log.join("segments"), FORGOTTEN)?;
    report.say(
        "the host stops, cuts the end off its log, starts again",
        format!("{cut} entries gone"),
    );
    let offline = audit::verify(&dir, &profile)?;
    let said = offline
        .as_ref()
        .map_or_else(Clone::clone, |_| "accepted".to_owned());
    report.check(
        "an auditor verifies the shorter log against the agent's receipt",
        offline.is_err(),
        said,
    );
    let stage = Stage::start(&dir).await?;
    let answer = answered(agent, Ask::Whoami).await;
    let refuses = matches!(&answer, Err(claviger_client::Error::Distrust(_)));
    report.check(
        "the agent shows the signed tree head it holds",
        refuses,
        word(&answer),
    );
    let end = fenced(&dir.join("logs/enclave.log")).await?;
    let said = end.as_deref().unwrap_or("it did not stop");
    report.check("the enclave that was shown it", end.is_some(), said);
    stage.stop().await?;
    fs::remove_dir_all(&log)?;
    fs::rename(&kept, &log)?;
    let stage = Stage::start(&dir).await?;
    let answer = answered(agent, Ask::Whoami).await;
    report.check(
        "the host puts its log back; the agent calls again",
        matches!(answer, Ok(Reply::Grant(_))),
        word(&answer),
    );
    Ok(stage)
}

/// Why an enclave stopped for good, by its log; it takes a moment to end.
async fn fenced(log: &Path) -> anyhow::Result<Option<String>> {
    for _ in 0..50 {
        let text = fs::read_to_string(log)?;
        let mut ends = text
            .lines()
            .filter_map(|line| line.split_once("enclave ended phase="));
        if let Some((_, end)) = ends.rfind(|(_, end)| end.starts_with("Fenced")) {
            return Ok(Some(end.to_owned()));
        }
        tokio::time::sleep(std::time::Duration::from_millis(40)).await;
    }
    Ok(None)
}

/// Cuts the last entries off the newest segment, frame by frame as the store lays them out.
fn cut(segments: &Path, count: usize) -> anyhow::Result<usize> {
    let mut files: Vec<_> = fs::read_dir(segments)?.collect::<Result<_, _>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    let path = files.last().context("no segment")?.path();
    let mut bytes = fs::read(&path)?;
    let (mut at, mut starts) = (16, Vec::new());
    while bytes.get(at..at + 4) == Some(b"clvf") {
        starts.push(at);
        let length: [u8; 4] = bytes[at + 4..at + 8].try_into()?;
        at += 32 + usize::try_from(u32::from_be_bytes(length))?;
    }
    let from = *starts
        .get(starts.len().saturating_sub(count))
        .context("the log is too short")?;
    bytes[from..at].fill(0);
    fs::write(&path, bytes)?;
    Ok(count)
}
