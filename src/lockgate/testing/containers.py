"""The model of one container: the shipped `step` beside a world it can only reach through orders.

Every order may be carried out, fail cleanly, fail after all, fail half way, or lose its executor
before or after; the container may die by itself and its monitor before it; the stored record may
be damaged; any command may be given whenever the law listens. What must hold are the named
promises of `lockgate.testing.properties`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from msgspec.structs import replace

from lockgate.adapters.simulated.faults import halves
from lockgate.adapters.simulated.world import World
from lockgate.effects.config import SHAREABLE, Config, Namespaces, VolumeMount, lodges
from lockgate.effects.health import HealthCheck, HealthStatus
from lockgate.effects.model import Order
from lockgate.effects.outcome import Failed, Fault, Outcome
from lockgate.statemachine import inputs as i
from lockgate.statemachine.health import current
from lockgate.statemachine.law import STAGES
from lockgate.statemachine.record import Record, newborn
from lockgate.statemachine.status import Presence, Status
from lockgate.statemachine.step import step
from lockgate.testing import properties as promised
from lockgate.testing.identity import AT
from lockgate.testing.properties import Stepper
from lockgate.testing.rig import RESTARTS, Place, Rig, ended, restarted

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
    i.Mount(),
    i.Unmount(),
    i.Unmount(force=True),
    i.Cleanup(),
    i.Remove(),
    i.Remove(force=True),
)
MOUNTS = 2  # more of them are no different to the law
CONFIG = Config(id="c", name="c", network="private", restart="always")
OWN = tuple(
    VolumeMount(destination=f"/{name}", volume=name, anonymous=True) for name in ("own", "more")
)
LENDING = replace(CONFIG, mounts=OWN, namespaces=Namespaces(ipc=SHAREABLE))
"""The same with two volumes of its own, and a /dev/shm that others may live with: what is made with its
layer, and with its network, in parts."""
MORE = 1 << 30
CHECKED = replace(CONFIG, health=HealthCheck(command=("true",), retries=2, on_failure="restart"))
"""The same with health checks, which nobody sees to but we."""
BARE = replace(CONFIG, network="none", restart="no")
"""The same without a network, and nobody brings it back."""
DEFERRED = replace(CONFIG, deferred_network=True)
"""The same with a network that is set up after create."""
FEWER: tuple[i.Command, ...] = (
    i.Start(),
    i.Stop(),
    i.Kill(),
    i.Cleanup(),
    i.Remove(),
    i.Remove(force=True),
)
"""Enough of them for what has little to do with the others."""
SOME = (*FEWER, i.Pause(), i.Unpause())
"""And for what may be asked for while it is paused."""
HEALING: tuple[i.Command, ...] = (
    i.Kill(by_health=True),
    i.Stop(by_health=True),
    i.Restart(by_health=True),
)
CHECKPOINTS: tuple[i.Command, ...] = (
    i.Checkpoint(),
    i.Checkpoint(leave_running=True, export="/archive"),
    i.Restore(),
    i.Restore(keep=True),
    i.Restore(source="/archive"),
)
"""What is asked of a model of checkpoints only: together with all else it would take hours."""
LIMITS: tuple[i.Command, ...] = (i.Update(memory=MORE), i.Update(memory=0))
"""And of a model of limits."""
BY_ITSELF = 3  # the exit code of a container that ends by itself


class OneContainer:
    """`faults`: whether anything may go wrong at all. `step`: the machine to explore. `mounts`: how
    many its user may hold at once. `config`: the container, which may have health checks. `commands`:
    what is asked of it, and `besides`.
    """

    def __init__(
        self,
        *,
        faults: bool = True,
        step: Stepper = step,
        mounts: int = MOUNTS,
        config: Config = CONFIG,
        commands: tuple[i.Command, ...] = COMMANDS,
        besides: tuple[i.Command, ...] = (),
    ) -> None:
        self._faults, self._mounts = faults, mounts
        self._rig = Rig(step, config=config)
        self._sound: set[Place] = set()  # known to drain
        self._config = config
        self._open: dict[Record, tuple[tuple[i.Command, str], ...]] = {}
        healing = () if config.health is None else HEALING
        self._besides = besides
        self._commands_known = (*commands, *healing, *besides)

    def begin(self) -> Iterable[Place]:
        yield self._rig.place(self._rig.identity.folded(newborn(self._config)), World())

    # ---- what may happen -----------------------------------------------------------------

    def moves(self, node: Place) -> Iterator[tuple[str, Place]]:
        record, world = node.record, node.world
        if self._faults:
            yield from self._restarts(node)
        prompt = [order for order in record.pending if not order.effect.patient]
        locked = bool(prompt) and not node.adrift
        if not locked:
            yield from self._commands(node)
            for news in self._rig.observed(record, world):
                yield "its end is seen", self._rig.after(node, news)
            yield from self._checks(node)
        if node.adrift:
            yield "resume", replace(self._rig.after(node, i.Resumed()), adrift=False)
        else:
            for order in prompt or record.pending:
                yield from self._outcomes(node, order)
        if self._faults and not locked:
            yield "the record is damaged", self._rig.after(node, i.Salvaged(self._config, 0))
        if world.alive:
            yield "it ends by itself", self._rig.place(record, ended(world, BY_ITSELF), node.adrift)
        if world.alive and world.monitor and self._faults:
            alone = replace(world, monitor=False)
            yield "the monitor dies", self._rig.place(record, alone, node.adrift)

    def _restarts(self, node: Place) -> Iterator[tuple[str, Place]]:
        """Of the host, at any point, with the runtime's own files on disk or in memory; and a look,
        before which nothing else can happen."""
        for left, label in RESTARTS:
            world = restarted(node.world, left)
            adrift = bool(node.record.pending)
            yield label, self._rig.looked(Place(node.record, world, adrift))

    def _commands(self, node: Place) -> Iterator[tuple[str, Place]]:
        if node.record not in self._open:
            self._open[node.record] = tuple(self._accepted(node))
        for command, label in self._open[node.record]:
            if there := self._rig.asked(node, command):
                yield label, there

    def _accepted(self, node: Place) -> Iterator[tuple[i.Command, str]]:
        """What the law accepts here, and what it is called."""
        commands = self._commands_known
        if node.record.status is Status.ABSENT:
            commands = (i.Create(self._config), *commands)
        for command in commands:
            if command == i.Mount() and node.record.mounts >= self._mounts:
                continue
            if self._rig.asked(node, command) is not None:
                promised.owed_for_health(node.record, command)
                promised.accepted_rightly(node.record, command)
                yield command, _name(command)

    def _checks(self, node: Place) -> Iterator[tuple[str, Place]]:
        """A health check ends, in time or late."""
        if node.record.config.health is not None and node.record.epoch:
            for passed, label in ((True, "a check passes"), (False, "a check fails")):
                after = self._rig.after(node, i.Checked(node.record.epoch, AT, passed))
                if after != node:
                    yield label, after

    def _outcomes(self, node: Place, order: Order) -> Iterator[tuple[str, Place]]:
        for label, world, outcome in outcomes(self._rig, node.world, order, self._faults):
            yield label, self._rig.after(node, outcome, world)
        if self._faults:
            name = type(order.effect).__name__
            done, _ = self._rig.perform(node.world, order)
            yield f"crash before {name}", replace(node, adrift=True)
            yield f"crash after {name}", self._rig.place(node.record, done, adrift=True)

    # ---- what must hold ------------------------------------------------------------------

    def always(self, node: Place) -> None:
        record, world = node.record, node.world
        there = promised.footprint(world)
        promised.everywhere(record, there)
        promised.one_truthful_exit(record, world)
        promised.whole(record, world)
        promised.health_of_a_run(record)
        promised.owed_on_record(record, world)
        promised.checkpointed(record, there)
        promised.stale_is_no_news(self._rig.step, record)
        if not record.todo and not self._rig.observed(record, world):
            promised.at_rest(record, there)
            promised.watched(record, world)
            promised.limits_kept(record, world)
            promised.connected(record, world)

    # ---- where it must get ---------------------------------------------------------------

    def drains(self, node: Place) -> None:
        """Faults ceasing: whatever is in flight ends, then it can be run, then removed."""
        passed: list[Place] = []
        rest = self._rig.comes_to_rest(node, passed, self._sound)
        if rest not in self._sound:
            self._rig.can_run(rest)
            self._rig.removable(rest)
        self._sound.update((*passed, rest))

    def home(self, node: Place) -> int:
        return self._rig.identity.home(node.record)

    # ---- what must be reached ------------------------------------------------------------

    def sometimes(self) -> Mapping[str, Callable[[Place], bool]]:
        places: dict[str, Callable[[Place], bool]] = {
            f"status {status}": partial(in_status, status) for status in Status
        }
        unmet = {
            name
            for name, commands in ASKED_FOR.items()
            if not set(commands) <= set(self._commands_known)
            or (name == "follow" and self._config.health is None)
        }
        if self._config.health is None:
            unmet.add("watch")
        if not self._config.deferred_network:
            unmet |= {"connect", "reconnect"}
        if not lodges(self._config):
            unmet.add("leave")
        stages = [name for name in STAGES if name not in unmet]
        places |= {f"stage {name}": partial(at_stage, name) for name in stages}
        places |= INTERESTING
        if not self._mounts:
            places = {name: reached for name, reached in places.items() if name not in MOUNTED}
        if self._commands_known[: len(COMMANDS)] != COMMANDS:
            places = {name: reached for name, reached in places.items() if name not in SELDOM}
        if self._config.health is not None:
            places |= UNHEALTHY
        if self._besides:
            places |= RESTORED if CHECKPOINTS[0] in self._besides else LIMITED
        if not self._faults:
            places = {name: reached for name, reached in places.items() if name not in FAULTY}
        return places


def outcomes(
    rig: Rig, world: World, order: Order, faults: bool
) -> Iterator[tuple[str, World, Outcome]]:
    """How one order may turn out: a label, the world after it, and what is heard."""
    name = type(order.effect).__name__
    done, outcome = rig.perform(world, order)
    yield name, done, outcome
    if faults:
        clean = Failed(order.ticket, Fault("failed", name, dirty=False))
        dirty = Failed(order.ticket, Fault("failed", name, dirty=True))
        yield f"{name} fails", world, clean
        for way, half in enumerate(halves(world, order.effect, rig.config)):
            yield f"{name} fails half way{f', {way}' if way else ''}", half, dirty
        yield f"{name} fails after all", done, dirty


def in_status(status: Status, node: Place) -> bool:
    return node.record.status is status


def at_stage(name: str, node: Place) -> bool:
    return node.record.todo[:1] == (name,)


def in_health(status: Status, health: HealthStatus, node: Place) -> bool:
    stands = current(node.record)
    return node.record.status is status and stands is not None and stands.status is health


def _name(command: i.Command) -> str:
    match command:
        case i.Restore(_, keep, source):
            return f"{command.verb}{' --keep' if keep else ''}{' --import' if source else ''}"
        case i.Update(memory=memory):
            return f"{command.verb} --memory {memory}"
        case _:
            by_health = getattr(command, "by_health", False)
            return f"{command.verb}{' for its health' if by_health else ''}"


INTERESTING: Mapping[str, Callable[[Place], bool]] = {
    "running with its end unseen": lambda node: (
        node.record.status is Status.RUNNING and not node.world.alive
    ),
    "an unknown end": lambda node: node.record.exit_code == -1,
    "a live process whose monitor is dead": lambda node: (
        node.world.alive and not node.world.monitor
    ),
    "exited, yet something may be left": lambda node: (
        node.record.status is Status.EXITED and bool(node.record.faults)
    ),
    "asked again for what may have been done": lambda node: any(
        order.again for order in node.record.pending
    ),
    "a signal beside a stop": lambda node: len({o.effect.patient for o in node.record.pending}) > 1,
    "orders adrift": lambda node: node.adrift,
    "mounted twice by its user, and nothing runs": lambda node: (
        node.record.mounts == MOUNTS and node.record.status is Status.EXITED
    ),
    "hooks owed, and nothing done about it": lambda node: (
        node.record.status is Status.EXITED and node.record.poststop != () and not node.record.todo
    ),
    "mounted by its user while it stops": lambda node: (
        node.record.mounts > 0 and node.record.status is Status.STOPPING
    ),
}

MOUNTED = (
    "mounted twice by its user, and nothing runs",
    "mounted by its user while it stops",
    "stage attach",
    "stage detach",
)
"""Places that only its user's mounts lead to."""

