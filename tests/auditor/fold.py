"""Records folded into a state of its own: docs/spec/log.md, "Applying records", and docs/spec/commands.md."""


import signed
from fault import expect
from windows import Window

AHEAD = 60_000
DAY = 86_400_000
ACTIONS = {
    "catalog.set": "widen",
    "freeze": "narrow",
    "grant.amend": "widen",
    "grant.create": "widen",
    "grant.reissue": "widen",
    "grant.resume": "widen",
    "grant.revoke": "narrow",
    "grant.suspend": "narrow",
    "key.create": "widen",
    "key.retire": "widen",
    "manifest.set": "widen",
    "thaw": "widen",
}
LIFTING = {"grant.amend", "grant.reissue", "grant.resume", "thaw"}
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
}
EFFECT = (
    "kind verb resource route destination method path_template mints identity_only charges max_lifetime"
)


def shaped(value, members):
    """The map, which must have exactly these members in this order."""
    expect(isinstance(value, dict) and list(value) == members.split(), f"not the members {members}")
    return value


class Grant:
    """A grant and what became of it."""

    def __init__(self, terms, now):
        self.terms(terms)
        self.length = self.end - max(self.begin, now)
        self.revoked = False
        self.stops = []
        self.amended_at = 0
        self.successor = None
        self.counters = {}
        self.align(now)

    def terms(self, terms):
        """Takes over a grant document."""
        self.document = terms
        self.begin = signed.time(terms["not_before"])
        self.end = signed.time(terms["expires_at"])
        until = terms.get("renew_until")
        self.renew_until = signed.time(until) if until else None
        self.env = terms.get("env", "live")
        self.budgets = [(one["unit"], one["window"], int(one["max"])) for one in terms["budgets"]]

    def align(self, now):
        """A window for each budget: kept, or begun with all that its unit's counter knows."""
        for unit, _, _ in self.budgets:
            self.counters.setdefault(unit, {"life": 0, "windows": {}})
        for unit, counter in self.counters.items():
            old = counter["windows"]
            counter["windows"] = {
                over: old[over] if over in old else Window(over, counter["life"], now)
                for budgeted, over, _ in self.budgets
                if budgeted == unit
            }

    def amend(self, terms, now):
        """Other terms; what was counted stays."""
        old_end = self.end
        self.terms(terms)
        if self.end // 1000 != old_end // 1000:
            self.length = self.end - max(self.begin, now)
        self.stops = []
        self.amended_at = now
        self.align(now)

    def heir(self, new, agent_key, end, now):
        """The grant that continues this one."""
        text = {**self.document, "id": new, "agent": {**self.document["agent"], "key": agent_key}}
        text["expires_at"] = end
        heir = Grant(text, now)
        kept = self.renew_until is not None and self.renew_until >= heir.end
        heir.renew_until = self.renew_until if kept else None
        heir.length = min(self.length, heir.end - max(heir.begin, now))
        heir.counters = {
            unit: {
                "life": counter["life"],
                "windows": {over: window.copy() for over, window in counter["windows"].items()},
            }
            for unit, counter in self.counters.items()
        }
        return heir

    def take(self, unit, amount, at):
        """Counts a charge where the unit was ever budgeted."""
        counter = self.counters.get(unit)
        if counter:
            counter["life"] += amount
            for window in counter["windows"].values():
                window.add(amount, at)

    def names(self):
        """Every resource that it permits."""
        return {name for names in self.document["permissions"].values() for name in names}

    def word(self, frozen, now):
        """Its state in one word."""
        states = [
            (self.revoked, "revoked"),
            (self.stops, "suspended"),
            (now >= self.end, "expired"),
            (frozen, "frozen"),
            (now < self.begin, "not_yet_valid"),
        ]
        return next((word for holds, word in states if holds), "active")

    def left(self, now):
        """What is left of every budget."""
        return [
            [unit, over, str(max(0, most - self.counters[unit]["windows"][over].counts(now)))]
            for unit, over, most in self.budgets
        ]


