"""Stock boto3 against the mock KMS: what works, and what is refused with which code."""

import json
import os
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from desk import ADMIN, PARENT, ROOT, Enclave, client, denied, policy, statement

admin, parent, root = client("admin"), client("parent"), client("root")
CONTEXT = {"tenant": "t1", "purpose": "test"}


def key(who=admin, **members):
    """A new key's id."""
    return who.create_key(**members)["KeyMetadata"]["KeyId"]


def encryption():
    """Encrypt and Decrypt are bound to key and context; a blob names its key."""
    one, other = key(), key()
    sealed = admin.encrypt(KeyId=one, Plaintext=b"text", EncryptionContext=CONTEXT)
    assert sealed["EncryptionAlgorithm"] == "SYMMETRIC_DEFAULT" and sealed["KeyId"].endswith(one)
    blob = sealed["CiphertextBlob"]
    assert b"text" not in blob
    again = admin.encrypt(KeyId=one, Plaintext=b"text", EncryptionContext=CONTEXT)["CiphertextBlob"]
    assert blob != again
    opened = admin.decrypt(CiphertextBlob=blob, EncryptionContext=CONTEXT)
    assert opened["Plaintext"] == b"text" and opened["KeyId"] == sealed["KeyId"]
    assert len(opened["KeyMaterialId"]) == 64
    assert admin.decrypt(CiphertextBlob=blob, EncryptionContext=CONTEXT, KeyId=one)["Plaintext"] == b"text"
    denied("IncorrectKeyException", admin.decrypt, CiphertextBlob=blob, EncryptionContext=CONTEXT, KeyId=other)
    for context in ({}, {"tenant": "t1"}, {**CONTEXT, "tenant": "T1"}, {**CONTEXT, "more": ""}):
        denied("InvalidCiphertextException", admin.decrypt, CiphertextBlob=blob, EncryptionContext=context)
    # The version, the key's id, the nonce, the tag.
    for at in (0, 5, 40, len(blob) - 1):
        bent = bytearray(blob)
        bent[at] ^= 1
        code = "AccessDeniedException" if at == 5 else "InvalidCiphertextException"
        denied(code, admin.decrypt, CiphertextBlob=bytes(bent), EncryptionContext=CONTEXT)
    denied("InvalidCiphertextException", admin.decrypt, CiphertextBlob=b"\x01")
    denied("ValidationException", admin.encrypt, KeyId=one, Plaintext=b"x" * 4097)
    denied("NotFoundException", admin.encrypt, KeyId=key_that_is_not(), Plaintext=b"x")
    denied("InvalidKeyUsageException", admin.encrypt, KeyId=one, Plaintext=b"x", EncryptionAlgorithm="RSAES_OAEP_SHA_1")
    denied("DryRunOperationException", admin.encrypt, KeyId=one, Plaintext=b"x", DryRun=True)
    denied("DryRunOperationException", admin.decrypt, CiphertextBlob=blob, EncryptionContext=CONTEXT, DryRun=True)


def key_that_is_not():
    """A well-formed id of no key."""
    return "00000000-0000-4000-8000-000000000000"


