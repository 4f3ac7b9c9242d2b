"""Overlay mounts by system call, for any number of layers, and views that are attached nowhere.

A view is a descriptor of a top directory. It needs no place, nobody sees it, and it is gone with
the descriptor, whatever becomes of this process.
"""

import os
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, Protocol

from lockgate.adapters.syscalls import (
    MountAttribute,
    MountFlag,
    fsconfig_create,
    fsconfig_flag,
    fsconfig_string,
    fsmount,
    fsopen,
    mount,
    move_mount,
    open_tree,
    unmount,
)
from lockgate.adapters.userns import confined

_OPTIONS_MAX = 4095  # bytes; mount(2) cuts the rest off without a word
_FLAGS_OF_A_USER = (b"userxattr",)  # Linux 5.11
_STRING_MAX = 255  # bytes of one value for fsconfig(2)


class Manner(NamedTuple):
    """How a root file system is mounted (MAP §2.5). `devices`: files in it that stand for devices
    do so, as the privileged expect; `label`: what SELinux takes every file in it for."""

    devices: bool = False
    label: str = ""

    @property
    def flags(self) -> MountFlag:
        return MountFlag(0) if self.devices else MountFlag.NODEV

    @property
    def attributes(self) -> MountAttribute:
        return MountAttribute(0) if self.devices else MountAttribute.NODEV


PLAIN = Manner()


class Overlay(Protocol):
    """Who merges layers into one tree."""

    fstype: str
    """As /proc/self/mountinfo calls it."""

    def source(self, wanted: str) -> str:
        """What mountinfo calls the source of a mount that was to have this one."""
        ...

    def mount(
        self, source: str, lower: Sequence[Path], place: Path, manner: Manner = PLAIN
    ) -> None:
        """Mount `place/merged` of these layers, the topmost first, and of `place/upper`."""
        ...

    def view(self, layers: Sequence[Path]) -> int:
        """The top of these layers merged, read only; two at least."""
        ...

    def dead(self, merged: Path) -> bool:
        """Is what is mounted there of no use any more?"""
        ...


class KernelOverlay:
    """Implements `Overlay`."""

    fstype = "overlay"

    def source(self, wanted: str) -> str:
        return wanted

    def mount(
        self, source: str, lower: Sequence[Path], place: Path, manner: Manner = PLAIN
    ) -> None:
        mount_overlay(source, lower, place, manner)

    def view(self, layers: Sequence[Path]) -> int:
        return view_of_layers(layers)

    def dead(self, merged: Path) -> bool:
        return False


def obstacle(root: Path) -> str:
    """Why the kernel mounts no overlay for us below `root`; empty if it does. Found out by trying."""
    with TemporaryDirectory(prefix=".probe-", dir=root) as name:
        place = Path(name)
        for part in ("lower", "upper", "work", "merged"):
            (place / part).mkdir()
        try:
            mount_overlay("lockgate:probe", [place / "lower"], place)
        except OSError as problem:
            return str(problem.strerror)
        unmount(place / "merged")
    return ""


def mount_overlay(source: str, lower: Sequence[Path], place: Path, manner: Manner = PLAIN) -> None:
    """Mount `place/merged` of these layers, the topmost first, and of `place/upper`."""
    parts = [os.fsencode(part) for part in (*lower, place / "upper", place / "work")]
    merged = place / "merged"
    try:
        if _fits(parts, manner):
            return mount(source, merged, "overlay", manner.flags, options(parts, manner))
        with _short(parts) as names:
            if _fits(names, manner):
                return mount(source, merged, "overlay", manner.flags, options(names, manner))
            return _mount_deep(source, names, merged, manner)
    except OSError as error:
        reason = f"{error.strerror} (overlay of {len(lower)} layers; the kernel log may say why)"
        raise OSError(error.errno, reason, str(merged)) from error


def options(parts: Sequence[bytes], manner: Manner = PLAIN) -> bytes:
    """Of lower layers, upper and work, in this order.

    The index is off: a copy of a mount in some namespace outlives its unmounting here, and with
    an index the kernel would not mount the upper again as long as that namespace lives.
    """
    *lower, upper, work = parts
    found = {
        b"lowerdir": b":".join(lower),
        b"upperdir": upper,
        b"workdir": work,
        b"index": b"off",
    }
    if manner.label:  # in quotes, for its categories are a list of their own
        found[b"context"] = b'"%s"' % manner.label.encode()
    said = [b"=".join(option) for option in found.items()]
    return b",".join([*said, *_FLAGS_OF_A_USER] if confined() else said)


def _fits(parts: Sequence[bytes], manner: Manner) -> bool:
    """Whether the one string mount(2) takes can say it, without any escaping."""
    special = any(character in part for part in parts for character in (b",", b":", b"\\"))
    return not special and len(options(parts, manner)) <= _OPTIONS_MAX


@contextmanager
def _short(parts: Sequence[bytes]) -> Generator[list[bytes]]:
    """Short names without special characters, for as long as the block lasts; unlike relative
    names they need no working directory, which threads would share."""
    with ExitStack() as opened:
        names: list[bytes] = []
        for part in parts:
            fd = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            opened.callback(os.close, fd)
            names.append(b"/proc/self/fd/%d" % fd)
        yield names


def _mount_deep(source: str, parts: Sequence[bytes], merged: Path, manner: Manner) -> None:
    """By the mount interface that takes one layer at a time (`lowerdir+`, Linux 6.7)."""
    *lower, upper, work = parts
    context = fsopen("overlay")
    try:
        fsconfig_string(context, "source", source)
        for layer in lower:
            fsconfig_string(context, "lowerdir+", layer)
        fsconfig_string(context, "upperdir", upper)
        fsconfig_string(context, "workdir", work)
        fsconfig_string(context, "index", "off")
        _of_a_user(context)
        if manner.label:
            fsconfig_string(context, "context", manner.label)
        fsconfig_create(context)
        made = fsmount(context, manner.attributes)
        try:
            move_mount(made, merged)
        finally:
            os.close(made)
    finally:
        os.close(context)


def _of_a_user(context: int) -> None:
    if confined():
        for flag in _FLAGS_OF_A_USER:
            fsconfig_flag(context, flag.decode())


def view_of_mount(mountpoint: Path) -> int:
    """What is mounted there, without the mounts below it; it may be unmounted meanwhile."""
    return _opened(open_tree(mountpoint))


def view_of_layers(layers: Sequence[Path]) -> int:
    """These layers merged, the topmost first, and read only. Two at least; more than about a
    dozen need Linux 6.7."""
    context = fsopen("overlay")
    try:
        with _short([os.fsencode(layer) for layer in layers]) as names:
            joined = b":".join(names)
            if len(joined) <= _STRING_MAX:
                fsconfig_string(context, "lowerdir", joined)
            else:
                for name in names:
                    fsconfig_string(context, "lowerdir+", name)
            fsconfig_string(context, "index", "off")
            _of_a_user(context)
            fsconfig_create(context)
        return _opened(fsmount(context, MountAttribute.NODEV | MountAttribute.RDONLY))
    finally:
        os.close(context)


def _opened(mount: int) -> int:
    """A directory that can be read, for a mount that can only be named."""
    try:
        return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=mount)
    finally:
        os.close(mount)
