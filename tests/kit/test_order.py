"""No two operations on a pod wait for each other: as the engine takes its locks, and not otherwise."""

from collections.abc import Mapping
from contextlib import ExitStack
from itertools import pairwise

import pytest

from lockgate.effects import interpreter
from lockgate.testing.explore import explore
from lockgate.testing.order import Orders, Trace, watched


@pytest.fixture(scope="module")
def shipped() -> Mapping[str, tuple[Trace, ...]]:
    return watched()


def upside_down(self: interpreter._Hold, timeout: float | None) -> None:
    """As `_Hold._take`, but the container first."""
    with ExitStack() as upper:
        self._held = self._locks.hold(self._container, timeout)
        self._held.__enter__()
        for scope in self._above:
            upper.enter_context(self._locks.hold(scope, timeout))
        self._upper = upper.pop_all()


def test_every_pair_in_every_interleaving_comes_to_its_end(
    shipped: Mapping[str, tuple[Trace, ...]],
) -> None:
    report = explore(Orders(shipped))
    assert report.holds, report
    assert report.nodes > 10_000


def test_the_operations_really_take_them(shipped: Mapping[str, tuple[Trace, ...]]) -> None:
    start = [act for trace in shipped["start (as made)"] for act in trace]
    assert (("take", "pod"), ("take", "two")) in pairwise(start)
    assert (("take", "two"), ("give", "pod")) in pairwise(start)  # long before it runs
    assert ("wait", "") in [act for trace in shipped["pod stop (running)"] for act in trace]


@pytest.mark.slow
class TestUpsideDown:
    """The same engine, but that it takes a container's lock before its pod's."""

    @pytest.fixture
    def wrong(self, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, tuple[Trace, ...]]:
        monkeypatch.setattr(interpreter._Hold, "_take", upside_down)
        return watched()

    def test_it_is_seen_in_a_single_trace(self, wrong: Mapping[str, tuple[Trace, ...]]) -> None:
        report = explore(Orders(wrong))
        assert report.problem.startswith("P13: pod is taken while")

    def test_beside_one_who_does_it_right_both_wait_for_ever(
        self,
        wrong: Mapping[str, tuple[Trace, ...]],
        shipped: Mapping[str, tuple[Trace, ...]],
    ) -> None:
        both = {**shipped, **{f"upside down: {name}": some for name, some in wrong.items()}}
        report = explore(Orders(both, ranked=False))
        assert report.problem.startswith("P13: nobody can go on")
        assert "upside down" in report.path[0]


def test_whoever_waits_while_he_holds_anything_is_seen() -> None:
    trace: Trace = (("take", "pod"), ("wait", ""), ("give", "pod"))
    report = explore(Orders({"waits": [trace]}))
    assert report.problem == "P13: the world is waited for while pod is held"


def test_what_is_never_let_go_of_is_seen() -> None:
    report = explore(Orders({"keeps": [(("take", "pod"),)]}))
    assert report.problem == "P13: pod is held for ever"
