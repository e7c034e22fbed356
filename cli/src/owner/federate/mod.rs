//! Federation: what an owner does so that a provider takes the enclave's identity tokens instead of a static key.
//!
//! Everything stands in the audited log: grant, catalog, keys. A provider is told exactly one subject, or one agent's, and the
//! keys that sign its tokens. Nothing is sent anywhere. It does not know whether a provider did what is printed, nor what
//! the token that a provider gives can do there.

mod facts;
mod publish;
mod refusal;
mod rules;
mod setup;
pub mod text;

pub use facts::{Facts, Signing, Subject, Target};
pub use publish::write;
pub use refusal::Refusal;
pub use rules::{Provider, Rules};
pub use setup::{Setup, Step};

use super::Desk;
use crate::Error;
use claviger_shared::{effect::Assurance, id::ResourceName, jwk};
use serde_json::{Map, Value, json};

/// Everything that is said of one federation.
#[derive(Debug)]
pub struct Federation {
    /// Who takes the tokens.
    pub provider: Provider,
    /// What the log says of them.
    pub facts: Facts,
    /// What is to be done.
    pub setup: Setup,
}

impl Desk {
    /// How a provider is told of one grant, or of all of an agent's, by the `oidc` route of a resource; `audience` says which
    /// where there are several.
    ///
    /// # Errors
    ///
    /// [`Error::Federation`] where it cannot work.
    pub fn federate(
        &self,
        provider: Provider,
        target: &Target,
        resource: &ResourceName,
        audience: Option<&str>,
    ) -> Result<Federation, Error> {
        let facts = self.federation_facts(target, resource, audience)?;
        rules::check(provider, &facts)?;
        let setup = setup::setup(provider, &facts);
        Ok(Federation {
            provider,
            facts,
            setup,
        })
    }
}

impl Federation {
    /// The files that are pasted or published, by name.
    #[must_use]
    pub fn files(&self) -> Vec<(&str, &Value)> {
        let steps = self.setup.provider.iter().chain(&self.setup.exchange);
        let steps = steps.filter_map(|step| match step {
            Step::File { name, value, .. } => Some((*name, value)),
            Step::Run { .. } => None,
        });
        let published = self.facts.published.iter();
        published
            .map(|(name, value)| (name.as_str(), value))
            .chain(steps)
            .collect()
    }

    /// As machines read it (docs/federation.md).
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Facts {
            resource,
            agent,
            grants,
            issuer,
            audience,
            subject,
            signing,
            published,
        } = &self.facts;
        let keys: Vec<_> = signing.iter().map(key).collect();
        let published: Map<_, _> = published.iter().cloned().collect();
        let steps = |steps: &[Step]| steps.iter().map(Step::to_json).collect::<Vec<_>>();
        json!({
            "provider": self.provider.as_str(), "resource": resource, "agent": agent, "grants": grants,
            "issuer": issuer, "audience": audience, "subject": subject.to_json(), "keys": keys,
            "setup": steps(&self.setup.provider), "publish": published, "exchange": steps(&self.setup.exchange),
            "assurance": Assurance::Token, "minted": self.setup.minted, "bounds": setup::BOUNDS,
            "cautions": self.cautions(), "fill": self.setup.fill,
        })
    }

    /// What an owner ought to know before doing it.
    fn cautions(&self) -> Vec<String> {
        let imported = self.facts.signing.iter().filter(|key| key.imported);
        let mut all: Vec<_> = imported
            .map(|key| {
                let id = &key.id;
                format!(
                    "`{id}` was imported: whoever else holds it can be any subject of this issuer"
                )
            })
            .collect();
        all.push(match &self.facts.subject {
            Subject::Exact(_) => {
                "a reissued grant has another id, so another subject: the rule must then be made anew".to_owned()
            }
            Subject::Prefix(_) => {
                "every grant that owners give this agent on this audience is taken, later ones too; the keys here are those of \
                 its grants of today"
                    .to_owned()
            }
        });
        all
    }
}

fn key(key: &Signing) -> Value {
    let kid = jwk::thumbprint(key.alg, &key.public);
    json!({ "key": key.id, "alg": rules::word(key.alg), "kid": kid, "imported": key.imported })
}
