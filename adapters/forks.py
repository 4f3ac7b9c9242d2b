"""What must happen when this process forks without exec, for as long as an object lives."""

import os
from collections.abc import Callable
from weakref import WeakMethod


def around_forks(
    *,
    child: Callable[[], None],
    before: Callable[[], None] | None = None,
    parent: Callable[[], None] | None = None,
) -> None:
    """Call these bound methods before a fork, and after it in the parent and in the child.

    What is registered with the interpreter stays registered, so it must not keep the object alive.
    `subprocess` and vfork run none of this: what they start execs at once.
    """
    os.register_at_fork(
        before=_unless_gone(before),
        after_in_parent=_unless_gone(parent),
        after_in_child=_unless_gone(child),
    )


def _unless_gone(method: Callable[[], None] | None) -> Callable[[], None]:
    if method is None:
        return lambda: None
    weak = WeakMethod(method)

    def call() -> None:
        if alive := weak():
            alive()

    return call
