"""Layers whose owners are mapped: what is user 0 in an image is, say, 100000 here (idmapped mounts).

Nothing is copied and nothing changes its owner: the image's layers are mounted with a map, and the
container's own layer above them keeps the host's numbers. All that happens in a mount namespace of
a thread that ends; what comes out is one mount that is attached nowhere, so that a crash leaves
nothing. Needs Linux 5.19 and a file system that can do it (ext4, xfs, btrfs).
"""

import errno
import os
import subprocess
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lockgate.adapters.elsewhere import elsewhere
from lockgate.adapters.storage.mounting import mount_overlay, view_of_layers
from lockgate.adapters.syscalls import (
    MountFlag,
    map_owners,
    mount,
    move_mount,
    open_tree,
    unshare,
)
from lockgate.effects.config import Config, IdMap
from lockgate.effects.outcome import PortError

_CLONE_NEWNS = 0x20000
_UNABLE = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM}


def mount_mapped(source: str, lower: Sequence[Path], place: Path, config: Config) -> None:
    """As `mount_overlay`, the layers below with the owners of the config's maps.

    Raises `PortError("refused")`, clean, where the kernel or the file system cannot map.
    """
    merged = place / "merged"

    def made(layers: Sequence[Path]) -> int:
        mount_overlay(source, layers, place)
        return open_tree(merged)

    found = _mapped(lower, merged, config, made)
    try:
        move_mount(found, merged)
    finally:
        os.close(found)


def view_mapped(upper: Path, lower: Sequence[Path], config: Config) -> int:
    """As `view_of_layers`; the upper one has the host's numbers already."""
    merged = upper.with_name("merged")
    return _mapped(lower, merged, config, lambda layers: view_of_layers([upper, *layers]))


def _mapped(
    lower: Sequence[Path], scratch: Path, config: Config, make: Callable[[Sequence[Path]], int]
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

    with _user_namespace(config.uid_maps, config.gid_maps) as namespace:
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
        reason = (
            f"the owners of {layer} cannot be mapped ({error.strerror}): that needs Linux 5.19, and "
            "a file system such as ext4, xfs or btrfs"
        )
        raise PortError("refused", reason, dirty=False) from None
    finally:
        os.close(clone)


@contextmanager
def _user_namespace(uids: Sequence[IdMap], gids: Sequence[IdMap]) -> Generator[int]:
    """A descriptor of a user namespace with these maps, which nobody is in."""
    try:
        child = subprocess.Popen(
            ("unshare", "--user", "cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
    except FileNotFoundError:
        raise PortError("missing", "there is no unshare: install util-linux", dirty=False) from None
    with child:
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(b"\n")
        if not child.stdout.read(1):  # else it is in its namespace
            raise PortError("denied", "this host makes no user namespaces", dirty=False)
        for name, maps in (("uid_map", uids), ("gid_map", gids)):
            text = "".join(f"{one.container} {one.host} {one.size}\n" for one in maps)
            Path(f"/proc/{child.pid}/{name}").write_text(text)
        namespace = os.open(f"/proc/{child.pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield namespace
    finally:
        os.close(namespace)


def admit(root: Path, place: Path, uid: int, gid: int) -> None:
    """Let the root of a mapped container, and nobody else, through to the directory `place` below
    `root`. Raises `PortError("refused")`, clean, where the way to `root` is barred."""
    for above in root.parents:
        if not above.stat().st_mode & 0o001:
            reason = (
                f"{above} lets no others through, and on this host the root of the container is user "
                f"{uid}: chmod o+x it, or keep containers elsewhere"
            )
            raise PortError("refused", reason, dirty=False)
    for ours in (root, place.parent):
        ours.chmod(ours.stat().st_mode & 0o7777 | 0o111)
    os.chown(place, uid, gid)
