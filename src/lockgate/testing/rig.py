"""A machine beside a world it reaches only through orders: telling, performing, coming to rest.

What the models of one and of two operators share. Everything is a value; every answer is checked
as it is given, and whatever should not be raises `Broken`.
"""

from functools import cache

from msgspec import Struct
from msgspec.structs import replace

from lockgate.adapters.simulated.world import (
    Impossible,
    Left,
    World,
    carried_out,
    died,
    rebooted,
    seen,
)
from lockgate.effects.config import Config
from lockgate.effects.model import AnyEffect, Order, RunPoststop
from lockgate.effects.outcome import Done, Failed, Fault, Outcome, PortError
from lockgate.statemachine import inputs as i
from lockgate.statemachine.law import EDGES
from lockgate.statemachine.record import (
    RESOURCES,
    Answer,
    Record,
    Refused,
    Step,
    written_down,
)
from lockgate.statemachine.status import LIVE, Presence, Status
from lockgate.statemachine.step import step
from lockgate.testing import properties as promised
from lockgate.testing.explore import Broken
from lockgate.testing.identity import AT, EARLIER, Identity, epochs_of, ranked
from lockgate.testing.properties import Stepper

NOTHING = Config(id="c")
"""Wishes for nothing of its own."""

LAME = Fault("failed", "it always fails")
PATIENCE = 60  # steps within which fair progress must come to rest


class Place(Struct, frozen=True, cache_hash=True):
    """One container somewhere in its life. `adrift`: orders are out in the world and their
    executor is dead."""

    record: Record
    world: World
    adrift: bool = False

    def __str__(self) -> str:
        """On one line: what is on record, what is being done, what there is."""
        record, there = self.record, promised.footprint(self.world)
        doubts = [name for name in RESOURCES if getattr(record, name) is Presence.UNCERTAIN]
        parts = [str(record.status), *(f"{name}?" for name in doubts)]
        if record.mounts:
            parts.append(f"mounted {record.mounts}x")
        if record.todo:
            orders = ", ".join(type(order.effect).__name__ for order in record.pending)
            parts.append(f"{record.todo[0]}: {orders}{' (adrift)' if self.adrift else ''}")
        return f"{' '.join(parts)} | {' '.join(sorted(there.held)) or 'nothing'}" + (
            f" ({there.runtime})" if "runtime" in there.held else ""
        )


ended = cache(died)
restarted = cache(rebooted)

RESTARTS: tuple[tuple[Left, str], ...] = (
    ("all", "the host is restarted"),
    ("half", "it forgets half of what the runtime knew"),
    ("nothing", "it forgets the runtime"),
)
"""How a host is restarted, and what that is called."""


@cache
def dated(world: World) -> World:
    """Its checkpoint is none that is being taken."""
    return replace(world, dump=EARLIER)


