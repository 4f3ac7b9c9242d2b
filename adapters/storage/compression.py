"""Compressed streams, told by their first bytes: gzip, bzip2, xz, zstd, or none.

Every decompressor is fed in portions and asked for portions, so neither a bomb nor a window of
gigabytes takes more memory than is granted here.
"""

import bz2
import lzma
import re
import sys
import zlib
from collections.abc import Callable
from typing import Protocol, cast

from lockgate.effects.outcome import PortError

_CHUNK = 1 << 20
_PORTION = 1 << 12
_MAGIC = 6  # bytes that tell one form from the others
_ZEROS = re.compile(rb"\0*")
_XZ_MEMORY = 256 << 20  # bytes; `xz -9` asks for 65 MiB
_ZSTD_WINDOW = 27  # log2 of bytes: what the zstd command takes unless told otherwise
_GZIP_FORM = 16 + zlib.MAX_WBITS


class Readable(Protocol):
    """Bytes in order; empty at the end."""

    def read(self, size: int, /) -> bytes: ...


class Rewindable(Readable, Protocol):
    def seek(self, position: int, /) -> object: ...


class Sum(Protocol):
    """What is told bytes in order: a hash."""

    def update(self, data: bytes, /) -> None: ...


class _Decompressor(Protocol):
    """What bz2, lzma and zstd have in common; at most `size` bytes come out at once."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, size: int, /) -> bytes: ...


def inflated(file: Rewindable, *, packed: Sum | None = None, plain: Sum | None = None) -> Readable:
    """The plain bytes of `file`, read from its start; `file` itself if it is not compressed.

    `packed` is told every byte as it is read, `plain` every byte as it comes out. Reading raises
    `EOFError` for what is cut off, and whatever a decompressor raises for what is damaged. Raises
    `PortError("missing")` where nothing here understands zstd.
    """
    file.seek(0)
    magic = file.read(_MAGIC)
    while 0 < len(magic) < _MAGIC and (more := file.read(_MAGIC - len(magic))):
        magic += more
    start = _decompressor(magic)
    file.seek(0)
    outer: Readable = file if packed is None else _Summed(file, packed)
    inner = outer if start is None else _Inflated(outer, start)
    return inner if plain is None else _Summed(inner, plain)


def _decompressor(magic: bytes) -> Callable[[], _Decompressor] | None:
    if magic.startswith(b"\x1f\x8b"):
        return _Gzip
    if magic.startswith(b"BZh"):
        return bz2.BZ2Decompressor
    if magic == b"\xfd7zXZ\0":
        return lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        return _zstd()
    return None


class _Summed:
    def __init__(self, inner: Readable, total: Sum) -> None:
        self._inner, self._total = inner, total

    def read(self, size: int, /) -> bytes:
        data = self._inner.read(size)
        self._total.update(data)
        return data


class _Inflated:
    """Any number of compressed streams, one after another, with padding between them."""

    def __init__(self, file: Readable, start: Callable[[], _Decompressor]) -> None:
        self._file, self._start = file, start
        self._current = start()
        self._ahead, self._at = b"", 0  # what was read, and how much of it was passed on
        self._portion = _PORTION

    def read(self, size: int, /) -> bytes:
        while True:
            given = b""
            if self._current.eof and not self._next_stream():
                return b""
            if self._current.needs_input:
                given = self._given()
                if not given:
                    raise EOFError("the compressed data are cut off")
            if plain := self._current.decompress(given, size):
                return plain

    def _next_stream(self) -> bool:
        """Begin the next one, beyond the padding; False: there is none."""
        self._at -= len(self._current.unused_data)
        while True:
            self._at = _nothing(self._ahead, self._at)
            if self._at < len(self._ahead):
                self._current, self._portion = self._start(), _PORTION
                return True
            if not self._read_on():
                return False

    def _given(self) -> bytes:
        """A decompressor copies what it did not need: of a long stream it is given ever more, but of
        one that may be short not much."""
        if self._at == len(self._ahead) and not self._read_on():
            return b""
        given = self._ahead[self._at : self._at + self._portion]
        self._at += len(given)
        self._portion = min(2 * self._portion, _CHUNK)
        return given

    def _read_on(self) -> bool:
        self._ahead, self._at = self._file.read(_CHUNK), 0
        return bool(self._ahead)


def _nothing(data: bytes, at: int) -> int:
    """Where the zeros that begin at `at` end."""
    found = _ZEROS.match(data, at)
    return found.end() if found else at


class _Gzip:
    """zlib's decompressor in the manner of the others: it gives unread input back, they keep it."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(_GZIP_FORM)
        self._full = False  # the last portion came out whole: there may be more of it inside

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not (self._inner.unconsumed_tail or self._full)

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, size: int, /) -> bytes:
        plain = self._inner.decompress(self._inner.unconsumed_tail + data, size)
        self._full = len(plain) == size
        return plain


def _zstd() -> Callable[[], _Decompressor]:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError:
        reason = "it is compressed with zstd: install backports.zstd, or compress it otherwise"
        raise PortError("missing", reason, dirty=False) from None
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW}
    return lambda: cast(_Decompressor, zstd.ZstdDecompressor(options=options))
