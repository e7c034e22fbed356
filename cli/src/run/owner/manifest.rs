//! `manifest set`, and `submit` of a command that sets one.

use super::{Desk, read, read_text, told, widen};
use crate::{args::owner::ManifestVerb, output::Outcome, run::Named};
use claviger_cli::{Error, owner::manifest::Next};
use claviger_shared::{
    owner::command::{Action, Command},
    wire::control::Signed,
};
use serde_json::json;

pub(crate) async fn manifest(named: &Named, verb: ManifestVerb) -> Result<Outcome, Error> {
    let ManifestVerb::Set {
        file,
        signatures,
        out,
    } = verb;
    let body = read("cannot read the manifest", &file)?;
    let signatures = signatures
        .iter()
        .map(|path| read_text("cannot read the signature", path))
        .collect::<Result<Vec<_>, _>>()?;
    let profile = named.required()?;
    let next = Next::of(&profile, Signed { body, signatures })?;
    let mut desk = Desk::open_under(profile, &next).await?;
    // Once more after a failure: the log may hold it, and the host not.
    if !desk.is_set(&next)
        && let Some(written) = widen(&mut desk, &out, &next.action(), &[]).await?
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