class Rig:
    """`step`: the machine; mutants of the law can stand in for the shipped one. `identity`: which
    places are one. `config`: of the container, whose wishes are the same all its life but for limits.

    The same answers are asked for again and again: the machine and the world are functions, so each
    is asked once and remembered.
    """

    def __init__(
        self, step: Stepper = step, identity: Identity | None = None, config: Config = NOTHING
    ) -> None:
        self._step, self.config = step, config
        self.identity = identity or Identity()
        self._after: dict[tuple[Record, i.Input], Record] = {}
        self._asked: dict[tuple[Record, i.Input], Record | None] = {}
        self._performed: dict[tuple[World, Order], tuple[World, Outcome]] = {}
        self._seen: dict[tuple[World, int], tuple[i.Input, ...]] = {}

    def place(self, record: Record, world: World, adrift: bool = False) -> Place:
        """Here, by the numbers that all places like it have. `record` is folded."""
        if world.dump and not record.checkpoints:
            world = dated(world)
        epochs = epochs_of(record, world)
        ranks = ranked(epochs)
        if ranks != epochs:
            record = self.identity.record(record, ranks[0])
            world = self.identity.world(world, ranks[1:])
        return Place(record, world, adrift and bool(record.pending))

    # ---- one step ------------------------------------------------------------------------

    def step(self, record: Record, given: i.Input) -> Answer:
        try:
            return self._step(record, given)
        except LookupError as hole:
            raise Broken("P10", f"the law has no answer: {hole}") from None

    def answer(self, record: Record, given: i.Input) -> Answer:
        """The answer, checked for what must hold of every answer."""
        answer = self.step(record, given)
        promised.sound_answer(record, answer)
        return answer

    def told(self, record: Record, given: i.Input) -> Step:
        """The answer to what cannot be refused."""
        answer = self.answer(record, given)
        if isinstance(answer, Refused):
            raise Broken("P10", f"{given} was refused")
        return answer

    def perform(self, world: World, order: Order) -> tuple[World, Outcome]:
        """The world after this order, and what is heard of it."""
        known = self._performed.get((world, order))
        if known is None:
            known = self._performed[world, order] = self._carried_out(world, order)
        return known

    def _carried_out(self, world: World, order: Order) -> tuple[World, Outcome]:
        try:
            after, fact = carried_out(world, order.effect, self.config, AT)
        except Impossible as nonsense:
            raise Broken("P01", f"{type(order.effect).__name__}: {nonsense}") from None
        except PortError as refusal:
            return world, Failed(order.ticket, refusal.fault)
        return after, Done(order.ticket, fact)

    def observed(self, record: Record, world: World) -> tuple[i.Input, ...]:
        """What a look at the world tells now, as `Lifecycle.observe` does."""
        return () if written_down(record) else self.ended(record, world)

    def ended(self, record: Record, world: World) -> tuple[i.Input, ...]:
        """The same of a host that was restarted, where nobody is writing anything down."""
        if record.status not in LIVE:
            return ()
        known = self._seen.get((world, record.epoch))
        if known is None:
            end = seen(world, record.epoch, AT)
            known = () if end is None else (i.Died(record.epoch, end),)
            self._seen[world, record.epoch] = known
        return known

    def looked(self, place: Place) -> Place:
        """At a host that was restarted, as `Lifecycle.observe` does: how its run ended, then the
        restart, unless there is nothing to tell. Who looks carries out what begins anew."""
        record, world = place.record, place.world
        ended = () if record.status is Status.CREATED else self.ended(record, world)
        for news in ended:
            place = self.after(place, news)
        if record.gone or (not ended and (record.status, "reboot") not in EDGES):
            return self.place(record, world, place.adrift)
        return replace(self.after(place, i.Booted("another")), adrift=False)

    def after(self, place: Place, given: i.Input, world: World | None = None) -> Place:
        """Where news that cannot be refused lead; `world`: how it is by then."""
        record = self._after.get((place.record, given))
        if record is None:
            record = self.identity.folded(self.told(place.record, given).record)
            self._after[place.record, given] = record
        return self.place(record, place.world if world is None else world, place.adrift)

    def asked(self, place: Place, command: i.Command) -> Place | None:
        """Where a command leads; None: it is refused."""
        key = place.record, command
        if key not in self._asked:
            answer = self.answer(place.record, command)
            self._asked[key] = None
            if isinstance(answer, Step):
                self._asked[key] = self.identity.folded(answer.record)
        record = self._asked[key]
        return None if record is None else self.place(record, place.world)

    # ---- progress ------------------------------------------------------------------------

    def comes_to_rest(
        self,
        place: Place,
        passed: list[Place] | None = None,
        known: set[Place] | None = None,
        lame: tuple[type[AnyEffect], ...] = (),
    ) -> Place:
        """P04: faults ceasing, but for `lame` effects that always fail, whatever is being done ends.
        Stops early at a `known` place; notes what it has `passed`."""
        for _ in range(PATIENCE):
            if not place.record.pending or (known is not None and place in known):
                return place
            if passed is not None:
                passed.append(place)
            if place.adrift:
                place = replace(self.after(place, i.Resumed()), adrift=False)
                continue
            pending = place.record.pending
            prompt = [order for order in pending if not order.effect.patient]
            order = (prompt or pending)[0]
            world, outcome = self.perform(place.world, order)
            if isinstance(order.effect, lame):
                world, outcome = place.world, Failed(order.ticket, LAME)
            place = self.after(place, outcome, world)
        raise Broken("P04", "does not come to rest")

    def carried(
        self, place: Place, command: i.Command, lame: tuple[type[AnyEffect], ...] = ()
    ) -> Place:
        """A command carried to its end by one who meets no faults, but for what is `lame`; refusals
        change nothing."""
        for news in self.observed(place.record, place.world):
            place = self.comes_to_rest(self.after(place, news))
        begun = self.asked(place, command)
        return place if begun is None else self.comes_to_rest(begun, lame=lame)

    def can_run(self, place: Place) -> None:
        """P04: from rest it can be brought to running, unless only removal is left."""
        helpful: dict[Status, i.Command] = {Status.PAUSED: i.Unpause(), Status.STOPPING: i.Stop()}
        for _ in range(4):
            status = place.record.status
            if status is Status.RUNNING and place.world.runtime == "running":
                return
            if status in (Status.ABSENT, Status.REMOVING, Status.UNKNOWN):
                return
            place = self.carried(place, helpful.get(status, i.Start()))
        raise Broken("P04", f"cannot be brought to running, stays {place.record.status}")

    def removable(self, place: Place) -> None:
        """P05: from rest, two removals by force leave nothing at all, whatever the hooks of others
        have to say."""
        for lame in ((), (RunPoststop,)) if place.record.poststop else ((),):
            gone = self.carried(place, i.Remove(force=True), lame)
            if not gone.record.gone:
                gone = self.carried(gone, i.Remove(force=True), lame)
            if not gone.record.gone:
                raise Broken("P05", f"cannot be removed from {place.record.status}")
            promised.nothing_left(gone.record, promised.footprint(gone.world))
