"""Any engine beside the model: is what it allows, refuses and becomes what the law says?

`survey` asks every question once, cell by cell of the legality matrix, and lists what was answered
otherwise. `machine` has Hypothesis ask in any order and shrinks what it finds to a shortest life.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from types import MappingProxyType
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from msgspec import Struct

from lockgate.engine import Engine
from lockgate.statemachine.law import ADMISSIBLE
from lockgate.statemachine.status import Status, Verb
from lockgate.testing.drivers import Driver, OfLockgate

DIE = "die"
"""A move that is nobody's command."""

WAYS: MappingProxyType[Status, tuple[Verb | str, ...]] = MappingProxyType(
    {
        Status.CONFIGURED: (),
        Status.CREATED: (Verb.INIT,),
        Status.RUNNING: (Verb.INIT, Verb.START),
        Status.PAUSED: (Verb.INIT, Verb.START, Verb.PAUSE),
        Status.STOPPED: (Verb.INIT, Verb.START, DIE),
        Status.EXITED: (Verb.INIT, Verb.START, DIE, Verb.CLEANUP),
    }
)
"""How a new container gets there."""


class Finding(Struct, frozen=True):
    """An answer that is not the law's. `wanted` and `found`: `refused`, or the status after it."""

    verb: Verb
    status: Status
    wanted: str
    found: str
    said: str = ""

    def __str__(self) -> str:
        words = f" ({self.said})" if self.said else ""
        return f"{self.verb} where it is {self.status}: {self.found}, not {self.wanted}{words}"


def oracle() -> OfLockgate:
    """The model: the shipped machine on a host where nothing goes wrong."""
    engine = Engine.simulated()
    engine.import_image("busybox", "/")
    return OfLockgate(engine)


class Beside:
    """A driver and the model, asked the same."""

    def __init__(self, driver: Driver) -> None:
        self.driver, self.model = driver, oracle()

    def begin(self) -> None:
        self.driver.create()
        self.model.create()

    def close(self) -> None:
        self.driver.discard()
        self.model.discard()

    def go(self, move: Verb | str) -> None:
        """Take a step of a way, whatever comes of it."""
        for one in (self.driver, self.model):
            one.ask(move) if isinstance(move, Verb) else one.die()

    def ask(self, verb: Verb) -> Finding | None:
        """Ask both; how the answer or what became of it differs."""
        before = self.model.status()
        refused = bool(self.model.ask(verb))
        said = self.driver.ask(verb)
        after = self.driver.shows(self.model.status())
        shown = self.driver.status()
        wanted = "refused" if refused else str(after)
        if bool(said) == refused and shown is after:
            return None
        found = f"refused, {shown}" if said else str(shown)
        return Finding(verb, before, wanted, found, said.splitlines()[-1] if said else "")

    def differs(self) -> str:
        """How what is shown differs from the model, when nothing was asked; empty if it does not."""
        wanted, shown = self.driver.shows(self.model.status()), self.driver.status()
        return "" if shown is wanted else f"it is {shown}, not {wanted}"


def survey(
    driver: Driver,
    *,
    statuses: Collection[Status] = tuple(WAYS),
    verbs: Collection[Verb] = tuple(Verb),
) -> Iterator[Finding]:
    """Each verb from each status, in a new container each; what is answered otherwise, except for
    the driver's own `deviations`. A status it cannot get to is a finding, too."""
    for status in statuses:
        if not driver.verbs.issuperset(move for move in WAYS[status] if isinstance(move, Verb)):
            continue
        for verb in Verb:
            if verb in verbs and verb in driver.verbs and (verb, status) not in driver.deviations:
                with closing(Beside(driver)) as beside:
                    beside.begin()
                    for move in WAYS[status]:
                        beside.go(move)
                    if why := beside.differs():
                        yield Finding(verb, status, str(driver.shows(status)), why)
                    elif finding := beside.ask(verb):
                        yield finding


def machine(driver: Callable[[], Driver]) -> type[RuleBasedStateMachine]:
    """A Hypothesis state machine: lives of containers, in any order of commands and deaths.

    Its `TestCase` is what pytest runs; its `settings` are the user's to set. Each life begins with
    a driver of its own.
    """

    class Lives(RuleBasedStateMachine):
        @initialize()
        def begun(self) -> None:
            self.beside = Beside(driver())
            self.beside.begin()

        def teardown(self) -> None:
            if hasattr(self, "beside"):
                self.beside.close()

        @precondition(lambda self: hasattr(self, "beside"))
        @rule(data=st.data())
        def asked(self, data: Any) -> None:
            now, side = self.beside.model.status(), self.beside.driver
            known = [verb for verb in Verb if verb in side.verbs]
            asked = [verb for verb in known if (verb, now) not in side.deviations]
            finding = self.beside.ask(data.draw(st.sampled_from(asked), label="asked"))
            assert finding is None, str(finding)
            if self.beside.model.status() is Status.ABSENT:
                self.beside.begin()

        @precondition(
            lambda self: hasattr(self, "beside") and self.beside.model.status() is Status.RUNNING
        )
        @rule()
        def died(self) -> None:
            self.beside.go(DIE)
            assert not (why := self.beside.differs()), f"after its process died {why}"

    return Lives


def page(driver: Driver, findings: Collection[Finding]) -> str:
    """What was asked and what came of it, for people."""
    asked = [
        (verb, status)
        for status in WAYS
        for verb in Verb
        if verb in driver.verbs and (verb, status) not in driver.deviations
    ]
    lawful = sum(verb in ADMISSIBLE[status] for verb, status in asked)
    lines = [f"{driver.name}: {len(asked)} questions, {lawful} of them lawful"]
    lines += [
        f"  known: {verb} where it is {at}: {why}" for (verb, at), why in driver.deviations.items()
    ]
    lines += [f"  FOUND: {finding}" for finding in findings] or ["  nothing else differs"]
    return "\n".join(lines) + "\n"
