"""Is a joint history of concurrent commands explained by some order of them (P12)?

Each command has a span of time and an answer; the model says which answers a command may get in a
state, and which state it leads to. Searched depth first, remembering what failed, as Wing and Gong
did it: a command may come next if none that is still to be placed had ended before it began.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Generic, TypeVar

from msgspec import Struct

State = TypeVar("State", bound=Hashable)
Asked = TypeVar("Asked")
Answered = TypeVar("Answered")


class Call(Struct, Generic[Asked, Answered], frozen=True):
    """One command, from `began` to `ended` (any monotonic clock)."""

    began: int
    ended: int
    asked: Asked
    answered: Answered


Explain = Callable[[State, Asked, Answered], Iterable[State]]
"""The states a command with this answer may lead to from a state; none where it is impossible."""


def linearizable(
    calls: Sequence[Call[Asked, Answered]],
    begin: State,
    explain: Callable[[State, Asked, Answered], Iterable[State]],
) -> tuple[int, ...] | None:
    """An order of the calls (by their places) that explains every answer; None if there is none."""
    everything = (1 << len(calls)) - 1
    dead: set[tuple[int, State]] = set()
    path: list[int] = []

    def placed(done: int, state: State) -> bool:
        if done == everything:
            return True
        if (done, state) in dead:
            return False
        left = [place for place in range(len(calls)) if not done >> place & 1]
        horizon = min(calls[place].ended for place in left)
        for place in left:
            call = calls[place]
            if call.began > horizon:
                continue
            for following in explain(state, call.asked, call.answered):
                path.append(place)
                if placed(done | 1 << place, following):
                    return True
                path.pop()
        dead.add((done, state))
        return False

    return tuple(path) if placed(0, begin) else None
