"""How much is done of what could be done without end: 1 in the test suite, more under `make soak`; and what
has been done.

What is marked `sampled` is done in part by the suite (at some places, by some errors, under one runtime), and
whole by `make soak`, there as many times as `SOAK` says where there is no whole.
"""

import os
from collections import Counter

SOAK = int(os.environ.get("LOCKGATE_SOAK", "1"))
WHOLE = SOAK > 1
FOR_ALL = 1800.0
"""Seconds that a test may take then; in the suite each has its own limit."""

DONE: Counter[str] = Counter()
"""By the test that runs: how often it did what."""


def step(every: int) -> int:
    """Of places in a row: so many at a time in the suite, one at a time where all is done."""
    return 1 if WHOLE else every


def told(done: Counter[str], *, whole: bool) -> str:
    """What was done, in one line; `whole`: nothing of it failed or was left out."""
    counted = "; ".join(f"{number:,} {what}" for what, number in sorted(done.items()) if number)
    said = "whole" if whole else "not whole"
    return f"{said}, and what has no end {SOAK} times as long as in the suite: {counted}"
