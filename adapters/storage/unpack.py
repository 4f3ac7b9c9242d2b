"""Entries, written as a tree below one open directory, and nowhere else.

Every path is walked from that directory without following links, and every name is made anew.
So no order and no choice of entries can reach outside, whatever links they bring along.
Permissions of directories come last: until then they are ours alone.
"""

import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, assert_never

from lockgate.adapters.storage.directory import walk
from lockgate.adapters.storage.entries import (
    Allowance,
    AnyEntry,
    Directory,
    File,
    HardLink,
    Meta,
    Node,
    Opaque,
    Parts,
    Symlink,
    Whiteout,
    damaged,
    refused,
    shown,
)
from lockgate.adapters.storage.sparse import empty
from lockgate.adapters.userns import overlay_attribute
from lockgate.adapters.whole import write_all

_ENTER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_UNSAID: Final = Meta(0o755)  # of a directory no entry describes


def unpack(entries: Iterable[AnyEntry], top: int, allowance: Allowance) -> tuple[Parts, ...]:
    """Write `entries` below the empty directory open as `top`, as many names as `allowance` has.

    Returns the directories that are there because something lies in them, though no entry
    describes them, parents first; the top may be one of them. Owners are set by root only. Raises `PortError`: "refused" for an entry that leads through a
    link, that replaces a directory by something else or the reverse, or whose path brings more
    directories than are allowed; "damaged" for a hard link to what is not there. `OSError`
    names the entry. What was written by then stays: the caller discards the tree.
    """
    tree = _Tree(top, allowance)
    try:
        for entry in entries:
            try:
                tree.add(entry)
            except OSError as error:
                raise OSError(error.errno, error.strerror, shown(entry.path)) from None
        return tree.finish()
    finally:
        tree.close()


