"""The explorer, on the shipped machine and on broken ones."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

import msgspec
import pytest

from lockgate.testing.containers import OneContainer
from lockgate.testing.explore import Broken, explore
from lockgate.testing.models import MODELS, WHOLE, broken
from lockgate.testing.mutants import MUTANTS, Mutant, mutated
from lockgate.testing.together import explore_together
from lockgate.testing.usage import every_row, here


def test_without_faults_every_promise_holds() -> None:
    report = explore(OneContainer(faults=False))
    assert report.holds, report


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_with_every_fault_every_promise_holds_and_no_law_is_unused() -> None:
    """Exhaustive: every command in every status, every outcome, crashes, deaths, damage."""
    used: frozenset[str] = frozenset()
    for name in WHOLE:
        report = explore_together(MODELS[name], noted=here)
        assert report.holds, f"{name}: {report}"
        used |= report.used
    assert used == every_row()


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_several_processes_find_what_one_does(workers: int) -> None:
    alone = explore(OneContainer(faults=False))
    together = explore_together(partial(OneContainer, faults=False), workers=workers)
    assert msgspec.structs.replace(together, seconds=alone.seconds) == alone


@pytest.mark.parametrize("mutant", MUTANTS[:3], ids=lambda mutant: mutant.name)
def test_several_processes_find_the_same_counterexample(mutant: Mutant) -> None:
    model = partial(broken, mutant)
    alone, together = explore(model()), explore_together(model, workers=2)
    assert (together.problem, together.path) == (alone.problem, alone.path)
    assert together.node == alone.node


def test_a_mistake_in_a_model_is_raised_where_it_was_asked_for() -> None:
    class Mistaken(Counter):
        def always(self, node: int) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        explore_together(Mistaken, workers=2)


def test_who_looks_on_is_told_of_every_level() -> None:
    levels: list[tuple[int, int, int]] = []
    report = explore(Counter(), progress=lambda *level: levels.append(level))
    together: list[tuple[int, int, int]] = []
    explore_together(Counter, workers=2, progress=lambda *level: together.append(level))
    assert levels == together and len(levels) == report.depth
    assert levels[-1][1] == report.nodes


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_of_the_law_is_caught(mutant: Mutant) -> None:
    report = explore(broken(mutant))
    assert report.problem or report.unreached, f"nobody noticed: {mutant.name}"


def test_a_stale_mutant_is_an_error() -> None:
    with pytest.raises(LookupError, match="stale"):
        mutated(Mutant("stale", "law", "this is not the law", ""))


class Counter:
    """From 0 to 5 and round again; 3 may be forbidden."""

    def __init__(self, forbidden: int = -1, top: int = 5) -> None:
        self._forbidden, self._top = forbidden, top

    def begin(self) -> Iterable[int]:
        return [0]

    def moves(self, node: int) -> Iterator[tuple[str, int]]:
        yield "add", (node + 1) % (self._top + 1)
        yield "double", (node * 2) % (self._top + 1)

    def always(self, node: int) -> None:
        if node == self._forbidden:
            raise Broken("P00", f"{node} is forbidden")

    def drains(self, node: int) -> None:
        return None

    def home(self, node: int) -> int:
        return node

    def sometimes(self) -> Mapping[str, Callable[[int], bool]]:
        return {"five": lambda node: node == 5}


def test_a_counterexample_is_the_shortest_path() -> None:
    report = explore(Counter(forbidden=4))
    assert report.path == ("add", "add", "double")
    assert "4 is forbidden" in str(report) and "add -> add -> double" in str(report)
    assert not report.holds


def test_a_place_that_is_never_reached_is_reported() -> None:
    report = explore(Counter(top=3))
    assert report.unreached == ("five",)
    assert "never reached: five" in str(report)


def test_the_limit_is_said() -> None:
    report = explore(Counter(top=1000), limit=10)
    assert not report.exhausted and "stopped at the limit" in str(report)


def test_success_is_said() -> None:
    assert "every promise holds" in str(explore(Counter()))