def rsa_keys():
    """What the public half encrypts anywhere, the key decrypts, and the other way round."""
    one = key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    shown = admin.get_public_key(KeyId=one)
    assert shown["EncryptionAlgorithms"] == ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"]
    public = load_der_public_key(shown["PublicKey"])
    for name, digest in (("RSAES_OAEP_SHA_1", hashes.SHA1()), ("RSAES_OAEP_SHA_256", hashes.SHA256())):
        sealed = public.encrypt(b"from outside", padding.OAEP(padding.MGF1(digest), digest, None))
        asked = {"KeyId": one, "EncryptionAlgorithm": name}
        assert admin.decrypt(CiphertextBlob=sealed, **asked)["Plaintext"] == b"from outside"
        sealed = admin.encrypt(Plaintext=b"from inside", **asked)["CiphertextBlob"]
        assert admin.decrypt(CiphertextBlob=sealed, **asked)["Plaintext"] == b"from inside"
        denied("InvalidCiphertextException", admin.decrypt, CiphertextBlob=sealed[:-1] + b"\0", **asked)
    denied("ValidationException", admin.decrypt, CiphertextBlob=sealed, EncryptionAlgorithm="RSAES_OAEP_SHA_256")
    denied("InvalidKeyUsageException", admin.encrypt, KeyId=one, Plaintext=b"x")
    denied("InvalidKeyUsageException", admin.generate_data_key, KeyId=one, KeySpec="AES_256")
    denied(
        "ValidationException",
        admin.encrypt,
        KeyId=one,
        Plaintext=b"x" * 191,
        EncryptionAlgorithm="RSAES_OAEP_SHA_256",
    )
    denied("UnsupportedOperationException", admin.get_public_key, KeyId=key())
    denied("InvalidKeyUsageException", admin.encrypt, KeyId=agreement(), Plaintext=b"x")


def agreement():
    """A key of agreement on P-256."""
    return key(KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT")


def data_keys():
    """Data keys, pairs of them, and the forms without plaintext."""
    one = key()
    made = admin.generate_data_key(KeyId=one, KeySpec="AES_256", EncryptionContext=CONTEXT)
    assert len(made["Plaintext"]) == 32
    opened = admin.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext=CONTEXT)
    assert opened["Plaintext"] == made["Plaintext"]
    denied("InvalidCiphertextException", admin.decrypt, CiphertextBlob=made["CiphertextBlob"])
    assert len(admin.generate_data_key(KeyId=one, KeySpec="AES_128")["Plaintext"]) == 16
    assert len(admin.generate_data_key(KeyId=one, NumberOfBytes=1024)["Plaintext"]) == 1024
    denied("ValidationException", admin.generate_data_key, KeyId=one)
    denied("ValidationException", admin.generate_data_key, KeyId=one, KeySpec="AES_256", NumberOfBytes=32)
    bare = admin.generate_data_key_without_plaintext(KeyId=one, KeySpec="AES_256")
    assert "Plaintext" not in bare and len(admin.decrypt(CiphertextBlob=bare["CiphertextBlob"])["Plaintext"]) == 32

    for spec, kind in (("ECC_NIST_P384", ec.EllipticCurvePrivateKey), ("RSA_2048", rsa.RSAPrivateKey)):
        pair = admin.generate_data_key_pair(KeyId=one, KeyPairSpec=spec)
        private = load_der_private_key(pair["PrivateKeyPlaintext"], None)
        assert isinstance(private, kind) and pair["KeyPairSpec"] == spec
        spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        assert spki == pair["PublicKey"]
        opened = admin.decrypt(CiphertextBlob=pair["PrivateKeyCiphertextBlob"])["Plaintext"]
        assert opened == pair["PrivateKeyPlaintext"]
    bare = admin.generate_data_key_pair_without_plaintext(KeyId=one, KeyPairSpec="ECC_NIST_P256")
    assert "PrivateKeyPlaintext" not in bare and bare["PublicKey"]
    denied("UnsupportedOperationException", admin.generate_data_key_pair, KeyId=one, KeyPairSpec="SM2")

    made = {admin.generate_random(NumberOfBytes=32)["Plaintext"] for _ in range(4)}
    assert len(made) == 4 and all(len(one) == 32 for one in made)
    denied("ValidationException", admin.generate_random)
    denied("AccessDeniedException", parent.generate_random, NumberOfBytes=8)


