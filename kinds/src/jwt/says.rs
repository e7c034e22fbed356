//! What a token says, by its profile, and the bytes that say it.
//!
//! Everything here was matched before: issuer, subject, audience and scope are the route's, an identity's subject follows
//! from deployment, agent and grant, a proof's method and URL are the call's that matched. It matches nothing itself.

use super::{
    MAX_SUBJECT,
    jws::{self, Claims, Header},
    workload::Workload,
};
use crate::{
    Moment, SigningKeyInfo,
    moment::{Span, nonce},
};
use claviger_shared::{
    catalog::JwtRoute,
    denial::{Code, Denial},
    effect::{Effect, Kind},
    grant::{Grant, profile},
    id::{AgentId, GrantId},
    jwk,
};

/// Seconds that a GitHub token's `iat` lies back, against clocks that differ.
pub const GITHUB_BACK: u64 = 60;
const TYPE: &str = "JWT";
/// RFC 9449 §4.2.
const PROOF_TYPE: &str = "dpop+jwt";

/// What a token says besides time.
#[derive(Debug, Clone)]
pub(crate) enum Says {
    /// A client assertion.
    Assertion {
        issuer: String,
        subject: String,
        audience: String,
    },
    /// An identity: agent and grant, and the relying party's own word.
    Identity {
        issuer: String,
        audience: String,
        agent: AgentId,
        grant: GrantId,
        nonce: Option<String>,
    },
    /// A GitHub App: its id alone.
    App { issuer: String },
    /// A service account of Google Cloud.
    Account {
        issuer: String,
        subject: Option<String>,
        audience: Option<String>,
        scope: Option<String>,
        key_id: String,
    },
    /// A proof of possession for one request.
    Proof(Proof),
    /// One that goes with a workload's token.
    Workload(Box<Workload>),
}

/// A request, as a proof of possession names it.
#[derive(Debug, Clone)]
pub(crate) struct Proof {
    /// `htm`.
    pub(crate) method: String,
    /// `htu`: the URL without its query.
    pub(crate) url: String,
    /// `ath`, in base64url.
    pub(crate) ath: Option<String>,
    /// The server's own word.
    pub(crate) nonce: Option<String>,
}

impl Says {
    /// What a token for an audience says by its route.
    pub(crate) fn by(route: &JwtRoute, grant: &Grant, nonce: Option<&str>) -> Self {
        let (issuer, audience) = (route.issuer.clone(), route.audience.clone());
        let subject = route.subject.clone();
        match route.profile.as_str() {
            profile::OIDC => Self::Identity {
                issuer,
                audience,
                agent: grant.agent.clone(),
                grant: grant.id.clone(),
                nonce: nonce.map(str::to_owned),
            },
            profile::GITHUB_APP => Self::App { issuer },
            profile::GCP => {
                // At a token endpoint an account speaks for itself unless the route names whom else; elsewhere always so.
                let other = Some(subject).filter(|subject| !subject.is_empty());
                let subject = if route.token_endpoint {
                    other
                } else {
                    Some(issuer.clone())
                };
                // AIP-4111: audience or scope, never both, in a token that is used as it is.
                let scoped = route.scope.is_some() && !route.token_endpoint;
                Self::Account {
                    issuer,
                    subject,
                    audience: (!scoped).then_some(audience),
                    scope: route.scope.clone(),
                    key_id: route.key_id.clone().unwrap_or_default(),
                }
            }
            _ => Self::Assertion {
                issuer,
                subject,
                audience,
            },
        }
    }

