"""Whatever bytes come from outside, nothing but what is promised comes of them (P11)."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.soak import DONE, SOAK

from lockgate.testing.outside import READERS, seeds

SEEDS = seeds()
DEEP_LIST, DEEP_MAP = b"[" * 3000, b'{"a":' * 3000
CORPUS = Path(__file__).parents[2] / "fuzz" / "corpus"


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """A sound file cut short, with bytes flipped, replaced, put in, or repeated."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(("cut", "flip", "put", "repeat", "zero"))):
            case "cut":
                del data[at:]
            case "flip" if at < len(data):
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "put":
                data[at:at] = draw(st.binary(max_size=8))
            case "repeat":
                data[at:at] = data[:at]
            case "zero":
                data[at : at + 16] = bytes(16)
            case _:
                pass
    return bytes(data)


def contents(name: str) -> st.SearchStrategy[bytes]:
    return st.one_of(
        st.binary(max_size=64),
        st.sampled_from((DEEP_LIST, DEEP_MAP, DEEP_LIST + b"\n", DEEP_MAP + b"\n")),
        *(damaged(seed) for seed in SEEDS[name]),
    )


@pytest.mark.sampled
@pytest.mark.parametrize("name", READERS)
def test_any_bytes_are_read_or_refused_as_promised(name: str, tmp_path: Path) -> None:
    @settings(
        max_examples=150 * SOAK,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(contents(name))
    def reads(data: bytes) -> None:
        READERS[name](data, tmp_path)
        DONE["times bytes were read"] += 1

    reads()


@pytest.mark.parametrize("name", READERS)
def test_what_is_sound_is_read(name: str, tmp_path: Path) -> None:
    for seed in SEEDS[name]:
        READERS[name](seed, tmp_path)


@pytest.mark.parametrize("name", READERS)
def test_what_once_was_found_stays_mended(name: str, tmp_path: Path) -> None:
    """The corpus: seeds, and every input that ever broke something."""
    files = sorted((CORPUS / name).iterdir())
    assert files, "python fuzz/outside.py --seeds writes them"
    for path in files:
        READERS[name](path.read_bytes(), tmp_path)
