"""The model of one container: the shipped `step` beside a world it can only reach through orders.

Every order may be carried out, fail cleanly, fail after all, fail half way, or lose its executor
before or after; the container may die by itself and its monitor before it; the stored record may
be damaged; any command may be given whenever the law listens. What must hold is in `always`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from lockgate.adapters.simulated.world import (
    Impossible,
    World,
    carried_out,
    died,
    monitor,
    process,
    rebooted,
    seen,
)
from lockgate.effects.config import Config
from lockgate.effects.model import Order
from lockgate.effects.outcome import Done, Exited, Failed, Fault, Outcome, PortError
from lockgate.lifecycle import LIVE
from lockgate.statemachine import inputs as i
from lockgate.statemachine.law import EDGES, STAGES
from lockgate.statemachine.record import RESOURCES, Answer, Notice, Record, Refused, Step, newborn
from lockgate.statemachine.status import Presence, Status
from lockgate.statemachine.step import step
from lockgate.testing.explore import Broken

COMMANDS: tuple[i.Command, ...] = (
    i.Init(),
    i.Start(),
    i.Stop(),
    i.Kill(),
    i.Kill(signal=1),
    i.Pause(),
    i.Unpause(),
    i.Restart(),
    i.Revive(),
    i.Cleanup(),
    i.Remove(),
    i.Remove(force=True),
)
AT = 1  # time stands still: the law never asks
BY_ITSELF = 3  # the exit code of a container that ends by itself
PATIENCE = 60  # steps within which fair progress must come to rest


class Node(Struct, frozen=True):
    """`adrift`: orders are out in the world and their executor is dead."""

    record: Record
    world: World
    adrift: bool = False


Stepper = Callable[[Record, i.Input], Answer]


class OneContainer:
    """`faults`: whether anything may go wrong at all. `step`: the machine to explore, so that
    mutants of the law can stand in for it."""

    def __init__(self, *, faults: bool = True, step: Stepper = step) -> None:
        self._faults = faults
        self._machine = step
        self._sound: set[Node] = set()  # known to drain
        self._config = Config(id="c", name="c", network="private", restart="always")
        self._reached: set[str] = set()

    def begin(self) -> Iterable[Node]:
        yield Node(newborn(self._config), World())

    # ---- what may happen -----------------------------------------------------------------

    def moves(self, node: Node) -> Iterator[tuple[str, Node]]:
        record, world = node.record, node.world
        prompt = [order for order in record.pending if not order.effect.patient]
        locked = bool(prompt) and not node.adrift
        if not locked:
            yield from self._commands(node)
            end = seen(world, record.epoch, AT) if record.status in LIVE else None
            if end is not None:
                yield "its end is seen", self._after(node, i.Died(record.epoch, end))
        if node.adrift:
            yield "resume", replace(self._after(node, i.Resumed()), adrift=False)
        else:
            for order in prompt or record.pending:
                yield from self._outcomes(node, order)
        if self._faults and not locked:
            yield "the record is damaged", self._after(node, i.Salvaged(self._config, 0))
        if world.alive:
            yield "it ends by itself", canonical(replace(node, world=died(world, BY_ITSELF)))
        if self._faults and not locked:
            yield "the host is restarted", self._rebooted(node)
        if world.alive and world.monitor and self._faults:
            yield "the monitor dies", canonical(replace(node, world=replace(world, monitor=False)))

    def _rebooted(self, node: Node) -> Node:
        """And looked at: how its run ended is told first, then that nothing else is left of it."""
        record, world = node.record, rebooted(node.world)
        node = replace(node, world=world, adrift=bool(record.pending))
        if record.status in LIVE and record.status is not Status.CREATED:
            end = seen(world, record.epoch, AT)
            assert end is not None
            node = self._after(node, i.Died(record.epoch, end))
        node = self._after(node, i.Booted("another"))
        heard = (node.record.status, "reboot") in EDGES
        return replace(node, adrift=node.adrift and not heard)

    def _commands(self, node: Node) -> Iterator[tuple[str, Node]]:
        commands = COMMANDS
        if node.record.status is Status.ABSENT:
            commands = (i.Create(self._config), *COMMANDS)
        for command in commands:
            answer = self._step(node.record, command)
            if isinstance(answer, Step):
                yield str(command.verb), self._told(node, answer, adrift=False)

    def _outcomes(self, node: Node, order: Order) -> Iterator[tuple[str, Node]]:
        name = type(order.effect).__name__
        done, outcome = self._performed(node.world, order)
        yield name, self._after(replace(node, world=done), outcome)
        if not self._faults:
            return
        clean = Failed(order.ticket, Fault("failed", name, dirty=False))
        dirty = Failed(order.ticket, Fault("failed", name, dirty=True))
        yield f"{name} fails", self._after(node, clean)
        yield f"{name} fails half way", self._after(node, dirty)
        yield f"{name} fails after all", self._after(replace(node, world=done), dirty)
        yield f"crash before {name}", canonical(replace(node, adrift=True))
        yield f"crash after {name}", canonical(replace(node, world=done, adrift=True))

    def _step(self, record: Record, given: i.Input) -> Answer:
        try:
            return self._machine(record, given)
        except LookupError as hole:
            raise Broken(f"the law has no answer: {hole}") from None

    @staticmethod
    def _performed(world: World, order: Order) -> tuple[World, Outcome]:
        try:
            after, fact = carried_out(world, order.effect, AT)
        except Impossible as nonsense:
            raise Broken(f"{type(order.effect).__name__}: {nonsense}") from None
        except PortError as refusal:
            return world, Failed(order.ticket, refusal.fault)
        return after, Done(order.ticket, fact)

    def _after(self, node: Node, given: i.Input) -> Node:
        answer = self._step(node.record, given)
        if isinstance(answer, Refused):
            raise Broken(f"{given} was refused")
        return self._told(node, answer, adrift=node.adrift)

    def _told(self, node: Node, answer: Step, *, adrift: bool) -> Node:
        self._announced_in_time(answer)
        after = replace(node, record=answer.record, adrift=adrift and bool(answer.record.pending))
        return canonical(after)

    @staticmethod
    def _announced_in_time(answer: Step) -> None:
        """Nothing is announced before it is true."""
        record = answer.record
        held = {name for name in RESOURCES if getattr(record, name) is not Presence.ABSENT}
        for notice in answer.notices:
            match notice:
                case Notice("cleanup") if "runtime" in held and not record.pending:
                    raise Broken("announced a cleanup that did not happen")
                case Notice("init") if record.runtime is not Presence.PRESENT:
                    raise Broken("announced a creation that did not happen")
                case Notice("remove") if held:
                    raise Broken(f"announced a removal that left {held}")
                case _:
                    pass

    # ---- what must hold ------------------------------------------------------------------

    def always(self, node: Node) -> None:
        record, world = node.record, node.world
        there = {
            "layer": world.layer,
            "mount": world.mounted,
            "network": world.network,
            "runtime": world.runtime != "absent",
            "freezer": world.frozen,
        }
        for name, exists in there.items():
            presence = getattr(record, name)
            if exists and presence is Presence.ABSENT:
                raise Broken(f"forgot the {name}")
            unheard = name == "freezer" and not world.alive
            if not exists and presence is Presence.PRESENT and not unheard:
                raise Broken(f"believes in a {name} that is not there")
        if record.exit_code is not None and record.process and record.epoch == world.epoch:
            truth = {-1} if not world.reported else {world.code}
            if world.runtime != "absent" and record.exit_code not in truth:
                raise Broken(f"says exit code {record.exit_code}, it was {world.code}")
        if bool(record.todo) != bool(record.pending):
            raise Broken("an operation without orders, or orders without an operation")
        for late in (
            i.Died(record.epoch - 1, Exited(BY_ITSELF, AT)),
            Done(record.tickets + 1),
            Failed(record.tickets + 1, Fault("failed", "late")),
        ):
            if self._step(record, late) != Step(record):
                raise Broken(f"late news was believed: {late}")
        if not record.todo:
            self._at_rest(record, world)

    @staticmethod
    def _at_rest(record: Record, world: World) -> None:
        match record.status:
            case Status.RUNNING | Status.PAUSED:
                if world.runtime not in ("running", "stopped"):
                    raise Broken(f"says {record.status}, but the runtime says {world.runtime}")
                if not (world.mounted and world.network):
                    raise Broken("runs without root filesystem or network")
                unsure = record.freezer is Presence.UNCERTAIN
                if world.alive and not unsure and world.frozen != (record.status is Status.PAUSED):
                    raise Broken(f"says {record.status}, but frozen is {world.frozen}")
            case Status.CREATED:
                sure = record.runtime is Presence.PRESENT
                if sure and world.runtime not in ("created", "stopped"):
                    raise Broken(f"says created, but the runtime says {world.runtime}")
            case Status.STOPPED | Status.EXITED | Status.CONFIGURED | Status.ABSENT:
                if world.alive and record.runtime is Presence.ABSENT:
                    raise Broken("lost a live container")
                if record.status is Status.STOPPED and world.alive:
                    raise Broken("says stopped, but it lives")
                held = world.mounted or world.network or world.runtime != "absent"
                unsure = any(getattr(record, name) is Presence.UNCERTAIN for name in RESOURCES)
                said = unsure or record.faults
                if record.status is not Status.STOPPED and held and not said:
                    raise Broken("leaked without saying so")
                if record.gone and not world.empty:
                    raise Broken("gone, but something is left")
            case _:
                pass

    # ---- where it must get ---------------------------------------------------------------

    def drains(self, node: Node) -> None:
        """Faults ceasing: whatever is in flight ends, then it can be run, then removed."""
        seen_here: list[Node] = []
        rest = self._rested(node, seen_here)
        if rest not in self._sound:
            self._can_run(rest)
            gone = self._commanded(rest, i.Remove(force=True))
            if gone.record.status is not Status.ABSENT:
                gone = self._commanded(gone, i.Remove(force=True))
            if not gone.record.gone:
                raise Broken(f"cannot be removed from {rest.record.status}")
        self._sound.update((*seen_here, rest))

    def _rested(self, node: Node, passed: list[Node]) -> Node:
        for _ in range(PATIENCE):
            if node in self._sound:
                return node
            if not node.record.pending:
                return node
            passed.append(node)
            if node.adrift:
                node = replace(self._after(node, i.Resumed()), adrift=False)
                continue
            prompt = [order for order in node.record.pending if not order.effect.patient]
            world, outcome = self._performed(node.world, (prompt or node.record.pending)[0])
            node = self._after(replace(node, world=world), outcome)
        raise Broken("does not come to rest")

    def _commanded(self, node: Node, command: i.Command) -> Node:
        end = seen(node.world, node.record.epoch, AT) if node.record.status in LIVE else None
        if end is not None:
            node = self._rested(self._after(node, i.Died(node.record.epoch, end)), [])
        answer = self._step(node.record, command)
        if isinstance(answer, Refused):
            return node
        return self._rested_fresh(self._told(node, answer, adrift=False))

    def _rested_fresh(self, node: Node) -> Node:
        known, self._sound = self._sound, set()
        try:
            return self._rested(node, [])
        finally:
            self._sound = known

    def _can_run(self, node: Node) -> None:
        helpful: dict[Status, i.Command] = {Status.PAUSED: i.Unpause(), Status.STOPPING: i.Stop()}
        for _ in range(4):
            if node.record.status is Status.RUNNING and node.world.runtime == "running":
                return
            if node.record.status in (Status.ABSENT, Status.REMOVING, Status.UNKNOWN):
                return
            node = self._commanded(node, helpful.get(node.record.status, i.Start()))
        raise Broken(f"cannot be brought to running, stays {node.record.status}")

    # ---- what must be reached ------------------------------------------------------------

    def sometimes(self) -> Mapping[str, Callable[[Node], bool]]:
        def in_status(status: Status, node: Node) -> bool:
            return node.record.status is status

        def at_stage(name: str, node: Node) -> bool:
            return node.record.todo[:1] == (name,)

        places: dict[str, Callable[[Node], bool]] = {
            f"status {status}": partial(in_status, status) for status in Status
        }
        places |= {f"stage {name}": partial(at_stage, name) for name in STAGES}
        places["running with its end unseen"] = lambda node: (
            node.record.status is Status.RUNNING and not node.world.alive
        )
        places["an unknown end"] = lambda node: node.record.exit_code == -1
        if not self._faults:
            unfaulted = {
                "status unknown",
                "stage clear",
                "stage reclaim",
                "stage relent",
                "an unknown end",
            }
            places = {name: reached for name, reached in places.items() if name not in unfaulted}
        return places


def canonical(node: Node) -> Node:
    """What the law cannot tell apart is one node: tickets and runs are counted from one again."""
    record, world = node.record, node.world
    tickets = {order.ticket: rank for rank, order in enumerate(record.pending, 1)}
    older = world.epoch not in (0, record.epoch)
    now = (2 if older else 1) if record.epoch else 0
    pending = tuple(_renumbered(order, tickets[order.ticket], now) for order in record.pending)
    return replace(
        node,
        record=replace(
            record,
            tickets=len(tickets),
            pending=pending,
            epoch=now,
            process=record.process and process(now),
            monitor=record.monitor and monitor(now),
            stopped_by_user=False,
            restarts=0,
            boot="",
            exit_reason="",
            started_at=min(record.started_at, AT),
            finished_at=0,
            faults=record.faults[:1],
        ),
        world=replace(world, epoch=(1 if older else now) if world.epoch else 0),
    )


def _renumbered(order: Order, ticket: int, epoch: int) -> Order:
    effect = order.effect
    fields: dict[str, object] = {}
    if hasattr(effect, "epoch"):
        fields["epoch"] = epoch
    if getattr(effect, "process", None) is not None:
        fields["process"] = process(epoch)
    if getattr(effect, "monitor", None) is not None:
        fields["monitor"] = monitor(epoch)
    return replace(order, ticket=ticket, effect=replace(effect, **fields))
