"""A chain's side of `evm` credentials: eth-account says whose they are, and reads again what was signed.

Reads `{account, raw_tx, tx_hash, tx}`, with `call` where eth-abi must read the data as these values, `{account, typed_data, signature}` or `{account, sign_in, signature}` per line. Answers `ok`
where the signature is the account's, over exactly that transaction, typed data or text.
"""

from eth_abi import decode
from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from eth_account.typed_transactions import TypedTransaction
from eth_utils import keccak
from hexbytes import HexBytes
import rlp

from lines import answer

LEGACY = ["nonce", "gasPrice", "gas", "to", "value", "data"]


def number(text):
    return int(text, 0) if isinstance(text, str) else text


def read(raw):
    """The members of a signed transaction, by their names."""
    if raw[0] > 0x7F:
        items = rlp.decode(bytes(raw))
        members = {name: item if name in ("to", "data") else int.from_bytes(item, "big") for name, item in zip(LEGACY, items)}
        members["chainId"] = (int.from_bytes(items[6], "big") - 35) // 2
        return members
    return TypedTransaction.from_bytes(raw).as_dict()


def plain(value):
    """Values as JSON has them: numbers as texts, tuples as lists."""
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return str(value) if isinstance(value, int) else value


def check_call(call, data):
    signature = f"{call['name']}({','.join(call['types'])})"
    if data[:4] != keccak(text=signature)[:4]:
        raise ValueError("another function")
    found = plain(decode(call["types"], bytes(data[4:])))
    if found != call["values"]:
        raise ValueError(f"other arguments: {found}")


def check_transaction(line, account):
    raw = HexBytes(line["raw_tx"])
    if Account.recover_transaction(raw) != account:
        raise ValueError("another account's")
    if HexBytes(line["tx_hash"]) != keccak(raw):
        raise ValueError("another hash")
    found, asked = read(raw), line["tx"]
    for name in ["chainId", "nonce", "gas", "value", "maxFeePerGas", "maxPriorityFeePerGas", "gasPrice"]:
        if name in asked and number(asked[name]) != found[name]:
            raise ValueError(f"another {name}: {found[name]}")
    if HexBytes(asked["to"]) != HexBytes(found["to"]) or HexBytes(asked["data"]) != HexBytes(found["data"]):
        raise ValueError("to another, or with other data")
    if found.get("accessList"):
        raise ValueError("with an access list")
    if "call" in line:
        check_call(line["call"], HexBytes(found["data"]))


def check(line):
    account = line["account"]
    if "raw_tx" in line:
        return check_transaction(line, account)
    if "typed_data" in line:
        message = encode_typed_data(full_message=line["typed_data"])
    else:
        message = encode_defunct(text=line["sign_in"])
    if Account.recover_message(message, signature=line["signature"]) != account:
        raise ValueError("another account's")


answer(check)
