//! Errors as AWS answers them: a type, a status and a message.

use std::fmt;

/// The error types this simulation answers, named as AWS names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorType {
    AccessDenied,
    AlreadyExists,
    CustomKeyStoreNotFound,
    IncorrectKey,
    InvalidAliasName,
    InvalidArn,
    InvalidCiphertext,
    InvalidGrantId,
    InvalidMarker,
    LimitExceeded,
    Tag,
    Disabled,
    DryRunOperation,
    IncompleteSignature,
    InvalidGrantToken,
    InvalidKeyUsage,
    InvalidSignature,
    KmsInternal,
    KmsInvalidState,
    MalformedPolicyDocument,
    MissingAuthenticationToken,
    NotFound,
    RequestEntityTooLarge,
    Serialization,
    UnknownOperation,
    UnrecognizedClient,
    UnsupportedOperation,
    Validation,
}

impl ErrorType {
    /// The name on the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AccessDenied => "AccessDeniedException",
            Self::AlreadyExists => "AlreadyExistsException",
            Self::CustomKeyStoreNotFound => "CustomKeyStoreNotFoundException",
            Self::IncorrectKey => "IncorrectKeyException",
            Self::InvalidAliasName => "InvalidAliasNameException",
            Self::InvalidArn => "InvalidArnException",
            Self::InvalidCiphertext => "InvalidCiphertextException",
            Self::InvalidGrantId => "InvalidGrantIdException",
            Self::InvalidMarker => "InvalidMarkerException",
            Self::LimitExceeded => "LimitExceededException",
            Self::Tag => "TagException",
            Self::Disabled => "DisabledException",
            Self::DryRunOperation => "DryRunOperationException",
            Self::IncompleteSignature => "IncompleteSignatureException",
            Self::InvalidGrantToken => "InvalidGrantTokenException",
            Self::InvalidKeyUsage => "InvalidKeyUsageException",
            Self::InvalidSignature => "InvalidSignatureException",
            Self::KmsInternal => "KMSInternalException",
            Self::KmsInvalidState => "KMSInvalidStateException",
            Self::MalformedPolicyDocument => "MalformedPolicyDocumentException",
            Self::MissingAuthenticationToken => "MissingAuthenticationTokenException",
            Self::NotFound => "NotFoundException",
            Self::RequestEntityTooLarge => "RequestEntityTooLargeException",
            Self::Serialization => "SerializationException",
            Self::UnknownOperation => "UnknownOperationException",
            Self::UnrecognizedClient => "UnrecognizedClientException",
            Self::UnsupportedOperation => "UnsupportedOperationException",
            Self::Validation => "ValidationException",
        }
    }

    /// The HTTP status: KMS answers almost everything with 400.
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::KmsInternal => 500,
            Self::RequestEntityTooLarge => 413,
            Self::AccessDenied
            | Self::AlreadyExists
            | Self::CustomKeyStoreNotFound
            | Self::IncorrectKey
            | Self::InvalidAliasName
            | Self::InvalidArn
            | Self::InvalidCiphertext
            | Self::InvalidGrantId
            | Self::InvalidMarker
            | Self::LimitExceeded
            | Self::Tag
            | Self::Disabled
            | Self::DryRunOperation
            | Self::IncompleteSignature
            | Self::InvalidGrantToken
            | Self::InvalidKeyUsage
            | Self::InvalidSignature
            | Self::KmsInvalidState
            | Self::MalformedPolicyDocument
            | Self::MissingAuthenticationToken
            | Self::NotFound
            | Self::Serialization
            | Self::UnknownOperation
            | Self::UnrecognizedClient
            | Self::UnsupportedOperation
            | Self::Validation => 400,
        }
    }
}

/// A refusal with the words for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServiceError {
    pub(crate) kind: ErrorType,
    pub(crate) message: String,
}

impl ServiceError {
    pub(crate) fn new(kind: ErrorType, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new(ErrorType::Validation, message)
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.message)
    }
}
