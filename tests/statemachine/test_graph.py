"""Who needs whom, as an order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lockgate.effects.config import Config
from lockgate.statemachine.graph import Cycle, closure, generations, stays
from lockgate.statemachine.inputs import Remove
from lockgate.statemachine.record import newborn
from lockgate.statemachine.status import Status

DIAMOND = {"web": ("app", "log"), "app": ("db",), "log": ("db",), "db": ()}


def test_nobody_can_need_what_is_not_made_or_about_to_go() -> None:
    born = newborn(Config(id="c"))
    staying = {status for status in Status if stays(replace(born, status=status))}
    assert staying == set(Status) - {Status.ABSENT, Status.REMOVING}
    leaving = replace(born, status=Status.RUNNING, operation=Remove(force=True))
    assert not stays(leaving)


def test_each_generation_needs_only_those_before() -> None:
    assert generations(DIAMOND) == (("db",), ("app", "log"), ("web",))


def test_what_is_not_asked_about_keeps_nobody_waiting() -> None:
    assert generations({"web": ("app", "running"), "app": ()}) == (("app",), ("web",))


@pytest.mark.parametrize("graph", [{"a": ("a",)}, {"a": ("b",), "b": ("c",), "c": ("a",)}])
def test_a_cycle_is_named(graph: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(Cycle) as found:
        generations(graph)
    assert str(found.value) == f"containers need each other: {' needs '.join(found.value.ids)}"
    first, *rest = found.value.ids
    assert rest[-1] == first
    for one, needed in zip(found.value.ids, rest):
        assert needed in graph[one]


def test_long_ids_are_told_by_their_beginning() -> None:
    assert str(Cycle(("a" * 64, "b"))) == f"containers need each other: {'a' * 12} needs b"


def test_a_closure_holds_everybody_who_can_be_reached() -> None:
    assert closure(["app"], DIAMOND.__getitem__) == {"app": ("db",), "db": ()}
    assert closure([], DIAMOND.__getitem__) == {}
    assert closure(["web"], DIAMOND.__getitem__) == DIAMOND


numbered = st.integers(2, 9).flatmap(
    lambda count: st.fixed_dictionaries(
        {
            str(one): st.sets(st.sampled_from([str(other) for other in range(max(one, 1))]))
            if one
            else st.just(set[str]())
            for one in range(count)
        }
    )
)


@given(graph=numbered)
def test_everybody_has_one_place_behind_all_it_needs(graph: dict[str, set[str]]) -> None:
    told = generations(graph)
    place = {one: number for number, generation in enumerate(told) for one in generation}
    assert sorted(place) == sorted(graph)
    assert all(place[need] < place[one] for one, needs in graph.items() for need in needs)
    assert told == generations(dict(reversed(graph.items())))
