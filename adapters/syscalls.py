"""The few system calls Python does not offer, as functions that raise `OSError`.

Each is one thin call, nothing is decided here. Thread safe: ctypes keeps errno per thread
(`use_errno`). Paths may be str, bytes or path objects; numbers are those of the manual pages.
"""

import ctypes
import os
import struct
from ctypes import c_char_p, c_int, c_long, c_uint, c_ulong
from enum import IntFlag
from pathlib import Path
from typing import Any, Final, TypeAlias

AnyPath: TypeAlias = str | bytes | Path

AT_FDCWD: Final = -100

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = c_long
_LIBC.mount.argtypes = (c_char_p, c_char_p, c_char_p, c_ulong, c_char_p)
_LIBC.umount2.argtypes = (c_char_p, c_int)
_LIBC.syncfs.argtypes = (c_int,)
_LIBC.renameat2.argtypes = (c_int, c_char_p, c_int, c_char_p, c_uint)
_LIBC.statx.argtypes = (c_int, c_char_p, c_int, c_uint, c_char_p)

# From 424 on, system calls have one number on every architecture in use here.
_OPEN_TREE: Final = 428
_MOVE_MOUNT: Final = 429
_FSOPEN: Final = 430
_FSCONFIG: Final = 431
_FSMOUNT: Final = 432
_OPENAT2: Final = 437
_MOUNT_SETATTR: Final = 442


class MountFlag(IntFlag):
    """mount(2)."""

    NOSUID = 2
    NODEV = 4
    BIND = 4096
    REC = 16384
    PRIVATE = 1 << 18


class UnmountFlag(IntFlag):
    """umount2(2)."""

    DETACH = 2
    NOFOLLOW = 8


class MountAttribute(IntFlag):
    """fsmount(2): the new interface numbers what it shares with `MountFlag` differently."""

    RDONLY = 1
    NOSUID = 2
    NODEV = 4


class Resolve(IntFlag):
    """openat2(2)."""

    NO_XDEV = 1
    NO_MAGICLINKS = 2
    NO_SYMLINKS = 4
    BENEATH = 8
    IN_ROOT = 16


def mount(source: str, target: AnyPath, fstype: str, flags: MountFlag, data: AnyPath = b"") -> None:
    """mount(2). The kernel cuts `data` off at 4095 bytes without a word: the caller must not."""
    _checked(
        _LIBC.mount(
            os.fsencode(source), os.fsencode(target), os.fsencode(fstype), flags, os.fsencode(data)
        ),
        target,
    )


def unmount(target: AnyPath, flags: UnmountFlag = UnmountFlag.NOFOLLOW) -> None:
    """umount2(2)."""
    _checked(_LIBC.umount2(os.fsencode(target), flags), target)


def mounted_at(path: AnyPath) -> int | None:
    """The id of the topmost mount whose root `path` is; None when nothing is mounted there.

    Asked of the kernel (statx, STATX_ATTR_MOUNT_ROOT; Linux 5.8): it sees bind mounts of the same
    file system too, which comparing device numbers does not. Raises `FileNotFoundError`.
    """
    answer = ctypes.create_string_buffer(256)
    no_follow, no_automount, want_mount_id, mount_root = 0x100, 0x800, 0x1000, 0x2000
    _checked(
        _LIBC.statx(AT_FDCWD, os.fsencode(path), no_follow | no_automount, want_mount_id, answer),
        path,
    )
    (attributes,) = struct.unpack_from("=Q", answer, 8)
    (understood,) = struct.unpack_from("=Q", answer, 56)
    (mount_id,) = struct.unpack_from("=Q", answer, 144)
    if not understood & mount_root:
        raise OSError(
            38, "this needs Linux 5.8: statx does not tell mount points", os.fsdecode(path)
        )
    return mount_id if attributes & mount_root else None


def unshare(flags: int) -> None:
    """unshare(2), of the calling thread alone."""
    _checked(_LIBC.unshare(c_int(flags)), "unshare")


def setns(namespace: AnyPath | int, kind: int) -> None:
    """setns(2): the calling thread enters the namespace of this `kind` (CLONE_NEW…) at a path, or
    behind a descriptor."""
    if isinstance(namespace, int):
        _checked(_LIBC.setns(c_int(namespace), c_int(kind)), f"descriptor {namespace}")
        return
    fd = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(fd, kind)
    finally:
        os.close(fd)


