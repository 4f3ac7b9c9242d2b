"""A small notation: tell a record things, look at what it orders."""

from collections.abc import Callable

import pytest

from lockgate.effects.config import Config
from lockgate.effects.model import Process
from lockgate.effects.outcome import (
    Created,
    Done,
    Dumped,
    Exited,
    Fact,
    Failed,
    Fault,
    Joined,
    Launched,
    Mounted,
    Restored,
    Saved,
)
from lockgate.statemachine.inputs import Create, Init, Input, Pause, Start
from lockgate.statemachine.record import Record, Refused, Step, newborn
from lockgate.statemachine.status import Status
from lockgate.statemachine.step import step

CONFIG = Config(id="c0ffee", name="web", network="private", stop_timeout=10)
PROCESS, MONITOR = Process(41, 7, "boot"), Process(40, 6, "boot")
FACTS: dict[str, Fact] = {
    "Mount": Mounted("/merged"),
    "JoinNetwork": Joined("/netns"),
    "WriteSpec": Saved("d1"),
    "CreateRuntime": Created(PROCESS, MONITOR),
    "StartRuntime": Launched(100),
    "Halt": Exited(143, 200),
    "CheckpointRuntime": Dumped(300),
    "RestoreRuntime": Restored(PROCESS, MONITOR, 400),
}


class Story:
    """A record and everything that happened to it, told in order."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.events: list[str] = []
        self.asked: list[str] = []

    def tell(self, given: Input) -> "Story":
        answer = step(self.record, given)
        assert isinstance(answer, Step), answer
        self.record = answer.record
        self.events += [notice.event for notice in answer.notices]
        self.asked += [type(order.effect).__name__ for order in answer.orders]
        return self

    def refused(self, given: Input) -> Refused:
        answer = step(self.record, given)
        assert isinstance(answer, Refused), answer
        return answer

    @property
    def orders(self) -> list[str]:
        return [type(order.effect).__name__ for order in self.record.pending]

    def done(self, fact: Fact | None = None) -> "Story":
        """The first pending order succeeds, with the usual fact unless another is given."""
        order = self.record.pending[0]
        return self.tell(Done(order.ticket, fact or FACTS.get(type(order.effect).__name__)))

    def failed(self, reason: str = "broken", *, dirty: bool = True) -> "Story":
        order = self.record.pending[0]
        return self.tell(Failed(order.ticket, Fault("failed", reason, dirty)))

    def through(self) -> "Story":
        """Everything succeeds until nothing is left to do."""
        while self.record.pending:
            self.done()
        return self


@pytest.fixture
def at() -> Callable[[Status], Story]:
    """A story that has come to rest in the given status by the shortest way."""

    def told(status: Status) -> Story:
        story = Story(newborn(CONFIG))
        match status:
            case Status.ABSENT:
                return story
            case Status.CONFIGURED:
                ways: list[Input] = [Create(CONFIG)]
            case Status.CREATED:
                ways = [Create(CONFIG), Init()]
            case Status.RUNNING:
                ways = [Create(CONFIG), Start()]
            case Status.PAUSED:
                ways = [Create(CONFIG), Start(), Pause()]
            case _:
                raise NotImplementedError(status)
        for given in ways:
            story.tell(given).through()
        story.events.clear()
        story.asked.clear()
        assert story.record.status is status
        return story

    return told
