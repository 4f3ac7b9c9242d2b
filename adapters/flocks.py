"""Taking a file's lock within some time: for the few files that are locked by those they tell of."""

import fcntl
import time

LOOK_AGAIN = 0.02
"""Seconds between two looks; nobody waits here but after somebody's death."""


def locked(file: int, patience: float) -> bool:
    """Take the lock of this open file; False when somebody else still has it after that many
    seconds. It is let go of with the last descriptor of this opening, wherever that is."""
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(LOOK_AGAIN)
        else:
            return True
