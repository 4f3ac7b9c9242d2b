"""The model of two operators on one container: the interpreter's protocol, effect by effect.

Each operator gives one command, as `effects.interpreter` does it: take the lock, look, tell,
perform under the lock, let go of it for what is patient, take it again, go on. Either may die at
any point, before or after an effect, and lose the lock by it. What they may do when is written here
once more, as plain values, so that every interleaving can be visited; tests/concurrency runs
the interpreter itself under the same schedules.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import combinations_with_replacement
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from lockgate.adapters.simulated.world import World
from lockgate.effects.model import Order
from lockgate.effects.outcome import Failed, Outcome
from lockgate.statemachine import inputs as i
from lockgate.statemachine.record import Answer, Record, Refused, Step, newborn
from lockgate.statemachine.status import Status
from lockgate.statemachine.step import step
from lockgate.testing import properties as promised
from lockgate.testing.containers import (
    BY_ITSELF,
    COMMANDS,
    CONFIG,
    OneContainer,
    outcomes,
)
from lockgate.testing.explore import Broken
from lockgate.testing.identity import epoch_of, epochs_of, ranked, runs_of
from lockgate.testing.properties import Stepper
from lockgate.testing.rig import Place, Rig, ended

Phase: TypeAlias = Literal["asking", "working", "waiting", "returning", "done", "dead"]
Progress: TypeAlias = Literal["catching up", "resuming", "carrying out"]
NAMES = ("a", "b")

WISHES: tuple[i.Command | None, ...] = (
    None,
    *(command for command in COMMANDS if command != i.Unmount(force=True)),
)
"""What an operator may want; None: only to look, as a listing does. Nothing is mounted to begin
with, so giving back all would be giving back what the other has just mounted."""


class Operator(Struct, frozen=True, cache_hash=True):
    """One who gives one command. `asking` and `returning` want the lock, `working` holds it;
    `queue` are orders to carry out, `heard` the outcomes of those carried out without the lock."""

    wish: i.Command | None
    phase: Phase = "asking"
    progress: Progress = "catching up"
    queue: tuple[Order, ...] = ()
    heard: tuple[Outcome, ...] = ()
    failed: bool = False  # one of its orders did

    def __str__(self) -> str:
        wish = str(self.wish.verb) if self.wish else "look"
        return f"{wish} ({self.phase})"


class Scene(Struct, frozen=True, cache_hash=True):
    """`executor`: who is on record as carrying out what is patient; empty: nobody."""

    record: Record
    world: World
    operators: tuple[Operator, ...] = ()
    executor: str = ""

    def __str__(self) -> str:
        who = ", ".join(
            f"{name}: {operator}" for name, operator in zip(NAMES, self.operators, strict=False)
        )
        return f"{Place(self.record, self.world)} | {who}"

    @property
    def locked(self) -> bool:
        return any(operator.phase == "working" for operator in self.operators)

    @property
    def over(self) -> bool:
        return all(operator.phase in ("done", "dead") for operator in self.operators)


class TwoOperators:
    """Every pair of wishes on every resting place of a life in which nothing went wrong before.

    `faults`: orders may fail; `deaths`: operators and monitors may die. `wishes`: only these.
    """

    persistent = True  # who removes asks again when it is not gone after all

    def __init__(
        self,
        *,
        faults: bool = True,
        deaths: bool = True,
        wishes: Iterable[i.Command | None] = WISHES,
        step: Stepper = step,
    ) -> None:
        self._faults, self._deaths, self._wishes = faults, deaths, tuple(wishes)
        self._rig = Rig(step, config=CONFIG)
        self._sound: set[Place] = set()
        self._answers: dict[tuple[Record, i.Input], Answer] = {}

    def begin(self) -> Iterable[Scene]:
        yield Scene(newborn(CONFIG), World())

    def _scenes(self) -> Iterator[tuple[str, Scene]]:
        for place in resting():
            for pair in combinations_with_replacement(self._wishes, 2):
                scene = Scene(place.record, place.world, tuple(map(Operator, pair)))
                yield f"from run {place.record.epoch}, {scene}", scene

    # ---- what may happen -----------------------------------------------------------------

    def moves(self, node: Scene) -> Iterator[tuple[str, Scene]]:
        if not node.operators:
            yield from self._scenes()
            return
        for place, name in enumerate(NAMES):
            for label, scene in self._moves_of(node, place):
                yield f"{name}: {label}", self._canonical(scene)
        if not node.over and node.world.alive:
            world = ended(node.world, BY_ITSELF)
            yield "it ends by itself", self._canonical(replace(node, world=world))
            if self._deaths and node.world.monitor:
                world = replace(node.world, monitor=False)
                yield "the monitor dies", self._canonical(replace(node, world=world))

    def _moves_of(self, node: Scene, place: int) -> Iterator[tuple[str, Scene]]:
        operator = node.operators[place]
        match operator.phase:
            case "asking" | "returning" if not node.locked:
                yield "takes the lock", self._entered(node, place)
            case "working":
                for order in operator.queue:
                    if not order.effect.patient:
                        yield from self._performed(node, place, order)
            case "waiting":
                for order in operator.queue:
                    yield from self._performed(node, place, order)
            case _:
                pass
        if self._deaths and operator.phase in ("waiting", "returning"):
            yield "dies", _with(node, place, replace(operator, phase="dead", queue=(), heard=()))

    def _performed(self, node: Scene, place: int, order: Order) -> Iterator[tuple[str, Scene]]:
        operator = node.operators[place]
        name = type(order.effect).__name__
        rest = tuple(other for other in operator.queue if other is not order)
        for label, world, outcome in outcomes(self._rig, node.world, order, self._faults):
            promised.only_its_run(order, node.world, world)
            after = replace(node, world=world)
            if operator.phase == "waiting":
                heard = (*operator.heard, outcome)
                phase: Phase = "waiting" if rest else "returning"
                changed = replace(operator, queue=rest, heard=heard, phase=phase)
                yield label, _with(after, place, changed)
            else:
                after = _with(after, place, replace(operator, queue=rest))
                yield label, self._driven(self._told(after, place, outcome), place)
        if self._deaths:
            dead = replace(operator, phase="dead", queue=(), heard=())
            done, _ = self._rig.perform(node.world, order)
            yield f"dies before {name}", _with(node, place, dead)
            yield f"dies after {name}", _with(replace(node, world=done), place, dead)

    def _entered(self, node: Scene, place: int) -> Scene:
        """The lock taken, everything read again, and what is new told."""
        operator = node.operators[place]
        heard = operator.heard
        node = _with(node, place, replace(operator, phase="working", heard=()))
        for news in (*self._rig.observed(node.record, node.world), *heard):
            node = self._told(node, place, news)
        return self._driven(node, place)

    def _told(self, node: Scene, place: int, given: i.Input) -> Scene:
        """Tell what cannot be refused; its orders join the queue."""
        if isinstance(given, Failed):
            node = _with(node, place, replace(node.operators[place], failed=True))
        answer = self._answer(node.record, given)
        if isinstance(answer, Refused):
            raise Broken("P10", f"{given} was refused")
        return self._accepted(node, place, answer)

    def _answer(self, record: Record, given: i.Input) -> Answer:
        known = self._answers.get((record, given))
        if known is None:
            known = self._answers[record, given] = self._rig.answer(record, given)
        return known

    def _canonical(self, node: Scene) -> Scene:
        """Tickets and runs counted from one again."""
        identity, pending = self._rig.identity, node.record.pending
        tickets = {order.ticket: rank for rank, order in enumerate(pending, 1)}
        epochs = list(epochs_of(node.record, node.world))
        for operator in node.operators:
            epochs += map(epoch_of, operator.queue)
        ranks = dict(zip(epochs, ranked(tuple(epochs)), strict=True))
        operators = tuple(
            operator
            if not operator.queue and not operator.heard
            else replace(
                operator,
                queue=tuple(
                    identity.order(order, tickets.get(order.ticket, 0), ranks[epoch_of(order)])
                    for order in operator.queue
                ),
                heard=tuple(
                    replace(outcome, ticket=tickets.get(outcome.ticket, 0))
                    for outcome in operator.heard
                ),
            )
            for operator in node.operators
        )
        record = identity.record(identity.folded(node.record), ranks[node.record.epoch])
        world = identity.world(node.world, tuple(ranks[epoch] for epoch in runs_of(node.world)))
        return Scene(record, world, operators, node.executor)

    @staticmethod
    def _accepted(node: Scene, place: int, answer: Step) -> Scene:
        operator = node.operators[place]
        executor = node.executor
        if answer.record is not node.record:
            if not any(order.effect.patient for order in answer.record.pending):
                executor = ""
            elif any(order.effect.patient for order in answer.orders):
                executor = NAMES[place]
        after = replace(node, record=answer.record, executor=executor)
        return _with(after, place, replace(operator, queue=(*operator.queue, *answer.orders)))

    def _driven(self, node: Scene, place: int) -> Scene:
        """As far as it goes without an effect: on to the next, to waiting, or to the end."""
        while True:
            operator = node.operators[place]
            if operator.queue:
                patient = all(order.effect.patient for order in operator.queue)
                return _with(node, place, replace(operator, phase="waiting")) if patient else node
            if any(not order.effect.patient for order in node.record.pending):
                node = self._told(node, place, i.Resumed())  # somebody did not live to finish
                continue
            following = self._next(node, place)
            if following is None:
                return self._finished(node, place)
            node = following

    def _finished(self, node: Scene, place: int) -> Scene:
        """The lock given back. A removal that another command came between is asked for again, as
        `Engine.remove` does (P26)."""
        operator = node.operators[place]
        failed = operator.failed or node.record.faults
        removed = isinstance(operator.wish, i.Remove) and operator.progress == "carrying out"
        if not removed or failed or node.record.gone:
            return _with(node, place, replace(operator, phase="done"))
        if not self.persistent:
            raise Broken("P26", f"told that it is removed, and it is {node.record.status}")
        return _with(node, place, Operator(operator.wish))

    def _next(self, node: Scene, place: int) -> Scene | None:
        """What comes after all that was ordered is done; None: nothing."""
        operator = node.operators[place]
        if operator.progress == "carrying out":
            return None
        abandoned = self._abandoned(node, place)
        if operator.wish is not None:
            answer = self._answer(node.record, operator.wish)
            if isinstance(answer, Step):
                node = _with(node, place, replace(operator, progress="carrying out"))
                return self._accepted(node, place, answer)
            self._not_for_nothing(node, place, abandoned)
        if operator.progress == "resuming" or not abandoned:
            return None
        node = _with(node, place, replace(operator, progress="resuming"))
        return self._told(node, place, i.Resumed())

    @staticmethod
    def _not_for_nothing(node: Scene, place: int, abandoned: bool) -> None:
        """P04: only for somebody who is still at it is anybody turned away."""
        other = node.operators[1 - place].phase
        if node.record.todo and not abandoned and other not in ("waiting", "returning"):
            raise Broken("P04", "turned away for somebody who is not there any more")

    @staticmethod
    def _abandoned(node: Scene, place: int) -> bool:
        """As the interpreter judges it, who holds the lock."""
        pending = node.record.pending
        if not all(order.effect.patient for order in pending):
            return True
        if not pending:
            return False
        if node.executor in ("", NAMES[place]):
            return True
        return node.operators[NAMES.index(node.executor)].phase in ("dead", "done")

    # ---- what must hold ------------------------------------------------------------------

    def always(self, node: Scene) -> None:
        there = promised.footprint(node.world)
        promised.everywhere(node.record, there)
        promised.one_truthful_exit(node.record, node.world)
        if not node.record.todo and not self._rig.observed(node.record, node.world):
            promised.at_rest(node.record, there)
        if node.over and not self._deaths and node.record.pending:
            raise Broken("P13", "all have done what they wanted, and something is still out")

    def drains(self, node: Scene) -> None:
        """P13: while somebody wants something, somebody can go on. P04, P05: when all are done or
        dead, whoever comes next can bring it to rest, to running and to nothing."""
        if node.operators and not node.over:
            if not any(True for place in (0, 1) for _ in self._moves_of(node, place)):
                raise Broken("P13", "nobody can go on")
            return
        passed: list[Place] = []
        place = Place(node.record, node.world, adrift=bool(node.record.pending))
        rest = self._rig.comes_to_rest(place, passed, self._sound)
        if rest not in self._sound:
            self._rig.can_run(rest)
            self._rig.removable(rest)
        self._sound.update((*passed, rest))

    def home(self, node: Scene) -> int:
        return self._rig.identity.home(node.record)

    # ---- what must be reached ------------------------------------------------------------

    def sometimes(self) -> Mapping[str, Callable[[Scene], bool]]:
        places: dict[str, Callable[[Scene], bool]] = {
            "both wait without the lock": lambda node: (
                len(node.operators) == 2
                and all(operator.phase == "waiting" for operator in node.operators)
            ),
            "one works while the other waits": lambda node: (
                {operator.phase for operator in node.operators} == {"working", "waiting"}
            ),
            "somebody comes back to a container that is gone": lambda node: (
                bool(node.operators)
                and node.record.gone
                and any(operator.phase == "returning" for operator in node.operators)
            ),
            "somebody comes back to another run": partial(_stale, 1),
        }
        if self._deaths:
            places["both are dead"] = lambda node: (
                len(node.operators) == 2
                and all(operator.phase == "dead" for operator in node.operators)
            )
            places["the other takes over from the dead"] = lambda node: (
                {operator.phase for operator in node.operators} == {"working", "dead"}
                and any(order.again for order in node.record.pending)
            )
        return places


def _stale(by: int, node: Scene) -> bool:
    waiting = (operator for operator in node.operators if operator.phase == "waiting")
    epochs = {getattr(o.effect, "epoch", 0) for operator in waiting for o in operator.queue}
    return any(epoch + by <= node.record.epoch for epoch in epochs)


def _with(node: Scene, place: int, operator: Operator) -> Scene:
    operators = (*node.operators[:place], operator, *node.operators[place + 1 :])
    return replace(node, operators=operators)


def resting() -> tuple[Place, ...]:
    """Every kind of place where a life without faults may rest, but for being gone."""
    model = OneContainer(faults=False, mounts=0)  # its user mounts when the operators do
    known = dict.fromkeys(model.begin())
    queue = list(known)
    while queue:
        for _, place in model.moves(queue.pop()):
            if place not in known:
                known[place] = None
                queue.append(place)
    distinct: dict[Place, Place] = {}
    for place in known:
        if not place.record.todo and place.record.status is not Status.ABSENT:
            # how an earlier run ended makes no difference to what may happen next
            record = replace(place.record, exit_code=None, faults=(), started_at=0)
            distinct.setdefault(Place(record, replace(place.world, code=None)), place)
    return tuple(distinct.values())
