"""A directory of this host, read as entries in an order that depends on nothing but names.

Nothing is followed and nothing but regular files is opened. The number of open descriptors does
not depend on the depth: every directory is reached from the top, by the kernel, in one call.
"""

import errno
import os
import stat
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager

from lockgate.adapters.storage.entries import (
    AnyEntry,
    Directory,
    File,
    HardLink,
    Meta,
    Node,
    Parts,
    Symlink,
    Whiteout,
    damaged,
    keeps,
    parts_of,
    refused,
    shown,
)
from lockgate.adapters.syscalls import Resolve, openat2

_CHUNK = 1 << 20
_INSIDE = Resolve.BENEATH | Resolve.NO_SYMLINKS


def read_directory(top: int) -> Iterator[AnyEntry]:
    """The entries of the tree whose top directory is open as `top`, parents before children.

    Directories on which another file system is mounted come out empty, as with `cp -x`. Raises
    `PortError("refused")` for sockets and for what overlayfs keeps for itself.
    """
    device = os.fstat(top).st_dev
    seen: dict[tuple[int, int], Parts] = {}
    with closing(_Place(top)) as place:
        yield Directory((), meta_of(os.fstat(top), top))
        pending = _below(top, ())
        while pending:
            path = pending.pop()
            here = place.at(path[:-1])
            found = os.lstat(path[-1], dir_fd=here)
            if stat.S_ISDIR(found.st_mode):
                inside = place.at(path)
                yield Directory(path, meta_of(found, inside))
                if found.st_dev == device:
                    pending += _below(inside, path)
            elif stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:
                yield Whiteout(path)  # overlayfs makes many of them links of one
            elif (earlier := _earlier(found, path, seen)) != path:
                yield HardLink(path, earlier)
            elif stat.S_ISREG(found.st_mode):
                with _opened(here, path, found) as fd:
                    meta, size = meta_of(found, fd), found.st_size
                    yield File(path, meta, size, _content(fd, size))
            else:
                yield _irregular(here, path, found)


class _Place:
    """One open directory below `top`, moved about."""

    def __init__(self, top: int) -> None:
        self._top, self._fd = top, os.dup(top)
        self._path: Parts = ()

    def at(self, path: Parts) -> int:
        """The directory `path`; open until the next call."""
        if path != self._path:
            there = walk(self._top, path)
            os.close(self._fd)
            self._fd, self._path = there, path
        return self._fd

    def close(self) -> None:
        os.close(self._fd)


def _below(here: int, path: Parts) -> list[Parts]:
    """The paths in a directory, the first by name last."""
    with os.scandir(here) as entries:
        names = sorted((os.fsencode(entry.name) for entry in entries), reverse=True)
    return [parts_of(b"/".join((*path, name))) for name in names]


def walk(top: int, path: Parts) -> int:
    """Open the directory `path` below `top`, following no link on the way.

    Raises `FileNotFoundError`, and `NotADirectoryError` also for a link.
    """
    try:
        return openat2(top, b"/".join(path) or b".", os.O_RDONLY | os.O_DIRECTORY, _INSIDE)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotADirectoryError(errno.ENOTDIR, "a link is on the way", shown(path)) from None
        raise


def _earlier(found: os.stat_result, path: Parts, seen: dict[tuple[int, int], Parts]) -> Parts:
    """The name under which this inode was met first, which may be `path` itself."""
    if found.st_nlink == 1:
        return path
    return seen.setdefault((found.st_dev, found.st_ino), path)


def _irregular(here: int, path: Parts, found: os.stat_result) -> Symlink | Node:
    meta = meta_of(found)
    device = os.major(found.st_rdev), os.minor(found.st_rdev)
    match stat.S_IFMT(found.st_mode):
        case stat.S_IFLNK:
            return Symlink(path, meta, os.readlink(path[-1], dir_fd=here))
        case stat.S_IFCHR:
            return Node(path, meta, "char", device)
        case stat.S_IFBLK:
            return Node(path, meta, "block", device)
        case stat.S_IFIFO:
            return Node(path, meta, "fifo")
        case _:
            raise refused(f"{shown(path)} is a socket, which means nothing elsewhere")


@contextmanager
def _opened(here: int, path: Parts, found: os.stat_result) -> Generator[int]:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    fd = os.open(path[-1], flags, dir_fd=here)
    try:
        if not os.path.samestat(os.fstat(fd), found):
            raise damaged(f"{shown(path)} was replaced while being read")
        yield fd
    finally:
        os.close(fd)


def _content(fd: int, size: int) -> Iterator[bytes]:
    while size and (chunk := os.read(fd, min(size, _CHUNK))):
        size -= len(chunk)
        yield chunk


def meta_of(found: os.stat_result, fd: int | None = None) -> Meta:
    """The looks of a file; its attributes only where it is open."""
    xattrs = () if fd is None else tuple(_xattrs(fd))
    mode = stat.S_IMODE(found.st_mode)
    return Meta(mode, found.st_uid, found.st_gid, found.st_mtime_ns, xattrs)


def _xattrs(fd: int) -> Iterator[tuple[str, bytes]]:
    for name in sorted(os.listxattr(fd)):
        if keeps(name):
            yield name, os.getxattr(fd, name)
