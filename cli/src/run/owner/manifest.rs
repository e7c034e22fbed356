//! `manifest`: shown, followed, proposed, set; and `submit` of a command that sets one.

use super::{Desk, read, read_text, told, widen};
use crate::{
    args::{
        init::DurabilityArg,
        owner::{ManifestVerb, Out, Propose},
    },
    output::Outcome,
    run::Named,
};
use claviger_cli::{
    Error,
    ceremony::plan::{Build, Named as People},
    owner::{
        follow::Followed,
        grant::write_new,
        manifest::Next,
        propose::{self, Changes},
    },
};
use claviger_client::render;
use claviger_shared::{
    owner::{
        command::{Action, Command},
        manifest::{AttestationRoot, Manifest, Person},
    },
    wire::control::Signed,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

pub(crate) async fn manifest(named: &Named, verb: ManifestVerb) -> Result<Outcome, Error> {
    match verb {
        ManifestVerb::Show => show(named),
        ManifestVerb::Fetch => fetch(named).await,
        ManifestVerb::Propose(propose) => self::propose(named, &propose),
        ManifestVerb::Set {
            file,
            signatures,
            out,
        } => set(named, &file, &signatures, &out).await,
    }
}

/// Who and what a manifest names.
fn shown(manifest: &Manifest) -> Value {
    let people = |list: &[Person]| {
        let one = |person: &Person| {
            let keys: Vec<_> = person.keys.iter().map(ToString::to_string).collect();
            json!({ "name": person.name, "keys": keys })
        };
        list.iter().map(one).collect::<Vec<_>>()
    };
    let running = manifest.running.as_ref();
    let releases = running.map(|running| {
        let versions = running
            .releases
            .iter()
            .map(|release| release.version.to_string());
        versions.collect::<Vec<_>>()
    });
    let arns: Vec<_> = manifest.recipients.iter().map(|to| &to.arn).collect();
    json!({
        "generation": manifest.generation, "digest": manifest.digest, "anchor": manifest.anchor,
        "owners": people(&manifest.owners), "threshold": manifest.threshold, "operators": people(&manifest.operators),
        "releases": releases, "min_version": running.map(|running| running.min_version.to_string()),
        "durability": running.map(|running| running.durability),
        "rollback": running.and_then(|running| running.rollback_accepted.then_some("accepted")), "recipients": arns,
    })
}

fn show(named: &Named) -> Result<Outcome, Error> {
    let chain = named.required()?.chain()?;
    let generations =
        (0..=chain.newest().generation).filter_map(|generation| chain.get(generation));
    let generations: Vec<_> = generations.map(shown).collect();
    let mut value = json!({
        "origin": chain.newest().origin, "fingerprint": chain.fingerprint(), "newest": chain.newest().generation,
        "manifests": generations,
    });
    render::mark(
        &mut value,
        chain.g0().attestation_root != Some(AttestationRoot::Aws),
    );
    Ok(value.into())
}

async fn fetch(named: &Named) -> Result<Outcome, Error> {
    let profile = named.required()?;
    let followed = Followed::read(&profile).await?;
    let changed = followed.keep(&profile)?;
    let newest = followed.served.newest();
    let mut value = json!({
        "changed": changed, "generation": newest.generation, "digest": newest.digest, "before": followed.known.newest().generation,
    });
    render::mark(
        &mut value,
        followed.served.g0().attestation_root != Some(AttestationRoot::Aws),
    );
    Ok(value.into())
}

fn propose(named: &Named, args: &Propose) -> Result<Outcome, Error> {
    let profile = named.required()?;
    let chain = profile.chain()?;
    let people = |list: &[String]| {
        list.iter()
            .map(|one| People::read(one))
            .collect::<Result<_, _>>()
    };
    let changes = Changes {
        add_owners: people(&args.add_owner)?,
        remove_owners: args.remove_owner.clone(),
        threshold: args.threshold,
        add_operators: people(&args.add_operator)?,
        remove_operators: args.remove_operator.clone(),
        add_releases: args
            .add_release
            .iter()
            .map(|one| Build::read(one))
            .collect::<Result<_, _>>()?,
        remove_releases: args.remove_release.clone(),
        min_version: args.min_version.clone(),
        durability: args.durability.map(|durability| match durability {
            DurabilityArg::Durable => "durable",
            DurabilityArg::Volatile => "volatile",
        }),
        anchor: args.anchor,
    };
    let proposal = propose::next(&chain, &changes)?;
    write_new(&args.out, &proposal.body)?;
    let out = args.out.display();
    let why = match (proposal.must_anchor, proposal.manifest.anchor) {
        (true, _) => {
            "yes, because it takes a power away: a host could else bring the one before back"
        }
        (false, true) => "yes, as asked",
        (false, false) => "no",
    };
    let builds = !args.add_release.is_empty();
    let policy = if proposal.manifest.anchor || builds {
        "; then, before the enclave restarts: claviger policy render --put, claviger policy check"
    } else {
        ""
    };
    let mut value = json!({
        "out": args.out, "generation": proposal.manifest.generation, "digest": proposal.manifest.digest,
        "changes": proposal.words, "anchor": why, "signers": propose::signers(chain.newest(), &proposal.manifest),
        "sign": format!("ssh-keygen -Y sign -n manifest@claviger -f KEY {out}"),
        "then": format!("claviger manifest set {out} SIG…{policy}"),
    });
    render::mark(
        &mut value,
        chain.g0().attestation_root != Some(AttestationRoot::Aws),
    );
    Ok(value.into())
}

async fn set(
    named: &Named,
    file: &Path,
    signatures: &[PathBuf],
    out: &Out,
) -> Result<Outcome, Error> {
    let body = read("cannot read the manifest", file)?;
    let signatures = signatures
        .iter()
        .map(|path| read_text("cannot read the signature", path))
        .collect::<Result<Vec<_>, _>>()?;
    let profile = named.required()?;
    let next = Next::of(&profile, Signed { body, signatures })?;
    let mut desk = Desk::open_under(profile, &next).await?;
    // Once more after a failure: the log may hold it, and the host not.
    if !desk.is_set(&next)
        && let Some(written) = widen(&mut desk, out, &next.action(), &[]).await?
    {
        return Ok(written);
    }
    handed_over(&desk, &next).await
}

async fn handed_over(desk: &Desk, next: &Next) -> Result<Outcome, Error> {
    desk.hand_over(next).await?;
    let manifest = next.manifest();
    Ok(told(
        desk,
        json!({
            "generation": manifest.generation, "digest": manifest.digest, "anchor": manifest.anchor, "next": next.advice(),
        }),
    ))
}

/// A desk for a command that was written elsewhere: under the longer chain where it sets a manifest.
pub(super) async fn open_for(
    named: &Named,
    command: &Command,
) -> Result<(Desk, Option<Next>), Error> {
    let profile = named.required()?;
    let Action::ManifestSet { body, signatures } = &command.action else {
        return Ok((Desk::open(profile).await?, None));
    };
    let link = Signed {
        body: body.clone(),
        signatures: signatures.clone(),
    };
    let next = Next::of(&profile, link)?;
    Ok((Desk::open_under(profile, &next).await?, Some(next)))
}
