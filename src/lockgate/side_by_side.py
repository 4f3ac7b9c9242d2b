"""Many at once: bounded, each on its own, told in the order they were named."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextvars import copy_context
from threading import Thread
from typing import TypeVar

from returns.result import Failure, Result, Success

T = TypeVar("T")

AT_ONCE = 16
"""How many are under way; most of them wait for processes of others."""


def side_by_side(
    names: Sequence[str], act: Callable[[str], T], at_once: int = AT_ONCE
) -> Iterator[tuple[str, Result[T, Exception]]]:
    """By threads that nobody joins: who presses Ctrl-C does not wait for the most patient, and
    what is left half done the next command finishes. One that fails keeps no other waiting."""
    outcomes: list[tuple[str, Future[Result[T, Exception]]]] = [(one, Future()) for one in names]
    ahead = deque(outcomes)

    def work() -> None:
        while ahead:
            try:
                name, future = ahead.popleft()
            except IndexError:  # another was faster
                return
            try:
                future.set_result(Success(act(name)))
            except Exception as problem:
                future.set_result(Failure(problem))

    for _ in outcomes[:at_once]:
        Thread(target=copy_context().run, args=(work,), daemon=True).start()
    for name, future in outcomes:
        yield name, future.result()