    /// The name of the profile, and the parts of the input that are not its audience and lifetime.
    pub(crate) fn canonical(&self) -> (&'static str, Vec<Option<&[u8]>>) {
        match self {
            Self::Assertion { .. } => (profile::ASSERTION, Vec::new()),
            Self::Identity { nonce, .. } => {
                let nonce = nonce.as_deref().map(str::as_bytes);
                (profile::OIDC, vec![nonce])
            }
            Self::App { .. } => (profile::GITHUB_APP, Vec::new()),
            Self::Account { .. } => (profile::GCP, Vec::new()),
            Self::Proof(Proof {
                method,
                url,
                ath,
                nonce,
            }) => {
                let [method, url] = [method, url].map(|text| Some(text.as_bytes()));
                let [ath, nonce] = [ath, nonce].map(|text| text.as_deref().map(str::as_bytes));
                (profile::DPOP, vec![method, url, ath, nonce])
            }
            Self::Workload(workload) => (profile::WPT, workload.canonical()),
        }
    }

    /// The bytes to sign.
    ///
    /// # Errors
    ///
    /// [`Code::KeyDenied`] for a key that signs no token of this profile; [`Code::Outliving`] as [`Span::of`].
    pub(crate) fn signing_input(
        &self,
        effect: &Effect,
        key: &SigningKeyInfo,
        moment: &Moment,
    ) -> Result<String, Denial> {
        let span = Span::of(effect, key, moment)?;
        let denied = || Denial::at(Code::KeyDenied, Kind::Jwt.as_str());
        let (name, _) = self.canonical();
        if !profile::signs(name, key.alg) {
            return Err(denied());
        }
        let header = Header {
            alg: jws::alg(key.alg).ok_or_else(denied)?,
            typ: TYPE,
            kid: Some(&key.thumbprint),
            jwk: None,
        };
        let jti = &nonce(moment);
        let basic = Claims {
            iat: span.from,
            exp: Some(span.to),
            ..Claims::default()
        };
        let input = match self {
            Self::Assertion {
                issuer,
                subject,
                audience,
            } => {
                let claims = Claims {
                    iss: Some(issuer),
                    sub: Some(subject),
                    aud: Some(audience),
                    jti: Some(jti),
                    ..basic
                };
                jws::signing_input(&header, &claims)
            }
            Self::Identity {
                issuer,
                audience,
                agent,
                grant,
                nonce,
            } => {
                let sub = &format!("{}:{agent}:{grant}", key.deployment);
                let claims = Claims {
                    iss: Some(issuer),
                    sub: Some(sub),
                    aud: Some(audience),
                    jti: Some(jti),
                    nonce: nonce.as_deref(),
                    ..basic
                };
                (sub.len() <= MAX_SUBJECT)
                    .then(|| jws::signing_input(&header, &claims))
                    .flatten()
            }
            Self::App { issuer } => {
                let header = Header {
                    kid: None,
                    ..header
                };
                let claims = Claims {
                    iss: Some(issuer),
                    iat: span.from.saturating_sub(GITHUB_BACK),
                    ..basic
                };
                jws::signing_input(&header, &claims)
            }
            Self::Account {
                issuer,
                subject,
                audience,
                scope,
                key_id,
            } => {
                let header = Header {
                    kid: Some(key_id),
                    ..header
                };
                let claims = Claims {
                    iss: Some(issuer),
                    sub: subject.as_deref(),
                    aud: audience.as_deref(),
                    scope: scope.as_deref(),
                    ..basic
                };
                jws::signing_input(&header, &claims)
            }
            Self::Proof(proof) => {
                let jwk = jwk::bare(key.alg, &key.public).ok_or_else(denied)?;
                let header = Header {
                    typ: PROOF_TYPE,
                    kid: None,
                    jwk: Some(&jwk),
                    ..header
                };
                let claims = Claims {
                    exp: None,
                    jti: Some(jti),
                    htm: Some(&proof.method),
                    htu: Some(&proof.url),
                    ath: proof.ath.as_deref(),
                    nonce: proof.nonce.as_deref(),
                    ..basic
                };
                jws::signing_input(&header, &claims)
            }
            Self::Workload(workload) => workload.signing_input(span, key, moment)?,
        };
        input.ok_or_else(|| Code::InvalidRequest.into())
    }
}