class _Tree:
    def __init__(self, top: int, allowance: Allowance) -> None:
        self._top, self._allowance = top, allowance
        self._here = os.dup(top)  # where the last entry went, and often the next one goes
        self._path: Parts = ()
        self._directories: dict[Parts, Meta] = {(): _UNSAID}
        self._root = os.geteuid() == 0

    def close(self) -> None:
        os.close(self._here)

    def add(self, entry: AnyEntry) -> None:
        match entry:
            case Directory(path, meta):
                self._at(path)
                self._directories[path] = meta
            case File():
                self._file(entry)
            case Symlink(path, meta, target):
                self._make(path, lambda name, at: os.symlink(target, name, dir_fd=at))
                self._dress_name(path, meta)
            case HardLink(path, earlier):
                self._link(path, earlier)
            case Node(path, meta):
                self._make(path, lambda name, at: _make_node(entry, name, at))
                os.chmod(path[-1], meta.mode, dir_fd=self._here)
                self._dress_name(path, meta)
            case Whiteout(path):
                self._hide(path)
            case Opaque(path):
                os.setxattr(self._at(path), *opaque())
            case _:
                assert_never(entry)

    def finish(self) -> tuple[Parts, ...]:
        """Dress the directories, children first: a parent may shut itself."""
        for path in sorted(self._directories, reverse=True):
            self._dress(self._at(path), self._directories[path])
        return tuple(sorted(path for path, meta in self._directories.items() if meta is _UNSAID))

    # ---- kinds ---------------------------------------------------------------------

    def _file(self, file: File) -> None:
        made: list[int] = []
        self._make(file.path, lambda name, at: made.append(os.open(name, _NEW, 0o600, dir_fd=at)))
        (fd,) = made
        try:
            for chunk in file.content:
                if empty(chunk):
                    os.lseek(fd, len(chunk), os.SEEK_CUR)
                else:
                    write_all(fd, chunk)
            os.ftruncate(fd, os.lseek(fd, 0, os.SEEK_CUR))  # a hole at the end is part of it
            self._dress(fd, file.meta)
        finally:
            os.close(fd)

    def _link(self, path: Parts, target: Parts) -> None:
        if not target or target == path:
            raise refused(f"{shown(path)} is a hard link to itself or to the top")
        try:
            above = walk(self._top, target[:-1])
        except (FileNotFoundError, NotADirectoryError):
            raise _dangling(path, target) from None
        try:
            self._make(
                path,
                lambda name, at: os.link(
                    target[-1], name, src_dir_fd=above, dst_dir_fd=at, follow_symlinks=False
                ),
            )
        except FileNotFoundError:
            raise _dangling(path, target) from None
        except PermissionError:
            raise refused(
                f"{shown(path)} is a hard link to the directory {shown(target)}"
            ) from None
        finally:
            os.close(above)

    def _hide(self, path: Parts) -> None:
        """What this layer itself has under the name stays, and hides the lower layers' anyway."""
        at = self._parent(path)
        try:
            found = os.lstat(path[-1], dir_fd=at)
        except FileNotFoundError:
            self._make(path, lambda name, at: os.mknod(name, stat.S_IFCHR, 0, dir_fd=at))
        else:
            if stat.S_ISDIR(found.st_mode):
                os.setxattr(self._at(path), *opaque())

    def _make(self, path: Parts, make: Callable[[bytes, int], None]) -> None:
        """Make a name that is no directory; an older one of that kind gives way."""
        at = self._parent(path)
        self._allowance.name(path)
        try:
            make(path[-1], at)
        except FileExistsError:
            if stat.S_ISDIR(os.lstat(path[-1], dir_fd=at).st_mode):
                raise refused(f"{shown(path)} would replace a directory") from None
            os.unlink(path[-1], dir_fd=at)
            make(path[-1], at)

    # ---- where ----------------------------------------------------------------------

    def _parent(self, path: Parts) -> int:
        if not path:
            raise refused("the top of the tree is no directory")
        return self._at(path[:-1])

    def _at(self, path: Parts) -> int:
        """The directory `path`, made if need be; open until the next call."""
        if path != self._path:
            there = self._walk(path)
            os.close(self._here)
            self._here, self._path = there, path
        return self._here

    def _walk(self, path: Parts) -> int:
        here, depth = self._nearest(path)
        try:
            for end in range(depth + 1, len(path) + 1):
                above, here = here, self._step(here, path[:end])
                os.close(above)
        except BaseException:
            os.close(here)
            raise
        return here

    def _nearest(self, path: Parts) -> tuple[int, int]:
        """The deepest directory on the way that is there, and how deep it is."""
        for depth in range(len(path), 0, -1):
            with suppress(FileNotFoundError, NotADirectoryError):
                return walk(self._top, path[:depth]), depth
        return os.dup(self._top), 0

    def _step(self, above: int, path: Parts) -> int:
        name = path[-1]
        try:
            return os.open(name, _ENTER, dir_fd=above)
        except FileNotFoundError:
            hidden = False
        except NotADirectoryError:
            found = os.lstat(name, dir_fd=above)
            hidden = stat.S_ISCHR(found.st_mode) and found.st_rdev == 0
            if not hidden:
                raise refused(f"{shown(path)} leads through what is no directory here") from None
            os.unlink(name, dir_fd=above)
        self._allowance.name(path)
        os.mkdir(name, 0o700, dir_fd=above)
        self._directories[path] = _UNSAID
        made = os.open(name, _ENTER, dir_fd=above)
        if hidden:  # the whiteout it replaces would have hidden the lower layers' directory
            os.setxattr(made, *opaque())
        return made

    # ---- looks ----------------------------------------------------------------------

    def _dress(self, fd: int, meta: Meta) -> None:
        dress(fd, meta, owner=self._root)

    def _dress_name(self, path: Parts, meta: Meta) -> None:
        name, at = path[-1], self._here
        if self._root:
            os.chown(name, meta.uid, meta.gid, dir_fd=at, follow_symlinks=False)
        os.utime(name, ns=(meta.mtime, meta.mtime), dir_fd=at, follow_symlinks=False)


def opaque() -> tuple[str, bytes]:
    """The attribute of a directory that hides what lies below it, and its value."""
    return overlay_attribute("opaque"), b"y"


def dress(fd: int, meta: Meta, *, owner: bool = True) -> None:
    """Give an open file or directory its looks."""
    if owner:
        os.fchown(fd, meta.uid, meta.gid)  # first: it takes setuid bits and capabilities away
    os.fchmod(fd, meta.mode)
    for name, value in meta.xattrs:
        os.setxattr(fd, name, value)
    os.utime(fd, ns=(meta.mtime, meta.mtime))


def _make_node(node: Node, name: bytes, at: int) -> None:
    types = {"char": stat.S_IFCHR, "block": stat.S_IFBLK, "fifo": stat.S_IFIFO}
    os.mknod(name, types[node.kind] | 0o600, os.makedev(*node.device), dir_fd=at)


def _dangling(path: Parts, target: Parts) -> Exception:
    return damaged(f"{shown(path)} is a hard link to {shown(target)}, which is not there")
