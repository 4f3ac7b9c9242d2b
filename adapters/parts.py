"""A part of a volume, held fast for one run.

Whoever uses a volume may put links into it at any time. So a part is found once, by a walk that
cannot leave the volume, and pinned by a bind mount of what was found: no path in the volume is
followed again, by the runtime or by us.
"""

import os
import stat
from pathlib import Path

from lockgate.adapters.syscalls import MountFlag, Resolve, mount, openat2
from lockgate.effects.outcome import PortError


def pin(volume: Path, part: str, handle: Path) -> None:
    """Mount the directory or file `part` of `volume` at `handle`, where nothing is. Its links are
    followed inside the volume only. Raises `PortError("refused")`, clean, for anything else."""
    top = os.open(volume, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        found = openat2(top, part, os.O_PATH, Resolve.IN_ROOT | Resolve.NO_MAGICLINKS)
    except OSError as problem:
        raise _none(volume, part, f"cannot be mounted: {problem.strerror}") from None
    finally:
        os.close(top)
    try:
        kind = os.fstat(found).st_mode
        handle.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if stat.S_ISDIR(kind):
            handle.mkdir(mode=0o700)
        elif stat.S_ISREG(kind):
            handle.touch(mode=0o400, exist_ok=False)
        else:
            raise _none(volume, part, "is neither a directory nor a file")
        mount(f"/proc/self/fd/{found}", handle, "", MountFlag.BIND | MountFlag.REC)
    finally:
        os.close(found)


def _none(volume: Path, part: str, why: str) -> PortError:
    return PortError("refused", f"{part} of volume {volume.parent.name} {why}", dirty=False)
