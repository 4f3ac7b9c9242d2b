"""Going into the namespaces of an ordinary user's folder, as a process and for good.

One rule: only a process with a single thread can; the kernel says so. Nothing is done behind anybody's
back, then: whoever embeds us enters at the beginning, or is begun inside.
"""

import os
import stat
from contextlib import ExitStack, suppress
from pathlib import Path

from lockgate.adapters import userns
from lockgate.adapters.filesystem import ensure_directory
from lockgate.adapters.rootless import holder
from lockgate.adapters.rootless.holder import Door
from lockgate.adapters.syscalls import setns
from lockgate.effects.outcome import PortError

CLONE_NEWUSER, CLONE_NEWNS = 0x10000000, 0x20000


def enter(root: Path) -> None:
    """From now on this process is in the namespaces of `root`, as their root user; they are made if
    need be. Working directory and open files stay.

    Raises `PortError`, clean: "refused" with more than one thread, "denied" where the folder is not
    ours alone or the host does not allow it.
    """
    if len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208 -- names only
        reason = (
            "a process with several threads cannot enter a user namespace: enter before the "
            "first one is begun, or begin the program with `lockgate unshare`"
        )
        raise PortError("refused", reason, dirty=False)
    _owned(root)
    with holder.held(root), ExitStack() as stack:
        found = holder.noted(root)
        way, held = holder.door(found, stack) if found else (None, False)
        if found is None or way is None:
            if found is not None:
                holder.forsake(root, found)
            found = holder.begin(root, os.geteuid(), os.getegid())
            way, held = holder.door(found, stack)
            if way is None:
                raise PortError("failed", "the holder of the namespaces was killed", dirty=False)
        _pass(way)
        if not held:
            holder.renew(root, found)


def _pass(way: Door) -> None:
    here = Path.cwd()
    setns(way.user, CLONE_NEWUSER)
    setns(way.mount, CLONE_NEWNS)  # which leaves us at the top
    userns.entered()
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    with suppress(OSError):
        os.chdir(here)


def _owned(root: Path) -> None:
    """The folder is made if need be, open to its user alone; that of somebody else, or one where
    others may write, is refused: they could lead us into namespaces of theirs."""
    ensure_directory(root, 0o700)
    found = root.stat()
    if found.st_uid != os.geteuid():
        reason = f"{root} belongs to user {found.st_uid}, not to {os.geteuid()}: choose a folder of your own"
        raise PortError("denied", reason, dirty=False)
    if stat.S_IMODE(found.st_mode) & 0o022:
        reason = f"others may write in {root}: chmod go-w it"
        raise PortError("denied", reason, dirty=False)
