"""A chain of its own, in memory (py-evm): transactions are carried out, and what they moved is held to what was charged.

The first line is `{account, chain, payee, token, pool}`; it answers `ready`. Each further line is `{raw_tx, coin, token}`, the
amounts charged in the coin and in the token. Answers `ok` where the account has lost, and others may now spend, at most that.

The token is an ERC-20 written out below, instruction by instruction; it keeps balances under their account and allowances under
the Keccak-256 of owner and spender. The pool takes the coin that is sent along, and does nothing else.
"""

import json
import sys

from eth import constants
from eth.chains.base import MiningChain
from eth.db.atomic import AtomicDB
from eth.vm.forks.cancun import CancunVM
from eth_utils import keccak, to_bytes, to_canonical_address

OPS = {
    "STOP": 0x00, "ADD": 0x01, "SUB": 0x03, "LT": 0x10, "EQ": 0x14, "SHR": 0x1C, "KECCAK": 0x20, "CALLER": 0x33,
    "LOAD": 0x35, "MSTORE": 0x52, "SLOAD": 0x54, "SSTORE": 0x55, "JUMPI": 0x57, "JUMP": 0x56, "DEST": 0x5B, "DUP1": 0x80,
    "DUP2": 0x81, "DUP3": 0x82, "SWAP1": 0x90, "POP": 0x50, "RETURN": 0xF3, "REVERT": 0xFD,
}

# Moves the amount on top of the stack from the account below it to the one below that; ends with nothing.
MOVE = """
    DUP2 SLOAD DUP2 DUP2 LT @fail JUMPI
    DUP2 SWAP1 SUB DUP3 SSTORE SWAP1 POP
    DUP2 SLOAD ADD SWAP1 SSTORE
"""
ARGUMENT = ["#4 LOAD", "#36 LOAD"]
# The place of an allowance whose owner and spender are in the first two words of memory.
PLACE = "#64 #0 KECCAK"
SOURCE = f"""
    #0 LOAD #224 SHR
    DUP1 #0xa9059cbb EQ @transfer JUMPI
    DUP1 #0x095ea7b3 EQ @approve JUMPI
    @fail JUMP
  :transfer DEST POP
    {ARGUMENT[0]} CALLER {ARGUMENT[1]} {MOVE} @done JUMP
  :approve DEST POP
    CALLER #0 MSTORE {ARGUMENT[0]} #32 MSTORE
    {ARGUMENT[1]} {PLACE} SSTORE @done JUMP
  :done DEST #1 #0 MSTORE #32 #0 RETURN
  :fail DEST #0 #0 REVERT
"""


def assemble(source):
    """Words into bytes: an instruction, `#` a number of four bytes, `:` a place, `@` its number."""
    code, places, uses = bytearray(), {}, []
    for word in source.split():
        if word[0] == "#":
            code += b"\x63" + int(word[1:], 0).to_bytes(4, "big")
        elif word[0] == ":":
            places[word[1:]] = len(code)
        elif word[0] == "@":
            uses.append((len(code) + 1, word[1:]))
            code += b"\x63\0\0\0\0"
        else:
            code.append(OPS[word])
    for at, name in uses:
        code[at : at + 4] = places[name].to_bytes(4, "big")
    return bytes(code)


class World:
    def __init__(self, line):
        self.account, self.payee = to_canonical_address(line["account"]), to_canonical_address(line["payee"])
        self.token, pool = to_canonical_address(line["token"]), to_canonical_address(line["pool"])
        bare = {"balance": 0, "nonce": 0, "code": b"", "storage": {}}
        rich = dict(bare, balance=10**30)
        held = {self.word(self.account): 10**30}
        state = {
            self.account: rich,
            self.token: dict(bare, nonce=1, code=assemble(SOURCE), storage=held),
            pool: dict(bare, nonce=1, code=bytes([OPS["STOP"]])),
        }
        chain = type("Chain", (MiningChain,), {"vm_configuration": ((0, CancunVM),), "chain_id": line["chain"]})
        genesis = {"difficulty": 0, "gas_limit": 30_000_000, "timestamp": 1, "coinbase": constants.ZERO_ADDRESS}
        self.chain = chain.from_genesis(AtomicDB(), genesis, state)
        self.vm = self.chain.get_vm()

    @staticmethod
    def word(address):
        return int.from_bytes(address, "big")

    def held(self):
        """What the account has of the coin and the token, less what the payee may take of it."""
        state = self.vm.state
        place = self.account.rjust(32, b"\0") + self.payee.rjust(32, b"\0")
        allowed = state.get_storage(self.token, int.from_bytes(keccak(place), "big"))
        coin = state.get_balance(self.account)
        return coin, state.get_storage(self.token, self.word(self.account)), allowed

    def carry_out(self, line):
        transaction = self.vm.get_transaction_builder().decode(to_bytes(hexstr=line["raw_tx"]))
        if transaction.sender != self.account:
            raise ValueError("another account's")
        coin, token, allowed = self.held()
        header = self.vm.get_header()
        self.vm.apply_transaction(header, transaction)
        after_coin, after_token, after_allowed = self.held()
        lost = token - after_token + max(0, after_allowed - allowed)
        if coin - after_coin > int(line["coin"]):
            raise ValueError(f"{coin - after_coin} of the coin moved, {line['coin']} charged")
        if lost > int(line["token"]):
            raise ValueError(f"{lost} of the token moved, {line['token']} charged")
        if "moves" in line and lost != int(line["moves"]):
            raise ValueError(f"{lost} of the token moved, not {line['moves']}")


def main():
    world = World(json.loads(sys.stdin.readline()))
    print("ready", flush=True)
    for line in sys.stdin:
        try:
            world.carry_out(json.loads(line))
            print("ok", flush=True)
        except Exception as why:
            text = " ".join(str(why).split())
            print(f"{type(why).__name__}: {text}", flush=True)


main()
