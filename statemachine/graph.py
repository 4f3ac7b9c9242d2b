"""Who needs whom: in which order many are started, and who goes with whom.

A graph maps each container to those it needs. Nobody needs what is made later, so a graph that grew
by `create` has no cycles; one that was put together otherwise is refused.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias

from lockgate.statemachine.inputs import Remove
from lockgate.statemachine.record import Record
from lockgate.statemachine.status import Status

Needs: TypeAlias = Mapping[str, Collection[str]]
"""For each container the ids of those it needs."""


def stays(record: Record) -> bool:
    """May others come to need it? Not before it is made, since that may fail, nor once its removal has
    been accepted."""
    going = type(record.operation) is Remove
    return not going and record.status not in (Status.ABSENT, Status.REMOVING)


class Cycle(ValueError):
    """Containers that need each other, first and last the same: none could ever be the first."""

    def __init__(self, ids: tuple[str, ...]) -> None:
        self.ids = ids
        super().__init__(f"containers need each other: {' needs '.join(one[:12] for one in ids)}")


def generations(graph: Needs) -> tuple[tuple[str, ...], ...]:
    """Whom to start side by side, and what must run before: each generation needs only those before
    it. Sorted within, so that the same graph has one order. Raises `Cycle`."""
    known = {one: {need for need in needs if need in graph} for one, needs in graph.items()}
    sorter = TopologicalSorter(known)
    try:
        sorter.prepare()
    except CycleError as found:
        raise Cycle(tuple(reversed(found.args[1]))) from None
    told: list[tuple[str, ...]] = []
    while sorter.is_active():
        ready = tuple(sorted(sorter.get_ready()))
        told.append(ready)
        sorter.done(*ready)
    return tuple(told)


def closure(start: Iterable[str], near: Callable[[str], Collection[str]]) -> Needs:
    """Everybody that can be reached by `near` from those in `start`, with whom they lead to."""
    found: dict[str, Collection[str]] = {}
    ahead = list(start)
    while ahead:
        one = ahead.pop()
        if one not in found:
            found[one] = near(one)
            ahead.extend(found[one])
    return found
