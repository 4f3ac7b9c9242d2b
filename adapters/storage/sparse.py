"""Files with holes: what of them is data, so that nothing is read, written or kept but that.

A file of terabytes that are not there costs nobody anything but the one who believes in its size.
Kept apart from entries: with holes or without, it is the same content, and has the same digest.
"""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from lockgate.adapters.storage.entries import Parts, refused, shown

Extents: TypeAlias = tuple[tuple[int, int], ...]
"""Where data is: offset and length in bytes, ascending, none empty, none touching the next."""

WORTH = 1 << 20
"""Bytes of holes from which on it is worth while to speak of them."""

MOST = 1 << 16
"""Extents of one file that are told apart; what lies between the others is taken for data."""

_CHUNK = 1 << 20
_NOTHING = bytes(_CHUNK)


class Sparse:
    """The content of a file of `size` bytes, to be read once: the whole, or only its `data`.

    `read` yields the bytes of one extent, exactly as many as that has; extents are asked for in
    their order.
    """

    def __init__(
        self, size: int, extents: Extents, read: Callable[[int, int], Iterator[bytes]]
    ) -> None:
        self.size, self.extents = size, extents
        self._read = read

    @property
    def stored(self) -> int:
        """Bytes of data."""
        return sum(length for _, length in self.extents)

    def data(self) -> Iterator[bytes]:
        for offset, length in self.extents:
            yield from self._read(offset, length)

    def __iter__(self) -> Iterator[bytes]:
        done = 0
        for offset, length in self.extents:
            yield from _hole(offset - done)
            yield from self._read(offset, length)
            done = offset + length
        yield from _hole(self.size - done)


def content_of(fd: int, found: os.stat_result) -> Iterator[bytes] | Sparse:
    """What an open file contains; of one that shrinks meanwhile, as much as there is."""
    if found.st_blocks * 512 + WORTH > found.st_size:
        return _dense(fd, found.st_size)
    return Sparse(
        found.st_size,
        extents_of(fd, found.st_size),
        lambda offset, length: _extent(fd, offset, length),
    )


def extents_of(fd: int, size: int) -> Extents:
    """By lseek(2); where a file system does not tell, all of it is data."""
    found: list[tuple[int, int]] = []
    at = 0
    while at < size:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
            end = min(os.lseek(fd, at, os.SEEK_HOLE), size)
        except OSError as problem:
            if problem.errno == errno.ENXIO:  # nothing but a hole from here on
                break
            raise
        if end <= at:  # it has shrunk meanwhile
            break
        if len(found) == MOST:
            first, _ = found.pop()
            found.append((first, end - first))
        else:
            found.append((at, end - at))
        at = end
    os.lseek(fd, 0, os.SEEK_SET)
    return tuple(found)


def checked(path: Parts, size: int, spans: Sequence[tuple[int, int]]) -> Extents:
    """What somebody else says of a file's extents. Raises `PortError("refused")`."""
    told = tuple((offset, length) for offset, length in spans if length)
    done = 0
    for offset, length in told:
        if offset < done or length < 0 or offset + length > size:
            raise refused(f"{shown(path)} is stored sparsely, in parts that make no file")
        done = offset + length
    return told


def empty(chunk: bytes) -> bool:
    """Is it nothing but zeros?"""
    return chunk[:1] == b"\0" and chunk == _NOTHING[: len(chunk)]


def _hole(size: int) -> Iterator[bytes]:
    while size > 0:
        yield _NOTHING[: min(size, _CHUNK)]
        size -= _CHUNK


def _dense(fd: int, size: int) -> Iterator[bytes]:
    while size and (chunk := os.read(fd, min(size, _CHUNK))):
        size -= len(chunk)
        yield chunk


def _extent(fd: int, offset: int, length: int) -> Iterator[bytes]:
    """Padded with zeros where the file has shrunk meanwhile."""
    while length:
        chunk = os.pread(fd, min(length, _CHUNK), offset) or _NOTHING[: min(length, _CHUNK)]
        offset += len(chunk)
        length -= len(chunk)
        yield chunk
