"""Tar archives, read as entries, however compressed.

`tarfile` parses, but it trusts: it reads headers of any size into memory, and takes a damaged
header for the end. So it reads through a stream that only goes forward, grants a bounded number
of bytes for each header, and knows whether the end mark was there.
"""

import re
import stat
import tarfile
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import IO, Any, cast

from msgspec import Struct

from lockgate.adapters.storage.compression import Readable, Rewindable, Sum, inflated
from lockgate.adapters.storage.entries import (
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
    keeps,
    parts_of,
    refused,
    shown,
)
from lockgate.adapters.storage.sparse import Sparse, checked
from lockgate.effects.outcome import PortError

_BLOCK = tarfile.BLOCKSIZE
_CHUNK = 1 << 20
_HEADERS = 1 << 20  # bytes one entry's headers may take: attributes are at most 64 KiB each
_STANDING = 64  # global headers, which every later entry has, too
_TRAILER = 1 << 20  # bytes of padding after the end mark
_IDS = range((1 << 32) - 1)  # the last one means "leave as it is" to chown
_PAST, _FUTURE = -(1 << 33), 1 << 34  # seconds; beyond, file systems disagree

# tarfile before 3.11.10 searches headers in time quadratic to such a run (CVE-2024-6232).
_DIGITS = re.compile(rb"\d{256}")

_PREFIX, _OPAQUE = b".wh.", b".wh..wh..opq"
_ATTRIBUTE = "SCHILY.xattr."


class Indexed(Struct, frozen=True):
    """A member of an archive and where its content lies, in bytes from the start."""

    name: str
    type: bytes  # as tarfile has them
    offset: int
    size: int
    target: str


def read_archive(
    file: Rewindable, *, packed: Sum | None = None, plain: Sum | None = None
) -> Iterator[AnyEntry]:
    """The entries of the archive in `file`, from its start.

    AUFS-style whiteouts come out as `Whiteout` and `Opaque`. When there are no more entries, all
    of `file` has been read, and every byte told to `packed` as it is and to `plain` without its
    compression. Raises `PortError`: "damaged" for what is no archive or only part of one,
    "refused" for entries we do not take.
    """
    stream = _Stream(inflated(file, packed=packed, plain=plain))
    for member in _members(stream):
        yield _entry(member, stream)
    stream.finish()


def index_archive(file: Rewindable, most: int) -> Iterator[Indexed]:
    """What lies where in an archive: contents are passed over, of at most `most` bytes in all.

    Raises as `read_archive` does; positions count plain bytes.
    """
    raw = inflated(file)
    stream = _Stream(raw, file.seek if raw is file else None)
    for member in _members(stream):
        if member.issparse() or member.size < 0:
            raise refused(f"{member.name!r} is stored in a way in which no blob is")
        size = member.size if member.isreg() else 0
        yield Indexed(member.name, member.type, stream.tell(), size, member.linkname)
        most -= size
        if most < 0:
            raise refused(f"with {member.name!r} the archive exceeds the limit on the size")
        with _distrust(stream):
            stream.skip(size)
    stream.finish()


def _members(stream: "_Stream") -> Iterator[tarfile.TarInfo]:
    with _distrust(stream):
        tar = tarfile.TarFile(
            fileobj=cast(IO[bytes], stream), encoding="utf-8", errors="surrogateescape"
        )
    while (member := _next(tar, stream)) is not None:
        yield member


def _next(tar: tarfile.TarFile, stream: "_Stream") -> tarfile.TarInfo | None:
    with _distrust(stream):
        stream.granted = _HEADERS
        cast(Any, tar).members = []  # it would remember every member it ever saw
        found = tar.next()
        _check_standing(cast(Any, tar).pax_headers)
        return found


def _check_standing(headers: Mapping[str, str]) -> None:
    """tarfile keeps global headers, and copies them to each entry: without bounds, of any number and
    size. Attributes of all files at once are nobody's wish."""
    if any(name.startswith(_ATTRIBUTE) for name in headers):
        raise refused("a global header gives attributes to every file")
    size = sum(len(name) + len(text) for name, text in headers.items())
    if len(headers) > _STANDING or size > _HEADERS:
        raise refused(
            f"the global headers are more than {_STANDING}, or take more than {_HEADERS} bytes"
        )


