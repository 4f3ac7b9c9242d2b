"""Processes that cannot be mistaken for others: pid, start time, boot (FAULTS P15).

One rule: a pid alone is never believed and never signalled. A pidfd is opened first, then the
identity is checked again: from then on the descriptor means that very process, whoever gets its
number later. The dead may linger as zombies; they count as dead.
"""

import errno
import os
import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from msgspec import Struct

from lockgate.adapters.inotify import readable
from lockgate.effects.model import Process
from lockgate.effects.outcome import PortError

_STAT_LIMIT = 4096
_ARGUMENTS_LIMIT = 64 * 1024


class Stat(Struct, frozen=True):
    """What /proc/PID/stat tells (proc(5)): fields 3, 4, 20 and 22."""

    state: str
    parent: int
    threads: int
    start: int

    @property
    def ended(self) -> bool:
        """A zombie's leader may be waiting for other threads, which still run."""
        return self.state in "Xx" or (self.state == "Z" and self.threads <= 1)


def identify(pid: int) -> Process | None:
    """The living process that has this pid now, or None. Raises `OSError` if it cannot be told."""
    found = stat_of(pid)
    if found is None or found.ended:
        return None
    return Process(pid, found.start, boot_id())


def alive(process: Process) -> bool:
    """Does this very process live? One of another boot does not, and a zombie does not.

    Raises `OSError` when it cannot be told (no descriptors left): not knowing is not death.
    """
    if process.pid <= 0 or process.boot != boot_id():
        return False
    found = stat_of(process.pid)
    return found is not None and found.start == process.start and not found.ended


@contextmanager
def held(process: Process) -> Generator[int | None]:
    """A pidfd that means this very process; None when it has ended."""
    fd = pidfd(process)
    try:
        yield fd
    finally:
        if fd is not None:
            os.close(fd)


def pidfd(process: Process) -> int | None:
    """As `held`, but the caller closes the descriptor."""
    if process.pid <= 0:
        return None
    try:
        fd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    except OSError as error:
        if error.errno == errno.EINVAL:  # now the number of a thread of somebody else
            return None
        raise
    try:
        living = alive(process)  # it lived before we opened and lives now: fd is it
    except BaseException:
        os.close(fd)
        raise
    if living:
        return fd
    os.close(fd)
    return None


def send(process: Process, number: int) -> None:
    """Signal this very process, or nobody.

    Raises `PortError`, always clean: "missing" when it has ended, "refused" for pid 1 and below or
    a signal there is not, "denied".
    """
    if process.pid <= 1:
        reason = f"pid {process.pid} is never signalled"
        raise PortError("refused", reason, dirty=False)
    with held(process) as fd:
        if fd is None:
            raise _ended(process)
        try:
            signal.pidfd_send_signal(fd, number)
        except ProcessLookupError:
            raise _ended(process) from None
        except PermissionError as error:
            reason = f"may not signal process {process.pid}: {error.strerror}"
            raise PortError("denied", reason, dirty=False) from None
        except (OSError, ValueError, OverflowError) as error:
            reason = f"cannot send signal {number} to process {process.pid}: {error}"
            raise PortError("refused", reason, dirty=False) from None


def go_on(process: Process) -> None:
    """It runs, even if somebody had stopped it (SIGSTOP). Gone is as good."""
    with suppress(PortError):
        send(process, signal.SIGCONT)


def wait_gone(process: Process, timeout: float | None) -> bool:
    """Until this process has ended, at most `timeout` seconds (`None`: for ever); has it?"""
    with held(process) as fd:
        return fd is None or bool(readable((fd,), timeout))


def end(process: Process, patience: float) -> bool:
    """SIGKILL, and wait up to `patience` seconds; has it ended?"""
    try:
        send(process, signal.SIGKILL)
    except PortError as problem:
        if problem.fault.kind == "missing":
            return True
        raise
    return wait_gone(process, patience)


def descendants(process: Process) -> tuple[Process, ...]:
    """The living children of a process, their children, and so on. Costs a walk through /proc."""
    children: dict[int, list[Process]] = {}
    for pid in pids():
        found = stat_of(pid)
        if found is not None and not found.ended:
            children.setdefault(found.parent, []).append(Process(pid, found.start, boot_id()))
    family: list[Process] = []
    waiting = [process.pid] if alive(process) else []
    while waiting:
        born = children.pop(waiting.pop(), [])
        family += born
        waiting += [child.pid for child in born]
    return tuple(family)


def arguments(pid: int) -> tuple[bytes, ...]:
    """What it was called with; nothing for one that is gone, or of whom it cannot be told."""
    try:
        with Path(f"/proc/{pid}/cmdline").open("rb") as file:
            return tuple(file.read(_ARGUMENTS_LIMIT).split(b"\0"))
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ()


def pids() -> tuple[int, ...]:
    """All there are now."""
    with os.scandir("/proc") as entries:
        return tuple(int(entry.name) for entry in entries if entry.name.isdecimal())


def stat_of(pid: int) -> Stat | None:
    """None when there is no such process."""
    try:
        raw = _small(f"/proc/{pid}/stat")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # the name is in parentheses and may hold anything, also parentheses and blanks
    fields = raw[raw.rindex(b")") + 2 :].split()
    return Stat(fields[0].decode(), int(fields[1]), int(fields[17]), int(fields[19]))


@cache
def boot_id() -> str:
    """The kernel's name for this boot; it cannot change while we live."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _small(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, _STAT_LIMIT)
    finally:
        os.close(fd)


def _ended(process: Process) -> PortError:
    return PortError("missing", f"process {process.pid} has ended", dirty=False)
