//! `release plan`.

use super::policy;
use crate::{
    args::release::ReleaseVerb,
    output::{Outcome, say},
    run::Named,
};
use claviger_cli::{
    Error,
    ceremony::plan::Build,
    owner::{
        grant::write_new,
        release::{self, Difference, Plan, Stage},
    },
    profile::read_chain,
};
use claviger_client::render;
use claviger_shared::owner::manifest::{AttestationRoot, chain::Chain};
use serde_json::{Value, json};
use std::path::Path;

pub(crate) fn release(named: &Named, verb: ReleaseVerb, json: bool) -> Result<Outcome, Error> {
    let ReleaseVerb::Plan {
        build,
        out,
        chain,
        parties,
    } = verb;
    let profile = named.optional()?;
    let parties = policy::parties(profile.as_ref(), &parties)?;
    let chain = match (chain, &profile) {
        (Some(path), _) => read_chain(&path)?,
        (None, Some(profile)) => profile.chain()?,
        (None, None) => return Err(Error::Usage("give --chain FILE or a profile".to_owned())),
    };
    let plan = release::plan(&chain, &parties, &Build::read(&build)?)?;
    if let Some(dir) = &out {
        write(&plan, dir)?;
    }
    let dir = out.map_or_else(|| "DIR".to_owned(), |dir| dir.display().to_string());
    if !json {
        words(&plan, &chain, &dir);
        return Ok(Outcome::silent());
    }
    let mut value = plan.to_json(&chain, &dir);
    render::mark(
        &mut value,
        chain.g0().attestation_root != Some(AttestationRoot::Aws),
    );
    Ok(value.into())
}

fn write(plan: &Plan, dir: &Path) -> Result<(), Error> {
    std::fs::create_dir(dir).map_err(Error::io("cannot make the directory", dir))?;
    for stage in plan.stages() {
        let name = stage.name;
        write_new(&dir.join(format!("{name}.json")), &stage.proposal.body)?;
        let policy = format!("{:#}\n", stage.policy);
        write_new(&dir.join(format!("{name}-policy.json")), policy.as_bytes())?;
    }
    Ok(())
}

fn words(plan: &Plan, chain: &Chain, dir: &str) {
    let direction = if plan.is_rollback {
        "rollback"
    } else {
        "upgrade"
    };
    say(&format!(
        "{direction} to {}; now: {}",
        plan.to,
        plan.from.join(", ")
    ));
    for to in &chain.newest().recipients {
        say(&format!("recipient: {}", to.arn));
    }
    if plan.admit.is_none() {
        say(&format!(
            "{} may run already: no manifest and no policy has to change before it boots",
            plan.to
        ));
    }
    for stage in plan.stages() {
        of_stage(stage);
    }
    say("steps:");
    for (number, step) in (1..).zip(plan.steps(dir)) {
        say(&format!("  {number} {step}"));
    }
    say("the way back:");
    for step in plan.back(dir) {
        say(&format!("  {step}"));
    }
}

fn of_stage(stage: &Stage) {
    let manifest = &stage.proposal.manifest;
    let anchor = if manifest.anchor { ", an anchor" } else { "" };
    let (name, generation) = (stage.name, manifest.generation);
    say(&format!(
        "{name}: manifest {generation}{anchor}: {}",
        stage.proposal.words.join("; ")
    ));
    let Difference {
        added,
        changed,
        removed,
    } = &stage.difference;
    for statement in added {
        say(&format!(
            "  + {}: {}",
            sid(statement),
            json!(statement["Condition"])
        ));
    }
    for (before, after) in changed {
        let (name, before, after) = (sid(after), values(before), values(after));
        for value in after.iter().filter(|value| !before.contains(value)) {
            say(&format!("  ~ {name}: takes {value}"));
        }
        for value in before.iter().filter(|value| !after.contains(value)) {
            say(&format!("  ~ {name}: no longer takes {value}"));
        }
    }
    for statement in removed {
        say(&format!(
            "  - {}: {}",
            sid(statement),
            json!(statement["Condition"])
        ));
    }
}

fn sid(statement: &Value) -> &str {
    statement["Sid"].as_str().unwrap_or_default()
}

/// What a statement compares registers with.
fn values(statement: &Value) -> Vec<String> {
    let operators = statement["Condition"].as_object().into_iter().flatten();
    let keys = operators.flat_map(|(_, keys)| keys.as_object().into_iter().flatten());
    let lists = keys.flat_map(|(_, list)| match list.as_array() {
        Some(list) => list.clone(),
        None => vec![list.clone()],
    });
    lists
        .filter_map(|value| value.as_str().map(str::to_owned))
        .collect()
}
