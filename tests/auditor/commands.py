"""What owners and operators sign, applied: docs/spec/commands.md and docs/spec/log.md, "Command"."""

import base64

import assets
import signed
from fault import expect, shaped
from grant import Grant

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
    "key.import": "widen",
    "key.retire": "widen",
    "manifest.set": "widen",
    "thaw": "widen",
}
LIFTING = {"grant.amend", "grant.reissue", "grant.resume", "thaw"}


class Commands:
    """The half of the state's rules that people's signatures decide."""

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
        self.take_in(action["key"], born, imported=False)

    def on_key_import(self, action, born, **_):
        """A key that was made elsewhere was taken in."""
        expect(action["channel_key"] == self.channel_key, "a key sealed for another boot")
        public = base64.b64decode(action["key"]["public"], validate=True)
        expect(born and born["public"] == public, "another key was taken in")
        known = [key["public"] for key in self.keys.values()]
        expect(public.hex() not in known, "a public key that a key had already")
        self.take_in(action["key"], born, imported=True)

    def take_in(self, key, born, imported):
        """A key of a name that no key had."""
        expect(key["id"] not in self.keys, "a key's name is taken")
        shaped(born, "key public blob")
        expect(born["key"] == key["id"], "another key was born")
        self.keys[key["id"]] = {
            "kind": key["kind"],
            "alg": key["alg"],
            "env": key.get("env", "live"),
            "agent": key.get("agent"),
            "public": born["public"].hex(),
            "imported": imported,
            "retired": False,
        }

    def on_key_retire(self, action, **_):
        """A key signs nothing more."""
        key = self.keys.get(action["key"])
        expect(key and not key["retired"], "a key that cannot be retired")
        key["retired"] = True

    def on_catalog_set(self, action, now, **_):
        """Another catalog."""
        resources, new = {}, action["catalog"].get("assets", {})
        assets.kept(self.assets, new)
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
            or assets.charged(resources[name]["routes"], new) != assets.charged(resources[name]["routes"], self.assets)
        }
        for name, grant in self.grants.items():
            live = not grant.revoked and grant.end > now
            touched = name in action.get("touches", [])
            expect(touched or not live or not grant.names() & changed, f"{name} is touched and not named")
        self.resources, self.assets = resources, new

    def on_manifest_set(self, action, **_):
        """The next manifest."""
        generation = self.generation + 1
        expect(generation < len(self.chain.links), f"the log sets manifest {generation}, which the chain does not hold")
        body = signed.base64.b64decode(action["body"])
        # The chain's own link of this generation was checked when the chain was read.
        expect(self.chain.links[generation]["digest"] == signed.sha256(body), "another manifest is set")
        self.generation = generation