def re_encryption():
    """From one key and context to another, without the caller seeing the text; each side asks its own leave."""
    one = key(Policy=policy(statement("Allow", PARENT, "kms:ReEncryptFrom")))
    other = key(Policy=policy(statement("Allow", PARENT, "kms:ReEncryptTo")))
    blob = admin.encrypt(KeyId=one, Plaintext=b"text", EncryptionContext=CONTEXT)["CiphertextBlob"]
    asked = {"CiphertextBlob": blob, "SourceEncryptionContext": CONTEXT}
    moved = parent.re_encrypt(DestinationKeyId=other, DestinationEncryptionContext={"a": "b"}, **asked)
    assert moved["SourceKeyId"].endswith(one) and moved["KeyId"].endswith(other)
    opened = admin.decrypt(CiphertextBlob=moved["CiphertextBlob"], EncryptionContext={"a": "b"})
    assert opened["Plaintext"] == b"text" and opened["KeyId"].endswith(other)
    denied("AccessDeniedException", parent.re_encrypt, DestinationKeyId=one, **asked)
    denied("AccessDeniedException", parent.decrypt, CiphertextBlob=blob, EncryptionContext=CONTEXT)
    denied("InvalidCiphertextException", admin.re_encrypt, DestinationKeyId=other, CiphertextBlob=blob)
    denied("IncorrectKeyException", admin.re_encrypt, DestinationKeyId=other, SourceKeyId=other, **asked)


