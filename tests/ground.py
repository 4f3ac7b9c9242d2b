"""What a machine holds that an engine in a folder could have left there; before, and after."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

from msgspec import Struct

from lockgate.adapters.oci.cgroups import Cgroups
from lockgate.adapters.oci.process import pids

PLACES = frozenset(("containers", "run", "runtime", "netns", "locks", "ports", "leases"))
"""Where each container has something of its own."""

INSIDE = frozenset(("merged", "upper", "work", "layers"))
"""What is in containers, and not of them."""

PATIENCE = 10.0
"""Seconds those who are on their way out may take."""


class Ground(Struct, frozen=True):
    """`files` but the store's, which keeps histories; `processes` that name the folder, or are in a
    cgroup of a container; `namespaces` of networks that are mounted."""

    files: frozenset[str]
    mounts: frozenset[str]
    processes: frozenset[str]
    cgroups: frozenset[str]

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Of all engines at or below this folder."""
        mounts = Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()
        return cls(
            files=frozenset(_files(folder)),
            mounts=frozenset(line.split(" - ")[0] for line in mounts if str(folder) in line),
            processes=frozenset(_processes(folder)),
            cgroups=frozenset(_cgroups()),
        )

    def still(self, folder: Path) -> None:
        """Nothing more is there than was. Raises `AssertionError` that says what is."""
        deadline = time.monotonic() + PATIENCE
        while left := self.left(Ground.of(folder)):
            assert time.monotonic() < deadline, f"left behind: {left}"
            time.sleep(0.02)

    def left(self, after: "Ground") -> dict[str, list[str]]:
        """What is there besides."""
        found = {
            name: sorted(getattr(after, name) - getattr(self, name))
            for name in self.__struct_fields__
        }
        return {name: more for name, more in found.items() if more}


def _files(folder: Path) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        if Path(place).name in PLACES:
            yield from (f"{place}/{name}" for name in (*folders, *files))
        folders[:] = set(folders) - INSIDE


def _processes(folder: Path) -> Iterator[str]:
    for pid in pids():
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, UnicodeDecodeError):
            continue
        if f"{folder}/" in line and pid != os.getpid() and "pytest" not in line.split(" ")[0]:
            yield f"{pid} {line}"


def _cgroups() -> Iterator[str]:
    """Those of containers, with whoever is in them."""
    here = Cgroups.here()
    for place in here.directories("/lockgate"):
        with suppress(FileNotFoundError):  # it is empty, and somebody removes it
            yield from (str(inner) for inner in place.iterdir() if len(inner.name) == 64)
    for pid in here.members("/lockgate"):
        yield f"process {pid}"
