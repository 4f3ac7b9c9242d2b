"""The second opinion on a table: `transitions` itself, moving somebody about."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

import pytest
from transitions import Machine, MachineError

State = TypeVar("State", bound=StrEnum)


class Walker:
    """Somebody to be moved about."""

    state: StrEnum


def walked_alike(
    rows: Iterable[Mapping[str, Any]],
    edges: Mapping[tuple[State, str], State],
    begin: State,
    triggers: Iterable[str],
) -> None:
    """The lookup `edges` and `transitions`, given the rows it was made of, go the same way and refuse
    the same triggers."""
    walker = Walker()
    machine = Machine(
        model=walker,
        states=type(begin),
        transitions=[dict(row) for row in rows],
        initial=begin,
        auto_transitions=False,
    )
    at = begin
    for trigger in triggers:
        if (at, trigger) in edges:
            at = edges[at, trigger]
            walker.trigger(trigger)  # type: ignore[attr-defined]
        else:
            with pytest.raises(MachineError):
                walker.trigger(trigger)  # type: ignore[attr-defined]
        assert walker.state is at
    assert machine.states
