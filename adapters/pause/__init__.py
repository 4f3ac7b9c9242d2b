"""The first process of a pod: a program of some five hundred bytes, and a root filesystem with nothing else.

It waits, reaps what it inherits, and ends at once when it is asked to. The sources lie beside the
programs; `scripts/pause` makes these from them.
"""

import os
from importlib.resources import files
from pathlib import Path

from lockgate.adapters.filesystem import write_atomic
from lockgate.effects.outcome import PortError

PROGRAM = "pause"
COMMAND = (f"/{PROGRAM}",)

PLACES = ("dev", "etc", "proc", "run", "sys")
FILES = ("etc/hostname", "etc/hosts", "etc/resolv.conf", "run/.containerenv")
"""What is mounted on, made now: nothing is written there later."""


def pause_root(root: Path, machine: str | None = None) -> str:
    """The root filesystem below `root`, made or mended if need be; all pods share it, and read only.

    Raises `PortError("missing")`, clean, on a machine there is no such program for.
    """
    machine = machine or os.uname().machine
    program = files("lockgate.adapters.pause").joinpath(f"{machine}.elf")
    if not program.is_file():
        reason = f"there is no pause program for {machine}: make the pod from an image that has one"
        raise PortError("missing", reason, dirty=False)
    place = root / "pause"
    for name in PLACES:
        (place / name).mkdir(mode=0o755, parents=True, exist_ok=True)
    for name in FILES:
        (place / name).touch(mode=0o644)
    wanted = program.read_bytes()
    if not _is(place / PROGRAM, wanted):
        write_atomic(place, PROGRAM, wanted, 0o755)
    return str(place)


def _is(path: Path, wanted: bytes) -> bool:
    """Never rewritten while it is right: it may be running."""
    try:
        return path.read_bytes() == wanted and path.stat().st_mode & 0o777 == 0o755
    except FileNotFoundError:
        return False
