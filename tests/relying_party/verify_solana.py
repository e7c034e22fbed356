"""The relying party of Solana's transactions: solders, over the Solana SDK.

Reads `{transaction, signature, signer, moves, payer}` per line. The library reads the transaction and checks its signatures; what each
instruction moves is decoded here and compared with `moves`: `[program, to, amount]` of each transfer. Where another pays, its key
(of 32 bytes of 5) signs too, as a facilitator does, before the whole is checked.
"""

import base64

from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.message import to_bytes_versioned
from solders.token.associated import get_associated_token_address
from solders.transaction import VersionedTransaction

from lines import answer

SYSTEM = "11111111111111111111111111111111"
TOKEN = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
SPONSOR = Keypair.from_seed(bytes([5] * 32))
MINT = Pubkey.from_string("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v")


def moved(message):
    """Whom each transfer pays, and how much."""
    keys = message.account_keys
    for one in message.instructions:
        program, data = str(keys[one.program_id_index]), bytes(one.data)
        accounts = [keys[n] for n in bytes(one.accounts)]
        if program == SYSTEM and data[:4] == bytes([2, 0, 0, 0]):
            yield [program, str(accounts[1]), int.from_bytes(data[4:], "little")]
        elif program == TOKEN and data[0] == 12:
            yield [program, str(accounts[2]), int.from_bytes(data[1:9], "little")]


def check(line):
    whole = VersionedTransaction.from_bytes(base64.b64decode(line["transaction"]))
    message = whole.message
    signers = message.account_keys[: message.header.num_required_signatures]
    own = signers.index(Pubkey.from_string(line["signer"]))
    signatures = list(whole.signatures)
    if str(signatures[own]) != line["signature"]:
        raise ValueError("another signature than the one that is shown")
    if len(signers) == 2:
        if signers[0] != SPONSOR.pubkey() or signatures[0] != Signature.default():
            raise ValueError("the fee payer's place is not free")
        signatures[0] = SPONSOR.sign_message(to_bytes_versioned(message))
        whole = VersionedTransaction.populate(message, signatures)
    if not all(whole.verify_with_results()):
        raise ValueError("a signature does not verify")
    wanted = [
        [program, str(get_associated_token_address(Pubkey.from_string(to), MINT)) if program == TOKEN else to, amount]
        for program, to, amount in line["moves"]
    ]
    if list(moved(message)) != wanted:
        raise ValueError("something else is moved")


answer(check)
