//! A call of any kind: what the enclave and the client dispatch on.

use crate::{
    Call, Moment, SigningKeyInfo, ToSign, aws::AwsCall, evm::EvmCall, http::HttpCall, jwt::JwtCall,
    solana::SolanaCall, ssh::SshCall, template::TemplateCall, x402::X402Call,
};
use claviger_shared::{
    call::{Input, Sign},
    catalog::Catalog,
    credential::{Credential, Replay},
    denial::Denial,
    effect::Effects,
    grant::Grant,
};
use std::sync::Arc;

/// One parsed call of one of the kinds.
#[derive(Debug, Clone)]
pub enum AnyCall {
    /// An HTTP message signature.
    Http(HttpCall),
    /// A JSON web token.
    Jwt(JwtCall),
    /// A request to AWS.
    Aws(AwsCall),
    /// A transaction, typed data or a sign-in text of a chain.
    Evm(EvmCall),
    /// A payment by HTTP.
    X402(X402Call),
    /// An SSH certificate or signature.
    Ssh(SshCall),
    /// A request that a template signs.
    Template(TemplateCall),
    /// A transaction of Solana.
    Solana(SolanaCall),
}

macro_rules! each {
    ($self:expr, $call:ident => $do:expr) => {
        match $self {
            Self::Http($call) => $do,
            Self::Jwt($call) => $do,
            Self::Aws($call) => $do,
            Self::Evm($call) => $do,
            Self::X402($call) => $do,
            Self::Ssh($call) => $do,
            Self::Template($call) => $do,
            Self::Solana($call) => $do,
        }
    };
}

impl AnyCall {
    /// Parses a request of the kind it names; [`Call::parse`].
    ///
    /// # Errors
    ///
    /// A [`Denial`] that names the failing rule and the place in the input.
    pub fn parse(sign: &Sign, catalog: &Catalog, grant: &Grant) -> Result<Self, Denial> {
        let key = sign.idempotency_key.as_deref();
        match &sign.input {
            Input::Http(input) => HttpCall::parse(input, key, catalog, grant).map(Self::Http),
            Input::Jwt(input) => JwtCall::parse(input, key, catalog, grant).map(Self::Jwt),
            Input::Aws(input) => AwsCall::parse(input, key, catalog, grant).map(Self::Aws),
            Input::Evm(input) => EvmCall::parse(input, key, catalog, grant).map(Self::Evm),
            Input::X402(input) => X402Call::parse(input, key, catalog, grant).map(Self::X402),
            Input::Ssh(input) => SshCall::parse(input, key, catalog, grant).map(Self::Ssh),
            Input::Template(input) => {
                TemplateCall::parse(input, key, catalog, grant).map(Self::Template)
            }
            Input::Solana(input) => SolanaCall::parse(input, key, catalog, grant).map(Self::Solana),
        }
    }

    /// [`Call::effects`].
    #[must_use]
    pub fn effects(&self) -> &Arc<Effects> {
        each!(self, call => call.effects())
    }

    /// [`Call::replay`].
    #[must_use]
    pub fn replay(&self, moment: &Moment) -> Replay {
        each!(self, call => call.replay(moment))
    }

    /// [`Call::canonical`].
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        each!(self, call => call.canonical())
    }

    /// [`Call::to_sign`].
    ///
    /// # Errors
    ///
    /// A [`Denial`] where the moment or key does not fit.
    pub fn to_sign(&self, key: &SigningKeyInfo, moment: &Moment) -> Result<ToSign, Denial> {
        each!(self, call => call.to_sign(key, moment))
    }

    /// [`Call::assemble`].
    ///
    /// # Errors
    ///
    /// A [`Denial`] for a signature of another length, and for bytes that are not of this form.
    pub fn assemble(
        &self,
        moment: &Moment,
        signed: &ToSign,
        signature: &[u8],
    ) -> Result<Credential, Denial> {
        each!(self, call => call.assemble(moment, signed, signature))
    }
}