class State:
    """Everything the log says."""

    def __init__(self, chain):
        self.chain = chain
        self.generation = 0
        first = chain.links[1]["digest"]
        self.first = first
        self.widen = (0, first)
        self.narrow = {}
        self.freezes = []
        self.resources = {}
        self.keys = {}
        self.grants = {}
        self.agent_keys = set()
        self.once = {}
        self.records = 0
        self.time = 0

    def apply(self, record, entry_time):
        """One record of an entry of this time."""
        shaped(record, "salt body")
        expect(isinstance(record["salt"], bytes) and len(record["salt"]) == 16, "a salt of 16 bytes")
        expect(isinstance(record["body"], dict) and len(record["body"]) == 1, "one body")
        ((name, body),) = record["body"].items()
        expect(name in MEMBERS, f"an unknown record, {name}")
        shaped(body, MEMBERS[name])
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
            shaped(effect, EFFECT)
            for charge in effect["charges"]:
                amount = int(shaped(charge, "unit amount")["amount"])
                sums[charge["unit"]] = sums.get(charge["unit"], 0) + amount
        derived = [{"unit": unit, "amount": str(amount)} for unit, amount in sums.items()]
        expect(derived == body["charges"], "charges do not follow from effects")
        if issued:
            self.issued(grant, body)
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
        if known is None or known[0] <= body["decided_at"]:
            self.once[place] = (body["decided_at"], body["expires_at"])

    # Commands.

    def command(self, body, entry_time):
        """An owner's or operator's command was applied."""
        now = body["applied_at"]
        expect(now <= entry_time, "a command newer than its entry")
        command = signed.document(body["body"])
        manifest = self.chain.links[self.generation]
        expect(command["v"] == 1 and command["origin"] == manifest["origin"], "a command of another origin")
        begin, end = signed.time(command["issued_at"]), signed.time(command["not_after"])
        expect(0 < end - begin <= DAY and begin <= now + AHEAD and now < end, "a command out of its time")
        action = command["action"]
        kind = action["type"]
        expect(ACTIONS.get(kind) == command["chain"], f"{kind} in another chain")
        digest = signed.sha256(body["body"])
        who = self.signer(command["chain"], body, manifest)
        seq, prev = self.narrow.get(who, (0, self.first)) if who else self.widen
        expect(command["seq"] == seq + 1, "a command out of its chain: seq")
        expect(signed.digest(command["prev"]) == prev, "a command out of its chain: prev")
        lifts = [signed.digest(one) for one in command.get("lifts", [])]
        expect(kind in LIFTING or not lifts, "lifts where nothing is lifted")
        run = getattr(self, "on_" + kind.replace(".", "_"))
        run(action, now=now, lifts=lifts, digest=digest, born=body["born"])
        if who:
            self.narrow[who] = (command["seq"], digest)
        else:
            self.widen = (command["seq"], digest)

    def signer(self, chain, body, manifest):
        """Checks who signed; the narrow chain's name."""
        blobs = [signed.signer(one, "command@claviger", body["body"]) for one in body["signatures"]]
        groups = [manifest["owners"]] + [manifest["operators"]] * (chain == "narrow")
        known = [key for group in groups for keys in group.values() for key in keys]
        expect(all(blob in known for blob in blobs), "a command signed by somebody unknown")
        if chain == "narrow":
            expect(len(blobs) == 1, "a stop has one signature")
            return signed.sha256(blobs[0])
        signed.require(blobs, manifest["owners"], manifest["threshold"])
        return None

    def lift(self, stops, lifts):
        """All that is in force is lifted, and nothing else."""
        expect(sorted(set(lifts)) == sorted(stops) and len(lifts) == len(stops), "not exactly the stops in force")

    def on_freeze(self, _, digest, **__):
        """Stops everyone."""
        if digest not in self.freezes:
            self.freezes.append(digest)

    def on_thaw(self, _, lifts, **__):
        """Lifts every freeze."""
        expect(self.freezes, "nothing is frozen")
        self.lift(self.freezes, lifts)
        self.freezes = []

    def on_grant_suspend(self, action, digest, **_):
        """Stops one grant."""
        grant = self.grant(action["grant"])
        if not grant.revoked and digest not in grant.stops:
            grant.stops.append(digest)

    def on_grant_revoke(self, action, **_):
        """Ends one grant."""
        self.grant(action["grant"]).revoked = True

    def on_grant_resume(self, action, lifts, **_):
        """Lifts the stops of one grant."""
        grant = self.grant(action["grant"])
        expect(not grant.revoked and grant.stops, "resumed, but not suspended")
        self.lift(grant.stops, lifts)
        grant.stops = []

    def check_terms(self, terms, now):
        """What new and amended terms must fit."""
        expect(signed.time(terms["expires_at"]) > now, "a grant that is over")
        env = terms.get("env", "live")
        names = {name for listed in terms["permissions"].values() for name in listed} | set(terms.get("only", {}))
        for member in ("allow_identity_only", "allow_minting", "allow_outliving"):
            names |= set(terms.get(member, []))
        for name in names:
            expect(name in self.resources, f"{name} is not in the catalog")
            expect(self.resources[name]["env"] == env, f"{name} is of the other environment")
        for name in terms["keys"]:
            key = self.keys.get(name)
            expect(key and not key["retired"] and key["env"] == env, f"{name} is no key for this grant")
            expect(key["agent"] in (None, terms["agent"]["id"]), f"{name} is another agent's")

    def claim(self, terms):
        """The grant's keys are its agent's from now on."""
        for name in terms["keys"]:
            self.keys[name]["agent"] = self.keys[name]["agent"] or terms["agent"]["id"]

    def on_grant_create(self, action, now, **_):
        """A new grant."""
        terms = action["grant"]
        expect(terms["id"] not in self.grants, "a grant's id is taken")
        expect(terms["agent"]["key"] not in self.agent_keys, "an agent key is taken")
        self.check_terms(terms, now)
        self.claim(terms)
        self.grants[terms["id"]] = Grant(terms, now)
        self.agent_keys.add(terms["agent"]["key"])

    def on_grant_amend(self, action, now, lifts, **_):
        """Other terms for a grant."""
        terms = action["grant"]
        grant = self.grant(terms["id"])
        expect(not grant.revoked, "a revoked grant is amended")
        self.lift(grant.stops, lifts)
        same = terms["agent"] == grant.document["agent"] and terms.get("env", "live") == grant.env
        expect(same, "an amendment changes agent or environment")
        self.check_terms(terms, now)
        self.claim(terms)
        grant.amend(terms, now)

    def on_grant_reissue(self, action, now, lifts, **_):
        """A grant continues under another id and key."""
        old, new, key = self.grant(action["old"]), action["new"], action["agent_key"]
        expect(old.successor is None, "a grant is reissued twice")
        self.lift([] if old.revoked else old.stops, lifts)
        expect(new not in self.grants and key not in self.agent_keys, "an id or an agent key is taken")
        end = signed.time(action["expires_at"])
        latest = old.end if old.end > now else now + old.length
        expect(max(now, old.begin) < end <= latest, "a reissue that lasts too long")
        for name in old.names() & set(self.resources):
            expect(self.resources[name]["env"] == old.env, f"{name} is of the other environment")
        heir = old.heir(new, key, action["expires_at"], now)
        old.revoked, old.successor = True, heir
        self.grants[new] = heir
        self.agent_keys.add(key)

    def on_key_create(self, action, born, **_):
        """A key was born."""
        key = action["key"]
        expect(key["id"] not in self.keys, "a key's name is taken")
        shaped(born, "key public blob")
        expect(born["key"] == key["id"], "another key was born")
        self.keys[key["id"]] = {
            "kind": key["kind"],
            "alg": key["alg"],
            "env": key.get("env", "live"),
            "agent": key.get("agent"),
            "public": born["public"].hex(),
            "retired": False,
        }

    def on_key_retire(self, action, **_):
        """A key signs nothing more."""
        key = self.keys.get(action["key"])
        expect(key and not key["retired"], "a key that cannot be retired")
        key["retired"] = True

    def on_catalog_set(self, action, now, **_):
        """Another catalog."""
        resources = {}
        for name, listed in action["catalog"]["resources"].items():
            routes = listed if isinstance(listed, list) else listed["routes"]
            env = "live" if isinstance(listed, list) else listed.get("env", "live")
            resources[name] = {"env": env, "routes": routes}
            known = self.resources.get(name)
            expect(known is None or known["env"] == env, f"{name} changes its environment")
        changed = {
            name
            for name in resources.keys() | self.resources.keys()
            if resources.get(name) != self.resources.get(name)
        }
        for name, grant in self.grants.items():
            live = not grant.revoked and grant.end > now
            touched = name in action.get("touches", [])
            expect(touched or not live or not grant.names() & changed, f"{name} is touched and not named")
        self.resources = resources

    def on_manifest_set(self, action, **_):
        """The next manifest."""
        generation = self.generation + 1
        expect(generation < len(self.chain.links), f"the log sets manifest {generation}, which the chain does not hold")
        body = signed.base64.b64decode(action["body"])
        # The chain's own link of this generation was checked when the chain was read.
        expect(self.chain.links[generation]["digest"] == signed.sha256(body), "another manifest is set")
        self.generation = generation

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


