//! What every AWS service does before it looks at a request: who calls, is the signature right, how errors look.

mod credentials;
mod error;
mod sigv4;

pub use self::credentials::{Caller, Credential, CredentialError};

pub(crate) use self::credentials::{Directory, Known, is_account};
pub(crate) use self::error::{ErrorType, ServiceError};
pub(crate) use self::sigv4::Verifier;
