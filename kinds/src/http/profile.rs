//! Profiles of `http`: what each adds to the one layout, and its tag.
//!
//! Every profile covers the whole request; none takes a component away. The minimal form of web-bot-auth, which binds a
//! signature to an authority alone, is not made. Having a [`Profile`] means the grant names it, or none.

use super::{LABEL, base::Component};
use crate::canonical::Canonical;
use claviger_shared::{
    denial::{Code, Denial},
    effect::Kind,
    grant::{Grant, parse::is_origin, profile},
};

/// The `tag` parameter of `generic`: says which rules the covered components follow (RFC 9421 §2.3).
pub const TAG: &str = "claviger";
/// The `tag` parameter of `web-bot-auth` (draft-ietf-webbotauth-httpsig-protocol).
pub const WEB_BOT_AUTH_TAG: &str = "web-bot-auth";
/// The field that says where the keys of a bot's operator are found.
pub(super) const SIGNATURE_AGENT: &str = "signature-agent";

/// One of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Profile {
    Generic,
    /// With the https origin that the grant names.
    WebBotAuth(String),
}

impl Profile {
    /// The grant's.
    ///
    /// # Errors
    ///
    /// [`Code::Unsupported`] for one that is not built, or whose origin is missing or none.
    pub(super) fn of(grant: &Grant) -> Result<Self, Denial> {
        let rule = grant.credentials.get(&Kind::Http);
        let named = rule.and_then(|rule| rule.profile.as_deref());
        let agent = rule.and_then(|rule| rule.signature_agent.clone());
        match (named, agent) {
            (None | Some(profile::GENERIC), None) => Ok(Self::Generic),
            (Some(profile::WEB_BOT_AUTH), Some(agent)) if is_origin(&agent) => {
                Ok(Self::WebBotAuth(agent))
            }
            (Some(_) | None, _) => Err(Code::Unsupported.into()),
        }
    }

    pub(super) const fn tag(&self) -> &'static str {
        match self {
            Self::Generic => TAG,
            Self::WebBotAuth(_) => WEB_BOT_AUTH_TAG,
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
            Self::Generic => None,
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
        }
    }
}
