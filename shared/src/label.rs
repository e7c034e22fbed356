//! Every domain-separation label of Claviger, so that no two uses of one primitive can be confused.
//!
//! A label is never reused for a second purpose and never changed: a new meaning takes a new label.

/// PCR16 is extended with SHA-384(this ‖ exact bytes of g0).
pub const PCR_DEPLOYMENT: &[u8] = b"claviger/v1/pcr16-deployment\0";
/// PCR17 is extended with SHA-384(this ‖ exact bytes of the newest anchor manifest).
pub const PCR_ANCHOR: &[u8] = b"claviger/v1/pcr17-anchor\0";
/// `user_data` of a genesis document: SHA-256(this ‖ canonical CBOR).
pub const ATTEST_GENESIS: &[u8] = b"claviger/v1/attest-genesis\0";
/// `user_data` of a document for KMS: SHA-256(this ‖ canonical CBOR).
pub const ATTEST_KMS: &[u8] = b"claviger/v1/attest-kms\0";
/// `user_data` of a document that carries the channel key: SHA-256(this ‖ canonical CBOR).
pub const ATTEST_CHANNEL: &[u8] = b"claviger/v1/attest-channel\0";
/// HKDF info of a recipient's key-encryption key in the bundle.
pub const BUNDLE_KEK: &[u8] = b"claviger/v1/bundle-kek\0";
/// Prologue of the Noise handshake between agent and enclave.
pub const CHANNEL_PROLOGUE: &[u8] = b"claviger/v1/channel-prologue\0";
/// HKDF info: the Ed25519 seed of the log key.
pub const ROOT_LOG_KEY: &[u8] = b"claviger/v1/root/log-key\0";
/// HKDF info: the AEAD key that wraps signing keys at rest.
pub const ROOT_WRAP_KEY: &[u8] = b"claviger/v1/root/wrap-key\0";
/// HKDF info: the key of the per-grant input and idempotency digests.
pub const ROOT_INPUT_KEY: &[u8] = b"claviger/v1/root/input-key\0";
/// HKDF info: the key that authenticates snapshots.
pub const ROOT_SNAPSHOT_KEY: &[u8] = b"claviger/v1/root/snapshot-key\0";
/// HMAC input prefix: canonical input of a call, in a record.
pub const INPUT_DIGEST: &[u8] = b"claviger/v1/input\0";
/// HMAC input prefix: an idempotency key, in a record.
pub const IDEMPOTENCY_DIGEST: &[u8] = b"claviger/v1/idempotency\0";
/// HMAC input prefix: the bytes of a snapshot.
pub const SNAPSHOT_MAC: &[u8] = b"claviger/v1/snapshot\0";
/// AAD prefix of a wrapped signing key.
pub const WRAPPED_KEY: &[u8] = b"claviger/v1/wrapped-key\0";
/// Hash prefix: the head of a command chain before its first command.
pub const COMMAND_CHAIN: &[u8] = b"claviger/v1/command-chain\0";
/// Hash prefix of a Boot record's public identity (the boot hash of the channel prologue).
pub const BOOT_HASH: &[u8] = b"claviger/v1/boot\0";
/// Prologue prefix of a key sealed for one boot (key.import).
pub const IMPORT_PROLOGUE: &[u8] = b"claviger/v1/import\0";
/// SSHSIG namespace of manifests.
pub const NAMESPACE_MANIFEST: &str = "manifest@claviger";
/// SSHSIG namespace of commands.
pub const NAMESPACE_COMMAND: &str = "command@claviger";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_label_is_a_prefix_of_another() {
        let all = [
            PCR_DEPLOYMENT,
            PCR_ANCHOR,
            ATTEST_GENESIS,
            ATTEST_KMS,
            ATTEST_CHANNEL,
            BUNDLE_KEK,
            CHANNEL_PROLOGUE,
            ROOT_LOG_KEY,
            ROOT_WRAP_KEY,
            ROOT_INPUT_KEY,
            ROOT_SNAPSHOT_KEY,
            INPUT_DIGEST,
            IDEMPOTENCY_DIGEST,
            SNAPSHOT_MAC,
            WRAPPED_KEY,
            COMMAND_CHAIN,
            BOOT_HASH,
            IMPORT_PROLOGUE,
        ];
        for (i, a) in all.iter().enumerate() {
            assert_eq!(a.last(), Some(&0), "a label ends with a zero byte");
            for (j, b) in all.iter().enumerate() {
                assert!(i == j || !b.starts_with(a));
            }
        }
    }
}