def policies():
    """Conditions on the context; an explicit deny beats every allow; a policy must not lock its author out."""
    only = {"StringEquals": {"kms:EncryptionContext:tenant": "t1"}}
    one = key(Policy=policy(statement("Allow", PARENT, ["kms:Encrypt", "kms:Decrypt"], only)))
    blob = parent.encrypt(KeyId=one, Plaintext=b"x", EncryptionContext=CONTEXT)["CiphertextBlob"]
    assert parent.decrypt(CiphertextBlob=blob, EncryptionContext=CONTEXT)["Plaintext"] == b"x"
    denied("AccessDeniedException", parent.encrypt, KeyId=one, Plaintext=b"x")
    denied("AccessDeniedException", parent.encrypt, KeyId=one, Plaintext=b"x", EncryptionContext={"tenant": "t2"})
    denied("AccessDeniedException", parent.generate_data_key, KeyId=one, KeySpec="AES_256", EncryptionContext=CONTEXT)
    keys_only = {"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["tenant"]}}
    admin.put_key_policy(KeyId=one, Policy=policy(statement("Allow", PARENT, "kms:Encrypt", keys_only)))
    parent.encrypt(KeyId=one, Plaintext=b"x", EncryptionContext={"tenant": "any"})
    denied("AccessDeniedException", parent.encrypt, KeyId=one, Plaintext=b"x", EncryptionContext=CONTEXT)
    forbid = policy(statement("Allow", PARENT, "kms:*"), statement("Deny", "*", "kms:Encrypt"))
    admin.put_key_policy(KeyId=one, Policy=forbid)
    for who in (admin, parent, root):
        denied("AccessDeniedException", who.encrypt, KeyId=one, Plaintext=b"x")
    assert json.loads(admin.get_key_policy(KeyId=one)["Policy"]) == json.loads(forbid)
    assert admin.list_key_policies(KeyId=one)["PolicyNames"] == ["default"]
    lockout = json.dumps({"Statement": [statement("Allow", PARENT, "kms:*")]})
    denied("MalformedPolicyDocumentException", admin.put_key_policy, KeyId=one, Policy=lockout)
    denied("MalformedPolicyDocumentException", admin.put_key_policy, KeyId=one, Policy="{}")
    denied("AccessDeniedException", parent.create_key)


def grants():
    """A grant lets its grantee do its operations under its constraint; denies beat it; it ends."""
    one = key()
    terms = {"KeyId": one, "GranteePrincipal": PARENT, "Operations": ["Encrypt", "Decrypt", "CreateGrant"]}
    subset = {"EncryptionContextSubset": {"tenant": "t1"}}
    denied("AccessDeniedException", parent.encrypt, KeyId=one, Plaintext=b"x", EncryptionContext=CONTEXT)
    made = admin.create_grant(Constraints=subset, RetiringPrincipal=PARENT, Name="n1", **terms)
    same = admin.create_grant(Constraints=subset, RetiringPrincipal=PARENT, Name="n1", **terms)
    assert made["GrantId"] == same["GrantId"]
    blob = parent.encrypt(KeyId=one, Plaintext=b"x", EncryptionContext=CONTEXT, GrantTokens=[made["GrantToken"]])
    assert parent.decrypt(CiphertextBlob=blob["CiphertextBlob"], EncryptionContext=CONTEXT)["Plaintext"] == b"x"
    denied("AccessDeniedException", parent.encrypt, KeyId=one, Plaintext=b"x")
    denied("AccessDeniedException", parent.describe_key, KeyId=one)
    denied("InvalidGrantTokenException", parent.encrypt, KeyId=one, Plaintext=b"x", GrantTokens=["bogus"])
    # A grantee hands on no more than it has.
    narrower = {"EncryptionContextEquals": {"tenant": "t1", "purpose": "p"}}
    handed = {"KeyId": one, "GranteePrincipal": ADMIN, "Operations": ["Encrypt"]}
    parent.create_grant(Constraints=narrower, **handed)
    denied("AccessDeniedException", parent.create_grant, **handed)
    denied("AccessDeniedException", parent.create_grant, Constraints=subset, **{**handed, "Operations": ["DescribeKey"]})

    listed = admin.list_grants(KeyId=one, Limit=1)
    assert len(listed["Grants"]) == 1 and listed["Truncated"]
    rest = admin.list_grants(KeyId=one, Limit=1, Marker=listed["NextMarker"])
    assert len(rest["Grants"]) == 1 and not rest["Truncated"]
    denied("InvalidMarkerException", admin.list_grants, KeyId=one, Marker="bogus")
    mine = admin.list_grants(KeyId=one, GranteePrincipal=PARENT)["Grants"]
    assert [grant["GrantId"] for grant in mine] == [made["GrantId"]] and mine[0]["Constraints"] == subset
    assert sorted(mine[0]["Operations"]) == sorted(terms["Operations"]) and mine[0]["Name"] == "n1"
    retirable = parent.list_retirable_grants(RetiringPrincipal=PARENT)["Grants"]
    assert made["GrantId"] in [grant["GrantId"] for grant in retirable]

    # An explicit deny beats the grant.
    admin.put_key_policy(KeyId=one, Policy=policy(statement("Deny", PARENT, "kms:Encrypt")))
    denied("AccessDeniedException", parent.encrypt, KeyId=one, Plaintext=b"x", EncryptionContext=CONTEXT)
    admin.put_key_policy(KeyId=one, Policy=policy())
    parent.encrypt(KeyId=one, Plaintext=b"x", EncryptionContext=CONTEXT)

    parent.retire_grant(GrantToken=made["GrantToken"])
    denied("AccessDeniedException", parent.encrypt, KeyId=one, Plaintext=b"x", EncryptionContext=CONTEXT)
    made = admin.create_grant(**terms)
    parent.encrypt(KeyId=one, Plaintext=b"x")
    denied("AccessDeniedException", parent.retire_grant, KeyId=one, GrantId=made["GrantId"])
    denied("AccessDeniedException", parent.revoke_grant, KeyId=one, GrantId=made["GrantId"])
    admin.revoke_grant(KeyId=one, GrantId=made["GrantId"])
    denied("AccessDeniedException", parent.encrypt, KeyId=one, Plaintext=b"x")
    denied("NotFoundException", admin.revoke_grant, KeyId=one, GrantId=made["GrantId"])
    denied("InvalidGrantIdException", admin.revoke_grant, KeyId=one, GrantId="bogus")
    denied("InvalidArnException", admin.create_grant, **{**terms, "GranteePrincipal": "nobody"})
    denied("ValidationException", admin.create_grant, **{**terms, "Operations": ["DeriveSharedSecret"]})


def regions():
    """A multi-Region key is the same key elsewhere, under a policy of its own."""
    west = client("admin", "us-west-2")
    one = key(MultiRegion=True)
    assert one.startswith("mrk-")
    blob = admin.encrypt(KeyId=one, Plaintext=b"x")["CiphertextBlob"]
    denied("NotFoundException", west.describe_key, KeyId=one)
    denied("AccessDeniedException", west.decrypt, CiphertextBlob=blob)
    made = admin.replicate_key(KeyId=one, ReplicaRegion="us-west-2", Description="west")
    shown = made["ReplicaKeyMetadata"]
    assert shown["MultiRegionConfiguration"]["MultiRegionKeyType"] == "REPLICA" and ":us-west-2:" in shown["Arn"]
    configuration = admin.describe_key(KeyId=one)["KeyMetadata"]["MultiRegionConfiguration"]
    assert configuration["MultiRegionKeyType"] == "PRIMARY"
    assert [replica["Region"] for replica in configuration["ReplicaKeys"]] == ["us-west-2"]
    opened = west.decrypt(CiphertextBlob=blob)
    assert opened["Plaintext"] == b"x" and ":us-west-2:" in opened["KeyId"]
    denied("AlreadyExistsException", admin.replicate_key, KeyId=one, ReplicaRegion="us-west-2")
    denied("UnsupportedOperationException", west.replicate_key, KeyId=one, ReplicaRegion="eu-west-1")
    denied("UnsupportedOperationException", admin.replicate_key, KeyId=key(), ReplicaRegion="eu-west-1")
    denied("InvalidSignatureException", client("admin", "ap-south-1").list_keys)

    # A policy of its own: what one denies, the other does not.
    west.put_key_policy(KeyId=one, Policy=policy(statement("Deny", "*", "kms:Decrypt")))
    denied("AccessDeniedException", west.decrypt, CiphertextBlob=blob)
    assert admin.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    # A primary goes after its replicas.
    assert admin.schedule_key_deletion(KeyId=one)["KeyState"] == "PendingReplicaDeletion"
    assert west.schedule_key_deletion(KeyId=one, PendingWindowInDays=7)["KeyState"] == "PendingDeletion"


def states():
    """Disabled and pending keys do nothing; a cancelled deletion leaves a disabled key."""
    one = key()
    blob = admin.encrypt(KeyId=one, Plaintext=b"x")["CiphertextBlob"]
    denied("KMSInvalidStateException", admin.cancel_key_deletion, KeyId=one)
    admin.disable_key(KeyId=one)
    for code in ("DisabledException", "KMSInvalidStateException"):
        denied(code, admin.encrypt, KeyId=one, Plaintext=b"x")
        denied(code, admin.decrypt, CiphertextBlob=blob)
        denied(code, admin.generate_data_key, KeyId=one, KeySpec="AES_256")
        denied(code, admin.create_grant, KeyId=one, GranteePrincipal=PARENT, Operations=["Encrypt"])
        admin.describe_key(KeyId=one)
        if code == "DisabledException":
            scheduled = admin.schedule_key_deletion(KeyId=one, PendingWindowInDays=7)
            assert scheduled["KeyState"] == "PendingDeletion" and scheduled["DeletionDate"]
            denied("KMSInvalidStateException", admin.schedule_key_deletion, KeyId=one)
            denied("KMSInvalidStateException", admin.enable_key, KeyId=one)
    admin.cancel_key_deletion(KeyId=one)
    assert admin.describe_key(KeyId=one)["KeyMetadata"]["KeyState"] == "Disabled"
    admin.enable_key(KeyId=one)
    assert admin.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    denied("ValidationException", admin.schedule_key_deletion, KeyId=one, PendingWindowInDays=6)


def names():
    """Aliases, tags, lists, descriptions."""
    one, other = key(Tags=[{"TagKey": "team", "TagValue": "a"}]), key()
    admin.create_alias(AliasName="alias/app", TargetKeyId=one)
    blob = admin.encrypt(KeyId="alias/app", Plaintext=b"x")
    assert blob["KeyId"].endswith(one)
    arn = blob["KeyId"].replace(f"key/{one}", "alias/app")
    assert admin.describe_key(KeyId=arn)["KeyMetadata"]["KeyId"] == one
    denied("AlreadyExistsException", admin.create_alias, AliasName="alias/app", TargetKeyId=other)
    denied("InvalidAliasNameException", admin.create_alias, AliasName="alias/aws/app", TargetKeyId=one)
    denied("NotFoundException", admin.encrypt, KeyId="alias/none", Plaintext=b"x")
    admin.update_alias(AliasName="alias/app", TargetKeyId=other)
    assert admin.describe_key(KeyId="alias/app")["KeyMetadata"]["KeyId"] == other
    assert [alias["AliasName"] for alias in admin.list_aliases(KeyId=other)["Aliases"]] == ["alias/app"]
    admin.delete_alias(AliasName="alias/app")
    denied("NotFoundException", admin.describe_key, KeyId="alias/app")

    only = {"StringEquals": {"aws:ResourceTag/team": "b"}}
    admin.put_key_policy(KeyId=one, Policy=policy(statement("Allow", PARENT, "kms:Encrypt", only)))
    denied("AccessDeniedException", parent.encrypt, KeyId=one, Plaintext=b"x")
    admin.tag_resource(KeyId=one, Tags=[{"TagKey": "team", "TagValue": "b"}])
    parent.encrypt(KeyId=one, Plaintext=b"x")
    assert admin.list_resource_tags(KeyId=one)["Tags"] == [{"TagKey": "team", "TagValue": "b"}]
    admin.untag_resource(KeyId=one, TagKeys=["team"])
    denied("TagException", admin.tag_resource, KeyId=one, Tags=[{"TagKey": "aws:x", "TagValue": ""}])

    pages = admin.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 3})
    listed = [entry["KeyId"] for page in pages for entry in page["Keys"]]
    assert len(listed) == len(set(listed)) and {one, other} <= set(listed)
    admin.update_key_description(KeyId=one, Description="words")
    assert admin.describe_key(KeyId=one)["KeyMetadata"]["Description"] == "words"


