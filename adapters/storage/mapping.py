"""Layers whose owners are mapped: what is user 0 in an image is, say, 100000 here (idmapped mounts).

Nothing is copied and nothing changes its owner: the image's layers are mounted with a map, and the
container's own layer above them keeps the host's numbers. All that happens in a mount namespace of
a thread that ends; what comes out is one mount that is attached nowhere, so that a crash leaves
nothing. Needs Linux 5.19 and a file system that can do it (ext4, xfs, btrfs).
"""

import errno
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import TypeAlias

from lockgate.adapters.elsewhere import elsewhere
from lockgate.adapters.storage.mounting import PLAIN, Manner, mount_overlay, view_of_layers
from lockgate.adapters.syscalls import (
    MountFlag,
    map_owners,
    mount,
    move_mount,
    open_tree,
    unshare,
)
from lockgate.adapters.userns import confined
from lockgate.effects.config import Config, IdMap
from lockgate.effects.outcome import PortError

Maps: TypeAlias = tuple[tuple[IdMap, ...], tuple[IdMap, ...]]
"""Of users, and of groups."""

_CLONE_NEWNS = 0x20000
_UNABLE = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM}


def mount_mapped(
    source: str, lower: Sequence[Path], place: Path, namespace: int, manner: Manner = PLAIN
) -> None:
    """As `mount_overlay`, the owners of the layers below mapped as in a user namespace.

    Raises `PortError("refused")`, clean, where the kernel or the file system cannot map.
    """
    merged = place / "merged"

    def made(layers: Sequence[Path]) -> int:
        mount_overlay(source, layers, place, manner)
        return open_tree(merged)

    found = _mapped(lower, merged, namespace, made)
    try:
        move_mount(found, merged)
    finally:
        os.close(found)


def view_mapped(upper: Path, lower: Sequence[Path], namespace: int, scratch: Path) -> int:
    """As `view_of_layers`; the upper one has the host's numbers already. `scratch` is any directory
    that is none of them, nor above one."""
    return _mapped(lower, scratch, namespace, lambda layers: view_of_layers([upper, *layers]))


def _mapped(
    lower: Sequence[Path], scratch: Path, namespace: int, make: Callable[[Sequence[Path]], int]
) -> int:
    found: list[int] = []

    def act() -> None:
        unshare(_CLONE_NEWNS)
        mount("none", "/", "", MountFlag.REC | MountFlag.PRIVATE)
        mount("tmpfs", scratch, "tmpfs", MountFlag.NODEV)
        layers = [scratch / str(number) for number, _ in enumerate(lower)]
        for layer, at in zip(lower, layers):
            at.mkdir()
            _attach(layer, at, namespace)
        found.append(make(layers))

    elsewhere(act)
    return found[0]


def _attach(layer: Path, at: Path, namespace: int) -> None:
    clone = open_tree(layer)
    try:
        map_owners(clone, namespace)
        move_mount(clone, at)
    except OSError as error:
        if error.errno not in _UNABLE:
            raise
        needed = "Linux 5.19, and a file system such as ext4, xfs or btrfs"
        if confined():
            needed = (
                "the host's root. A container without maps has its user's subordinate ids already"
            )
        reason = f"the owners of {layer} cannot be mapped ({error.strerror}): that needs {needed}"
        raise PortError("refused", reason, dirty=False) from None
    finally:
        os.close(clone)


class UserNamespaces:
    """User namespaces that nobody is in, one for each map that was asked for, made when it first is:
    what mounts are pointed at that shall map owners."""

    def __init__(self) -> None:
        self._made: dict[Maps, int] = {}
        self._lock = Lock()

    def of(self, config: Config) -> int:
        """A descriptor, which stays open. Raises `PortError`, clean."""
        maps = config.uid_maps, config.gid_maps
        with self._lock:
            if maps not in self._made:
                self._made[maps] = _user_namespace(maps)
            return self._made[maps]


def _user_namespace(maps: Maps) -> int:
    try:
        child = subprocess.Popen(
            ("unshare", "--user", "cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
    except FileNotFoundError:
        raise PortError("missing", "there is no unshare: install util-linux", dirty=False) from None
    with child:
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(b"\n")
        if not child.stdout.read(1):  # it answers once it is in its namespace
            raise PortError("denied", "this host makes no user namespaces", dirty=False)
        for name, lines in zip(("uid_map", "gid_map"), maps):
            text = "".join(f"{one.container} {one.host} {one.size}\n" for one in lines)
            Path(f"/proc/{child.pid}/{name}").write_text(text)
        return os.open(f"/proc/{child.pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)


def admit(root: Path, place: Path, uid: int, gid: int) -> None:
    """Let the root of a mapped container, and nobody else, through to the directory `place` below
    `root`, to which the way is open (`reachable`)."""
    let_through(root, place.parent)
    os.chown(place, uid, gid)


def let_through(*places: Path) -> None:
    """Who knows what is there may go on; nobody is shown."""
    for one in places:
        one.chmod(one.stat().st_mode & 0o7777 | 0o111)


def reachable(root: Path, uid: int) -> None:
    """Raises `PortError("refused")`, clean, where the way to `root` is barred to others."""
    for above in root.parents:
        if not above.stat().st_mode & 0o001:
            reason = (
                f"{above} lets no others through, and on this host the root of the container is user "
                f"{uid}: chmod o+x it, or keep containers elsewhere"
            )
            raise PortError("refused", reason, dirty=False)
