"""The cgroups of one container, in every hierarchy of this host: who is in them, and their end.

One rule: a cgroup is known by its path below the mount points, the path is always absolute, and no
two containers share one (HOST §0, pitfall 1). So what is found there is the container's, also when
the runtime's own records are damaged (FAULTS rows k and m).
"""

import os
import re
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Struct

from lockgate.adapters.inotify import readable
from lockgate.effects.outcome import PortError

Layout: TypeAlias = Literal["v1", "hybrid", "v2", "none"]

MONITOR_CONTROLLERS = frozenset({"memory", "pids", "name=systemd", ""})
"""Where the monitor gets a cgroup of its own; the empty name is cgroup2."""

EXPECTED = Path("/sys/fs/cgroup/unified")
"""Where hybrid hosts mount version 2."""

_PATH = re.compile(r"(/[^/\0]+)+")
_ESCAPE = re.compile(r"\\([0-7]{3})")
_AT_ONCE = 256  # pidfds held open
_PAUSES = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512)
"""Seconds. The kernel tells nobody when a cgroup of version 1 has become removable."""


class Hierarchy(Struct, frozen=True):
    """One mounted tree of cgroups; `controllers` is empty for version 2."""

    mountpoint: Path
    controllers: frozenset[str]

    @property
    def unified(self) -> bool:
        return not self.controllers


class Cgroups(Struct, frozen=True):
    """Acts on the cgroup `path` ("/parent/id") in all `hierarchies`. What is absent is no error, and
    the empty path is that of a container without any (MAP L-63)."""

    hierarchies: tuple[Hierarchy, ...]

    @classmethod
    def here(cls) -> "Cgroups":
        """Those mounted in this process's mount namespace, now."""
        return cls(hierarchies(Path("/proc/self/mountinfo").read_text(errors="surrogateescape")))

    @property
    def layout(self) -> Layout:
        versions = {hierarchy.unified for hierarchy in self.hierarchies}
        if len(versions) == 2:
            return "hybrid"
        return "none" if not versions else "v2" if True in versions else "v1"

    @property
    def controllers(self) -> frozenset[str]:
        """What can be limited here, by its name in either version."""
        found: set[str] = set()
        for hierarchy in self.hierarchies:
            found |= hierarchy.controllers
            if hierarchy.unified:
                found.update((hierarchy.mountpoint / "cgroup.controllers").read_text().split())
        return frozenset(found)

    def directories(self, path: str) -> tuple[Path, ...]:
        """Where this cgroup exists."""
        return tuple(place for _, place in self._places(path))

    def members(self, path: str) -> frozenset[int]:
        """The pids in it and in the cgroups below it."""
        found: set[int] = set()
        for place in self.directories(path):
            for below, _, _ in os.walk(place):
                found |= _procs(below)
        return frozenset(pid for pid in found if pid > 1)

    def killed_for_memory(self, path: str) -> bool:
        """Has the kernel ever killed a process of it because there was no memory left (`oom_kill` in
        memory.events, or memory.oom_control)?"""
        if not path:
            return False
        inner = _checked(path)
        for hierarchy in self.hierarchies:
            if hierarchy.unified or "memory" in hierarchy.controllers:
                name = "memory.events" if hierarchy.unified else "memory.oom_control"
                with suppress(OSError, ValueError):
                    lines = (hierarchy.mountpoint / inner / name).read_text().splitlines()
                    if int(dict(line.split() for line in lines).get("oom_kill", "0")):
                        return True
        return False

    def enter(self, path: str, pid: int) -> None:
        """Move a process into this cgroup where monitors have theirs, as far as that is possible:
        without, it lives in its parent's, under its parent's limits."""
        inner = _checked(path)
        for hierarchy in self.hierarchies:
            if hierarchy.unified or hierarchy.controllers & MONITOR_CONTROLLERS:
                with suppress(OSError):
                    _join(hierarchy.mountpoint / inner, pid)

    def prune(self, path: str) -> None:
        """Remove this cgroup and those below it where nobody is in them."""
        for place in self.directories(path):
            with suppress(OSError):
                _removed(place)
        self._sweep(path)

    def thaw(self, path: str) -> None:
        """Let frozen processes go on: nothing else can end them (BEHAVIOUR §3, Kill)."""
        for hierarchy, place in self._places(path):
            if hierarchy.unified:
                _write_unless(place / "cgroup.freeze", "0", "0")
            elif "freezer" in hierarchy.controllers:
                _write_unless(place / "freezer.state", "THAWED", "THAWED")

    def kill(self, path: str, patience: float, still: Callable[[], bool] = lambda: True) -> None:
        """SIGKILL everything in it until nothing is left (MAP L-85), or it is not `still` the one that
        was meant: only who was in it while it was is killed.

        Raises `PortError("timeout")` when something outlives that by `patience` seconds.
        """
        deadline = time.monotonic() + patience
        while (members := self.members(path)) and still():
            if time.monotonic() > deadline:
                listed = ", ".join(str(pid) for pid in sorted(members)[:5])
                raise PortError("timeout", f"SIGKILL did not end process {listed} of cgroup {path}")
            self._killed(path, sorted(members)[:_AT_ONCE], deadline)

    def _killed(self, path: str, pids: list[int], deadline: float) -> None:
        """Kill these, and see them end. Who is a member is asked once more when the descriptors
        are open: a process that only has the number of one is in no cgroup of ours."""
        held: dict[int, int] = {}
        try:
            for pid in pids:
                with suppress(ProcessLookupError):
                    held[pid] = os.pidfd_open(pid)
            for pid in held.keys() & self.members(path):
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(held[pid], signal.SIGKILL)
            self.thaw(path)
            for pid in held.keys() & self.members(path):
                readable((held[pid],), deadline - time.monotonic())
        finally:
            for fd in held.values():
                os.close(fd)

    def remove(self, path: str, patience: float) -> None:
        """Kill what is in it, then remove it from every hierarchy.

        Raises `PortError("failed")` when one cannot be removed after all.
        """
        left = self.directories(path)
        for pause in _PAUSES:
            if not left:
                break
            self.kill(path, patience)
            left = tuple(place for place in left if not _removed(place))
            if left:
                time.sleep(pause)
        if left:
            raise PortError("failed", f"cannot remove cgroup {left[0]}: it is still in use")
        self._sweep(path)

    def _sweep(self, path: str) -> None:
        """What crun makes where it expects version 2 beside version 1, mounted or not: a directory
        that is no cgroup, with a file in it that is no list of processes."""
        if path and all(hierarchy.mountpoint != EXPECTED for hierarchy in self.hierarchies):
            with suppress(OSError):
                (EXPECTED / _checked(path) / "cgroup.procs").unlink(missing_ok=True)
                (EXPECTED / _checked(path)).rmdir()

    def _places(self, path: str) -> tuple[tuple[Hierarchy, Path], ...]:
        if not path:
            return ()
        inner = _checked(path)
        candidates = ((each, each.mountpoint / inner) for each in self.hierarchies)
        return tuple((each, place) for each, place in candidates if place.is_dir())


