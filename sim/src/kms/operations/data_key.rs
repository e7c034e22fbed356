//! GenerateDataKey and its kin, GenerateRandom: new secrets, in the clear, sealed, or to an attested recipient.

use std::sync::Arc;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{Answer, encryption_context};
use crate::aws::{ErrorType, ServiceError};
use crate::kms::call::{Call, Leave, refuse_dry_run};
use crate::kms::key::Key;
use crate::kms::material::{self, Material, Spec};
use crate::kms::recipient::{Recipient, RecipientInfo, deliver};
use crate::kms::secret::{EncryptionContext, SymmetricKey};

/// Most bytes of a data key and of a random text.
// botocore kms/2014-11-01: NumberOfBytesType, 1 to 1024.
const MAX_BYTES: usize = 1024;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GenerateDataKey {
    #[serde(flatten)]
    under: Under,
    number_of_bytes: Option<usize>,
    key_spec: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GenerateDataKeyPair {
    #[serde(flatten)]
    under: Under,
    key_pair_spec: String,
}

/// What all of them take: the key that seals, and for whom.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Under {
    key_id: String,
    encryption_context: Option<EncryptionContext>,
    grant_tokens: Option<Vec<String>>,
    recipient: Option<RecipientInfo>,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GenerateRandom {
    number_of_bytes: Option<usize>,
    custom_key_store_id: Option<String>,
    recipient: Option<RecipientInfo>,
}

/// A key that may seal what is made now.
struct Sealer {
    key: Key,
    arn: String,
    secret: Arc<SymmetricKey>,
    encryption_context: EncryptionContext,
    recipient: Option<Recipient>,
}

pub(super) fn generate_data_key(call: &Call<'_>, request: GenerateDataKey) -> Answer {
    data_key(call, request, true)
}

pub(super) fn generate_data_key_without_plaintext(
    call: &Call<'_>,
    request: GenerateDataKey,
) -> Answer {
    data_key(call, request, false)
}

fn data_key(call: &Call<'_>, request: GenerateDataKey, with_plaintext: bool) -> Answer {
    let length = match (request.key_spec.as_deref(), request.number_of_bytes) {
        (Some("AES_256"), None) => 32,
        (Some("AES_128"), None) => 16,
        (None, Some(length @ 1..=MAX_BYTES)) => length,
        (None, Some(_)) => {
            return Err(ServiceError::validation("NumberOfBytes must be 1 to 1024."));
        }
        (Some(_), None) => {
            return Err(ServiceError::validation(
                "KeySpec must be AES_256 or AES_128.",
            ));
        }
        (None, None) | (Some(_), Some(_)) => {
            return Err(ServiceError::validation(
                "Please specify either number of bytes or key spec.",
            ));
        }
    };
    let dry_run = request.under.dry_run;
    let sealer = Sealer::new(call, request.under, with_plaintext, None)?;
    refuse_dry_run(dry_run)?;
    let plaintext = random(length)?;
    let mut answer = sealer.answer("CiphertextBlob", &plaintext)?;
    if with_plaintext {
        sealer.deliver(call, "Plaintext", &plaintext, &mut answer)?;
    }
    Ok(Some(Value::Object(answer)))
}

pub(super) fn generate_data_key_pair(call: &Call<'_>, request: GenerateDataKeyPair) -> Answer {
    data_key_pair(call, request, true)
}

pub(super) fn generate_data_key_pair_without_plaintext(
    call: &Call<'_>,
    request: GenerateDataKeyPair,
) -> Answer {
    data_key_pair(call, request, false)
}

fn data_key_pair(call: &Call<'_>, request: GenerateDataKeyPair, with_plaintext: bool) -> Answer {
    let spec = Spec::parse(&request.key_pair_spec).filter(|spec| *spec != Spec::Symmetric);
    let spec = spec.ok_or_else(|| {
        ServiceError::new(
            ErrorType::UnsupportedOperation,
            "This simulation makes pairs of RSA and of the NIST curves P-256, P-384 and P-521 only.",
        )
    })?;
    let dry_run = request.under.dry_run;
    let sealer = Sealer::new(call, request.under, with_plaintext, Some(spec))?;
    refuse_dry_run(dry_run)?;
    let pair = Material::generate(spec)?;
    let private = pair.to_bytes()?;
    let mut answer = sealer.answer("PrivateKeyCiphertextBlob", &private)?;
    answer.insert("KeyPairSpec".to_owned(), spec.name().into());
    answer.insert(
        "PublicKey".to_owned(),
        STANDARD.encode(pair.public_key()?).into(),
    );
    if with_plaintext {
        sealer.deliver(call, "PrivateKeyPlaintext", &private, &mut answer)?;
    }
    Ok(Some(Value::Object(answer)))
}

pub(super) fn generate_random(call: &Call<'_>, request: GenerateRandom) -> Answer {
    if request.custom_key_store_id.is_some() {
        return Err(ServiceError::new(
            ErrorType::CustomKeyStoreNotFound,
            "This simulation has no custom key stores.",
        ));
    }
    let length = request
        .number_of_bytes
        .filter(|length| (1..=MAX_BYTES).contains(length))
        .ok_or_else(|| ServiceError::validation("NumberOfBytes must be 1 to 1024."))?;
    let recipient = RecipientInfo::verify(request.recipient.as_ref(), call)?;
    let mut context = call.context(None);
    if let Some(recipient) = &recipient {
        recipient.describe(&mut context);
    }
    call.authorize(&Leave {
        action: call.action,
        key: None,
        context,
        encryption_context: &EncryptionContext::new(),
    })?;
    let mut answer = Map::new();
    let bytes = random(length)?;
    deliver(call, recipient.as_ref(), "Plaintext", &bytes, &mut answer)?;
    Ok(Some(Value::Object(answer)))
}

fn random(length: usize) -> Result<Zeroizing<Vec<u8>>, ServiceError> {
    let mut bytes = Zeroizing::new(vec![0; length]);
    rand::fill(&mut bytes[..]).map_err(|_| material::internal())?;
    Ok(bytes)
}

impl Sealer {
    fn new(
        call: &Call<'_>,
        under: Under,
        may_have_recipient: bool,
        pair: Option<Spec>,
    ) -> Result<Self, ServiceError> {
        call.check_grant_tokens(under.grant_tokens.as_deref())?;
        let key = call.find(&under.key_id)?;
        let arn = call.service.arn(&key);
        // AWS passes over members that an operation does not have.
        let info = under.recipient.filter(|_| may_have_recipient);
        let recipient = RecipientInfo::verify(info.as_ref(), call)?;
        let mut context = call.context(Some(&key));
        let encryption_context = encryption_context(under.encryption_context, &mut context)?;
        context.set("kms:EncryptionAlgorithm", material::SYMMETRIC);
        if let Some(spec) = pair {
            context.set("kms:DataKeyPairSpec", spec.name());
        }
        if let Some(recipient) = &recipient {
            recipient.describe(&mut context);
        }
        call.authorize(&Leave {
            action: call.action,
            key: Some(&key),
            context,
            encryption_context: &encryption_context,
        })?;
        key.check_usable(&arn)?;
        let Material::Symmetric(secret) = &key.material else {
            return Err(ServiceError::new(
                ErrorType::InvalidKeyUsage,
                format!("{arn} is not a symmetric encryption key."),
            ));
        };
        Ok(Self {
            secret: Arc::clone(secret),
            key,
            arn,
            encryption_context,
            recipient,
        })
    }

    /// The sealed copy under its name, and which key sealed it.
    fn answer(&self, name: &str, plaintext: &[u8]) -> Result<Map<String, Value>, ServiceError> {
        let sealed = self
            .secret
            .seal(&self.key.id, &self.encryption_context, plaintext)
            .ok_or_else(material::internal)?;
        let mut answer = Map::new();
        answer.insert(name.to_owned(), STANDARD.encode(sealed).into());
        answer.insert("KeyId".to_owned(), self.arn.clone().into());
        if let (None, Some(id)) = (&self.recipient, self.key.material.material_id()) {
            answer.insert("KeyMaterialId".to_owned(), id.into());
        }
        Ok(answer)
    }

    fn deliver(
        &self,
        call: &Call<'_>,
        name: &str,
        plaintext: &[u8],
        answer: &mut Map<String, Value>,
    ) -> Result<(), ServiceError> {
        deliver(call, self.recipient.as_ref(), name, plaintext, answer)
    }
}
