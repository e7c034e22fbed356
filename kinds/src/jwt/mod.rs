//! To come.

use crate::{Call, Moment, SigningKeyInfo, ToSign};
use claviger_shared::{
    call::JwtInput,
    catalog::Catalog,
    credential::{Credential, Replay},
    denial::Denial,
    effect::{Effects, Kind},
    grant::Grant,
};

/// One call.
#[derive(Debug, Clone)]
pub struct JwtCall;

impl Call for JwtCall {
    const KIND: Kind = Kind::Jwt;
    type Input = JwtInput;

    fn parse(
        _input: &JwtInput,
        _idempotency_key: Option<&str>,
        _catalog: &Catalog,
        _grant: &Grant,
    ) -> Result<Self, Denial> {
        todo!()
    }

    fn effects(&self) -> &Effects {
        todo!()
    }

    fn replay(&self, _moment: &Moment) -> Replay {
        todo!()
    }

    fn canonical(&self) -> Vec<u8> {
        todo!()
    }

    fn to_sign(&self, _key: &SigningKeyInfo, _moment: &Moment) -> Result<ToSign, Denial> {
        todo!()
    }

    fn assemble(
        &self,
        _key: &SigningKeyInfo,
        _moment: &Moment,
        _signature: &[u8],
    ) -> Result<Credential, Denial> {
        todo!()
    }
}
