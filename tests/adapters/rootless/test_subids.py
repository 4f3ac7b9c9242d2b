"""Subordinate ids: what an administrator wrote, and what of it is believed."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.adapters.rootless.subids import MAX_ID, MOST, Range, granted, id_map


def test_by_name_and_by_number_in_the_order_of_the_lines() -> None:
    text = "boat:300000:10\nother:100000:65536\n1000:100000:65536\n"
    assert granted(text, 1000, "boat") == (Range(300_000, 10), Range(100_000, 65_536))
    assert granted(text, 1000) == (Range(100_000, 65_536),)
    assert granted(text, 1001, "") == ()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "boat",
        "boat:",
        "boat:1",
        "boat:1:",
        "boat:1:2:3",
        "boat:-5:10",
        "boat:0x10:10",
        "boat:100000:0",
        "boat:0:10",  # root of the host
        f"boat:{MAX_ID}:2",
        "boat:99999999999999999999:1",
        "boat:1e5:10",
        "boat:१०००००:10",
        "#boat:100000:10",
        "boat:990:20",  # himself
    ],
)
def test_lines_that_count_for_nothing(line: str) -> None:
    assert granted(f"{line}\nboat:200000:5\n", 1000, "boat") == (Range(200_000, 5),)


def test_what_was_given_already_is_not_given_twice() -> None:
    text = "boat:100000:100\nboat:100050:100\nboat:100100:10\n"
    assert granted(text, 1000, "boat") == (Range(100_000, 100), Range(100_100, 10))


def test_no_more_than_a_map_may_have_lines() -> None:
    text = "".join(f"boat:{100_000 + 10 * n}:10\n" for n in range(2 * MOST))
    assert len(id_map(1000, granted(text, 1000, "boat"))) == MOST


def test_inside_there_is_no_gap() -> None:
    lines = id_map(1000, (Range(300_000, 10), Range(100_000, 20)))
    assert lines == ((0, 1000, 1), (1, 300_000, 10), (11, 100_000, 20))


@given(st.text(alphabet="boat:0123456789\n #-"))
def test_whatever_is_written_there_the_kernel_takes_the_map(text: str) -> None:
    """No id twice, inside or outside (user_namespaces(7))."""
    lines = id_map(1000, granted(text, 1000, "boat"))
    for at in (0, 1):
        spans = sorted((line[at], line[at] + line[2]) for line in lines)
        assert all(one[1] <= other[0] for one, other in pairwise(spans))
        assert spans[-1][1] <= MAX_ID + 1
