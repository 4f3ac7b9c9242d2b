"""Promises about several commands at once, what one of them may do to others, and locks."""

import re
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from typing import TypeVar

from lockgate.statemachine.record import Record
from lockgate.testing.explore import Broken
from lockgate.testing.linear import Call, linearizable

State = TypeVar("State", bound=Hashable)
Asked = TypeVar("Asked")
Answered = TypeVar("Answered")

_ID = re.compile(r"[0-9a-f]{64}")


def only_marked(before: Sequence[Record], after: Sequence[Record], damaged: str) -> None:
    """P11: of all that is listed only the one whose file was damaged is shown otherwise."""
    if [one.id for one in before] != [one.id for one in after]:
        raise Broken("P11", "damage to one file has changed who is listed")
    for old, new in zip(before, after, strict=True):
        if old != new and old.id != damaged:
            raise Broken("P11", f"damage to {damaged} has changed {old.id}")


def explained(
    calls: Sequence[Call[Asked, Answered]],
    begin: State,
    explain: Callable[[State, Asked, Answered], Iterable[State]],
) -> tuple[int, ...]:
    """P12: some order of these calls explains all their answers; which is returned."""
    order = linearizable(calls, begin, explain)
    if order is None:
        raise Broken("P12", "no order explains:\n" + "\n".join(map(str, calls)))
    return order


def one_lock_each(scopes: Iterable[str], containers: Collection[str]) -> None:
    """P14, at rest: no lock is kept of a container that is not there."""
    for scope in scopes:
        if _ID.fullmatch(scope) and scope not in containers:
            raise Broken("P14", f"a lock is kept of {scope}, which is gone")
