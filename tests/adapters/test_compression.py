"""Compressed streams, one after another: read whole, and without work for what they do not contain."""

import bz2
import gzip
import lzma
from collections.abc import Callable
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.adapters.storage import compression
from lockgate.adapters.storage.compression import inflated

METHODS: list[Callable[[bytes], bytes]] = [gzip.compress, bz2.compress, lzma.compress]
PIECES = st.lists(
    st.tuples(st.binary(max_size=20_000), st.integers(min_value=0, max_value=8)), max_size=5
)


def read(packed: bytes, portion: int = 1 << 20) -> bytes:
    stream = inflated(BytesIO(packed))
    return b"".join(iter(lambda: stream.read(portion), b""))


@pytest.mark.parametrize("compress", METHODS)
@given(pieces=PIECES, portion=st.integers(min_value=1, max_value=1 << 14))
def test_any_number_of_streams_with_padding_between_them(
    compress: Callable[[bytes], bytes], pieces: list[tuple[bytes, int]], portion: int
) -> None:
    pieces = [(b"first", 0), *pieces]
    packed = b"".join(compress(plain) + bytes(zeros) for plain, zeros in pieces)
    assert read(packed, portion) == b"".join(plain for plain, _ in pieces)


@pytest.mark.parametrize("compress", METHODS)
def test_longer_than_what_is_read_at_once(compress: Callable[[bytes], bytes]) -> None:
    plain = b"".join(number.to_bytes(4, "big") for number in range(60_000))
    padding = bytes(3 << 20)
    assert read(compress(plain) + padding + compress(plain)) == plain + plain


@pytest.mark.parametrize("compress", METHODS)
def test_one_that_is_cut_off(compress: Callable[[bytes], bytes]) -> None:
    with pytest.raises(EOFError, match="cut off"):
        read(compress(b"whole") + compress(b"half")[:-3])


def test_many_that_are_empty_are_not_copied_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = 0

    class Counting(compression._Gzip):
        def decompress(self, data: bytes, size: int) -> bytes:
            nonlocal given
            given += len(data)
            return super().decompress(data, size)

    monkeypatch.setattr(compression, "_Gzip", Counting)
    empty = gzip.compress(b"")
    packed = empty * ((1 << 20) // len(empty))
    assert read(packed) == b""
    assert given < 300 * len(packed)
