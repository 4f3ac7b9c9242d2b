"""flock(2), for the few files and folders that are locked by those they tell of; and what to say where a
file system has no locks."""

import errno
import fcntl
import time
from pathlib import Path

from lockgate.effects.outcome import PortError

LOOK_AGAIN = 0.02
"""Seconds between two looks; nobody waits here but after somebody's death."""

UNSUPPORTED = frozenset((errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP))
"""What is said where there are none: some network and user-space file systems."""


def flock(file: int, how: int) -> None:
    """Raises `BlockingIOError` where that was wished, and `PortError("failed")`, clean, where there
    are no locks."""
    try:
        fcntl.flock(file, how)
    except OSError as problem:
        if problem.errno not in UNSUPPORTED:
            raise
        place = Path(f"/proc/self/fd/{file}").readlink()
        raise PortError("failed", f"{place}: {without(problem)}", dirty=False) from None


def without(problem: OSError) -> str:
    """Why there are no locks, and what to do."""
    return (
        f"its file system has no locks ({problem.strerror}), without which nothing can be done safely; "
        "keep lockgate's folder (--root) on one that has: a local one, or NFS with its lock service"
    )


def locked(file: int, patience: float) -> bool:
    """Take the lock of this open file; False when somebody else still has it after that many
    seconds. It is let go of with the last descriptor of this opening, wherever that is. Raises as
    `flock`."""
    deadline = time.monotonic() + patience
    while True:
        try:
            flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(LOOK_AGAIN)
        else:
            return True
