"""The cgroup of a pod that has limits as a whole: those of its containers are in it.

Two rules. It is made, and its limits are set, before that of the container that holds the pod together,
and goes with the last that is in it: whoever removes one tries. And its directory is locked while either
is done, so that nobody takes away what is being made.
"""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import Struct

from lockgate.adapters.flocks import flock
from lockgate.adapters.oci.cgroups import Cgroups, Hierarchy
from lockgate.effects.config import Config, Pod, pod_cgroup
from lockgate.effects.outcome import PortError

PERIOD = 100_000
"""Microseconds, where only the quota is asked for."""


class Wish(Struct, frozen=True):
    """A limit as a file of either version of cgroups, and what is to be written there."""

    controller: str
    version_1: tuple[str, str]
    version_2: tuple[str, str]


class PodCgroup(Struct, frozen=True):
    """Of the pod `config` is in. Where that has no limits there is none, and nothing is done."""

    cgroups: Cgroups
    config: Config

    @contextmanager
    def made(self) -> Generator[None]:
        """By the container that holds the pod together: it is there, with its limits, and stays until
        the block ends. Raises `PortError("refused")`, clean, where the host cannot limit something."""
        pod = self.config.holds
        if pod is None or not pod.cgroup:
            yield
            return
        lock = self._locked(make=True)
        try:
            try:
                self._limited(pod)
                yield
            except BaseException:
                self._swept()
                raise
        finally:
            os.close(lock)

    def left(self) -> None:
        """One of its containers has no cgroup any more: the pod's goes, if that was the last."""
        if not pod_cgroup(self.config):
            return
        with suppress(FileNotFoundError):
            lock = self._locked(make=False)
            try:
                self._swept()
            finally:
                os.close(lock)

    def _places(self) -> list[tuple[Hierarchy, Path]]:
        inner = pod_cgroup(self.config)
        self.cgroups.directories(inner)  # refuses a path that could lead elsewhere
        return [(one, one.mountpoint / inner[1:]) for one in self.cgroups.hierarchies]

    def _locked(self, *, make: bool) -> int:
        """The first of its directories, held until it is closed; one that was removed while we waited
        is not it. Raises `FileNotFoundError` unless it is to be made."""
        first = self._places()[0][1]
        while True:
            if make:
                first.mkdir(parents=True, exist_ok=True)
            fd = os.open(first, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            flock(fd, fcntl.LOCK_EX)
            if first.exists() and os.path.samestat(os.fstat(fd), first.stat()):
                return fd
            os.close(fd)

    def _limited(self, pod: Pod) -> None:
        wanted = wishes(pod)
        missing = {one.controller for one in wanted}
        for hierarchy, place in self._places():
            if hierarchy.unified:
                _handed_down(hierarchy.mountpoint, pod.cgroup, missing)
            place.mkdir(parents=True, exist_ok=True)
            for one in wanted:
                name, value = one.version_2 if hierarchy.unified else one.version_1
                if name and (place / name).exists():
                    _written(place / name, value)
                    missing.discard(one.controller)
        if missing:
            controllers = " and ".join(sorted(missing))
            reason = (
                f"this host cannot limit {controllers} of a pod: no such cgroup controller is ours"
            )
            raise PortError("refused", reason, dirty=False)

    def _swept(self) -> None:
        """The directory that is the lock goes last."""
        for _, place in reversed(self._places()):
            with suppress(OSError):  # somebody is in there
                place.rmdir()


def wishes(pod: Pod) -> tuple[Wish, ...]:
    """What its limits are, in the order in which they are taken."""
    found: list[Wish] = []
    if pod.memory:
        value = str(pod.memory)
        found.append(Wish("memory", ("memory.limit_in_bytes", value), ("memory.max", value)))
    if pod.pids:
        value = str(pod.pids)
        found.append(Wish("pids", ("pids.max", value), ("pids.max", value)))
    if pod.cpu_quota:
        quota, period = str(pod.cpu_quota), str(pod.cpu_period or PERIOD)
        found.append(Wish("cpu", ("cpu.cfs_period_us", period), ("", "")))
        found.append(Wish("cpu", ("cpu.cfs_quota_us", quota), ("cpu.max", f"{quota} {period}")))
    return tuple(found)


def _handed_down(top: Path, path: str, controllers: set[str]) -> None:
    """What is above passes these on, as far as it may (version 2)."""
    place = top
    for name in path.strip("/").split("/"):
        for controller in controllers:
            with suppress(OSError):
                (place / "cgroup.subtree_control").write_text(f"+{controller}")
        place /= name
        place.mkdir(exist_ok=True)


def _written(file: Path, value: str) -> None:
    try:
        file.write_text(value)
    except OSError as problem:
        reason = f"the pod cannot be limited: {file}: {problem.strerror}"
        raise PortError("refused", reason, dirty=False) from None
