//! The way from one build to another: which manifests, which statements of the key policies, in which order, and the way back.
//!
//! A build is admitted before it boots and the one before it is retired after it serves. Retiring takes a power away, so its
//! manifest is an anchor, and the policy that pins it is put after the log holds it: a restart in between waits for the
//! policy, while the other order would leave an enclave that can neither boot nor be told. Nothing here is signed or sent.

use super::propose::{self, Changes, Proposal};
use crate::{
    Error,
    ceremony::{
        plan::Build,
        policy::{self, Parties, Pins, template},
    },
};
use claviger_shared::owner::manifest::{Running, chain::Chain};
use serde_json::{Value, json};

/// How the policy of every recipient changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Statements that come.
    pub added: Vec<Value>,
    /// Statements of the same name, before and after.
    pub changed: Vec<(Value, Value)>,
    /// Statements that go.
    pub removed: Vec<Value>,
}

/// One stage: a manifest, and the policy that it needs.
#[derive(Debug, Clone)]
pub struct Stage {
    /// `admit` or `retire`; its files are called so.
    pub name: &'static str,
    /// The manifest that owners sign.
    pub proposal: Proposal,
    /// The key policy under it.
    pub policy: Value,
    /// What that changes.
    pub difference: Difference,
    /// The template's parameters for it, where the template has room.
    pub parameters: Option<serde_json::Map<String, Value>>,
}

/// The whole way.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Whether it leads to an older version than one that may run now.
    pub is_rollback: bool,
    /// Versions that may run now.
    pub from: Vec<String>,
    /// The version that is to run.
    pub to: String,
    /// Nothing where it may run already.
    pub admit: Option<Stage>,
    /// Nothing where no other may run.
    pub retire: Option<Stage>,
}

/// Plans the way to a build.
///
/// # Errors
///
/// [`Error::Usage`] for a deployment that is not born, or another build of a version that is there.
pub fn plan(chain: &Chain, parties: &Parties, build: &Build) -> Result<Plan, Error> {
    let release = build.release()?;
    let newest = chain.newest();
    let unborn = || Error::Usage("the chain ends at g0: nothing runs yet".to_owned());
    let running = newest.running.as_ref().ok_or_else(unborn)?;
    let there = running
        .releases
        .iter()
        .find(|one| one.version == release.version);
    if there.is_some_and(|there| *there != release) {
        let version = &build.version;
        return Err(Error::Usage(format!(
            "another build is {version} already: give this one a version of its own"
        )));
    }
    let others: Vec<String> = running
        .releases
        .iter()
        .filter(|one| one.version != release.version)
        .map(|one| one.version.to_string())
        .collect();
    let is_rollback = running
        .releases
        .iter()
        .any(|one| one.version > release.version);
    let now = policy::render(parties, &Pins::of(chain)?);
    let admit = if there.is_some() && running.min_version <= release.version {
        None
    } else {
        let proposal = propose::next(chain, &admitting(running, build, there.is_none()))?;
        Some(Stage::of("admit", chain, parties, proposal, &now)?)
    };
    let between = admit.as_ref().map_or(now, |stage| stage.policy.clone());
    let retire = if others.is_empty() {
        None
    } else {
        let changes = retiring(running, build, others);
        let proposal = match &admit {
            Some(admit) => propose::anchor_after(&admit.proposal, &changes)?,
            None => propose::next(chain, &changes)?,
        };
        Some(Stage::of("retire", chain, parties, proposal, &between)?)
    };
    Ok(Plan {
        is_rollback,
        from: running
            .releases
            .iter()
            .map(|one| one.version.to_string())
            .collect(),
        to: build.version.clone(),
        admit,
        retire,
    })
}

fn admitting(running: &Running, build: &Build, add: bool) -> Changes {
    let below = build
        .release()
        .is_ok_and(|release| release.version < running.min_version);
    Changes {
        add_releases: if add { vec![build.clone()] } else { Vec::new() },
        min_version: below.then(|| build.version.clone()),
        ..Changes::default()
    }
}

fn retiring(running: &Running, build: &Build, others: Vec<String>) -> Changes {
    let above = build
        .release()
        .is_ok_and(|release| release.version > running.min_version);
    Changes {
        remove_releases: others,
        min_version: above.then(|| build.version.clone()),
        anchor: true,
        ..Changes::default()
    }
}

impl Stage {
    fn of(
        name: &'static str,
        chain: &Chain,
        parties: &Parties,
        proposal: Proposal,
        before: &Value,
    ) -> Result<Self, Error> {
        let pins = Pins::under(chain, &proposal.body)?;
        let policy = policy::render(parties, &pins);
        Ok(Self {
            name,
            difference: difference(before, &policy),
            parameters: template::parameters(parties, Some(&pins)),
            proposal,
            policy,
        })
    }

