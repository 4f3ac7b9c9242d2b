"""What a container uses, read from its cgroups and from /proc.

One rule: what cannot be read is not counted, and nothing fails for it. Processes come and go while they are
looked at; what they say of themselves is bounded, and is only shown.
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from lockgate.adapters.oci.cgroups import Cgroups
from lockgate.adapters.oci.members import belonging
from lockgate.adapters.oci.run import Run
from lockgate.effects.config import Config, cgroup
from lockgate.effects.usage import Running, Usage

T = TypeVar("T")

UNLIMITED = 1 << 60
"""Version 1 writes a number so large for "no limit"."""

COMMAND_LIMIT = 4096


class LocalUsage:
    """Implements `Meters` over the cgroups of this host, of either version."""

    def __init__(self, root: Path, cgroups: Cgroups | None = None) -> None:
        self._root, self._cgroups = root, Cgroups.here() if cgroups is None else cgroups

    def measure(self, config: Config) -> Usage:
        places = self._cgroups.directories(cgroup(config))
        io = _first(places, _io_v2, _io_v1) or (None, None)
        limit = _first(places, _number("memory.max"), _number("memory.limit_in_bytes"))
        return Usage(
            cpu=_first(places, _cpu_v2, _number("cpuacct.usage")),
            memory=_first(places, _number("memory.current"), _number("memory.usage_in_bytes")),
            memory_limit=None if limit is None or limit >= UNLIMITED else limit,
            pids=_first(places, _number("pids.current")),
            read=io[0],
            written=io[1],
        )

    def processes(self, config: Config) -> tuple[Running, ...]:
        runs = Run.of(self._root, config.id, 0).others()
        newest = max(runs, key=lambda run: run.epoch, default=None)
        members = belonging(self._cgroups, config, newest.pid() if newest else 0)
        found = (_process(pid) for pid in sorted(members))
        return tuple(one for one in found if one)


def _first(places: tuple[Path, ...], *readers: Callable[[Path], T]) -> T | None:
    """What the first of these readers finds in any of these directories."""
    for read in readers:
        for place in places:
            with suppress(OSError, ValueError, IndexError, KeyError):
                return read(place)
    return None


def _number(name: str) -> Callable[[Path], int]:
    return lambda place: int((place / name).read_text())


def _cpu_v2(place: Path) -> int:
    pairs = dict(line.split() for line in (place / "cpu.stat").read_text().splitlines())
    return int(pairs["usage_usec"]) * 1000


def _io_v2(place: Path) -> tuple[int | None, int | None]:
    words = (place / "io.stat").read_text().split()
    told = [word.partition("=") for word in words]
    read, written = (sum(int(v) for k, _, v in told if k == one) for one in ("rbytes", "wbytes"))
    return read, written


def _io_v1(place: Path) -> tuple[int | None, int | None]:
    lines = (place / "blkio.throttle.io_service_bytes").read_text().splitlines()
    told, kinds = [line.split() for line in lines], ("Read", "Write")
    read, written = (sum(int(row[2]) for row in told if row[1:2] == [one]) for one in kinds)
    return read, written


def _innermost(status: bytes) -> int:
    """The last of its numbers: that in the namespace it lives in (proc_pid_status(5), NSpid)."""
    for line in status.splitlines():
        if line.startswith(b"NSpid:"):
            return int(line.split()[-1])
    return 0


def _process(pid: int) -> Running | None:
    place = Path(f"/proc/{pid}")
    try:
        stat = (place / "stat").read_bytes()
        with (place / "cmdline").open("rb") as file:
            line = file.read(COMMAND_LIMIT)
        status = (place / "status").read_bytes()
        uid = place.stat().st_uid
    except OSError:
        return None  # it has ended meanwhile
    name, _, rest = stat.partition(b"(")[2].rpartition(b")")
    fields = rest.split()
    words = tuple(word.decode(errors="replace") for word in line.split(b"\0") if word)
    tick = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    return Running(
        pid=pid,
        ppid=int(fields[1]),
        uid=uid,
        state=fields[0].decode(),
        cpu=(int(fields[11]) + int(fields[12])) * tick,
        memory=int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
        command=words or (f"[{name.decode(errors='replace')}]",),
        age=max(0, time.clock_gettime_ns(time.CLOCK_BOOTTIME) - int(fields[19]) * tick),
        inside=_innermost(status),
        tty=fields[4] != b"0",
    )
