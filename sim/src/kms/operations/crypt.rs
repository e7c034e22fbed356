//! Encrypt, Decrypt, ReEncrypt.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{Answer, blob, encryption_context};
use crate::aws::{ErrorType, ServiceError};
use crate::kms::call::{Call, Leave, refuse_dry_run};
use crate::kms::key::Key;
use crate::kms::material::{self, Material, SYMMETRIC};
use crate::kms::policy::Context;
use crate::kms::recipient::{Recipient, RecipientInfo, deliver};
use crate::kms::secret::{Blob, EncryptionContext};

/// Largest plaintext and largest ciphertext, in bytes.
// botocore kms/2014-11-01: PlaintextType max 4096, CiphertextType max 6144.
const MAX_PLAINTEXT: usize = 4096;
const MAX_CIPHERTEXT: usize = 6144;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Encrypt {
    key_id: String,
    plaintext: String,
    encryption_context: Option<EncryptionContext>,
    grant_tokens: Option<Vec<String>>,
    encryption_algorithm: Option<String>,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Decrypt {
    ciphertext_blob: String,
    encryption_context: Option<EncryptionContext>,
    grant_tokens: Option<Vec<String>>,
    key_id: Option<String>,
    encryption_algorithm: Option<String>,
    recipient: Option<RecipientInfo>,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReEncrypt {
    ciphertext_blob: String,
    source_encryption_context: Option<EncryptionContext>,
    source_key_id: Option<String>,
    destination_key_id: String,
    destination_encryption_context: Option<EncryptionContext>,
    source_encryption_algorithm: Option<String>,
    destination_encryption_algorithm: Option<String>,
    grant_tokens: Option<Vec<String>>,
    dry_run: Option<bool>,
}

/// One side of a request: a key that is known, how it is used, and what the policies are asked.
struct Side {
    key: Key,
    arn: String,
    algorithm: &'static str,
    encryption_context: EncryptionContext,
    context: Context,
}

pub(super) fn encrypt(call: &Call<'_>, request: Encrypt) -> Answer {
    call.check_grant_tokens(request.grant_tokens.as_deref())?;
    let plaintext = Zeroizing::new(blob("Plaintext", &request.plaintext, MAX_PLAINTEXT)?);
    let key = call.find(&request.key_id)?;
    let mut side = Side::new(
        call,
        key,
        request.encryption_algorithm.as_deref(),
        request.encryption_context,
    )?;
    side.name(&request.key_id);
    side.authorize(call, call.action)?;
    let sealed = side.seal(&plaintext)?;
    refuse_dry_run(request.dry_run)?;
    Ok(Some(json!({
        "CiphertextBlob": STANDARD.encode(sealed),
        "EncryptionAlgorithm": side.algorithm,
        "KeyId": side.arn,
    })))
}

pub(super) fn decrypt(call: &Call<'_>, request: Decrypt) -> Answer {
    call.check_grant_tokens(request.grant_tokens.as_deref())?;
    let ciphertext = blob("CiphertextBlob", &request.ciphertext_blob, MAX_CIPHERTEXT)?;
    let recipient = RecipientInfo::verify(request.recipient.as_ref(), call)?;
    let algorithm = request.encryption_algorithm.as_deref();
    let (key, named) = source(call, request.key_id.as_deref(), algorithm, &ciphertext)?;
    let mut side = Side::new(call, key, algorithm, request.encryption_context)?;
    side.name(named.as_deref().unwrap_or_default());
    if let Some(recipient) = &recipient {
        recipient.describe(&mut side.context);
    }
    side.authorize(call, call.action)?;
    let plaintext = side.open(&ciphertext)?;
    refuse_dry_run(request.dry_run)?;
    let mut answer = Map::new();
    answer.insert("EncryptionAlgorithm".to_owned(), side.algorithm.into());
    side.describe(recipient.as_ref(), &mut answer);
    deliver(
        call,
        recipient.as_ref(),
        "Plaintext",
        &plaintext,
        &mut answer,
    )?;
    Ok(Some(Value::Object(answer)))
}

pub(super) fn re_encrypt(call: &Call<'_>, request: ReEncrypt) -> Answer {
    call.check_grant_tokens(request.grant_tokens.as_deref())?;
    let ciphertext = blob("CiphertextBlob", &request.ciphertext_blob, MAX_CIPHERTEXT)?;
    let algorithm = request.source_encryption_algorithm.as_deref();
    let (key, named) = source(
        call,
        request.source_key_id.as_deref(),
        algorithm,
        &ciphertext,
    )?;
    let mut from = Side::new(call, key, algorithm, request.source_encryption_context)?;
    from.name(named.as_deref().unwrap_or_default());
    let mut to = Side::new(
        call,
        call.find(&request.destination_key_id)?,
        request.destination_encryption_algorithm.as_deref(),
        request.destination_encryption_context,
    )?;
    to.name(&request.destination_key_id);
    let on_same_key = (from.arn == to.arn).to_string();
    for (side, action) in [
        (&mut from, "kms:ReEncryptFrom"),
        (&mut to, "kms:ReEncryptTo"),
    ] {
        side.context
            .set("kms:ReEncryptOnSameKey", on_same_key.clone());
        side.authorize(call, action)?;
    }
    let plaintext = from.open(&ciphertext)?;
    let sealed = to.seal(&plaintext)?;
    refuse_dry_run(request.dry_run)?;
    let mut answer = json!({
        "CiphertextBlob": STANDARD.encode(sealed),
        "DestinationEncryptionAlgorithm": to.algorithm,
        "KeyId": to.arn,
        "SourceEncryptionAlgorithm": from.algorithm,
        "SourceKeyId": from.arn,
    });
    if let Value::Object(members) = &mut answer {
        for (name, side) in [("Source", &from), ("Destination", &to)] {
            if let Some(id) = side.key.material.material_id() {
                members.insert(format!("{name}KeyMaterialId"), id.into());
            }
        }
    }
    Ok(Some(answer))
}

/// The key of a ciphertext: the one that is named, which must be its own, or the one that a symmetric ciphertext names.
fn source(
    call: &Call<'_>,
    key_id: Option<&str>,
    algorithm: Option<&str>,
    ciphertext: &[u8],
) -> Result<(Key, Option<String>), ServiceError> {
    let Some(key_id) = key_id else {
        if algorithm.is_some_and(|algorithm| algorithm != SYMMETRIC) {
            return Err(ServiceError::validation(
                "KeyId is required when the ciphertext was encrypted under an asymmetric key.",
            ));
        }
        let blob = Blob::parse(ciphertext).ok_or_else(invalid)?;
        // The same words whether it is not there or not for this caller to know of.
        let key = call.find(blob.id).map_err(|_| {
            ServiceError::new(
                ErrorType::AccessDenied,
                "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.",
            )
        })?;
        return Ok((key, None));
    };
    let key = call.find(key_id)?;
    if let (Material::Symmetric(_), Some(blob)) = (&key.material, Blob::parse(ciphertext))
        && blob.id != key.id
    {
        return Err(ServiceError::new(
            ErrorType::IncorrectKey,
            "The key ID in the request does not identify a CMK that can perform this operation.",
        ));
    }
    Ok((key, Some(key_id.to_owned())))
}

impl Side {
    fn new(
        call: &Call<'_>,
        key: Key,
        algorithm: Option<&str>,
        given: Option<EncryptionContext>,
    ) -> Result<Self, ServiceError> {
        let arn = call.service.arn(&key);
        let known = key.material.encryption_algorithms();
        let algorithm = known
            .iter()
            .find(|known| **known == algorithm.unwrap_or(SYMMETRIC));
        let algorithm = *algorithm.ok_or_else(|| {
            let message = if known.is_empty() {
                let usage = key.material.spec().usage();
                format!("{arn} key usage is {usage} which is not valid for this operation.")
            } else {
                format!("The encryption algorithm is not one of {arn}.")
            };
            ServiceError::new(ErrorType::InvalidKeyUsage, message)
        })?;
        let mut context = call.context(Some(&key));
        context.set("kms:EncryptionAlgorithm", algorithm);
        let encryption_context = encryption_context(given, &mut context)?;
        if algorithm != SYMMETRIC && !encryption_context.is_empty() {
            return Err(ServiceError::validation(
                "EncryptionContext is for symmetric keys only.",
            ));
        }
        Ok(Self {
            key,
            arn,
            algorithm,
            encryption_context,
            context,
        })
    }

    /// Notes the alias by which the request names the key, if it does.
    fn name(&mut self, key_id: &str) {
        if let Some(at) = key_id.find("alias/") {
            let (_, alias) = key_id.split_at(at);
            self.context.set("kms:RequestAlias", alias);
        }
    }

    fn authorize(&self, call: &Call<'_>, action: &str) -> Result<(), ServiceError> {
        call.authorize(&Leave {
            action,
            key: Some(&self.key),
            context: self.context.clone(),
            encryption_context: &self.encryption_context,
        })?;
        self.key.check_usable(&self.arn)
    }

    fn seal(&self, plaintext: &[u8]) -> Result<Vec<u8>, ServiceError> {
        match &self.key.material {
            Material::Symmetric(secret) => secret
                .seal(&self.key.id, &self.encryption_context, plaintext)
                .ok_or_else(material::internal),
            Material::Rsa(_, key) => material::oaep_encrypt(key, self.algorithm, plaintext),
            Material::Agreement(..) => Err(material::internal()),
        }
    }

    fn open(&self, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, ServiceError> {
        let opened = match &self.key.material {
            Material::Symmetric(secret) => Blob::parse(ciphertext)
                .and_then(|blob| secret.open(&blob, &self.encryption_context)),
            Material::Rsa(_, key) => material::oaep_decrypt(key, self.algorithm, ciphertext),
            Material::Agreement(..) => None,
        };
        opened.ok_or_else(invalid)
    }

    /// Says which key it was; which material only where nobody is attested, as AWS does.
    fn describe(&self, recipient: Option<&Recipient>, answer: &mut Map<String, Value>) {
        answer.insert("KeyId".to_owned(), self.arn.clone().into());
        if let (None, Some(id)) = (recipient, self.key.material.material_id()) {
            answer.insert("KeyMaterialId".to_owned(), id.into());
        }
    }
}

fn invalid() -> ServiceError {
    ServiceError::new(ErrorType::InvalidCiphertext, "The ciphertext is invalid.")
}
