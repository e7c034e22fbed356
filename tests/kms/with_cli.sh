#!/bin/bash
# Stock `aws` against the mock KMS, as sim/README.md tells its reader. PYTHON is one that has awscli.
set -euo pipefail
aws() { "$PYTHON" -m awscli "$@"; }
export AWS_PROFILE=admin AWS_DEFAULT_REGION=us-east-1 AWS_PAGER="" AWS_EC2_METADATA_DISABLED=true
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

key=$(aws kms create-key --description cli --query KeyMetadata.KeyId --output text)
printf 'hello' > "$work/plain"
aws kms encrypt --key-id "$key" --plaintext "fileb://$work/plain" --encryption-context tenant=t1 \
  --query CiphertextBlob --output text | base64 -d > "$work/sealed"
opened=$(aws kms decrypt --ciphertext-blob "fileb://$work/sealed" --encryption-context tenant=t1 \
  --query Plaintext --output text | base64 -d)
[ "$opened" = hello ]

if aws kms decrypt --ciphertext-blob "fileb://$work/sealed" 2> "$work/error"; then exit 1; fi
grep -q InvalidCiphertextException "$work/error"
if AWS_PROFILE=parent aws kms describe-key --key-id "$key" 2> "$work/error"; then exit 1; fi
grep -q AccessDeniedException "$work/error"

openssl genrsa -out "$work/enclave.pem" 2048 2> /dev/null
openssl rsa -in "$work/enclave.pem" -pubout -out "$work/enclave.pub" 2> /dev/null
"$SIM" nsm document --dir "$KMS_DIR" --public-key "$work/enclave.pub" --out "$work/document"
aws kms decrypt --ciphertext-blob "fileb://$work/sealed" --encryption-context tenant=t1 \
  --recipient "KeyEncryptionAlgorithm=RSAES_OAEP_SHA_256,AttestationDocument@=fileb://$work/document" \
  --query CiphertextForRecipient --output text | base64 -d > "$work/envelope"
[ "$(openssl cms -decrypt -inform DER -in "$work/envelope" -inkey "$work/enclave.pem")" = hello ]
echo ok cli
