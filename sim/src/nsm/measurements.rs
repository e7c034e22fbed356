//! What the hypervisor would measure of an image and of the instance that runs it.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::pcr::PCR_LEN;
use crate::hex;

/// The measurements a mock NSM boots with, in JSON as hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurements {
    /// The image.
    #[serde(serialize_with = "write", deserialize_with = "read")]
    pub pcr0: [u8; PCR_LEN],
    /// The kernel and the boot ramdisk.
    #[serde(serialize_with = "write", deserialize_with = "read")]
    pub pcr1: [u8; PCR_LEN],
    /// The application.
    #[serde(serialize_with = "write", deserialize_with = "read")]
    pub pcr2: [u8; PCR_LEN],
    /// ARN of the parent's IAM role, measured into PCR 3.
    pub role_arn: String,
    /// Id of the parent instance, measured into PCR 4.
    pub instance_id: String,
}

impl Measurements {
    /// What an enclave in debug mode attests: PCR 0, 1 and 2 are zero.
    pub fn debug(&self) -> Self {
        Self {
            pcr0: [0; PCR_LEN],
            pcr1: [0; PCR_LEN],
            pcr2: [0; PCR_LEN],
            ..self.clone()
        }
    }
}

fn write<S: Serializer>(pcr: &[u8; PCR_LEN], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(pcr))
}

fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; PCR_LEN], D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = hex::decode(&text).ok_or_else(|| D::Error::custom("not hexadecimal"))?;
    bytes
        .try_into()
        .map_err(|_| D::Error::custom("not 48 bytes"))
}
