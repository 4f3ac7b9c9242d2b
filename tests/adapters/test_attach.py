"""Keys that detach, however they are cut into reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.adapters.oci.attach import Keys
from lockgate.cli.terminal import keys

LEAVE = b"\x10\x11"


def typed(sequence: bytes, *reads: bytes) -> tuple[bytes, bool]:
    looking = Keys(sequence)
    passed = b""
    for read in reads:
        passed += looking.passed(read)
        if looking.complete:
            return passed, True
    return passed, False


@pytest.mark.parametrize(
    ("reads", "passed", "left"),
    [
        ((b"ls\n",), b"ls\n", False),
        ((b"ls\n\x10\x11",), b"ls\n", True),
        ((b"\x10", b"\x11", b"never"), b"", True),
        ((b"\x10", b"\x10\x11"), b"\x10", True),
        ((b"\x10x",), b"\x10x", False),
        ((b"\x10",), b"", False),  # held back until it is known
        ((b"\x10", b""), b"\x10", False),  # at the end it is nothing but itself
    ],
)
def test_a_sequence_is_found(reads: tuple[bytes, ...], passed: bytes, left: bool) -> None:
    assert typed(LEAVE, *reads) == (passed, left)


def test_without_a_sequence_everything_passes() -> None:
    assert typed(b"", b"\x10\x11", b"x") == (b"\x10\x11x", False)


@given(data=st.binary(max_size=40), cuts=st.lists(st.integers(1, 5), max_size=20))
def test_nothing_is_lost_nor_made_up(data: bytes, cuts: list[int]) -> None:
    reads, rest = [], data
    for cut in cuts:
        reads.append(rest[:cut])
        rest = rest[cut:]
    reads = [read for read in (*reads, rest) if read]
    before, found, _ = data.partition(LEAVE)
    assert typed(LEAVE, *reads, b"") == (before if found else data, bool(found))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("ctrl-p,ctrl-q", LEAVE),
        ("", b""),
        ("a", b"a"),
        ("ctrl-@,ctrl-[", b"\x00\x1b"),
        ("ctrl-a,x", b"\x01x"),
    ],
)
def test_keys_are_written_as_in_the_field(text: str, meant: bytes) -> None:
    assert keys(text) == meant


@pytest.mark.parametrize("text", ["ctrl-", "ctrl-1", "ctrl-ab", "xy", "é", "alt-a"])
def test_and_not_otherwise(text: str) -> None:
    with pytest.raises(ValueError, match="is no key"):
        keys(text)
