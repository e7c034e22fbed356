//! `policy render` and `policy check`.

use super::{ask, read};
use crate::{
    args::policy::{PartiesArgs, PinsArgs, PolicyVerb},
    output::Outcome,
    run::Named,
};
use claviger_cli::{
    Error,
    ceremony::{
        kms::Kms,
        policy::{
            self, Parties, Pins,
            judge::{self, Wanted},
            key, template,
        },
    },
    finding::Finding,
    profile::{Profile, read_chain},
};
use claviger_client::render;
use claviger_shared::owner::manifest::{AttestationRoot, Recipient, chain::Chain};
use serde_json::json;
use std::sync::Arc;

pub(crate) async fn policy(named: &Named, verb: PolicyVerb, json: bool) -> Result<Outcome, Error> {
    let profile = named.optional()?;
    match verb {
        PolicyVerb::Render {
            parties,
            pins,
            put,
            parameters,
        } => {
            let rendered = render(profile.as_ref(), &parties, &pins, put).await?;
            if parameters {
                let parties = self::parties(profile.as_ref(), &parties)?;
                let pins = Pinned::read(profile.as_ref(), &pins)?.pins;
                return self::parameters(&parties, pins.as_ref());
            }
            Ok(rendered)
        }
        PolicyVerb::Check {
            parties,
            pins,
            policy,
            key,
        } => {
            let parties = self::parties(profile.as_ref(), &parties)?;
            let pins = Pinned::read(profile.as_ref(), &pins)?;
            let found = match policy {
                Some(file) => {
                    let text = read("cannot read the policy", &file)?;
                    judge::policy(&text, &pins.wanted(&parties, key.as_deref()))
                }
                None => live(profile.as_ref(), &parties, &pins).await?,
            };
            let mut outcome = ask::linted(&found, json!({}), json);
            render::mark(&mut outcome.value, pins.is_simulation());
            Ok(outcome)
        }
    }
}

async fn render(
    profile: Option<&Profile>,
    parties: &PartiesArgs,
    pins: &PinsArgs,
    put: bool,
) -> Result<Outcome, Error> {
    let parties = self::parties(profile, parties)?;
    let pinned = Pinned::read(profile, pins)?;
    let document = match &pinned.pins {
        Some(pins) => policy::render(&parties, pins),
        None => policy::unborn(&parties),
    };
    let found = judge::policy(
        document.to_string().as_bytes(),
        &pinned.wanted(&parties, None),
    );
    if let Some(first) = found.first() {
        let line = first.line();
        return Err(Error::Usage(format!("no sound policy names these: {line}")));
    }
    if put {
        let profile = profile.ok_or_else(|| Error::Usage("--put needs a profile".to_owned()))?;
        for Recipient { arn, .. } in pinned.recipients() {
            let kms = Kms::connect(&profile.kms_of(arn)?).await;
            kms.put_policy(arn, &document).await?;
        }
    }
    Ok(Outcome {
        value: document,
        exit: 0,
        document: true,
    })
}

/// The template's parameters for a policy that was found sound.
fn parameters(parties: &Parties, pins: Option<&Pins>) -> Result<Outcome, Error> {
    let parameters = template::parameters(parties, pins).ok_or_else(|| {
        Error::Usage("the template has room for two releases: use --put instead".to_owned())
    })?;
    Ok(Outcome {
        value: template::file(&parameters),
        exit: 0,
        document: true,
    })
}

/// What registers must hold, and the chain that says so.
struct Pinned {
    chain: Option<Arc<Chain>>,
    pins: Option<Pins>,
}

impl Pinned {
    fn read(profile: Option<&Profile>, args: &PinsArgs) -> Result<Self, Error> {
        let PinsArgs {
            chain,
            next,
            unborn,
        } = args;
        let chain = match (chain, profile) {
            (Some(path), _) => Some(read_chain(path)?),
            (None, Some(profile)) => Some(profile.chain()?),
            (None, None) => None,
        };
        if *unborn {
            return Ok(Self { chain, pins: None });
        }
        let known = chain
            .clone()
            .ok_or_else(|| Error::Usage("give --chain FILE, a profile, or --unborn".to_owned()))?;
        let pins = match next {
            Some(path) => Pins::under(&known, &read("cannot read the manifest", path)?)?,
            None => Pins::of(&known)?,
        };
        Ok(Self {
            chain,
            pins: Some(pins),
        })
    }

    fn wanted<'a>(&'a self, parties: &'a Parties, key: Option<&'a str>) -> Wanted<'a> {
        Wanted {
            key,
            parties,
            pins: self.pins.as_ref(),
        }
    }

    fn recipients(&self) -> &[Recipient] {
        self.chain
            .as_ref()
            .map_or(&[], |chain| &chain.newest().recipients)
    }

    fn is_simulation(&self) -> bool {
        let root = self
            .chain
            .as_ref()
            .map(|chain| &chain.g0().attestation_root);
        root.is_some_and(|root| *root != Some(AttestationRoot::Aws))
    }
}

/// Whom policies name: by options, else by the profile.
pub(super) fn parties(profile: Option<&Profile>, args: &PartiesArgs) -> Result<Parties, Error> {
    let held = profile.and_then(|profile| profile.parties.as_ref());
    let one = |given: &Option<String>, held: Option<&String>, option: &str| {
        let found = given.as_ref().or(held).cloned();
        found.ok_or_else(|| {
            Error::Usage(format!(
                "give {option} ARN, or put `parties` into the profile"
            ))
        })
    };
    Ok(Parties {
        host: one(&args.host_role, held.map(|held| &held.host), "--host-role")?,
        administrator: one(
            &args.administrator,
            held.map(|held| &held.administrator),
            "--administrator",
        )?,
        break_glass: one(
            &args.break_glass,
            held.map(|held| &held.break_glass),
            "--break-glass",
        )?,
    })
}

/// What is wrong with the recipients as KMS has them now.
async fn live(
    profile: Option<&Profile>,
    parties: &Parties,
    pinned: &Pinned,
) -> Result<Vec<Finding>, Error> {
    let profile = profile.ok_or_else(|| {
        Error::Usage("give a profile to read the live keys, or --policy FILE".to_owned())
    })?;
    let mut found = Vec::new();
    for Recipient { arn, public_key } in pinned.recipients() {
        let kms = Kms::connect(&profile.kms_of(arn)?).await;
        let wanted = pinned.wanted(parties, Some(arn));
        found.extend(key::live(&kms, arn, public_key, &wanted).await?);
    }
    Ok(found)
}
