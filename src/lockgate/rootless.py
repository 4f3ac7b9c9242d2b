"""Containers of an ordinary user, without root:

    from lockgate import Engine, rootless

    root = rootless.enter()  # first of all, before any thread is begun
    with Engine.open(root) as engine:
        ...

An ordinary user may have a user namespace, in which he is root of the ids he was given, and a mount
namespace, in which he may mount. Both are a process's own and no library can give them to a program that
has several threads already; so they are entered once, at the beginning, by whoever embeds the engine. The
command line does it by itself. See decision 0025.
"""

import os
from pathlib import Path

from lockgate.adapters import rootless as adapter
from lockgate.adapters.userns import confined
from lockgate.effects.outcome import PortError
from lockgate.errors import LockgateError
from lockgate.places import NAMESPACES, default_root

__all__ = ["default_root", "end", "enter", "needed"]


def needed() -> bool:
    """Is this process one of an ordinary user, who is not inside yet?"""
    return os.geteuid() != 0


def enter(root: str | Path | None = None) -> Path:
    """Enter the namespaces of this folder for good, and make them if need be; returns the folder.

    For root and for who is inside it does nothing: a program may call it whoever runs it. Raises
    `LockgateError` for a process with several threads, for a folder of somebody else, and for what the
    host does not allow, with what to do about it.
    """
    folder = Path(root if root is not None else default_root()).absolute()
    try:
        if needed():
            adapter.enter(folder)
            os.environ[NAMESPACES] = str(folder)
        else:
            at_home(folder)
    except PortError as problem:
        raise LockgateError(problem.fault.reason) from None
    except OSError as problem:
        raise LockgateError(f"cannot use {folder} without root: {problem}") from problem
    return folder


def at_home(folder: Path) -> None:
    """Raises `LockgateError` where an engine on this folder would have its mounts where nobody else
    looks for them: outside of any namespace of his, for a user, or in those of another folder."""
    if needed():
        raise LockgateError(
            "without root, an engine works in a user namespace of its own: call "
            "lockgate.rootless.enter() at the beginning of the program, or begin it with "
            "`lockgate unshare`"
        )
    inside = os.environ.get(NAMESPACES, "")
    if inside and confined() and Path(inside) != folder:
        raise LockgateError(
            f"this process is in the namespaces of {inside}: what it mounts for {folder} nobody else "
            "would find; begin it outside"
        )


def end(root: str | Path | None = None) -> tuple[int, ...]:
    """End what keeps the namespaces of this folder, where nobody else is in there; called from
    outside. Returns the pids of those who are: nothing has happened then."""
    folder = Path(root if root is not None else default_root()).absolute()
    if not folder.is_dir():
        return ()
    if not needed():
        raise LockgateError("the namespaces are ended from outside, by their user")
    try:
        return tuple(one.pid for one in adapter.dismiss(folder))
    except PortError as problem:
        raise LockgateError(problem.fault.reason) from None
