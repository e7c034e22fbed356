//! Providers, and what each takes: algorithms, subjects, audiences, issuers. Sources: docs/federation.md.

use super::{Facts, Refusal, Subject};
use claviger_shared::owner::command::Alg;

/// Who takes an external identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// The Claude API.
    Anthropic,
    /// AWS IAM and STS.
    Aws,
    /// Microsoft Entra ID.
    Azure,
    /// Google Cloud.
    Gcp,
    /// The OpenAI API.
    Openai,
    /// Vault and OpenBao.
    Vault,
}

/// What one provider takes. What its pages do not name is not taken.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Algorithms of ours that it verifies.
    pub algorithms: &'static [Alg],
    /// Longest subject in bytes.
    pub subject: usize,
    /// Whether it can compare a subject's beginning.
    pub prefix: bool,
    /// Longest audience.
    pub audience: usize,
    /// Longest issuer.
    pub issuer: usize,
    /// Whether it fetches the keys from the issuer's URL; else they are told to it.
    pub fetches: bool,
}

/// The one audience of federated credentials at Microsoft Entra ID.
const AZURE_AUDIENCE: &str = "api://AzureADTokenExchange";
/// Nothing is said of a limit; ours are far below.
const ANY: usize = 1024;

const RSA_AND_P256: &[Alg] = &[Alg::Rs256, Alg::P256];

impl Provider {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Anthropic,
        Self::Aws,
        Self::Azure,
        Self::Gcp,
        Self::Openai,
        Self::Vault,
    ];

    /// The word of the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
            Self::Openai => "openai",
            Self::Vault => "vault",
        }
    }

    /// What it takes.
    #[must_use]
    pub const fn rules(self) -> Rules {
        let rules = Rules {
            algorithms: RSA_AND_P256,
            subject: ANY,
            prefix: true,
            audience: ANY,
            issuer: ANY,
            fetches: false,
        };
        match self {
            Self::Anthropic => rules,
            // CreateOpenIDConnectProvider: URL and client ids up to 255 characters; AssumeRoleWithWebIdentity: subject too.
            Self::Aws => Rules {
                subject: 255,
                audience: 255,
                issuer: 255,
                fetches: true,
                ..rules
            },
            // federatedIdentityCredential: 600 characters each, whole subjects; "considerations": RS256.
            Self::Azure => Rules {
                algorithms: &[Alg::Rs256],
                subject: 600,
                prefix: false,
                audience: 600,
                issuer: 600,
                fetches: true,
            },
            // WorkloadIdentityPoolProvider: google.subject 127 bytes, an audience 256 characters.
            Self::Gcp => Rules {
                subject: 127,
                audience: 256,
                ..rules
            },
            // A rule's matchers compare values.
            Self::Openai => Rules {
                prefix: false,
                ..rules
            },
            Self::Vault => Rules {
                algorithms: &[Alg::Ed25519, Alg::P256, Alg::Rs256],
                ..rules
            },
        }
    }
}

/// The name of an algorithm in JOSE (RFC 7518, RFC 8037).
#[must_use]
pub(super) const fn word(alg: Alg) -> &'static str {
    match alg {
        Alg::Ed25519 => "EdDSA",
        Alg::P256 => "ES256",
        Alg::Rs256 => "RS256",
        Alg::Ps512 => "PS512",
        Alg::P521 => "ES512",
        Alg::Hs256 | Alg::Hs512 | Alg::SigV4 | Alg::Secp256k1 => "none of JOSE's",
    }
}

/// Whether a provider would take the tokens.
///
/// # Errors
///
/// The first rule that they break.
pub(super) fn check(provider: Provider, facts: &Facts) -> Result<(), Refusal> {
    let rules = provider.rules();
    check_subject(provider, &rules, facts)?;
    check_audience(provider, &rules, &facts.audience)?;
    check_issuer(provider, &rules, &facts.issuer)?;
    let unfit = |alg: &Alg| !rules.algorithms.contains(alg);
    match facts.signing.iter().find(|key| unfit(&key.alg)) {
        None => Ok(()),
        Some(key) => Err(Refusal::KeyAlgorithm {
            provider: provider.as_str(),
            wants: rules
                .algorithms
                .iter()
                .map(|alg| word(*alg))
                .collect::<Vec<_>>()
                .join(" or "),
            grant: key.grant.clone(),
            key: key.id.clone(),
            alg: word(key.alg),
        }),
    }
}

fn check_subject(provider: Provider, rules: &Rules, facts: &Facts) -> Result<(), Refusal> {
    let subject = &facts.subject;
    if matches!(subject, Subject::Prefix(_)) && !rules.prefix {
        return Err(Refusal::SubjectPrefix {
            provider: provider.as_str(),
            agent: facts.agent.clone(),
        });
    }
    if subject.longest() > rules.subject {
        return Err(Refusal::SubjectTooLong {
            provider: provider.as_str(),
            most: rules.subject,
            subject: subject.as_str().to_owned(),
            bytes: subject.longest(),
        });
    }
    Ok(())
}

fn check_audience(provider: Provider, rules: &Rules, audience: &str) -> Result<(), Refusal> {
    let wants = match provider {
        Provider::Azure if audience != AZURE_AUDIENCE => "api://AzureADTokenExchange alone",
        // `--allowed-audiences` is a list, which commas divide.
        Provider::Gcp if audience.contains(',') => "audiences without a comma",
        _ if audience.len() > rules.audience => "shorter audiences",
        Provider::Anthropic
        | Provider::Aws
        | Provider::Azure
        | Provider::Gcp
        | Provider::Openai
        | Provider::Vault => return Ok(()),
    };
    Err(Refusal::Audience {
        provider: provider.as_str(),
        wants,
        audience: audience.to_owned(),
    })
}

fn check_issuer(provider: Provider, rules: &Rules, issuer: &str) -> Result<(), Refusal> {
    let host = issuer.strip_prefix("https://").map(host);
    let wants = match host {
        None => "an https issuer",
        Some(_) if issuer.len() > rules.issuer => "shorter issuers",
        // CreateOpenIDConnectProvider: no port in the URL.
        Some(host) if rules.fetches && !is_public(host) => {
            "an issuer with a public name and no port: it fetches the keys there"
        }
        Some(_) => return Ok(()),
    };
    Err(Refusal::Issuer {
        provider: provider.as_str(),
        wants,
        issuer: issuer.to_owned(),
    })
}

fn host(rest: &str) -> &str {
    rest.split('/').next().unwrap_or_default()
}

/// Names that no other network knows: RFC 6761, RFC 6762, RFC 8375, and `.internal`, which ICANN keeps for private use.
const PRIVATE: [&str; 6] = [
    ".localhost",
    ".local",
    ".internal",
    ".test",
    ".invalid",
    ".home.arpa",
];

/// Whether others could find a host by its name: a name with a dot, that is no address and has no port.
fn is_public(host: &str) -> bool {
    let private = PRIVATE.iter().any(|end| host.ends_with(end));
    let last = host.rsplit('.').next().unwrap_or_default();
    let named = last.bytes().any(|byte| byte.is_ascii_alphabetic());
    host.contains('.') && !host.contains([':', '[']) && named && !private
}

#[cfg(test)]
mod tests;
