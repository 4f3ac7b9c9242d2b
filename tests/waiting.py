"""Waiting for what will be true, and for nothing else."""

import time
from collections.abc import Callable

SOON = 30.0
"""Seconds in which anything has happened, or something is wrong."""


def until(true: Callable[[], object], said: str = "it never came true") -> None:
    deadline = time.monotonic() + SOON
    while not true():
        assert time.monotonic() < deadline, said
        time.sleep(0.02)
