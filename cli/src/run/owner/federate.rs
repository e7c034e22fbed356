//! `federate`: how a provider is told of the enclave's identity tokens.

use super::{open, told};
use crate::{
    args::owner::{Federate, ProviderArg},
    output::{Outcome, stdout},
    run::{Named, name},
};
use claviger_cli::{
    Error,
    owner::federate::{Provider, Target, text, write},
};
use claviger_shared::id::ResourceName;
use serde_json::json;

/// Without `--json` exactly what a shell takes, everything else as comments.
pub(crate) async fn federate(named: &Named, args: Federate, json: bool) -> Result<Outcome, Error> {
    let target = Target::parse(&args.target).ok_or_else(|| {
        Error::Usage(format!(
            "`{}` is no name of a grant or an agent",
            args.target
        ))
    })?;
    let resource = name(&args.resource, "a resource's name", ResourceName::parse)?;
    let desk = open(named).await?;
    let audience = args.audience.as_deref();
    let federation = desk.federate(args.provider.into(), &target, &resource, audience)?;
    let written = args.out.as_deref().map(|dir| write(&federation, dir));
    let written = written.transpose()?;
    if !json {
        stdout(&text::text(&federation));
        return Ok(Outcome::silent());
    }
    let mut value = federation.to_json();
    if let (Some(written), Some(members)) = (written, value.as_object_mut()) {
        members.insert("written".to_owned(), json!(written));
    }
    Ok(told(&desk, value))
}

impl From<ProviderArg> for Provider {
    fn from(provider: ProviderArg) -> Self {
        match provider {
            ProviderArg::Anthropic => Self::Anthropic,
            ProviderArg::Aws => Self::Aws,
            ProviderArg::Azure => Self::Azure,
            ProviderArg::Gcp => Self::Gcp,
            ProviderArg::Openai => Self::Openai,
            ProviderArg::Vault => Self::Vault,
        }
    }
}
