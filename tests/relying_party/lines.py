"""Lines of JSON in, `ok` or the reason out: one answer per line, whatever the line holds."""

import json
import sys


def answer(check):
    """Runs `check` on every line of standard input."""
    for line in sys.stdin:
        try:
            check(json.loads(line))
            print("ok", flush=True)
        except Exception as why:
            text = " ".join(str(why).split())
            print(f"{type(why).__name__}: {text}", flush=True)
