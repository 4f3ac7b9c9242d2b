"""Removing a tree somebody hostile may have built, and may still be changing.

Nothing is followed, no mount is entered (the kernel refuses: RESOLVE_NO_XDEV), no path is
longer than one name. Where the tree is too deep its lower part is first moved up to the top, so
the number of open descriptors is bounded. Nothing here needs free space.
"""

import errno
import fcntl
import os
import stat
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from lockgate.adapters.syscalls import Resolve, openat2
from lockgate.effects.outcome import PortError

_DEPTH = 64  # directories held open at once
_ROUNDS = 32  # how often we sweep a directory in which names keep appearing
_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_INSIDE = Resolve.NO_XDEV | Resolve.NO_SYMLINKS | Resolve.BENEATH

# ioctl_iflags(2)
_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602
_APPEND, _IMMUTABLE = 0x20, 0x10


def remove_tree(above: int, name: str) -> None:
    """Remove `name` in the directory open as `above`, whatever it is; absent is success.

    Raises `PortError("refused")` when something is mounted inside (nothing below that mount is
    touched), `OSError` when the file system will not let go. Calling again continues.
    """
    if _unlinked(above, name):
        return
    rounds = 0
    while not _rmdir(above, name):
        if rounds == _ROUNDS:
            raise OSError(errno.ENOTEMPTY, "names keep appearing in it", name)
        top = _enter(above, name)
        try:
            rounds += not _sweep(top, top, depth=1)
        finally:
            os.close(top)


def _sweep(here: int, top: int, depth: int) -> bool:
    """Remove what a directory holds now; whether something too deep was moved up to `top`."""
    moved = False
    with os.scandir(here) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) or not _unlinked(here, entry.name):
                moved |= _remove_directory(here, entry.name, top, depth)
    return moved


def _remove_directory(above: int, name: str, top: int, depth: int) -> bool:
    moved = False
    for _ in range(_ROUNDS):
        if _rmdir(above, name):
            break
        if depth == _DEPTH:
            _insist(above, name, lambda: _move(above, name, top))
            return True
        here = _enter(above, name)
        try:
            moved |= _sweep(here, top, depth + 1)
        finally:
            os.close(here)
    return moved


def _move(above: int, name: str, top: int) -> None:
    os.rename(name, f".{token_hex(16)}", src_dir_fd=above, dst_dir_fd=top)


def _enter(above: int, name: str) -> int:
    opened: list[int] = []
    try:
        _insist(above, name, lambda: opened.append(openat2(above, name, _ENTER, _INSIDE)))
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise _mounted(name) from None
        raise
    return opened[0]


def _unlinked(above: int, name: str) -> bool:
    """Whether the name is gone now; False for a directory."""
    try:
        _insist(above, name, lambda: os.unlink(name, dir_fd=above))
    except FileNotFoundError:
        return _absent(above, name)
    except IsADirectoryError:
        return False
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise _mounted(name) from None
        raise
    return True


def _rmdir(above: int, name: str) -> bool:
    """Whether the directory is gone now; False while it is not empty."""
    try:
        _insist(above, name, lambda: os.rmdir(name, dir_fd=above))
    except FileNotFoundError:
        return _absent(above, name)
    except OSError as error:
        match error.errno:
            case errno.ENOTEMPTY | errno.EEXIST:
                return False
            case errno.ENOTDIR:  # somebody is quick
                return _unlinked(above, name)
            case errno.EBUSY:
                raise _mounted(name) from None
            case _:
                raise
    return True


def _absent(above: int, name: str) -> bool:
    """Said once more: what is believed to be gone and is not, stays for good. Raises `OSError`."""
    try:
        os.lstat(name, dir_fd=above)
    except FileNotFoundError:
        return True
    raise OSError(errno.EIO, "it is said not to be there, and is", name)


def _insist(above: int, name: str, act: Callable[[], None]) -> None:
    """Do it; if that is not permitted, take away what forbids it and do it once more."""
    try:
        act()
    except PermissionError:
        _permit(above)
        handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
        try:
            _permit(handle)
        finally:
            os.close(handle)
        act()


def _permit(handle: int) -> None:
    """Lift immutability, and let us into a directory; what cannot be lifted will be met again."""
    mode = os.fstat(handle).st_mode
    name = f"/proc/self/fd/{handle}"
    if stat.S_ISDIR(mode) or stat.S_ISREG(mode):
        with suppress(OSError):
            _lift(name)
    if stat.S_ISDIR(mode):
        with suppress(OSError):
            Path(name).chmod(0o700)


def _lift(name: str) -> None:
    fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        flags = bytearray(8)
        fcntl.ioctl(fd, _GET_FLAGS, flags)
        (found,) = struct.unpack_from("=I", flags)
        if found & (_APPEND | _IMMUTABLE):
            fcntl.ioctl(fd, _SET_FLAGS, struct.pack("=Q", found & ~(_APPEND | _IMMUTABLE)))
    finally:
        os.close(fd)


def _mounted(name: str) -> PortError:
    return PortError("refused", f"something is mounted on {name!r}: unmount it, then remove again")
