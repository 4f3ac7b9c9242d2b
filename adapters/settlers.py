"""Who does what is owed after a run (`lockgate.settle`), where the monitor did not live to call him.

    <root>/run/<id>/<epoch>/settler.lock    held while one is at work; says when one is done

One rule: begun only where it is certain that nobody else will. The monitor that would have called one is dead,
none is at work, and none has come to an end of his own: what he could not do is left to its user.
"""

import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from lockgate.adapters.behind import begin
from lockgate.adapters.flocks import locked
from lockgate.adapters.oci.process import alive
from lockgate.adapters.oci.run import Run
from lockgate.adapters.whole import pread_all, pwrite_all
from lockgate.effects.config import Config
from lockgate.effects.model import Process

ON_HIS_WAY = 5.0
"""Seconds one may take until he holds the lock; nobody else is begun for that long."""

LOCK = "settler.lock"
DONE = b"done"


class LocalSettlers:
    """For runs below `root`. `settler` is the beginning of the command that settles one: container,
    epoch and the rest are in `words`."""

    def __init__(self, root: Path, settler: tuple[str, ...], words: tuple[str, ...]) -> None:
        self._root, self._settler, self._words = root, settler, words
        self._begun: dict[tuple[str, int], float] = {}

    def begin(self, config: Config, epoch: int, monitor: Process) -> None:
        now = time.monotonic()
        if alive(monitor) or now - self._begun.get((config.id, epoch), -ON_HIS_WAY) < ON_HIS_WAY:
            return
        with settling(self._root, config.id, epoch, mark=False) as mine:
            if not mine:
                return
        self._begun[config.id, epoch] = now
        line = (*self._settler, str(self._root), config.id, str(epoch), *self._words)
        begin(line, f"lockgate-settle-{config.id[:12]}-{epoch}", self._root)


@contextmanager
def settling(root: Path, container: str, epoch: int, *, mark: bool = True) -> Generator[bool]:
    """Be the one who settles this run; False where another is, or was and came to an end. Where the
    run has left no files there is nobody to meet. `mark`: say so when we are done."""
    path = Run.of(root, container, epoch).directory / LOCK
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        yield True
        return
    try:
        mine = locked(file, 0) and pread_all(file, len(DONE), 0) != DONE
        yield mine
        if mine and mark:
            pwrite_all(file, DONE, 0)
    finally:
        os.close(file)
