"""Container logs in the k8s-file format that the monitor writes: `TIME STREAM F|P TEXT`.

The text is whatever the container chose to print: bounded in length, decoded with replacement,
and a line that does not have this form is given as it is. A log that has reached its limit is begun
anew by the monitor, under the same name: it is known by its first bytes, which hold a time.
"""

import os
from pathlib import Path

from lockgate.adapters.inotify import Inotify, Mask
from lockgate.adapters.whole import pread_all
from lockgate.effects.config import Config
from lockgate.effects.ports import LogLine, Mark

CHUNK = 1 << 20
"""Bytes read at a time; a line longer than this is given in pieces."""

FARTHEST = 64 << 20
"""Bytes from the end that are looked at for the last lines."""

HEAD = 64
"""Bytes by which a log is known: the time of its first line is among them."""

FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class FileLogs:
    """Implements the port `Logs` over `containers/<id>/ctr.log` below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def _path(self, config: Config) -> Path:
        return self._root / "containers" / config.id / "ctr.log"

    def read(self, config: Config, after: Mark | None = None) -> tuple[tuple[LogLine, ...], Mark]:
        return read_log(self._path(config), after)

    def last(self, config: Config, count: int) -> Mark:
        """Looked for from the end, in ever larger pieces: what lies before is never read."""
        try:
            fd = os.open(self._path(config), FLAGS)
        except FileNotFoundError:
            return Mark()
        try:
            head, size, piece = pread_all(fd, HEAD, 0), os.fstat(fd).st_size, 1 << 16
            while piece < FARTHEST and piece < size:
                begins = _begins(fd, size - piece, size)[1:]  # the first may be the end of a line
                if len(begins) > count:
                    return Mark(begins[-count - 1], head)
                piece *= 4
            begins = _begins(fd, max(0, size - piece), size)
            return Mark(begins[max(0, len(begins) - count - 1)], head)
        finally:
            os.close(fd)

    def wait(self, config: Config, after: Mark, timeout: float) -> None:
        with Inotify() as queue:
            try:
                queue.watch(self._path(config), Mask.MODIFY | Mask.DELETE_SELF)
            except FileNotFoundError:
                return
            if not self.read(config, after)[0]:  # what came before we watched is no event
                queue.wait(timeout)


def _begins(fd: int, begin: int, end: int) -> list[int]:
    """Where lines begin between these offsets, and where the last one ends; what goes on in the
    next write is one line with it."""
    found, at = [begin], begin
    for line in pread_all(fd, end - begin, begin).split(b"\n")[:-1]:
        at += len(line) + 1
        if not parsed(line).partial:
            found.append(at)
    return found


def read_log(path: Path, after: Mark | None) -> tuple[tuple[LogLine, ...], Mark]:
    """Whole lines from `after`; an unfinished last line is left for the next time."""
    mark = after or Mark()
    try:
        fd = os.open(path, FLAGS)
    except FileNotFoundError:
        return (), mark
    try:
        data = pread_all(fd, CHUNK, mark.offset)
        head = pread_all(fd, HEAD, 0)  # afterwards: what it still begins with it began with then
        if not head.startswith(mark.head) or os.fstat(fd).st_size < mark.offset:
            mark = Mark(0)
            data = pread_all(fd, CHUNK, 0)
            head = data[:HEAD]
    finally:
        os.close(fd)
    end = data.rfind(b"\n") + 1
    if end == 0 and len(data) == CHUNK:
        end = CHUNK
    lines = data[:end].removesuffix(b"\n").split(b"\n") if end else []
    return tuple(map(parsed, lines)), Mark(mark.offset + end, head)


def parsed(line: bytes) -> LogLine:
    """One line of the file. What does not have the form is text, of an unknown time and stream."""
    parts = line.decode("utf-8", "replace").split(" ", 3)
    if len(parts) == 4 and parts[1] in ("stdout", "stderr") and parts[2] in ("F", "P"):
        return LogLine(parts[0], parts[1], parts[3], parts[2] == "P")
    return LogLine("", "", line.decode("utf-8", "replace"))
