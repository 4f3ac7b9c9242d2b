"""What was asked of network plugins, written down before it is asked: the cache of CNI 1.0 section 4.

A folder a container, a file an interface. Whoever comes after a crash finds what may exist, with the
configuration it was made with, even when the network's own has changed or gone.

The folder is also a lock, and plugins inherit it: one that outlives its caller keeps it, so that
nobody undoes what is still being done.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from lockgate.adapters.filesystem import read_bounded, write_atomic
from lockgate.adapters.flocks import flock
from lockgate.adapters.nonsense import NONSENSE
from lockgate.effects.outcome import PortError

_LIMIT = 4 << 20
_MODE = 0o600
_POLL = 0.01  # seconds between looks at a lock that an orphan holds

T = TypeVar("T")


class Desk(Generic[T]):
    """The notes about one container, while we hold them. `fd` is what keeps them held."""

    def __init__(self, directory: Path, kind: type[T], fd: int) -> None:
        self.fd = fd
        self._directory, self._kind = directory, kind

    def write(self, name: str, note: T) -> None:
        """Durable when it returns."""
        write_atomic(self.fd, name, msgspec.json.encode(note), _MODE)

    def read(self, name: str) -> T | None:
        """None when there is no such note. Raises `PortError("damaged")`."""
        try:
            data = read_bounded(name, _LIMIT, dir_fd=self.fd)
        except FileNotFoundError:
            return None
        try:
            return msgspec.json.decode(data, type=self._kind)
        except NONSENSE as problem:
            reason = f"the note {self._directory / name} cannot be read: {problem}"
            raise PortError("damaged", reason) from None

    def names(self) -> tuple[str, ...]:
        """Of the notes there are, without drafts of ours that a crash left."""
        names = (path.name for path in self._directory.iterdir())
        return tuple(sorted(name for name in names if not name.startswith(".")))

    def forget(self, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.fd)


class Notes(Generic[T]):
    """Notes of one kind below `directory`, which is made if need be."""

    def __init__(self, directory: Path, kind: type[T], patience: float) -> None:
        self._directory, self._kind, self._patience = directory, kind, patience

    def known(self, container: str) -> bool:
        return self._path(container).exists()

    def seen(self, container: str) -> tuple[T, ...]:
        """What is noted of a container now, without holding it; damaged notes are left out."""
        found: list[T] = []
        for path in sorted(self._path(container).glob("[!.]*")):
            with suppress(FileNotFoundError, PortError, *NONSENSE):
                found.append(msgspec.json.decode(read_bounded(path, _LIMIT), type=self._kind))
        return tuple(found)

    @contextmanager
    def hold(self, container: str) -> Generator[Desk[T]]:
        """The notes about a container, for us alone; the folder goes when nothing is in it.

        Waits up to `patience` seconds for a plugin that was orphaned; then raises
        `PortError("timeout")`.
        """
        path = self._path(container)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            self._lock(fd, container)
            desk = Desk(path, self._kind, fd)
            yield desk
            if not desk.names():
                shutil.rmtree(path)
        finally:
            os.close(fd)

    def _path(self, container: str) -> Path:
        return self._directory / container

    def _lock(self, fd: int, container: str) -> None:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    reason = (
                        f"a network plugin for container {container[:12]} has been running for "
                        f"{self._patience:.0f} seconds without anybody waiting for it"
                    )
                    raise PortError("timeout", reason) from None
                time.sleep(_POLL)
