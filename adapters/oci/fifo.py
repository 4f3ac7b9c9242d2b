"""Letting a created container go by hand: what `runc start` and `crun start` do, without the 6 ms
of calling them.

Both hold the first process at `exec.fifo` in the container's record and take its being gone for
"started"; they differ in who writes. runc's process waits for a reader and writes a byte to it;
crun's reads until it is given one. Only what both runtimes do themselves is done, and only where
that is all they would do: with hooks, or with any other runtime, the command is called (HOST §2,
"The fastest complete life").
"""

import errno
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

from lockgate.adapters.filesystem import read_bounded
from lockgate.adapters.inotify import readable
from lockgate.adapters.oci.process import held
from lockgate.effects.model import Process
from lockgate.effects.outcome import PortError

Verdict: TypeAlias = Literal["started", "ended", "unknown"]

PATIENCE = 5.0
"""Seconds the first process may take to come to the FIFO; it stands there already."""

_SPEC_LIMIT = 4 * 2**20
_FLAGS = os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def let_go(runtime: str, record: Path, bundle: Path, process: Process) -> Verdict:
    """Let `process`, the first of a created container, run.

    "started" also when it had been let go before. "unknown": nothing has been done that the
    runtime's own `start` could not continue. Raises `OSError`.
    """
    fifo = record / "exec.fifo"
    meet = MEETINGS.get(runtime)
    if meet is None or hooked(bundle):
        return "unknown"
    with held(process) as pidfd:
        if pidfd is None:
            return "ended"
        try:
            verdict = meet(fifo, process, pidfd)
        except FileNotFoundError:
            return "unknown"
    if verdict == "started":
        with suppress(FileNotFoundError):
            fifo.unlink()  # last: as long as it stands the container counts as created
    return verdict


def _take(fifo: Path, process: Process, pidfd: int) -> Verdict:
    """runc: open it, and the process that waits for a reader writes."""
    fd = os.open(fifo, os.O_RDONLY | _FLAGS)
    try:
        ready = readable((fd, pidfd), PATIENCE)
        if fd in ready and os.read(fd, 1):
            return "started"
        if ready:
            return "ended"
        # it does not come: it has been here before and nobody lived to unlink, or it is held up
        return "unknown" if _is_init(process) else "started"
    finally:
        os.close(fd)


def _give(fifo: Path, process: Process, pidfd: int) -> Verdict:
    """crun: write, and the process that holds the other end reads."""
    try:
        fd = os.open(fifo, os.O_WRONLY | _FLAGS)
    except OSError as problem:
        if problem.errno != errno.ENXIO:
            raise
        # nobody reads: it runs its program, or has ended
        return "ended" if readable((pidfd,), 0) else "started"
    try:
        os.write(fd, b"\0")
    finally:
        os.close(fd)
    return "started"


MEETINGS: Mapping[str, Callable[[Path, Process, int], Verdict]] = MappingProxyType(
    {"runc": _take, "crun": _give}
)


def _is_init(process: Process) -> bool:
    """Is it still runc's own program, which calls itself `runc:[2:INIT]`?"""
    try:
        return Path(f"/proc/{process.pid}/comm").read_bytes().startswith(b"runc:[")
    except OSError:
        return False


def hooked(bundle: Path) -> bool:
    """May `start` have hooks to run? Unreadable counts as yes."""
    try:
        return b'"hooks"' in read_bounded(bundle / "config.json", _SPEC_LIMIT)
    except (OSError, PortError):
        return True
