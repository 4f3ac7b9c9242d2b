"""Acting in other namespaces: in a thread of its own, for a thread can have namespaces of its own."""

import threading
from collections.abc import Callable


def elsewhere(act: Callable[[], None]) -> None:
    """In a thread of its own, which may change its namespaces: it ends at once. Raises what `act`
    raises."""
    problems: list[Exception] = []

    def run() -> None:
        try:
            act()
        except Exception as problem:
            problems.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if problems:
        raise problems[0]
