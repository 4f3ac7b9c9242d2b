"""The same for many containers at once."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from returns.result import Failure, Result, Success

from lockgate.engine.graph import Graph
from lockgate.errors import LockgateError
from lockgate.side_by_side import AT_ONCE, side_by_side

T = TypeVar("T")


class Many(Graph):
    """Commands side by side."""

    def each(
        self, act: Callable[[str], T], references: Sequence[str], *, at_once: int = AT_ONCE
    ) -> tuple[Result[T, LockgateError], ...]:
        """`engine.each(engine.stop, ["web", "db"])`: a result for each, in their order.

        At most `at_once` are under way. One that fails keeps no other from its turn; what is no
        `LockgateError` is a bug, and flies when all have been told.
        """
        told: list[Result[T, LockgateError]] = []
        bugs: list[Exception] = []
        for _, outcome in side_by_side(references, act, at_once):
            match outcome:
                case Success(value):
                    told.append(Success(value))
                case Failure(LockgateError() as problem):
                    told.append(Failure(problem))
                case Failure(bug):
                    bugs.append(bug)
                case other:
                    raise AssertionError(f"a Result is a Success or a Failure, not {other!r}")
        if bugs:
            raise bugs[0]
        return tuple(told)