def openat2(directory: int, path: AnyPath, flags: int, resolve: Resolve) -> int:
    """openat2(2): open `path` under `directory` within the bounds `resolve` sets (Linux 5.6)."""
    how = struct.pack("=QQQ", flags | os.O_CLOEXEC, 0, resolve)
    return _syscall(_OPENAT2, path, c_int(directory), os.fsencode(path), how, c_ulong(len(how)))


def open_tree(path: AnyPath) -> int:
    """open_tree(2), OPEN_TREE_CLONE: the top of a mount of one's own, nowhere attached, of what
    `path` shows now without the mounts below it. It lasts as long as the descriptor, and whatever
    was cloned may be unmounted meanwhile (Linux 5.2)."""
    clone, no_follow = 1, 0x100
    return _syscall(
        _OPEN_TREE,
        path,
        c_int(AT_FDCWD),
        os.fsencode(path),
        c_uint(clone | no_follow | os.O_CLOEXEC),
    )


def map_owners(mount: int, namespace: int) -> None:
    """mount_setattr(2), MOUNT_ATTR_IDMAP: in the mount behind a descriptor, which is attached
    nowhere, owners are as the maps of this user namespace have them (Linux 5.12)."""
    empty_path, idmap = 0x1000, 0x100000
    attributes = struct.pack("=QQQQ", idmap, 0, 0, namespace)
    _syscall(
        _MOUNT_SETATTR,
        f"descriptor {mount}",
        c_int(mount),
        b"",
        c_uint(empty_path),
        attributes,
        c_ulong(len(attributes)),
    )


def exchange(directory: int, one: AnyPath, other: AnyPath) -> None:
    """renameat2(2), RENAME_EXCHANGE: two names below `directory` trade what they stand for, at
    once."""
    both = os.fsencode(one), os.fsencode(other)
    _checked(_LIBC.renameat2(directory, both[0], directory, both[1], 2), one)


def syncfs(fd: int) -> None:
    """syncfs(2): everything written to the file system of `fd` is on disk when this returns."""
    _checked(_LIBC.syncfs(fd), f"descriptor {fd}")


def fsopen(fstype: str) -> int:
    """fsopen(2): a descriptor for a file system being configured."""
    return _syscall(_FSOPEN, fstype, os.fsencode(fstype), c_uint(1))


def fsconfig_string(context: int, key: str, value: AnyPath) -> None:
    """fsconfig(2), FSCONFIG_SET_STRING. The kernel takes at most 255 bytes of `value`."""
    _syscall(
        _FSCONFIG, key, c_int(context), c_uint(1), os.fsencode(key), os.fsencode(value), c_int(0)
    )


def fsconfig_flag(context: int, key: str) -> None:
    """fsconfig(2), FSCONFIG_SET_FLAG."""
    _syscall(_FSCONFIG, key, c_int(context), c_uint(0), os.fsencode(key), None, c_int(0))


def fsconfig_create(context: int) -> None:
    """fsconfig(2), FSCONFIG_CMD_CREATE: the configuration is complete, make the superblock."""
    _syscall(_FSCONFIG, "superblock", c_int(context), c_uint(6), None, None, c_int(0))


def fsmount(context: int, attributes: MountAttribute) -> int:
    """fsmount(2): a descriptor of a mount that is not attached anywhere yet."""
    return _syscall(_FSMOUNT, "mount", c_int(context), c_uint(1), c_uint(attributes))


def move_mount(mount: int, target: AnyPath) -> None:
    """move_mount(2): attach the mount behind a descriptor to `target`."""
    empty_path = 4
    _syscall(
        _MOVE_MOUNT,
        target,
        c_int(mount),
        b"",
        c_int(AT_FDCWD),
        os.fsencode(target),
        c_uint(empty_path),
    )


def _syscall(number: int, about: AnyPath, *arguments: Any) -> int:
    return _checked(_LIBC.syscall(c_long(number), *arguments), about)


def _checked(result: int, about: AnyPath) -> int:
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), os.fsdecode(about))
    return result
