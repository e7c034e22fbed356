"""What counts against a budget: docs/spec/log.md, "Windows". Each window keeps sums by the start of their bucket."""

import re
from datetime import datetime, timezone

from fault import Fault

UNITS = {"D": 86_400_000, "H": 3_600_000, "M": 60_000, "S": 1000}


def length(text):
    """Milliseconds of an ISO 8601 duration in days, hours, minutes and seconds."""
    found = re.fullmatch(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", text)
    if not found or not any(found.groups()):
        raise Fault(f"{text} is no length")
    return sum(int(count or 0) * UNITS[unit] for count, unit in zip(found.groups(), "DHMS"))


class Window:
    """The sums of one budget."""

    def __init__(self, over, carried=0, now=0):
        self.over = over
        self.sums = {}
        if over.startswith("rolling:"):
            whole = length(over[8:])
            self.width = -(-whole // 64)
            self.span = -(-whole // self.width) * self.width + self.width
        if carried:
            self.add(carried, now)

    def copy(self):
        """The same sums in another window."""
        other = Window(self.over)
        other.sums = dict(self.sums)
        return other

    def bucket(self, at):
        """Where what is decided at a time counts."""
        if self.over in ("call", "grant"):
            return 0
        if self.over.startswith("rolling:"):
            return at - at % self.width
        day = datetime.fromtimestamp(at // 1000, timezone.utc)
        day = day.replace(hour=0, minute=0, second=0)
        if self.over == "calendar:P1M":
            day = day.replace(day=1)
        return int(day.timestamp()) * 1000

    def add(self, amount, at):
        """Counts an amount."""
        if self.over != "call":
            start = self.bucket(at)
            self.sums[start] = self.sums.get(start, 0) + amount

    def counts(self, at):
        """What counts at a time."""
        if self.over.startswith("rolling:"):
            return sum(amount for start, amount in self.sums.items() if start + self.span > at)
        return self.sums.get(self.bucket(at), 0)

    def fullest(self, at):
        """The most that counts in any window that a charge at this time falls into."""
        if not self.over.startswith("rolling:"):
            return self.counts(at)
        own = self.bucket(at)
        ends = [own] + [start for start in self.sums if own < start < own + self.span]
        return max(
            sum(amount for start, amount in self.sums.items() if start <= end < start + self.span)
            for end in ends
        )