    fn to_json(&self, chain: &Chain) -> Value {
        let Self {
            name,
            proposal,
            policy,
            difference,
            parameters,
        } = self;
        let Difference {
            added,
            changed,
            removed,
        } = difference;
        let changed: Vec<_> = changed
            .iter()
            .map(|(before, after)| json!({ "before": before, "after": after }))
            .collect();
        let manifest = &proposal.manifest;
        json!({
            "stage": name, "changes": proposal.words, "generation": manifest.generation, "digest": manifest.digest,
            "anchor": manifest.anchor, "signers": propose::signers(chain.newest(), manifest),
            "statements": { "added": added, "changed": changed, "removed": removed },
            "policy": policy, "parameters": parameters,
        })
    }
}

/// Which statements of a policy differ, by their names.
#[must_use]
pub fn difference(before: &Value, after: &Value) -> Difference {
    let list = |policy: &Value| policy["Statement"].as_array().cloned().unwrap_or_default();
    let (before, after) = (list(before), list(after));
    let same = |one: &Value, other: &Value| one["Sid"] == other["Sid"];
    let mut difference = Difference::default();
    for statement in &after {
        match before.iter().find(|one| same(one, statement)) {
            None => difference.added.push(statement.clone()),
            Some(one) if one == statement => {}
            Some(one) => difference.changed.push((one.clone(), statement.clone())),
        }
    }
    let gone = |one: &&Value| !after.iter().any(|statement| same(one, statement));
    difference.removed = before.iter().filter(gone).cloned().collect();
    difference
}

impl Plan {
    /// Its stages, in order.
    pub fn stages(&self) -> impl Iterator<Item = &Stage> {
        self.admit.iter().chain(&self.retire)
    }

    /// As machines read it; `dir` is where the files are.
    #[must_use]
    pub fn to_json(&self, chain: &Chain, dir: &str) -> Value {
        let stages: Vec<_> = self.stages().map(|stage| stage.to_json(chain)).collect();
        let arns: Vec<_> = chain.newest().recipients.iter().map(|to| &to.arn).collect();
        json!({
            "direction": if self.is_rollback { "rollback" } else { "upgrade" }, "from": self.from, "to": self.to,
            "recipients": arns, "stages": stages, "steps": self.steps(dir), "back": self.back(dir),
        })
    }

    /// What to do, in order.
    #[must_use]
    pub fn steps(&self, dir: &str) -> Vec<String> {
        let to = &self.to;
        let mut steps = vec![
            "claviger doctor && claviger policy check: begin only from a deployment that is well"
                .to_owned(),
            format!("build {to} yourself, twice, and compare PCR0, PCR1 and PCR2 with this plan's"),
        ];
        if self.is_rollback {
            steps.push(format!(
                "try {to} on a copy of the log in a simulation: an older build may not read what a newer one wrote"
            ));
        }
        if self.admit.is_some() {
            steps.extend([
                format!("owners sign: ssh-keygen -Y sign -n manifest@claviger -f KEY {dir}/admit.json"),
                format!("break-glass role: claviger policy render --next {dir}/admit.json --put, then claviger policy check --next {dir}/admit.json"),
                format!("claviger manifest set {dir}/admit.json SIG…"),
            ]);
        }
        steps.extend([
            format!("stop the enclave, put the image of {to} in its place, start it: systemctl restart claviger-enclave"),
            format!("claviger attest says {to}; claviger doctor finds nothing; agents' calls go on"),
        ]);
        if self.retire.is_some() {
            steps.extend([
                format!("only when you will not go back: owners sign {dir}/retire.json, an anchor"),
                format!("claviger manifest set {dir}/retire.json SIG…, before the policy: the enclave has to record it"),
                "break-glass role, at once: claviger policy render --put, then claviger policy check; until then no restart gets a key".to_owned(),
                "systemctl restart claviger-enclave; claviger attest; claviger doctor".to_owned(),
            ]);
        }
        steps.push("keep the keys' stacks true to it: claviger policy render --parameters, and update each (docs/deploy.md)".to_owned());
        steps
    }

    /// The way back, from each place.
    #[must_use]
    pub fn back(&self, dir: &str) -> Vec<String> {
        let before = self.from.join(", ");
        let mut back = Vec::new();
        if self.admit.is_some() {
            back.push(format!(
                "after the policy of {dir}/admit.json, before its manifest: claviger policy render --put takes it back"
            ));
        }
        back.push(format!(
            "while {before} may still run: put its image in place and restart; nothing else changes"
        ));
        if self.retire.is_some() {
            back.push(format!(
                "after {dir}/retire.json is set: `claviger release plan` to {before}, which admits it anew; owners must sign"
            ));
        }
        back
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_compared_by_name() {
        let one = |sid: &str, value: u8| json!({ "Sid": sid, "Value": value });
        let before = json!({ "Statement": [one("a", 1), one("b", 1), one("c", 1)] });
        let after = json!({ "Statement": [one("a", 1), one("b", 2), one("d", 1)] });
        let found = difference(&before, &after);
        assert_eq!(found.added, [one("d", 1)]);
        assert_eq!(found.changed, [(one("b", 1), one("b", 2))]);
        assert_eq!(found.removed, [one("c", 1)]);
        assert_eq!(difference(&after, &after), Difference::default());
    }
}
