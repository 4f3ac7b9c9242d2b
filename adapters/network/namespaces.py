"""A network namespace of our own making, with nothing but a loopback interface that is up; or the one
that the runtime has made for a process of it.

The namespace is kept alive by a bind mount of its handle, one file a run: a namespace is never used
again by another run (L-25). Made or found in a thread that leaves its own namespace and ends, so that
the caller's is never touched (HOST §4: 0.6 ms).
"""

import os
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from lockgate.adapters.commands import finished
from lockgate.adapters.elsewhere import elsewhere
from lockgate.adapters.network import links
from lockgate.adapters.oci.process import held
from lockgate.adapters.syscalls import (
    MountFlag,
    UnmountFlag,
    mount,
    mounted_at,
    setns,
    unmount,
    unshare,
)
from lockgate.effects.config import Config
from lockgate.effects.model import Process
from lockgate.effects.outcome import FaultKind, Joined, PortError

CLONE_NEWNET = 0x40000000
TOOLS = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
PATIENCE = 10.0
"""Seconds `ip` may take."""


class Namespaces:
    """Implements the port `Network` for the mode `private`. `directory` holds the handles."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def join(self, config: Config, epoch: int) -> Joined:
        handle = self.handle(config.id, str(epoch))
        if not pinned(handle):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            make(handle)
        return Joined(str(handle))

    def keep(self, config: Config, epoch: int, process: Process) -> str:
        """The namespace this very process is in, pinned as one of this run; where that is. Raises
        `PortError("missing")`, clean, when it has ended."""
        handle = self.handle(config.id, str(epoch))
        with held(process) as fd:
            if fd is None:
                reason = f"process {process.pid}, whose network is to be set up, has ended"
                raise PortError("missing", reason, dirty=False)
            drop(handle)  # of another try, of which nobody knows whom it found
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _pin(handle, lambda: setns(fd, CLONE_NEWNET))
        return str(handle)

    def leave(self, config: Config, epoch: int) -> None:
        for handle in self._directory.glob(f"{config.id}-*"):
            drop(handle)

    def newest(self, container: str) -> tuple[int, Path] | None:
        """The newest run of the container that has a namespace, and where that is."""
        runs = (path.name.rpartition("-")[2] for path in self._directory.glob(f"{container}-*"))
        for epoch in sorted((int(run) for run in runs if run.isdecimal()), reverse=True):
            if pinned(found := self.handle(container, str(epoch))):
                return epoch, found
        return None

    def handle(self, container: str, which: str) -> Path:
        """Where a namespace of this container is pinned; `leave` drops it, whatever `which`."""
        return self._directory / f"{container}-{which}"


def pinned(handle: Path | str) -> bool:
    """Is there a namespace? A handle that is only a file is none: it went with an earlier boot, or
    with whoever unmounted it."""
    try:
        return mounted_at(handle) is not None
    except FileNotFoundError:
        return False


def make(handle: Path) -> None:
    """A new namespace, pinned at `handle`, its loopback interface up. Raises `PortError("denied")`,
    clean."""

    def enter() -> None:
        unshare(CLONE_NEWNET)
        links.set_up("lo", up=True)

    _pin(handle, enter)


def holds(handle: Path | str, interface: str) -> bool:
    """Is there a namespace at `handle` with an interface of this name?"""

    found: list[bool] = []

    def look() -> None:
        setns(handle, CLONE_NEWNET)
        found.append(links.exists(interface))

    with suppress(OSError):
        elsewhere(look)
    return any(found)


def drop(handle: Path) -> None:
    """Let go of what is pinned at `handle`; nothing there is success."""
    if pinned(handle):
        unmount(handle, UnmountFlag.DETACH | UnmountFlag.NOFOLLOW)
    try:
        if handle.is_dir() and not handle.is_symlink():
            handle.rmdir()
        else:
            handle.unlink()
    except FileNotFoundError:
        if os.path.lexists(handle):  # to be believed it is to be said twice
            raise


@contextmanager
def lent(handle: Path, interface: str, addresses: Sequence[str]) -> Generator[str]:
    """A namespace for a while, with one interface of these addresses (CIDR), if there are any.

    Raises `PortError("missing")` without iproute2.
    """
    drop(handle)  # of a loan that a crash cut short
    make(handle)
    try:
        if addresses:
            _ip(handle, "link", "add", interface, "type", "bridge")
        for address in addresses:
            _ip(handle, "address", "add", address, "dev", interface)
        yield str(handle)
    finally:
        drop(handle)


def _ip(handle: Path, *words: str) -> None:
    line = ["nsenter", f"--net={handle}", "ip", *words]
    try:
        done = finished(line, environment=TOOLS, patience=PATIENCE)
    except FileNotFoundError:
        raise PortError("missing", "there is no nsenter; install util-linux") from None
    if done.code != 0:
        said = done.complaints.decode("utf-8", "replace").strip()
        raise PortError("failed", f"cannot {' '.join(line)}: {said or 'is iproute2 installed?'}")


def _pin(handle: Path, enter: Callable[[], None]) -> None:
    """Pin at `handle` the namespace that a thread is in after it has entered."""

    def pin() -> None:
        enter()
        source = f"/proc/self/task/{threading.get_native_id()}/ns/net"
        mount(source, handle, "", MountFlag.BIND)

    os.close(os.open(handle, os.O_CREAT | os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o400))
    try:
        elsewhere(pin)
    except OSError as problem:
        handle.unlink(missing_ok=True)
        kind: FaultKind = "missing" if isinstance(problem, ProcessLookupError) else "denied"
        reason = f"cannot make or enter a network namespace: {problem}"
        raise PortError(kind, reason, dirty=False) from problem
