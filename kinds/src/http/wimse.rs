//! Profile `wimse`: a request from one workload to another, signed with the key of its Workload Identity Token
//! (draft-ietf-wimse-http-signature).
//!
//! Having a [`Wimse`] means the request carries one token, the token names the workload that the route does, and the audience
//! is the route's own or the request's URL. Neither key nor algorithm stands in the signature: the token says both, and no
//! other key signs. Answers are neither signed nor checked here.

use super::{base::Parameter, charge::Parts, profile::WIMSE_TAG};
use crate::{
    Moment, SigningKeyInfo,
    canonical::Canonical,
    moment::{Span, nonce},
    wit::{self, Wit},
};
use claviger_shared::{
    catalog::WimseRoute,
    denial::{Code, Denial},
    effect::Effect,
};

/// Parameters at most.
const PARAMETERS: usize = 6;

/// What a signature says besides the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wimse {
    audience: String,
    /// Whether the audience is the route's word and the request's URL stands nowhere else.
    named: bool,
    sign_response: bool,
    wit: Wit,
}

impl Wimse {
    /// What a route says of a request that is its own.
    ///
    /// # Errors
    ///
    /// At the token's field: [`Code::InvalidRequest`] where it is missing or cannot be read; [`Code::PermissionDenied`] where
    /// it names another workload.
    pub(super) fn of(route: &WimseRoute, parts: &Parts<'_>) -> Result<Self, Denial> {
        let token = parts.headers.value(wit::FIELD);
        let wit = token.and_then(|token| Wit::parse(token, wit::PARAM));
        let wit = wit.ok_or_else(|| Denial::at(Code::InvalidRequest, wit::PARAM))?;
        if wit.subject != route.subject {
            return Err(Denial::at(Code::PermissionDenied, wit::PARAM));
        }
        let url = || format!("https://{}{}", parts.url.authority(), parts.url.path);
        Ok(Self {
            audience: route.audience.clone().unwrap_or_else(url),
            named: route.audience.is_some(),
            sign_response: route.sign_response,
            wit,
        })
    }

    /// What it does is bound to the token's key and life; a named audience is all that says where it goes.
    pub(super) fn put_into(&self, effect: &mut Effect) {
        effect.token = Some(self.wit.bound.clone());
        if self.named {
            effect.destination.clone_from(&self.audience);
        }
    }

    /// What an input is besides the request, of which the token is a part.
    pub(super) fn canonical(&self, parts: Canonical) -> Canonical {
        let sign_response = u8::from(self.sign_response);
        let parts = parts.part(self.audience.as_bytes());
        parts.part(&[sign_response])
    }

    /// In the order of the draft's sample; `keyid` and `alg` are forbidden.
    ///
    /// # Errors
    ///
    /// As [`Wit::check`].
    pub(super) fn parameters<'a>(
        &'a self,
        span: Span,
        key: &SigningKeyInfo,
        moment: &Moment,
    ) -> Result<Vec<(&'static str, Parameter<'a>)>, Denial> {
        self.wit.check(span, key, moment)?;
        let mut all = Vec::with_capacity(PARAMETERS);
        all.push(("created", Parameter::Integer(span.from)));
        all.push(("expires", Parameter::Integer(span.to)));
        all.push(("nonce", Parameter::Text(nonce(moment).into())));
        all.push(("tag", Parameter::Text(WIMSE_TAG.into())));
        all.push(("wimse-aud", Parameter::Text(self.audience.as_str().into())));
        if self.sign_response {
            all.push(("wimse-sign-response", Parameter::True));
        }
        Ok(all)
    }
}
