"""The explorer, on the shipped machine and on broken ones."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pytest

from lockgate.statemachine import law
from lockgate.testing.containers import OneContainer
from lockgate.testing.explore import Broken, explore
from lockgate.testing.mutants import MUTANTS, Mutant, mutated

machine = sys.modules["lockgate.statemachine.step"]


class Watched(dict[Any, Any]):
    """A table that notes which of its rows are used."""

    def __init__(self, rows: Mapping[Any, Any]) -> None:
        super().__init__(rows)
        self.unused = set(rows)

    def __getitem__(self, key: object) -> Any:
        self.unused.discard(key)
        return super().__getitem__(key)

    def get(self, key: object, default: Any = None) -> Any:
        self.unused.discard(key)
        return super().get(key, default)


def test_without_faults_every_promise_holds() -> None:
    report = explore(OneContainer(faults=False))
    assert report.holds, report


@pytest.mark.slow
def test_with_every_fault_every_promise_holds_and_no_law_is_unused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exhaustive: every command in every status, every outcome, crashes, deaths, damage."""
    tables = {name: Watched(getattr(law, name)) for name in ("EDGES", "STAGES", "PLANS")}
    for name, table in tables.items():
        monkeypatch.setattr(machine, name, table)
    report = explore(OneContainer())
    assert report.holds, report
    assert {name: table.unused for name, table in tables.items()} == {
        "EDGES": set(),
        "STAGES": set(),
        "PLANS": set(),
    }


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_of_the_law_is_caught(mutant: Mutant) -> None:
    report = explore(OneContainer(step=mutated(mutant)), limit=200_000)
    assert not report.holds, f"nobody noticed: {mutant.name}"


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
