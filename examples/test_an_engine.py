"""Use 1, property-testing an engine: a small engine of somebody else's, and the life it gets wrong.

    python examples/test_an_engine.py

`Shelf` is an engine as one writes it in an afternoon: containers in a dictionary, methods that look at
the state and set it. One method forgets one state. Nobody says where: every cell of the legality
matrix is asked beside the model; then Hypothesis asks in any order, and shrinks what it finds.
"""

import sys
from types import MappingProxyType

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from lockgate import Status
from lockgate.statemachine.status import Verb
from lockgate.testing.conformance import machine, survey
from lockgate.testing.drivers import Deviations

QUICKLY = settings(
    phases=[Phase.generate, Phase.shrink],
    derandomize=True,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow],
)
RESTING = ("configured", "stopped", "exited")


class Shelf:
    """The engine under test: one container, whose state is a word."""

    def __init__(self) -> None:
        self.state = "configured"

    def _allow(self, *states: str) -> None:
        if self.state not in states:
            raise ValueError(f"not while it is {self.state}")

    def init(self) -> None:
        self._allow(*RESTING)
        self.state = "created"

    def start(self) -> None:
        self._allow(*RESTING, "created")
        self.state = "running"

    def stop(self) -> None:
        self._allow("created", "running", "stopped", "exited", "paused")  # here it is
        if self.state not in ("stopped", "exited"):
            self.state = "stopped"

    def pause(self) -> None:
        self._allow("running")
        self.state = "paused"

    def unpause(self) -> None:
        self._allow("paused")
        self.state = "running"


class OfShelf:
    """A driver: five methods, and what the engine is known to do otherwise."""

    name = "Shelf"
    verbs = frozenset({Verb.INIT, Verb.START, Verb.STOP, Verb.PAUSE, Verb.UNPAUSE})
    deviations: Deviations = MappingProxyType({})

    def __init__(self) -> None:
        self.create()

    def create(self) -> None:
        self._shelf = Shelf()

    def ask(self, verb: Verb) -> str:
        try:
            getattr(self._shelf, verb)()
        except ValueError as no:
            return str(no)
        return ""

    def status(self) -> Status:
        return Status(self._shelf.state)

    def shows(self, status: Status) -> Status:
        return status

    def die(self) -> None:
        self._shelf.state = "stopped"

    def discard(self) -> None:
        pass


def main() -> int:
    print("Asked cell by cell:")
    for finding in survey(OfShelf()):
        print(f"  {finding}")
    print("Asked in any order, and shrunk:")
    try:
        run_state_machine_as_test(machine(OfShelf), settings=QUICKLY)
    except AssertionError as problem:
        print(f"  {problem}")
        for note in getattr(problem, "__notes__", ()):
            print("  " + "\n  ".join(note.splitlines()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
