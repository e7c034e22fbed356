"""Records folded into a state of its own: docs/spec/log.md, "Applying records", and docs/spec/commands.md."""


import signed
from commands import Commands
from fault import expect, shaped

MEMBERS = {
    "genesis": "g0 bundle vkey nonce",
    "boot": "instance nonce channel_key pcrs version generation manifest time durability",
    "call": "grant outcome decided_at expires_at key effects charges input idempotency nonce source",
    "command": "body signatures applied_at born",
    "denied": "grant code count first last",
    "simulated": "grant count first last",
    "renewed": "grant expires_at at",
    "revoked_self": "grant agent leaked at",
    "snapshot": "size root digest",
    "warned": "grant unit window max spent at",
}
EFFECT = (
    "kind verb resource route destination method path_template mints identity_only charges max_lifetime"
)
# What has no end, and how long its idempotency key is remembered.
NEVER = 253_402_300_799_000
DAY = 86_400_000


class State(Commands):
    """Everything the log says."""

    def __init__(self, chain):
        self.chain = chain
        self.generation = 0
        first = chain.links[1]["digest"]
        self.first = first
        self.widen = (0, first)
        self.narrow = {}
        self.freezes = []
        self.channel_key = None
        self.resources = {}
        self.keys = {}
        self.grants = {}
        self.agent_keys = set()
        self.once = {}
        self.numbers = {}
        self.assets = {}
        self.records = 0
        self.time = 0

    def apply(self, record, entry_time):
        """One record of an entry of this time."""
        shaped(record, "salt body")
        expect(isinstance(record["salt"], bytes) and len(record["salt"]) == 16, "a salt of 16 bytes")
        expect(isinstance(record["body"], dict) and len(record["body"]) == 1, "one body")
        ((name, body),) = record["body"].items()
        expect(name in MEMBERS, f"an unknown record, {name}")
        shaped(body, MEMBERS[name], "replaces" if name == "call" else None)
        expect((self.records == 0) == (name == "genesis"), "genesis is not the first record alone")
        self.time = max(self.time, entry_time)
        getattr(self, name)(body, entry_time)
        self.records += 1

    def genesis(self, body, _):
        """The root was born."""
        links = self.chain.links
        expect(body["g0"] == links[0]["digest"], "genesis of another deployment")
        newest = links[-1]
        expect(body["bundle"] == signed.digest(newest["bundle"]), "genesis of another bundle")
        expect(body["vkey"] == newest["log"]["vkey"], "genesis of another log key")

    def boot(self, body, _):
        """An instance began."""
        generation = body["generation"]
        expect(self.generation <= generation < len(self.chain.links), "boot under an unknown or older manifest")
        expect(self.chain.links[generation]["digest"] == body["manifest"], "boot under another manifest")
        self.generation = generation
        self.channel_key = "x25519:" + body["channel_key"].hex()
        self.time = max(self.time, body["time"])

    def grant(self, name):
        """A grant that exists."""
        expect(name in self.grants, f"unknown grant {name}")
        return self.grants[name]

    def denied(self, body, _):
        """Calls were refused."""
        self.grant(body["grant"])

    def simulated(self, body, _):
        """Calls were simulated."""
        self.grant(body["grant"])

    def snapshot(self, body, _):
        """A snapshot was stored."""

    def warned(self, body, entry_time):
        """80 % of a budget were spent."""
        self.grant(body["grant"])
        expect(body["at"] <= entry_time, "a warning newer than its entry")
        most, spent = int(body["max"]), int(body["spent"])
        expect(most - most // 5 <= spent <= most, "a warning of a budget that is not near its end")

    def renewed(self, body, entry_time):
        """An agent pushed its grant's end forward."""
        grant = self.grant(body["grant"])
        at = body["at"]
        expect(at <= entry_time and grant.word(self.freezes, at) == "active", "renewed while not active")
        expect(grant.renew_until is not None, "renewed without leave")
        end = min(at + grant.length, grant.renew_until)
        expect(end > grant.end and end == body["expires_at"], "renewed to another end")
        grant.end = end

    def revoked_self(self, body, _):
        """An agent ended its own grant."""
        self.grant(body["grant"]).revoked = True

    # Calls.

    def call(self, body, entry_time):
        """A call was decided and charged."""
        grant, at = self.grant(body["grant"]), body["decided_at"]
        expect(at <= entry_time, "a call newer than its entry")
        issued = body["outcome"] == "issued"
        expect(body["outcome"] in ("issued", "failed", "withdrawn"), "an unknown outcome")
        expect(body["effects"], "a call without an effect")
        sums = {"call": 1}
        for effect in body["effects"]:
            shaped(effect, EFFECT, "nonce")
            for charge in effect["charges"]:
                amount = int(shaped(charge, "unit amount")["amount"])
                sums[charge["unit"]] = sums.get(charge["unit"], 0) + amount
        derived = [{"unit": unit, "amount": str(amount)} for unit, amount in sums.items()]
        expect(derived == body["charges"], "charges do not follow from effects")
        if issued:
            self.issued(grant, body)
        self.replaced(body)
        if issued or at > grant.amended_at:
            for unit, amount in sums.items():
                budgets = [(over, most) for budgeted, over, most in grant.budgets if budgeted == unit]
                expect(budgets, f"no budget in {unit}")
                for over, most in budgets:
                    spent = grant.counters[unit]["windows"][over].fullest(at)
                    expect(spent + amount <= most, f"overspent under {body['grant']}: {unit} {over}")
        line = grant
        while line:
            for unit, amount in sums.items():
                line.take(unit, amount, at)
            line = line.successor
        if issued and body["idempotency"] is not None:
            self.remember(body)

    def issued(self, grant, body):
        """What only a call needs that gave a credential away."""
        at, name = body["decided_at"], body["grant"]
        expect(grant.word(self.freezes, at) == "active", f"issued under {name} while it was not active")
        permissions = grant.document["permissions"]
        for effect in body["effects"]:
            allowed = effect["resource"] in permissions.get(effect["verb"], [])
            expect(allowed, f"issued outside the scope of {name}")
        key = self.keys.get(body["key"])
        fits = body["key"] in grant.document["keys"] and key and not key["retired"]
        expect(fits, f"signed with a key that {name} does not have")
        outliving = grant.document.get("allow_outliving", [])
        may = all(effect["resource"] in outliving for effect in body["effects"])
        expect(may or body["expires_at"] <= grant.end, f"a credential outlives {name}")
        known = self.once.get((name, body["idempotency"])) if body["idempotency"] else None
        twice = known and known[0] <= at < known[1]
        expect(not twice, f"charged twice under one idempotency key of {name}")

    def remember(self, body):
        """An idempotency key stands for the latest decided call under it."""
        place = (body["grant"], body["idempotency"])
        known = self.once.get(place)
        end = body["expires_at"]
        if end == NEVER:
            end = body["decided_at"] + DAY
        if known is None or known[0] <= body["decided_at"]:
            self.once[place] = (body["decided_at"], end)

    def replaced(self, body):
        """A transaction whose number its key signed before says so; and its number is kept."""
        at, says = body["decided_at"], body.get("replaces", False)
        expect(says is True or "replaces" not in body, "a false that is written")
        effects = [effect["nonce"] for effect in body["effects"] if "nonce" in effect]
        expect(effects or not says, "a replacement of nothing")
        for nonce in effects:
            chain, number = (shaped(nonce, "chain nonce")[name] for name in ("chain", "nonce"))
            known = self.numbers.get((body["key"], chain))
            expect(says or not known or known[0] < number or known[1] >= at, "a replacement that is not told")
            if known is None or number > known[0]:
                self.numbers[body["key"], chain] = (number, at)
            elif number == known[0]:
                self.numbers[body["key"], chain] = (number, min(at, known[1]))

    def summary(self):
        """What the log says, for people and for comparing."""
        return {
            "generation": self.generation,
            "frozen": bool(self.freezes),
            "widen_seq": self.widen[0],
            "keys": self.keys,
            "grants": {
                name: {
                    "state": grant.word(self.freezes, self.time),
                    "expires_at": grant.end,
                    "left": grant.left(self.time),
                }
                for name, grant in self.grants.items()
            },
        }


