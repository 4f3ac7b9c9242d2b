"""How a run ended, from what the monitor left: total over damaged files, and patient without polling.

Two rules. What stands at an exit file's name is final, for the monitor renames it there; damaged,
it will not get better. And a run has not ended while its first process lives, whatever a file says
(FAULTS P01, P02): exit 0 is only ever reported when a monitor wrote 0 for this run.
"""

import os
import re
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from msgspec import Struct

from lockgate.adapters.filesystem import read_bounded, write_atomic
from lockgate.adapters.inotify import Inotify, Mask, readable
from lockgate.adapters.oci.process import alive, boot_id, pidfd
from lockgate.adapters.oci.run import Run
from lockgate.effects.model import Process
from lockgate.effects.outcome import UNKNOWN_EXIT, Exited, PortError

_LIMIT = 16  # bytes; "-1" to "255" need three
_CODE = re.compile(rb"-1|0|[1-9][0-9]{0,2}")
_NEWS = Mask.MOVED_TO | Mask.CREATE | Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.ONLYDIR


class Report(Struct, frozen=True):
    """What stands at the name of an exit file; `code` is None when that is no exit code."""

    code: int | None
    at: int
    reason: str = ""


def look(run: Run, process: Process | None, monitor: Process | None) -> Exited | None:
    """How the run ended; None while it lives, or its monitor may still report. Never blocks.

    Raises `OSError` only when nothing can be told (no descriptors left).
    """
    watched = _alive(monitor)  # first, so that silence after its end is its last word
    return _judged(run, process, monitor, watched, reported(run))


def await_exit(
    run: Run, process: Process | None, monitor: Process | None, timeout: float | None
) -> Exited | None:
    """`look`, but wait up to `timeout` seconds (`None`: for ever).

    The kernel tells of the exit file, of the monitor's end, and then of the process's. Raises
    `PortError("missing")` when somebody removes the run while we wait.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    with ExitStack() as stack:
        news = _news(run, stack)
        watching = _Watch(stack, process, monitor)
        present = run.exits.is_dir()
        while True:
            watched = _alive(monitor)
            report = reported(run)
            ended = _judged(run, process, monitor, watched, report)
            fds = watching.fds()
            if report is None and present and not run.exits.is_dir():
                if not fds:
                    reason = f"run {run.epoch} was removed while its end was awaited"
                    raise PortError("missing", reason, dirty=False)
                present = False  # its files are lost, but it lives
            left = None if deadline is None else deadline - time.monotonic()
            if ended is not None or (left is not None and left <= 0):
                return ended
            if not fds:
                continue  # it ended between the two questions
            if news is not None:
                news.read()
                fds = (*fds, news.fileno())
            readable(fds, left)


def reported(run: Run) -> Report | None:
    """What the monitor wrote; of its two files the one that is sound. None while there is none."""
    damaged: Report | None = None
    for path in run.exit_files:
        report = _report(path)
        if report is not None and report.code is not None:
            return report
        damaged = damaged or report
    return damaged


def write_down(run: Run, code: int) -> None:
    """As a monitor would, for what has none: its caller says how it ended. One that has gone with its
    run meanwhile needs no word of it."""
    place = run.exit_files[1]
    with suppress(FileNotFoundError):
        write_atomic(place.parent, place.name, str(code).encode(), 0o600, durable=False)


def _judged(
    run: Run,
    process: Process | None,
    monitor: Process | None,
    watched: bool,
    report: Report | None,
) -> Exited | None:
    sound = report is not None and report.code is not None
    if (watched and not sound) or _alive(process):
        return None
    if report is None:
        return Exited(UNKNOWN_EXIT, time.time_ns(), reason=_unreported(process, monitor))
    code = UNKNOWN_EXIT if report.code is None else report.code
    reason = report.reason
    if sound and code == UNKNOWN_EXIT:
        reason = "the monitor could not tell how the container ended"
    return Exited(code, report.at, os.path.lexists(run.oom), reason)


def _report(path: Path) -> Report | None:
    try:
        text = read_bounded(path, _LIMIT)
        at = path.lstat().st_ctime_ns
    except FileNotFoundError:
        return None
    except (PortError, NotADirectoryError) as problem:
        return Report(None, _changed(path), f"the monitor's exit file is damaged: {problem}")
    if _CODE.fullmatch(text) and (code := int(text)) <= 255:
        return Report(code, at)
    return Report(None, at, f"the monitor's exit file {path} holds no exit code but {text!r}")


def _changed(path: Path) -> int:
    try:
        return path.lstat().st_ctime_ns
    except OSError:
        return time.time_ns()


def _unreported(process: Process | None, monitor: Process | None) -> str:
    if any(each is not None and each.boot != boot_id() for each in (process, monitor)):
        return "the host was restarted while it ran"
    return "the monitor ended without reporting how the container did"


def _alive(process: Process | None) -> bool:
    return process is not None and alive(process)


def _news(run: Run, stack: ExitStack) -> Inotify | None:
    """Word of the exit file, half a millisecond before the monitor's end; we can do without, where
    the user has no queue left or the directory is lost."""
    try:
        news = stack.enter_context(Inotify())
        news.watch(run.exits, _NEWS)
    except OSError:
        return None
    return news


class _Watch:
    """Descriptors of those whose end is news: the monitor; once it is gone, the first process."""

    def __init__(self, stack: ExitStack, process: Process | None, monitor: Process | None) -> None:
        self._stack = stack
        self._waiting = [each for each in (process, monitor) if each is not None]  # used as a stack
        self._fd: int | None = None

    def fds(self) -> tuple[int, ...]:
        """Whose end to wait for now; empty when both are gone."""
        while self._fd is None or readable((self._fd,), 0):
            if not self._waiting:
                return ()
            self._fd = pidfd(self._waiting.pop())
            if self._fd is not None:
                self._stack.callback(os.close, self._fd)
        return (self._fd,)
