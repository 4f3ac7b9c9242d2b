"""Overlays by the program fuse-overlayfs, where the kernel mounts none for ordinary users (before Linux
5.11, or where a file system has not what it takes).

A process for each mount, in whose hands everything is that the container reads and writes: when it
dies, the mount is dead, and is mounted anew by whoever needs it next.
"""

import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from secrets import token_hex

from lockgate.adapters.commands import finished, printable
from lockgate.adapters.filesystem import ensure_directory
from lockgate.adapters.storage.mounting import PLAIN, Manner, view_of_mount
from lockgate.adapters.syscalls import UnmountFlag, unmount
from lockgate.effects.outcome import PortError

PROGRAM = "fuse-overlayfs"
DEVICE = Path("/dev/fuse")
PATIENCE = 30.0
"""Seconds it may take until it serves."""

ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}


class FuseOverlay:
    """Implements `Overlay`. `scratch` is a directory for what is mounted for a moment."""

    fstype = "fuse.fuse-overlayfs"

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch

    def source(self, wanted: str) -> str:
        return PROGRAM  # it gives all its mounts this one

    def mount(
        self, source: str, lower: Sequence[Path], place: Path, manner: Manner = PLAIN
    ) -> None:
        if manner.label:
            raise PortError("refused", f"{PROGRAM} knows no SELinux labels", dirty=False)
        options: dict[str, str | Path] = {"lowerdir": _joined(lower), "upperdir": place / "upper"}
        _served(options | {"workdir": place / "work"}, place / "merged")

    def view(self, layers: Sequence[Path]) -> int:
        ensure_directory(self._scratch, 0o700)
        merged = self._scratch / token_hex(8)
        merged.mkdir(0o700)
        try:
            _served({"lowerdir": _joined(layers)}, merged)
            try:
                return view_of_mount(merged)
            finally:  # it is served until the view is closed, too
                unmount(merged, UnmountFlag.DETACH | UnmountFlag.NOFOLLOW)
        finally:
            merged.rmdir()

    def dead(self, merged: Path) -> bool:
        try:
            merged.stat()
        except OSError as problem:
            return problem.errno in (errno.ENOTCONN, errno.ECONNABORTED)
        return False


def obstacle() -> str:
    """Why it cannot be used here, and what to do; empty if it can."""
    if shutil.which(PROGRAM) is None:
        return f"there is no {PROGRAM}: apt install {PROGRAM}"
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        return f"{PROGRAM} may not open {DEVICE}: chmod 666 it, as root"
    return ""


def _joined(layers: Sequence[Path]) -> str:
    return ":".join(map(str, layers))


def _served(options: dict[str, str | Path], merged: Path) -> None:
    if any(character in str(merged) for character in ",:\\"):
        reason = f"{PROGRAM} takes no path with a comma, a colon or a backslash: {merged}"
        raise PortError("refused", reason, dirty=False)
    words = ",".join(f"{name}={value}" for name, value in options.items())
    try:
        ran = finished(
            [PROGRAM, "-o", words, str(merged)],
            environment=ENVIRONMENT,
            patience=PATIENCE,
            folder=Path("/"),
        )
    except FileNotFoundError:
        raise PortError("missing", obstacle(), dirty=False) from None
    if ran.code:
        said = printable(ran.complaints.decode("utf-8", "replace"))
        raise PortError("failed", f"{PROGRAM}: {said or f'it ended with {ran.code}'}")
