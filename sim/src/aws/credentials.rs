//! Who may call: access keys, and the principal each stands for.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::hex;
use crate::kms::policy::Policy;

/// An access key of the simulated account.
///
/// Having one lets a client sign requests as [`Credential::principal`]. The secret is zeroed on drop and never printed.
pub struct Credential {
    access_key_id: String,
    secret_access_key: Zeroizing<String>,
    session_token: Option<String>,
    principal: String,
    identity_policy: Option<String>,
}

/// Why a set of credentials cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// Two credentials have the same access key id.
    #[error("an access key id is there twice")]
    Duplicate,
    /// The identity policy is not one.
    #[error("an identity policy is malformed: {0}")]
    IdentityPolicy(&'static str),
    /// The principal is not an ARN of a user, a role, a role session or an account root.
    #[error("`{0}` is not the ARN of a principal")]
    Principal(String),
    /// The machine gave no random bytes.
    #[error("no random bytes")]
    Randomness,
}

impl Credential {
    /// An access key for a principal: a user, role, role session or account root ARN.
    pub fn new(access_key_id: &str, secret_access_key: &str, principal: &str) -> Self {
        Self {
            access_key_id: access_key_id.to_owned(),
            secret_access_key: Zeroizing::new(secret_access_key.to_owned()),
            session_token: None,
            principal: principal.to_owned(),
            identity_policy: None,
        }
    }

    /// A random access key for a principal.
    ///
    /// # Errors
    ///
    /// [`CredentialError::Randomness`] if the machine gives no random bytes.
    pub fn generate(principal: &str) -> Result<Self, CredentialError> {
        let (mut id, mut secret) = ([0; 8], Zeroizing::new([0; 30]));
        rand::fill(&mut id).map_err(|_| CredentialError::Randomness)?;
        rand::fill(&mut secret[..]).map_err(|_| CredentialError::Randomness)?;
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(&secret[..]));
        Ok(Self::new(
            &format!("AKIA{}", hex::encode(&id).to_ascii_uppercase()),
            &secret,
            principal,
        ))
    }

    /// The same, valid only together with a session token.
    #[must_use]
    pub fn with_session_token(mut self, token: &str) -> Self {
        self.session_token = Some(token.to_owned());
        self
    }

    /// The same, with an IAM policy of the principal's own (JSON), as a key policy that delegates to the account needs.
    #[must_use]
    pub fn with_identity_policy(mut self, policy: &str) -> Self {
        self.identity_policy = Some(policy.to_owned());
        self
    }

    /// The public half, safe to print.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// The one door to the secret half.
    pub fn expose(&self) -> &str {
        &self.secret_access_key
    }

    /// The session token, if the key needs one.
    pub fn session_token(&self) -> Option<&str> {
        self.session_token.as_deref()
    }

    /// ARN of the principal.
    pub fn principal(&self) -> &str {
        &self.principal
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("access_key_id", &self.access_key_id)
            .field("principal", &self.principal)
            .finish_non_exhaustive()
    }
}

/// The principal behind an authenticated request, in the forms policies name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The ARN that signed: of a session, for an assumed role.
    pub arn: String,
    /// `aws:PrincipalArn`: the role's ARN, for a session of it.
    pub principal_arn: String,
    /// The account.
    pub account: String,
    /// Whether it is the account's root user.
    pub is_root: bool,
}

impl Caller {
    /// Reads an ARN: `arn:aws:iam::ACCOUNT:root`, `…:user/…`, `…:role/…` or `arn:aws:sts::ACCOUNT:assumed-role/R/S`.
    pub(crate) fn parse(arn: &str) -> Option<Self> {
        let rest = arn.strip_prefix("arn:aws:")?;
        let (service, rest) = rest.split_once("::")?;
        let (account, resource) = rest.split_once(':')?;
        if !is_account(account) {
            return None;
        }
        let (kind, name) = resource.split_once('/').unwrap_or((resource, ""));
        let plausible = !name.is_empty() && !name.contains(['*', '?', ':']);
        let principal_arn = match (service, kind) {
            ("iam", "root") if name.is_empty() => arn.to_owned(),
            ("iam", "user" | "role") if plausible => arn.to_owned(),
            ("sts", "assumed-role") if plausible => {
                let (role, _) = name
                    .split_once('/')
                    .filter(|(role, session)| !role.is_empty() && !session.is_empty())?;
                format!("arn:aws:iam::{account}:role/{role}")
            }
            _ => return None,
        };
        Some(Self {
            arn: arn.to_owned(),
            principal_arn,
            account: account.to_owned(),
            is_root: kind == "root",
        })
    }
}

/// Whether a text is an account id: twelve digits.
pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The credentials of a service, by access key id.
#[derive(Debug)]
pub(crate) struct Directory(BTreeMap<String, Known>);

/// A credential whose principal and policy were understood.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) credential: Credential,
    pub(crate) caller: Caller,
    pub(crate) identity_policy: Option<Policy>,
}

impl Directory {
    pub(crate) fn new(credentials: Vec<Credential>) -> Result<Self, CredentialError> {
        let mut known = BTreeMap::new();
        for credential in credentials {
            let caller = Caller::parse(&credential.principal)
                .ok_or_else(|| CredentialError::Principal(credential.principal.clone()))?;
            let identity_policy = credential
                .identity_policy
                .as_deref()
                .map(Policy::of_identity)
                .transpose()
                .map_err(|malformed| CredentialError::IdentityPolicy(malformed.0))?;
            let id = credential.access_key_id.clone();
            if known
                .insert(
                    id,
                    Known {
                        credential,
                        caller,
                        identity_policy,
                    },
                )
                .is_some()
            {
                return Err(CredentialError::Duplicate);
            }
        }
        Ok(Self(known))
    }

    pub(crate) fn find(&self, access_key_id: &str) -> Option<&Known> {
        self.0.get(access_key_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_known_by_its_role() {
        let session = Caller::parse("arn:aws:sts::000000000000:assumed-role/host/i-0").unwrap();
        assert_eq!(session.principal_arn, "arn:aws:iam::000000000000:role/host");
        assert_eq!(session.account, "000000000000");
        assert!(
            !session.is_root
                && Caller::parse("arn:aws:iam::000000000000:root")
                    .unwrap()
                    .is_root
        );
    }

    #[test]
    fn what_is_no_principal_is_refused() {
        for arn in [
            "",
            "*",
            "000000000000",
            "arn:aws:iam::000000000000:role/",
            "arn:aws:iam::000000000000:role/*",
            "arn:aws:iam::00000000000:role/a",
            "arn:aws:iam::000000000000:root/a",
            "arn:aws:iam::000000000000:group/a",
            "arn:aws:sts::000000000000:assumed-role/a",
            "arn:aws:kms:us-east-1:000000000000:key/a",
        ] {
            assert_eq!(Caller::parse(arn), None, "{arn}");
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        let credential = Credential::new("AKIA1", "hush", "arn:aws:iam::000000000000:root")
            .with_session_token("token");
        let printed = format!("{credential:?}");
        assert!(
            !printed.contains("hush") && !printed.contains("token"),
            "{printed}"
        );
    }
}
