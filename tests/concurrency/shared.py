"""A simulated host that several processes share: its worlds are files, its lock is a lock file.

The store and the container locks are the real ones; only what a container is in the world is cheap.
"""

import dataclasses
import fcntl
import os
import threading
import time
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from types import TracebackType

import msgspec

from lockgate.adapters.locks import FileLocks
from lockgate.adapters.oci.process import alive, identify
from lockgate.adapters.simulated import SimulatedHost, World
from lockgate.adapters.store import SqliteStore
from lockgate.effects.model import AnyEffect, Signal
from lockgate.effects.ports import Executor
from lockgate.host import Host
from lockgate.simulation import simulated


class Worlds(MutableMapping[str, World]):
    """One file a world."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)

    def __getitem__(self, container: str) -> World:
        try:
            return msgspec.json.decode((self._folder / container).read_bytes(), type=World)
        except FileNotFoundError:
            raise KeyError(container) from None

    def __setitem__(self, container: str, world: World) -> None:
        draft = self._folder / f".{container}"
        draft.write_bytes(msgspec.json.encode(world))
        draft.replace(self._folder / container)

    def __delitem__(self, container: str) -> None:
        try:
            (self._folder / container).unlink()
        except FileNotFoundError:
            raise KeyError(container) from None

    def __iter__(self) -> Iterator[str]:
        return (path.name for path in self._folder.iterdir() if not path.name.startswith("."))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Together:
    """What the host's condition is to threads, to processes: exclusive, re-entrant, waited on by
    looking again."""

    def __init__(self, path: Path) -> None:
        self._path, self._mutex, self._depth = path, threading.RLock(), 0
        self._file = -1

    def __enter__(self) -> None:
        self._mutex.acquire()
        self._depth += 1
        if self._depth == 1:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
            fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._depth -= 1
        if not self._depth:
            os.close(self._file)
        self._mutex.release()

    def notify_all(self) -> None:
        """Nobody sleeps for long."""

    def wait(self, timeout: float | None = None) -> bool:
        assert self._depth == 1, "waits while somebody above holds it"
        self.__exit__(None, None, None)
        time.sleep(min(timeout or 0.002, 0.002))
        self.__enter__()
        return True


def _reluctant(effect: AnyEffect) -> None:
    """What is signalled takes a while to end, so that others come in between."""
    if isinstance(effect, Signal):
        time.sleep(0.004)


def shared(root: Path, boots: int = 1) -> Host:
    """The host of this folder, in this process; it has been booted so often."""
    root.mkdir(exist_ok=True)
    base = simulated()
    host = base.simulation
    assert isinstance(host, SimulatedHost)
    host._worlds = Worlds(root / "worlds")  # type: ignore[assignment]
    host._changed = Together(root / "worlds.lock")  # type: ignore[assignment]
    host._boots = boots
    host.before = _reluctant
    me = identify(os.getpid())
    assert me is not None
    store = SqliteStore(root / "lockgate.db")
    return dataclasses.replace(
        base,
        store=store,
        locks=FileLocks(root / "locks"),
        me=Executor(me),
        lives=lambda executor: alive(executor.process),
        close=store.close,
        description="a simulated host shared by processes",
    )
