"""The relying party of payments by HTTP: the x402 reference library as a facilitator, and eth-account beside it.

Reads `{name, value, payment_required, accept, payer, balance}` per line: the header field of a payment, what a server had asked for, and
what the payer is known by. The library decides; the chain it asks is a token contract's rules on one balance and the nonces that
were taken (EIP-3009): a payment that verifies is settled, so that it verifies once.
"""

import base64
import json
import time

from eth_account import Account
from eth_account.messages import encode_typed_data
from x402.http.utils import decode_payment_signature_header
from x402.mechanisms.evm.exact.facilitator import ExactEvmScheme
from x402.mechanisms.evm.exact.v1.facilitator import ExactEvmSchemeV1
from x402.schemas import PaymentRequired, PaymentRequiredV1

from lines import answer

TYPES = {
    "EIP712Domain": [
        {"name": "name", "type": "string"},
        {"name": "version", "type": "string"},
        {"name": "chainId", "type": "uint256"},
        {"name": "verifyingContract", "type": "address"},
    ],
    "TransferWithAuthorization": [
        {"name": "from", "type": "address"},
        {"name": "to", "type": "address"},
        {"name": "value", "type": "uint256"},
        {"name": "validAfter", "type": "uint256"},
        {"name": "validBefore", "type": "uint256"},
        {"name": "nonce", "type": "bytes32"},
    ],
}
CHAINS = {"base-sepolia": 84532, "eip155:84532": 84532}
HEADERS = {1: "x-payment", 2: "payment-signature"}
TAKEN = set()


class Chain:
    """What a facilitator asks a chain."""

    def __init__(self, token, balance):
        self.token, self.balance = token, balance

    def get_addresses(self):
        return []

    def get_code(self, address):
        return b"\x60" if address.lower() == self.token.lower() else b""

    def read_contract(self, address, abi, name, *args):
        if address.lower() != self.token.lower() or name != "transferWithAuthorization":
            raise ValueError(f"no such call: {name}")
        payer, _, value, after, before, nonce = args[:6]
        now = int(time.time())
        if not after < now < before or value > self.balance or (payer, bytes(nonce)) in TAKEN:
            raise ValueError("execution reverted")


def signer_of(requirements, authorization, signature):
    """Whose signature it is, by eth-account."""
    extra = requirements["extra"]
    numbers = ("value", "validAfter", "validBefore")
    message = {name: int(value) if name in numbers else value for name, value in authorization.items()}
    message["nonce"] = bytes.fromhex(authorization["nonce"][2:])
    domain = {
        "name": extra["name"],
        "version": extra["version"],
        "chainId": CHAINS[requirements["network"]],
        "verifyingContract": requirements["asset"],
    }
    whole = {"types": TYPES, "domain": domain, "primaryType": "TransferWithAuthorization", "message": message}
    return Account.recover_message(encode_typed_data(full_message=whole), signature=signature)


def check(line):
    asked, place = line["payment_required"], line["accept"]
    version, requirements = asked["x402Version"], asked["accepts"][place]
    if line["name"] != HEADERS[version]:
        raise ValueError(f"header field {line['name']}")
    payment = decode_payment_signature_header(line["value"])
    chain = Chain(requirements["asset"], line["balance"])
    if version == 1:
        wanted, scheme = PaymentRequiredV1.model_validate(asked), ExactEvmSchemeV1(chain)
    else:
        wanted, scheme = PaymentRequired.model_validate(asked), ExactEvmScheme(chain)
        if payment.accepted != wanted.accepts[place]:
            raise ValueError("another way to pay than the one asked for")
        if payment.resource != wanted.resource or (payment.extensions or {}) != (wanted.extensions or {}):
            raise ValueError("what was to be given back is changed")
    said = scheme.verify(payment, wanted.accepts[place])
    if not said.is_valid:
        raise ValueError(said.invalid_reason)
    raw = json.loads(base64.b64decode(line["value"]))["payload"]
    authorization = raw["authorization"]
    payer = signer_of(requirements, authorization, raw["signature"])
    if not payer == said.payer == authorization["from"] == line["payer"]:
        raise ValueError(f"paid by {payer}")
    TAKEN.add((payer, bytes.fromhex(authorization["nonce"][2:])))


answer(check)
