"""Named contents: the files of a directory, or the members of an archive, read where they lie.

Nothing is extracted. Each content is a `Section` with a position of its own, so that any number
of them can be read at once, by any number of threads.
"""

import errno
import os
import re
import stat
import tarfile
import tempfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from io import FileIO
from pathlib import Path
from typing import Protocol

from lockgate.adapters.storage.archive import Indexed, index_archive
from lockgate.adapters.storage.compression import inflated
from lockgate.adapters.storage.entries import Parts, damaged, parts_of, refused, shown
from lockgate.adapters.syscalls import Resolve, openat2
from lockgate.adapters.whole import pread_all, write_all

_CHUNK = 1 << 20
_MEMBERS = 100_000  # names an archive of blobs may have
_HOPS = 8  # links from one member to the next
_INSIDE = Resolve.BENEATH | Resolve.NO_SYMLINKS | Resolve.NO_MAGICLINKS

_FAMILIAR = re.compile(
    r"oci-layout|index\.json|manifest\.json|repositories|blobs"
    r"|(sha256:)?[0-9a-f]{64}(\.(json|tar|tar\.gz))?"
)
"""What the first component of every name in an archive of images looks like, and in no root file
system: one name that does not match, and the archive is none of images."""


class Section:
    """`size` bytes of an open file from `offset` on. The descriptor is somebody else's."""

    def __init__(self, fd: int, offset: int, size: int) -> None:
        self._fd, self._offset, self.size = fd, offset, size
        self._position = 0

    def seek(self, position: int, /) -> None:
        self._position = position

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; fewer than there should be where the file ends too soon."""
        wanted = min(size, self.size - self._position)
        at = self._offset + self._position
        data = pread_all(self._fd, wanted, at) if wanted > 0 else b""
        self._position += len(data)
        return data


class Blobs(Protocol):
    def has(self, name: str) -> bool: ...

    def open(self, name: str) -> AbstractContextManager[Section]:
        """Raises `PortError`: "damaged" for what is not there, "refused" for names that lead
        out."""
        ...


class DirectoryBlobs:
    """The files below the directory open as `top`; no link is followed."""

    def __init__(self, top: int) -> None:
        self._top = top

    def has(self, name: str) -> bool:
        return os.access(name, os.F_OK, dir_fd=self._top, follow_symlinks=False)

    @contextmanager
    def open(self, name: str) -> Generator[Section]:
        path = parts_of(name.encode())
        try:
            handle = openat2(self._top, b"/".join(path), os.O_PATH | os.O_NOFOLLOW, _INSIDE)
        except (NotADirectoryError, FileNotFoundError):
            raise _absent(path) from None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EXDEV):
                raise refused(f"{shown(path)} leads through a link") from None
            raise
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise refused(f"{shown(path)} is no regular file")
            fd = os.open(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(handle)
        try:
            yield Section(fd, 0, found.st_size)
        finally:
            os.close(fd)


class ArchiveBlobs:
    """The members of a plain archive, of which `members` says where they lie."""

    def __init__(self, file: FileIO, members: Mapping[Parts, Indexed]) -> None:
        self._file, self._members = file, members

    def has(self, name: str) -> bool:
        return parts_of(name.encode()) in self._members

    @contextmanager
    def open(self, name: str) -> Generator[Section]:
        member = self._member(parts_of(name.encode()))
        yield Section(self._file.fileno(), member.offset, member.size)

    def _member(self, path: Parts) -> Indexed:
        """Older archives name a content they share by a link from one member to another."""
        asked = path
        for _ in range(_HOPS):
            member = self._members.get(path)
            if member is None:
                raise _absent(asked)
            match member.type:
                case tarfile.REGTYPE | tarfile.AREGTYPE:
                    return member
                case tarfile.SYMTYPE:
                    path = _joined(path[:-1], member.target)
                case tarfile.LNKTYPE:
                    path = parts_of(member.target.encode("utf-8", "surrogateescape"))
                case _:
                    raise refused(f"{shown(path)} is no regular file")
        raise refused(f"{shown(asked)} is a link to a link to a link, without end")


def blobs_of_directory(top: int) -> DirectoryBlobs | None:
    """The blobs of an OCI image layout; None for any other directory."""
    names = set(os.listdir(top))
    return DirectoryBlobs(top) if {"oci-layout", "index.json"} <= names else None


@contextmanager
def blobs_of_archive(file: FileIO, spool: Path, most: int) -> Generator[ArchiveBlobs | None]:
    """The blobs of an archive of images; None for an archive of anything else.

    One that is compressed is unpacked to an unnamed file in the directory `spool` first, at most
    `most` bytes of it.
    """
    members = _familiar(index_archive(file, most))
    if members is None:
        yield None
    elif (plain := inflated(file)) is file:
        yield ArchiveBlobs(file, members)
    else:
        with tempfile.TemporaryFile(dir=spool, buffering=0) as copy:
            while chunk := plain.read(_CHUNK):
                write_all(copy.fileno(), chunk)
            yield ArchiveBlobs(FileIO(copy.fileno(), closefd=False), members)


def _familiar(index: Iterator[Indexed]) -> dict[Parts, Indexed] | None:
    """What lies where, if that is an archive of images; read no further than needed to know."""
    members: dict[Parts, Indexed] = {}
    for member in index:
        first = member.name.removeprefix("./").partition("/")[0]
        if first and _FAMILIAR.fullmatch(first) is None:
            return None
        members[parts_of(member.name.encode("utf-8", "surrogateescape"))] = member
        if len(members) > _MEMBERS:
            raise refused(f"there are more than {_MEMBERS} members in the archive of images")
    marks = {(b"oci-layout",), (b"manifest.json",)}
    return members if marks & members.keys() else None


def _joined(above: Parts, target: str) -> Parts:
    path = list(above)
    for part in target.encode("utf-8", "surrogateescape").split(b"/"):
        if part == b"..":
            if not path:
                raise refused(f"a link to {target!r} leads out of the archive")
            path.pop()
        elif part not in (b"", b"."):
            path.append(part)
    return tuple(path)


def _absent(path: Parts) -> Exception:
    return damaged(f"there is no {shown(path)} in it")