def attested():
    """With a recipient the secret comes for the enclave alone, if the policy admits what it measures."""
    enclave = Enclave(extend=["16=c0ffee"])
    release = {
        "StringEqualsIgnoreCase": {"kms:RecipientAttestation:ImageSha384": "A0" * 48},
        "StringEquals": {"kms:RecipientAttestation:PCR2": "a2" * 48},
    }
    actions = ["kms:Decrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyPair", "kms:DeriveSharedSecret"]
    guarded = policy(statement("Allow", PARENT, actions, release))
    one = key(Policy=guarded)
    blob = admin.encrypt(KeyId=one, Plaintext=b"secret", EncryptionContext=CONTEXT)["CiphertextBlob"]
    asked = {"CiphertextBlob": blob, "EncryptionContext": CONTEXT}
    denied("AccessDeniedException", parent.decrypt, **asked)
    answer = parent.decrypt(Recipient=enclave.recipient(), **asked)
    assert enclave.open(answer) == b"secret" and "KeyMaterialId" not in answer
    try:
        Enclave().open(answer)
        raise SystemExit("another enclave opened it")
    except AssertionError as why:
        assert "another recipient" in str(why), why

    made = parent.generate_data_key(KeyId=one, KeySpec="AES_256", Recipient=enclave.recipient())
    data_key = enclave.open(made)
    assert len(data_key) == 32 and admin.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"] == data_key
    pair = parent.generate_data_key_pair(KeyId=one, KeyPairSpec="RSA_2048", Recipient=enclave.recipient())
    private = load_der_private_key(enclave.open(pair), None)
    spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert spki == pair["PublicKey"]
    assert len(enclave.open(admin.generate_random(NumberOfBytes=48, Recipient=enclave.recipient()))) == 48

    shared = key(KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT", Policy=guarded)
    peer = ec.generate_private_key(ec.SECP256R1())
    spki = peer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    asked_shared = {"KeyId": shared, "KeyAgreementAlgorithm": "ECDH", "PublicKey": spki}
    secret = enclave.open(parent.derive_shared_secret(Recipient=enclave.recipient(), **asked_shared))
    theirs = load_der_public_key(admin.get_public_key(KeyId=shared)["PublicKey"])
    assert secret == peer.exchange(ec.ECDH(), theirs)
    denied("AccessDeniedException", parent.derive_shared_secret, **asked_shared)

    # Another image, debug mode, another root, no document at all.
    for pcr0 in ("a1" * 48, "00" * 48):
        denied("AccessDeniedException", parent.decrypt, Recipient=Enclave(pcr0).recipient(), **asked)
    elsewhere = os.path.join(os.environ["KMS_DIR"], "another-root")
    denied("ValidationException", parent.decrypt, Recipient=enclave.recipient(elsewhere), **asked)
    recipient = enclave.recipient()
    bent = bytearray(recipient["AttestationDocument"])
    bent[-1] ^= 1
    denied("ValidationException", parent.decrypt, Recipient={**recipient, "AttestationDocument": bytes(bent)}, **asked)

    # A register of the application's own.
    condition = {"StringNotEquals": {"kms:RecipientAttestation:PCR16": "00" * 48}}
    admin.put_key_policy(
        KeyId=one,
        Policy=policy(
            statement("Allow", PARENT, actions, release), statement("Deny", PARENT, "kms:Decrypt", condition)
        ),
    )
    denied("AccessDeniedException", parent.decrypt, Recipient=enclave.recipient(), **asked)


def main():
    """Everything; `attested` calls alone; or `before` and `after` a restart, with what they share in a file."""
    mode, notes = sys.argv[1], os.path.join(os.environ["KMS_DIR"], "notes.json")
    if mode == "all":
        for check in (
            encryption, rsa_keys, data_keys, re_encryption, policies, grants, regions, states, names, attested,
        ):  # fmt: skip
            check()
            print("ok", check.__name__, flush=True)
        return
    if mode == "attested":
        attested()
        print("ok attested", flush=True)
        return
    if mode == "before":
        one, two = key(MultiRegion=True), key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
        admin.replicate_key(KeyId=one, ReplicaRegion="eu-west-1")
        admin.create_alias(AliasName="alias/kept", TargetKeyId=one)
        admin.tag_resource(KeyId=one, Tags=[{"TagKey": "kept", "TagValue": "yes"}])
        admin.create_grant(KeyId=one, GranteePrincipal=PARENT, Operations=["Decrypt"])
        blob = admin.encrypt(KeyId=one, Plaintext=b"kept", EncryptionContext=CONTEXT)["CiphertextBlob"]
        public = admin.get_public_key(KeyId=two)["PublicKey"]
        with open(notes, "w", encoding="utf-8") as file:
            json.dump([one, two, blob.hex(), public.hex()], file)
        return
    with open(notes, encoding="utf-8") as file:
        one, two, blob, public = json.load(file)
    asked = {"CiphertextBlob": bytes.fromhex(blob), "EncryptionContext": CONTEXT}
    for who in (parent, client("admin", "eu-west-1")):
        assert who.decrypt(**asked)["Plaintext"] == b"kept"
    assert admin.get_public_key(KeyId=two)["PublicKey"].hex() == public
    assert admin.describe_key(KeyId="alias/kept")["KeyMetadata"]["KeyId"] == one
    assert admin.list_resource_tags(KeyId=one)["Tags"] == [{"TagKey": "kept", "TagValue": "yes"}]
    print("ok kept", flush=True)


main()