@contextmanager
def _distrust(stream: "_Stream") -> Generator[None]:
    """tarfile and the decompressors raise almost anything when fed the right bytes."""
    try:
        yield
    except (PortError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        text = str(error) or type(error).__name__
        raise damaged(f"no readable tar archive: {text} (near byte {stream.tell()})") from None


# ---- members ----------------------------------------------------------------------


def _entry(member: tarfile.TarInfo, stream: "_Stream") -> AnyEntry:
    path = parts_of(_raw(member.name))
    if any(part.startswith(_PREFIX) for part in path):
        return _whiteout(path, member)
    if member.issparse():
        return _sparse(path, member, stream)
    match member.type:
        case tarfile.REGTYPE | tarfile.AREGTYPE | tarfile.CONTTYPE:
            return File(path, _meta(member), member.size, stream.content(path, member.size))
        case tarfile.DIRTYPE:
            return Directory(path, _meta(member))
        case tarfile.SYMTYPE:
            return Symlink(path, _meta(member), _target(path, member))
        case tarfile.LNKTYPE:
            return HardLink(path, parts_of(_raw(member.linkname)))
        case tarfile.FIFOTYPE:
            return Node(path, _meta(member), "fifo")
        case tarfile.CHRTYPE if (member.devmajor, member.devminor) == (0, 0):
            return Whiteout(path)  # as overlayfs itself writes them
        case tarfile.CHRTYPE:
            return Node(path, _meta(member), "char", (member.devmajor, member.devminor))
        case tarfile.BLKTYPE:
            return Node(path, _meta(member), "block", (member.devmajor, member.devminor))
        case unknown:
            raise refused(f"{shown(path)} is of a type we do not know ({unknown!r})")


def _sparse(path: Parts, member: tarfile.TarInfo, stream: "_Stream") -> File:
    """A file of whose holes GNU tar did not write the zeros, in any of its formats."""
    if not member.isreg():
        raise refused(f"{shown(path)} has holes but is no file")
    spans = cast(list[tuple[int, int]], cast(Any, member).sparse)
    extents = checked(path, member.size, spans)
    content = Sparse(member.size, extents, lambda _, length: stream.content(path, length))
    return File(path, _meta(member), member.size, content)


def _whiteout(path: Parts, member: tarfile.TarInfo) -> Whiteout | Opaque:
    *above, last = path
    hidden = last.removeprefix(_PREFIX)
    if any(part.startswith(_PREFIX) for part in above) or not member.isreg():
        raise refused(f"{shown(path)} is named like a whiteout but is none")
    if last == _OPAQUE:
        return Opaque(tuple(above))
    if hidden in (b"", b".", b"..") or hidden.startswith(_PREFIX):
        raise refused(f"{shown(path)} is a whiteout of nothing we could hide")
    return Whiteout((*above, hidden))


def _target(path: Parts, member: tarfile.TarInfo) -> bytes:
    target = _raw(member.linkname)
    if not target or b"\0" in target:
        raise refused(f"{shown(path)} is a link to nothing")
    return target


def _meta(member: tarfile.TarInfo) -> Meta:
    if member.uid not in _IDS or member.gid not in _IDS:
        raise damaged(f"{member.name!r} has the impossible owner {member.uid}:{member.gid}")
    xattrs = sorted(
        (name, _raw(value))
        for key, value in member.pax_headers.items()
        if key.startswith(_ATTRIBUTE) and keeps(name := key.removeprefix(_ATTRIBUTE))
    )
    mode = stat.S_IMODE(member.mode)
    return Meta(mode, member.uid, member.gid, _mtime(member), tuple(xattrs))


def _mtime(member: tarfile.TarInfo) -> int:
    """Nanoseconds; a time that cannot be one is the epoch: nobody is hurt by it."""
    try:
        seconds = Decimal(member.pax_headers.get("mtime", member.mtime))
        return int(seconds * 1_000_000_000) if _PAST < seconds < _FUTURE else 0
    except (ArithmeticError, ValueError):
        return 0


def _raw(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise damaged(f"{text!r} is no text in any encoding") from None


# ---- the stream -------------------------------------------------------------------


class _Stream:
    """What tarfile sees of a file: bytes in order, and only as many as were granted."""

    def __init__(self, raw: Readable, jump: Callable[[int], object] | None = None) -> None:
        self._raw, self._jump = raw, jump
        self._position = 0
        self._last = b""
        self.granted = _HEADERS

    def read(self, size: int) -> bytes:
        if size < 0:
            raise damaged("an entry claims a negative size")
        if size > self.granted:
            raise refused(f"the headers of an entry take more than {_HEADERS} bytes")
        self.granted -= size
        self._last = self._fill(size)
        if size > _BLOCK and _DIGITS.search(self._last):
            raise refused("a header is made of digits to keep us busy")
        return self._last

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> int:
        self.read(position - self._position)
        return self._position

    def content(self, path: Parts, size: int) -> Iterator[bytes]:
        """`size` bytes from here on, which must be those of the entry just read."""
        if size < 0:
            raise damaged(f"{shown(path)} claims a negative size")
        while size:
            with _distrust(self):
                chunk = self._fill(min(size, _CHUNK))
            if not chunk:
                raise damaged(f"the archive ends in the middle of {shown(path)}")
            size -= len(chunk)
            yield chunk

    def skip(self, size: int) -> None:
        """Pass over the content of the entry just read; an end that comes too soon is met next."""
        if self._jump is not None:
            self._position += size
            self._jump(self._position)
            return
        while size and (chunk := self._fill(min(size, _CHUNK))):
            size -= len(chunk)

    def finish(self) -> None:
        """Check that this is the end of the archive, and not only of what is left of it."""
        if self._last != bytes(_BLOCK):
            raise damaged(
                f"the archive has no end mark: it is cut off or damaged near byte {self._position}"
            )
        with _distrust(self):  # reading on lets the decompressor check its sums
            rest = self._fill(_TRAILER + 1)
        if len(rest) > _TRAILER:
            raise refused(f"more than {_TRAILER} bytes follow the end of the archive")

    def _fill(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size and (part := self._raw.read(size)):
            parts.append(part)
            size -= len(part)
            self._position += len(part)
        return b"".join(parts)
