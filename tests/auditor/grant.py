"""A grant and what became of it: its terms, its stops, its counters."""

import signed
from windows import Window


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