def hierarchies(mountinfo: str) -> tuple[Hierarchy, ...]:
    """Read proc_pid_mountinfo(5). A hierarchy mounted twice counts once."""
    found: dict[str, Hierarchy] = {}
    for line in mountinfo.splitlines():
        front, separator, back = line.partition(" - ")
        fields, kind = front.split(" "), back.split(" ")
        if separator and kind[0] in ("cgroup", "cgroup2") and len(fields) > 4:
            options = frozenset(kind[2].split(",")) if kind[0] == "cgroup" else frozenset[str]()
            names = frozenset(option for option in options if option not in _FLAGS)
            found.setdefault(fields[2], Hierarchy(Path(_unescaped(fields[4])), names))
    return tuple(found.values())


_FLAGS = frozenset({"rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "none"})


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda octal: chr(int(octal[1], 8)), text)


def _checked(path: str) -> str:
    """Relative to a mount point. What could lead elsewhere is refused, cleanly."""
    if _PATH.fullmatch(path) is None or {".", ".."} & set(path.split("/")):
        reason = f"{path!r} is no absolute cgroup path without '.' and '..'"
        raise PortError("refused", reason, dirty=False)
    return path[1:]


def _procs(place: Path | str) -> frozenset[int]:
    try:
        listed = Path(place, "cgroup.procs").read_text()
    except OSError:  # gone, or (version 2) a domain of threads
        return frozenset()
    return frozenset(int(line) for line in listed.split())


def _join(place: Path, pid: int) -> None:
    try:
        write(place / "cgroup.procs", str(pid))
    except FileNotFoundError:
        place.mkdir(parents=True, exist_ok=True)
        write(place / "cgroup.procs", str(pid))


def _write_unless(path: Path, unwanted: str, text: str) -> None:
    with suppress(FileNotFoundError):
        if path.read_text().strip() != unwanted:
            write(path, text)


def write(path: Path, text: str) -> None:
    """Into a file that the kernel keeps."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)  # never creates: cgroups have their files
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _removed(place: Path) -> bool:
    """Whether this cgroup and those below it are gone now."""
    try:
        place.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        with os.scandir(place) as entries:
            inside = [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
        staying = [below for below in inside if not _removed(below)]
        return bool(inside) and not staying and _removed(place)
    return True
