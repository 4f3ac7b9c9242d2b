"""Locks that exclude threads and processes alike, and die with their holder (P14).

One file per scope under flock(2), taken through `filelock` on a descriptor of our own: a fresh one
for each hold, so that two threads exclude each other too. The rule that keeps it simple: a lock is
the file its name leads to *now*; one that was unlinked or replaced meanwhile does not count.
"""

import errno
import fcntl
import os
import re
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import TIMEOUT_MAX, Lock, get_ident

from filelock import lock_descriptor, unlock_descriptor

from lockgate.adapters.flocks import UNSUPPORTED, without
from lockgate.adapters.forks import around_forks
from lockgate.adapters.whole import pwrite_all
from lockgate.effects.ports import StoreError

FULL = (errno.ENOSPC, errno.EDQUOT)
_SCOPE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")


class FileLocks:
    """Implements `Locks` with the files `<scope>.lock` (mode 0600) in `directory`, which is made if
    need be. A lock that is not free is tried again every `poll_interval` seconds.

    Descriptors are closed on exec, and in a child that was only forked: nothing that outlives the
    holder keeps its locks (FAULTS §3.5).
    """

    def __init__(self, directory: Path, poll_interval: float = 0.002) -> None:
        self._directory, self._poll_interval = directory, poll_interval
        self._held: dict[tuple[int, str], int] = {}  # (thread, scope) -> descriptor
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        around_forks(child=self._disown)

    @contextmanager
    def hold(self, scope: str, timeout: float | None = None) -> Generator[None]:
        """Exclusive while inside. Raises `TimeoutError` that names the holder after `timeout`
        seconds (0: one try; `None`: never); `RuntimeError` in a thread that holds it already, which
        would wait for itself (MAP L-120); `ValueError` for what is no scope."""
        holder = get_ident(), _checked(scope)
        if holder in self._held:
            raise _recursion(scope)
        self._held[holder] = self._acquired(scope, timeout)
        try:
            yield
        finally:
            self._release(self._held.pop(holder, None))

    def holder(self, scope: str) -> str:
        """Who holds it now, in words; empty when nobody does. Whoever wants it just then tries a
        moment later."""
        path = self._path(_checked(scope))
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return ""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _holder(path)
        except OSError as problem:
            if problem.errno not in UNSUPPORTED:
                raise
        finally:
            os.close(descriptor)
        return ""

    def forget(self, scope: str) -> None:
        """Remove the lock file of what is gone for good; it stays if somebody holds it, or it cannot
        be removed: whoever refreshes tries again."""
        if not self._path(_checked(scope)).exists():
            return
        with suppress(OSError, StoreError), self.hold(scope, timeout=0):
            self._path(scope).unlink()

    def known(self) -> tuple[str, ...]:
        return tuple(path.name.removesuffix(".lock") for path in self._directory.glob("*.lock"))

    def _path(self, scope: str) -> Path:
        return self._directory / f"{scope}.lock"

    def _acquired(self, scope: str, timeout: float | None) -> int:
        path, deadline = self._path(scope), _deadline(timeout)
        while (descriptor := _attempt(path)) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise _timed_out(scope, timeout, _holder(path))
            time.sleep(min(self._poll_interval, left))
        return descriptor

    def _release(self, descriptor: int | None) -> None:
        if descriptor is None:  # we are a fork of the holder
            return
        try:
            unlock_descriptor(descriptor)  # for every copy of it there may be
        finally:
            os.close(descriptor)

    def _disown(self) -> None:
        """In a forked child: what its parent holds is not its own."""
        while self._held:
            os.close(self._held.popitem()[1])


def _attempt(path: Path) -> int | None:
    """A descriptor that holds the lock, or `None` when somebody else does. Raises `StoreError`."""
    while True:
        descriptor = _opened(path)
        try:
            free = _locked(path, descriptor)
            if free and _leads_to(path, descriptor):
                with suppress(OSError):  # a courtesy, which a full disk may refuse
                    pwrite_all(descriptor, b"%-10d\n" % os.getpid(), 0)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if not free:
            return None


def _opened(path: Path) -> int:
    how = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        try:
            return os.open(path, how, 0o600)
        except FileNotFoundError:  # a cleaner has taken the directory
            path.parent.mkdir(mode=0o700, exist_ok=True)
            return os.open(path, how, 0o600)
    except OSError as error:
        why = "no space left" if error.errno in FULL else str(error.strerror)
        raise StoreError(
            f"lock {path}: {why}; nothing was changed: mend that, and try again"
        ) from error


def _locked(path: Path, descriptor: int) -> bool:
    """Is it ours now? Raises `StoreError` where there are no locks."""
    try:
        return lock_descriptor(descriptor, blocking=False)
    except OSError as problem:
        if problem.errno not in UNSUPPORTED:
            raise
        raise StoreError(f"lock {path}: {without(problem)}; nothing was changed") from problem


def _leads_to(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _holder(path: Path) -> str:
    """Who last took the lock, in words."""
    try:
        pid = int(path.read_bytes()[:11])
    except (OSError, ValueError):
        return "another process"
    return "another thread of this process" if pid == os.getpid() else f"process {pid}"


class MemoryLocks:
    """Implements `Locks` among the threads of one process, for a simulated host."""

    def __init__(self) -> None:
        self._locks: dict[str, Lock] = {}
        self._holders: dict[str, int] = {}  # scope -> thread

    @contextmanager
    def hold(self, scope: str, timeout: float | None = None) -> Generator[None]:
        """As `FileLocks.hold`."""
        if self._holders.get(_checked(scope)) == get_ident():
            raise _recursion(scope)
        lock = self._acquired(scope, timeout)
        self._holders[scope] = get_ident()
        try:
            yield
        finally:
            del self._holders[scope]
            lock.release()

    def holder(self, scope: str) -> str:
        """As `FileLocks.holder`."""
        return "another thread" if _checked(scope) in self._holders else ""

    def forget(self, scope: str) -> None:
        """As `FileLocks.forget`."""
        if scope not in self._locks:
            return
        with suppress(TimeoutError), self.hold(scope, timeout=0):
            del self._locks[scope]

    def known(self) -> tuple[str, ...]:
        return tuple(self._locks)

    def _acquired(self, scope: str, timeout: float | None) -> Lock:
        deadline = _deadline(timeout)
        while True:
            lock = self._locks.setdefault(scope, Lock())
            left = max(deadline - time.monotonic(), 0)
            if not lock.acquire(timeout=min(left, TIMEOUT_MAX)):
                raise _timed_out(scope, timeout, "another thread")
            if self._locks.get(scope) is lock:
                return lock
            lock.release()  # forgotten while we waited


def _deadline(timeout: float | None) -> float:
    return float("inf") if timeout is None else time.monotonic() + timeout


def _checked(scope: str) -> str:
    if not _SCOPE.fullmatch(scope):
        raise ValueError(
            f"{scope!r} cannot be the scope of a lock: letters, digits, '_', '.' and '-', "
            "beginning with a letter or digit"
        )
    return scope


def _recursion(scope: str) -> RuntimeError:
    return RuntimeError(
        f"this thread holds the lock {scope!r} already and would wait for itself for ever; "
        "give it back first, or do the work under the hold there is"
    )


def _timed_out(scope: str, timeout: float | None, holder: str) -> TimeoutError:
    return TimeoutError(
        f"the lock {scope!r} is held by {holder} and did not come free within {timeout or 0:g} "
        "seconds; try again when that is done"
    )