SELDOM = ("status paused", "stage relent", "a signal beside a stop")
"""Places that only commands lead to which some models leave out."""

UNHEALTHY: Mapping[str, Callable[[Place], bool]] = {
    f"{status}, {health}": partial(in_health, status, health)
    for status in (Status.RUNNING, Status.PAUSED)
    for health in HealthStatus
    if health is not HealthStatus.STARTING
}

ASKED_FOR: Mapping[str, tuple[i.Command, ...]] = {
    "signal": (i.Kill(signal=1),),
    "freeze": (i.Pause(),),
    "thaw": (i.Unpause(),),
    "attach": (i.Mount(),),
    "detach": (i.Unmount(),),
    **dict.fromkeys(
        ("dump", "snap", "pack", "take", "restore", "reconnect", "follow", "spend"), CHECKPOINTS
    ),
    "adjust": LIMITS,
}
"""Stages that only such commands lead to."""

RESTORED: Mapping[str, Callable[[Place], bool]] = {
    "ended by a checkpoint": lambda node: (
        node.record.checkpointed and node.record.status is Status.EXITED
    ),
    "running, and there is a checkpoint": lambda node: (
        node.record.status is Status.RUNNING
        and node.record.checkpoint is Presence.PRESENT
        and not node.record.todo
    ),
}
LIMITED: Mapping[str, Callable[[Place], bool]] = {
    "limits in doubt": lambda node: node.record.limits_doubted and not node.record.todo,
    "running with another limit": lambda node: (
        node.record.status is Status.RUNNING and node.record.config.memory == MORE
    ),
}

FAULTY = frozenset(
    {
        "status unknown",
        "stage clear",
        "stage reclaim",
        "stage relent",
        "an unknown end",
        "a live process whose monitor is dead",
        "limits in doubt",
        "exited, yet something may be left",
        "hooks owed, and nothing done about it",
        "asked again for what may have been done",
        "orders adrift",
    }
)
"""Places that only faults lead to."""
