"""The port `Checks`: health checks of a run, below its directory.

    <root>/run/<id>/<epoch>/checks.json     the newest results
                            checks.lock     held while one is run
                            watcher.lock    held by the watcher for as long as it lives

A watcher is a process of its own for each run with checks (`lockgate.watch`). It ends with its run, by
itself, and is known to live by its lock: there is nothing to be disarmed, and nothing that could
be left behind. Where there is systemd it is a transient unit, so that no session takes it along.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from lockgate.adapters.behind import begin
from lockgate.adapters.filesystem import read_bounded, write_atomic
from lockgate.adapters.flocks import locked
from lockgate.adapters.nonsense import NONSENSE
from lockgate.adapters.oci.run import Run
from lockgate.effects.config import Config
from lockgate.effects.health import CheckResult
from lockgate.effects.outcome import PortError

RESULTS, CHECKING, WATCHER = "checks.json", "checks.lock", "watcher.lock"
LIMIT = 16 << 20
"""Bytes of all results: what may be kept of them, escaped."""


class LocalChecks:
    """For runs below `root`. `watcher` is the beginning of the command that watches one: container
    and epoch are added; empty where whoever embeds us sees to the checks."""

    def __init__(self, root: Path, watcher: tuple[str, ...] = ()) -> None:
        self._root, self._watcher = root, watcher

    def watch(self, config: Config, epoch: int) -> None:
        if not self._watcher:
            return
        with watching(self._root, config.id, epoch) as free:
            if not free:
                return
        unit = f"lockgate-{config.id[:12]}-{epoch}"
        begin((*self._watcher, config.id, str(epoch)), unit, self._root)

    @contextmanager
    def alone(self, container: str, epoch: int, timeout: float) -> Generator[bool]:
        with _held(self._directory(container, epoch) / CHECKING, timeout) as mine:
            yield mine

    def note(self, container: str, epoch: int, result: CheckResult, keep: int) -> None:
        newest = msgspec.json.encode((*self.noted(container, epoch), result)[-keep:])
        try:
            write_atomic(self._directory(container, epoch), RESULTS, newest, 0o600, durable=False)
        except FileNotFoundError:
            raise _over() from None

    def noted(self, container: str, epoch: int) -> tuple[CheckResult, ...]:
        try:
            found = read_bounded(self._directory(container, epoch) / RESULTS, LIMIT)
            return msgspec.json.decode(found, type=tuple[CheckResult, ...])
        except (OSError, PortError, *NONSENSE):
            return ()

    def _directory(self, container: str, epoch: int) -> Path:
        return Run.of(self._root, container, epoch).directory


@contextmanager
def watching(root: Path, container: str, epoch: int) -> Generator[bool]:
    """Be the watcher of this run; False where another is."""
    with _held(Run.of(root, container, epoch).directory / WATCHER, 0) as mine:
        yield mine


@contextmanager
def _held(path: Path, timeout: float) -> Generator[bool]:
    """Raises `PortError("missing")` where the run is gone."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        raise _over() from None
    try:
        yield locked(file, timeout)
    finally:
        os.close(file)


def _over() -> PortError:
    return PortError("missing", "the run is over", dirty=False)
