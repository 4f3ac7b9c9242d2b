"""A directory of this host, read as entries in an order that depends on nothing but names.

Nothing is followed and nothing but regular files is opened. The number of open descriptors does
not depend on the depth: every directory is reached from the top, by the kernel, in one call.
"""

import errno
import os
import stat
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from typing import NamedTuple

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
from lockgate.adapters.storage.sparse import content_of
from lockgate.adapters.syscalls import Resolve, openat2

_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_GONE = (FileNotFoundError, NotADirectoryError)
_INSIDE = Resolve.BENEATH | Resolve.NO_SYMLINKS


class Visit(NamedTuple):
    """A name met on the way: its path, what it is, and the directory it is in, open until the
    next one is asked for."""

    path: Parts
    found: os.stat_result
    above: int


def read_directory(top: int, *, living: bool = False) -> Iterator[AnyEntry]:
    """The entries of the tree whose top directory is open as `top`, parents before children.

    Directories on which another file system is mounted come out empty, as with `cp -x`. Raises
    `PortError("refused")` for sockets and for what overlayfs keeps for itself. In a `living` tree,
    one that somebody changes meanwhile, sockets are passed over, and so is what is gone when its
    turn has come.
    """
    seen: dict[tuple[int, int], Parts] = {}
    yield Directory((), meta_of(os.fstat(top), top))
    for visit in visited(top, living=living):
        path, found, here = visit
        if stat.S_ISDIR(found.st_mode):
            with suppress(*_GONE if living else ()):
                yield _directory(visit)
        elif stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:
            yield Whiteout(path)  # overlayfs makes many of them links of one
        elif stat.S_ISSOCK(found.st_mode) and living:
            pass
        elif (earlier := _earlier(found, path, seen)) != path:
            yield HardLink(path, earlier)
        elif stat.S_ISREG(found.st_mode):
            with suppress(*_GONE if living else ()), _opened(here, path, found, living) as fd:
                now = os.fstat(fd)
                yield File(path, meta_of(now, fd), now.st_size, content_of(fd, now))
                continue
            seen.pop(
                (found.st_dev, found.st_ino), None
            )  # gone: what follows is no other name of it
        else:
            with suppress(*_GONE if living else ()):
                yield _irregular(here, path, found)


def visited(top: int, *, living: bool = False) -> Iterator[Visit]:
    """Every name below the directory open as `top`, by name, parents before children. Mounts are
    not entered; what is gone when its turn has come raises `OSError`, or in a `living` tree is
    passed over."""
    device = os.fstat(top).st_dev
    with closing(_Place(top)) as place:
        pending = _below(top, ())
        while pending:
            path = pending.pop()
            with suppress(*_GONE if living else ()):
                here = place.at(path[:-1])
                found = os.lstat(path[-1], dir_fd=here)
                yield Visit(path, found, here)
                if stat.S_ISDIR(found.st_mode) and found.st_dev == device:
                    pending += _below(place.at(path), path)


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


def _directory(visit: Visit) -> Directory:
    fd = os.open(visit.path[-1], _ENTER, dir_fd=visit.above)
    try:
        return Directory(visit.path, meta_of(os.fstat(fd), fd))
    finally:
        os.close(fd)


@contextmanager
def _opened(here: int, path: Parts, found: os.stat_result, living: bool) -> Generator[int]:
    """The file that was found; in a living tree, the one that is there now."""
    handle = os.open(path[-1], os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
    try:
        now = os.fstat(handle)
        if living and not stat.S_ISREG(now.st_mode):
            raise FileNotFoundError(errno.ENOENT, "it is another kind of file now", shown(path))
        if not living and not os.path.samestat(now, found):
            raise damaged(f"{shown(path)} was replaced while being read")
        fd = os.open(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(handle)
    try:
        yield fd
    finally:
        os.close(fd)


def meta_of(found: os.stat_result, fd: int | None = None) -> Meta:
    """The looks of a file; its attributes only where it is open."""
    xattrs = () if fd is None else tuple(_xattrs(fd))
    mode = stat.S_IMODE(found.st_mode)
    return Meta(mode, found.st_uid, found.st_gid, found.st_mtime_ns, xattrs)


def _xattrs(fd: int) -> Iterator[tuple[str, bytes]]:
    for name in filter(keeps, sorted(os.listxattr(fd))):
        try:
            yield name, os.getxattr(fd, name)
        except OSError as problem:
            if problem.errno != errno.ENODATA:  # somebody has just taken it away
                raise
