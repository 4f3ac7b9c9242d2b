"""Entries, written as a tar archive: the reverse of `archive`, in the same language.

Nothing is held in memory but one chunk and the names of files with several; contents of unknown
fate get exactly the size that was announced, padded with zeros where a file has shrunk meanwhile.
"""

import tarfile
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import IO, Any, BinaryIO, cast

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
)
from lockgate.adapters.storage.sparse import Sparse

_CHUNK = 1 << 20
_NANO = 1_000_000_000
_ATTRIBUTE = "SCHILY.xattr."
_KINDS = {"char": tarfile.CHRTYPE, "block": tarfile.BLKTYPE, "fifo": tarfile.FIFOTYPE}


def write_archive(entries: Iterable[AnyEntry], out: BinaryIO) -> None:
    """Write the entries of one tree, as they come; whiteouts mean nothing in it and are left out.

    POSIX.1-2001 with GNU's and star's keyword for extended attributes, as `tar --xattrs` reads it.
    """
    with tarfile.open(
        fileobj=cast(IO[bytes], out),
        mode="w|",
        format=tarfile.PAX_FORMAT,
        encoding="utf-8",
        errors="surrogateescape",
        bufsize=_CHUNK,
    ) as tar:
        cast(Any, tar).copybufsize = _CHUNK
        for entry in entries:
            cast(Any, tar).members = []  # it would remember every member it ever wrote
            info = _info(entry)
            if info is None:
                continue
            if isinstance(entry, File):
                if isinstance(entry.content, Sparse):
                    entry = _without_holes(entry, entry.content, info)
                tar.addfile(info, cast(IO[bytes], _Exactly(entry)))
            else:
                tar.addfile(info)


def _info(entry: AnyEntry) -> tarfile.TarInfo | None:
    match entry:
        case Directory(path, meta):
            return _dressed(path, tarfile.DIRTYPE, meta)
        case File(path, meta, size):
            info = _dressed(path, tarfile.REGTYPE, meta)
            info.size = size
            return info
        case Symlink(path, meta, target):
            info = _dressed(path, tarfile.SYMTYPE, meta)
            info.linkname = _text(target)
            return info
        case HardLink(path, earlier):
            info = tarfile.TarInfo(_name(path))
            info.type, info.linkname = tarfile.LNKTYPE, _name(earlier)
            return info
        case Node(path, meta, kind, device):
            info = _dressed(path, _KINDS[kind], meta)
            info.devmajor, info.devminor = device
            return info
        case Whiteout() | Opaque():
            return None


def _without_holes(file: File, content: Sparse, info: tarfile.TarInfo) -> File:
    """As GNU tar's format 1.0 has it: a map of what is data, then the data; the header gets the name
    and size of that, and says in words what the file's are."""
    last = (content.size, 0)
    spans = [*content.extents, last]
    numbers = [len(spans), *(number for span in spans for number in span)]
    told = "".join(f"{number}\n" for number in numbers).encode()
    told += bytes(-len(told) % tarfile.BLOCKSIZE)
    info.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": info.name,
        "GNU.sparse.realsize": str(content.size),
        **info.pax_headers,
    }
    info.name = "GNUSparseFile.0"
    info.size = len(told) + content.stored
    return File(file.path, file.meta, info.size, chain((told,), content.data()))


def _dressed(path: Parts, kind: bytes, meta: Meta) -> tarfile.TarInfo:
    info = tarfile.TarInfo(_name(path))
    info.type, info.mode, info.uid, info.gid = kind, meta.mode, meta.uid, meta.gid
    info.mtime, nanoseconds = divmod(meta.mtime, _NANO)
    headers = {f"{_ATTRIBUTE}{name}": _text(value) for name, value in meta.xattrs}
    if nanoseconds:
        sign, whole = ("-", -meta.mtime) if meta.mtime < 0 else ("", meta.mtime)
        headers["mtime"] = f"{sign}{whole // _NANO}.{whole % _NANO:09}"
    info.pax_headers = headers
    return info


def _name(path: Parts) -> str:
    return _text(b"/".join(path)) or "."


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


class _Exactly:
    """The content of a file, as tarfile asks for it."""

    def __init__(self, file: File) -> None:
        self._left = file.size
        self._chunks: Iterator[bytes] = iter(file.content)
        self._ahead = b""

    def read(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size and self._left:
            chunk = self._ahead or next(self._chunks, b"") or bytes(min(self._left, _CHUNK))
            part, self._ahead = chunk[:size], chunk[size:]
            parts.append(part)
            size -= len(part)
            self._left -= len(part)
        return b"".join(parts)
