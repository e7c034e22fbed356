//! Profiles of `http`: what each adds to the one layout, and its tag.
//!
//! Every profile covers the whole request; `wimse` alone says where it goes in a parameter instead of by its authority. The
//! minimal form of web-bot-auth, which binds a signature to an authority alone, is not made. Having a [`Profile`] means the
//! grant names it, or none, and the route is one of that profile.

use super::{LABEL, base::Component, wimse::Wimse};
use crate::{canonical::Canonical, http::charge::Parts};
use claviger_shared::{
    catalog::HttpRoute,
    denial::{Code, Denial},
    effect::Kind,
    grant::{Grant, parse::is_origin, profile},
};

/// The `tag` parameter of `generic`: says which rules the covered components follow (RFC 9421 §2.3).
pub const TAG: &str = "claviger";
/// The `tag` parameter of `web-bot-auth` (draft-ietf-webbotauth-httpsig-protocol).
pub const WEB_BOT_AUTH_TAG: &str = "web-bot-auth";
/// The `tag` parameter of `wimse` (draft-ietf-wimse-http-signature §3).
pub const WIMSE_TAG: &str = "wimse-workload-to-workload";
/// The field that says where the keys of a bot's operator are found.
pub(super) const SIGNATURE_AGENT: &str = "signature-agent";

/// One of the three.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Profile {
    Generic,
    /// With the https origin that the grant names.
    WebBotAuth(String),
    /// With what the route and the request's token say.
    Wimse(Box<Wimse>),
}

impl Profile {
    /// The grant's, of a request that is this route's.
    ///
    /// # Errors
    ///
    /// [`Code::Unsupported`] for one that is not built, whose origin is missing or none, or that is not the route's; what
    /// [`Wimse::of`] refuses.
    pub(super) fn of(grant: &Grant, route: &HttpRoute, parts: &Parts<'_>) -> Result<Self, Denial> {
        let rule = grant.credentials.get(&Kind::Http);
        let named = rule.and_then(|rule| rule.profile.as_deref());
        let agent = rule.and_then(|rule| rule.signature_agent.clone());
        match (named, agent, route.wimse.as_deref()) {
            (None | Some(profile::GENERIC), None, None) => Ok(Self::Generic),
            (Some(profile::WEB_BOT_AUTH), Some(agent), None) if is_origin(&agent) => {
                Ok(Self::WebBotAuth(agent))
            }
            (Some(profile::WIMSE), None, Some(said)) => {
                Wimse::of(said, parts).map(|wimse| Self::Wimse(Box::new(wimse)))
            }
            (Some(_) | None, _, _) => Err(Code::Unsupported.into()),
        }
    }

    pub(super) const fn tag(&self) -> &'static str {
        match self {
            Self::Generic => TAG,
            Self::WebBotAuth(_) => WEB_BOT_AUTH_TAG,
            Self::Wimse(_) => WIMSE_TAG,
        }
    }

    /// The value of `signature-agent`: a dictionary of one member, keyed to the signature's label.
    pub(super) fn field(&self) -> Option<String> {
        self.member().map(|member| format!("{LABEL}={member}"))
    }

    /// That member as a covered component.
    pub(super) fn component(&self) -> Option<Component<'_>> {
        let member = self.member()?;
        Some(Component::member(SIGNATURE_AGENT, LABEL, member))
    }

    /// A string of structured fields: an origin holds neither quote nor backslash.
    fn member(&self) -> Option<String> {
        match self {
            Self::Generic | Self::Wimse(_) => None,
            Self::WebBotAuth(agent) => super::base::quoted(agent),
        }
    }

    /// What an input is besides the request; `generic` adds nothing.
    pub(super) fn canonical(&self, parts: Canonical) -> Canonical {
        match self {
            Self::Generic => parts,
            Self::WebBotAuth(agent) => {
                let parts = parts.part(profile::WEB_BOT_AUTH.as_bytes());
                parts.part(agent.as_bytes())
            }
            Self::Wimse(wimse) => wimse.canonical(parts.part(profile::WIMSE.as_bytes())),
        }
    }
}
