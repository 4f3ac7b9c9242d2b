"""Ids there and back."""

from hypothesis import given
from hypothesis import strategies as st

from lockgate.effects.config import Config, IdMap
from lockgate.effects.idmaps import NOBODY, container_id, host_id, owner

MAPS = (IdMap(container=0, host=1000, size=1), IdMap(container=1, host=100_000, size=65_535))


def test_without_maps_they_are_one() -> None:
    assert (host_id((), 7), container_id((), 7)) == (7, 7)
    assert owner(Config(id="c"), 7, 8) == (7, 8)


def test_each_by_the_map_it_is_in() -> None:
    assert [host_id(MAPS, one) for one in (0, 1, 65_535, 65_536)] == [1000, 100_000, 165_534, None]
    assert [container_id(MAPS, one) for one in (1000, 999, 1001, 100_000)] == [
        0, NOBODY, NOBODY, 1,
    ]  # fmt: skip
    assert container_id(MAPS, 165_535) == NOBODY


def test_who_owns_its_files() -> None:
    config = Config(id="c", uid_maps=MAPS, gid_maps=(IdMap(container=0, host=5, size=1),))
    assert owner(config) == (1000, 5)
    assert owner(config, 1, 1) == (100_000, NOBODY)


@given(st.integers(0, 2**32 - 2))
def test_there_and_back(number: int) -> None:
    there = host_id(MAPS, number)
    assert there is None or container_id(MAPS, there) == number
