"""Promises about one place: what the record says beside what really is.

A `Footprint` is what a host was found to hold of one container; the simulated world gives one, and
so can any real host, so the same checks serve the explorer, the Hypothesis machines and the tests
that kill real engines. Each raises `Broken` and returns nothing.
"""

from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct

from lockgate.adapters.simulated.world import World, lends_memory, own_volumes
from lockgate.effects.health import HealthStatus
from lockgate.statemachine.record import RESOURCES, Record
from lockgate.statemachine.status import Presence, Status
from lockgate.testing.explore import Broken

ABSENT, UNCERTAIN, PRESENT = Presence.ABSENT, Presence.UNCERTAIN, Presence.PRESENT

LIVING = frozenset({Status.CREATED, Status.RUNNING, Status.PAUSED})
"""Where a process is on record as alive."""

STABLE = LIVING | {Status.ABSENT, Status.CONFIGURED, Status.STOPPED, Status.EXITED}
"""Where a container may stay without anybody working on it."""


WITH = {"volumes": "layer", "shm": "network"}
"""What comes and goes with what the record has a word for: its own volumes, and what it has mounted as
/dev/shm for itself and whoever lives with it."""


class Footprint(Struct, frozen=True):
    """What exists of one container, on whatever host. `runtime`: its state in the words of the OCI
    runtime spec, `absent`, or empty where nobody asked."""

    held: frozenset[str] = frozenset()
    lives: bool = False
    runtime: str = ""


@lru_cache(maxsize=4096)
def footprint(world: World) -> Footprint:
    """Of a simulated world."""
    there = {
        "layer": world.layer,
        "volumes": bool(world.volumes),
        "mount": world.mounted,
        "network": world.network,
        "shm": world.shm,
        "runtime": world.runtime != "absent",
        "freezer": world.frozen,
        "checkpoint": world.dump != 0,
    }
    held = frozenset(name for name, exists in there.items() if exists)
    return Footprint(held, world.alive, world.runtime)


def agreement(record: Record, there: Footprint) -> None:
    """P01, at rest and after a look: alive on record exactly when alive. Where the record says
    that the runtime's object is uncertain it makes no claim, but for a death it has recorded."""
    if record.status is Status.STOPPED and there.lives:
        raise Broken("P01", "says stopped, but it lives")
    if record.runtime is ABSENT and there.lives:
        raise Broken("P01", "lost a live container")
    if record.status in LIVING and record.runtime is PRESENT and not there.lives:
        raise Broken("P01", f"says {record.status}, but nothing lives")
    expected = {
        Status.CREATED: "created",
        Status.RUNNING: "running",
        Status.PAUSED: "running",
    }.get(record.status)
    sure = record.runtime is PRESENT and there.lives and there.runtime and expected
    if sure and there.runtime not in (expected, "paused"):
        raise Broken("P01", f"says {record.status}, but the runtime says {there.runtime}")


def can_work(record: Record, there: Footprint) -> None:
    """P01: what runs on record has a root filesystem and a network under it."""
    if record.status in (Status.RUNNING, Status.PAUSED):
        needed = {"mount", "network"} if record.config.network == "private" else {"mount"}
        if not needed <= there.held:
            raise Broken("P01", "runs without root filesystem or network")


def intent_first(record: Record, there: Footprint) -> None:
    """P08: what exists is something the record says may exist."""
    for name in there.held:
        if name == "checkpoint" and _unknown(record):
            continue  # it goes with the layer
        if getattr(record, WITH.get(name, name)) is ABSENT:
            raise Broken("P08", f"forgot the {name}")


def exact_footprint(record: Record, there: Footprint) -> None:
    """P06: what the record is sure of exists. A freezer goes unheard with what it froze."""
    for name in RESOURCES:
        unheard = name == "freezer" and not there.lives
        if getattr(record, name) is PRESENT and name not in there.held and not unheard:
            raise Broken("P06", f"believes in a {name} that is not there")


def owed_on_record(record: Record, world: World) -> None:
    """P20: a run whose hooks have not succeeded yet is known to owe them, until it is gone."""
    if world.owes and world.owes == record.epoch and not record.poststop:
        raise Broken("P20", f"forgot the hooks that run {world.owes} owes")
    if world.owes and world.owes != record.epoch and not _unknown(record):
        raise Broken("P20", f"run {record.epoch} has begun, and run {world.owes} owes its hooks")


def _unknown(record: Record) -> bool:
    """Has it been salvaged, with nothing known of its runs?"""
    return record.status in (Status.UNKNOWN, Status.REMOVING) and not record.epoch


def health_of_a_run(record: Record) -> None:
    """P22: what does not run has no health, and nobody's is worse than unhealthy."""
    check, health = record.config.health, record.health
    if health is None:
        return
    if check is None or record.status not in (Status.RUNNING, Status.PAUSED, Status.STOPPING):
        raise Broken("P22", f"{record.status}, and {health.status}")
    if health.failures > check.retries or health.failures < 0:
        raise Broken("P22", f"{health.failures} failures of {check.retries} that count")
    if (health.status is HealthStatus.UNHEALTHY) != (health.failures == check.retries):
        raise Broken("P22", f"{health.status} after {health.failures} of {check.retries}")


def watched(record: Record, world: World) -> None:
    """P22, at rest: somebody sees to the checks of what runs, or it was said that nobody does."""
    runs = record.status in (Status.RUNNING, Status.PAUSED) and world.alive
    if record.config.health is None or not runs or record.faults:
        return
    if world.watched != record.epoch:
        raise Broken("P22", f"nobody sees to the health of run {record.epoch}")


def whole(record: Record, world: World) -> None:
    """P06: a layer that the record is sure of is there with its own volumes, and what it has joined with
    the memory it lends."""
    if record.layer is PRESENT and world.volumes != own_volumes(record.config):
        raise Broken("P06", "believes in a layer whose volumes are not there")
    if record.network is PRESENT and world.shm != lends_memory(record.config):
        raise Broken("P06", "believes in a network, and the memory it lends is not there")


def nothing_left(record: Record, there: Footprint) -> None:
    """P06, at rest: of what is not running nothing is held, or the record says what went wrong or
    what it is in doubt about; and what is gone has left nothing."""
    if record.gone and there.held:
        raise Broken("P06", f"gone, but something is left: {sorted(there.held)}")
    leaked = {name for name in there.held if WITH.get(name, name) not in ("layer", "checkpoint")}
    if record.mounts:
        leaked -= {"mount"}  # it is its user's
    done = record.status in (Status.EXITED, Status.CONFIGURED, Status.ABSENT)
    unsure = any(getattr(record, WITH.get(name, name)) is UNCERTAIN for name in leaked)
    if done and leaked and not (record.faults or unsure):
        raise Broken("P06", f"leaked without saying so: {sorted(leaked)}")


def held_by_its_user(record: Record) -> None:
    """P06: what its user holds is never believed absent."""
    if record.mounts and record.mount is ABSENT:
        raise Broken("P06", f"its user holds {record.mounts} mounts of what is not mounted")


def settled(record: Record, there: Footprint) -> None:
    """P01 and P06 where nothing has gone wrong: nothing is in doubt, and all of it is so."""
    if record.pending:
        raise Broken("P04", "something is still out")
    for name in RESOURCES:
        if getattr(record, name) is UNCERTAIN:
            raise Broken("P06", f"the {name} is in doubt")
        if (getattr(record, name) is PRESENT) != (name in there.held):
            raise Broken("P06", f"says {name} is {getattr(record, name)}; there: {there.held}")
    if (record.status in LIVING) != there.lives:
        raise Broken("P01", f"says {record.status}, lives: {there.lives}")


def frozen_iff_paused(record: Record, there: Footprint) -> None:
    """P27, at rest: while it is alive and the freezer is not in doubt."""
    if record.status not in (Status.RUNNING, Status.PAUSED) or record.freezer is UNCERTAIN:
        return
    frozen = "freezer" in there.held
    if there.lives and frozen != (record.status is Status.PAUSED):
        raise Broken("P27", f"says {record.status}, frozen: {frozen}")


def checkpointed(record: Record, there: Footprint) -> None:
    """P27: what a checkpoint has ended has no exit code but its reason, and it can be gone on with."""
    if record.layer is not PRESENT:
        return  # with which it comes and goes
    if record.checkpoint is PRESENT and "checkpoint" not in there.held:
        raise Broken("P27", "believes in a checkpoint that is not there")
    if not record.checkpointed:
        return
    if "checkpoint" not in there.held:
        raise Broken("P27", "its run was ended for a checkpoint, and there is none")
    if record.exit_code is not None or not (record.exit_reason or record.epoch):
        raise Broken("P27", f"ended by a checkpoint, with the exit code {record.exit_code}")
    if record.status in LIVING:
        raise Broken("P27", f"{record.status}, and its last run is said to be over")


def limits_kept(record: Record, world: World) -> None:
    """P26, at rest: what runs has the limit that is on record, or that is in doubt on record."""
    mine = world.alive and world.epoch == record.epoch and world.memory is not None
    if mine and world.memory != record.config.memory and not record.limits_doubted:
        raise Broken("P26", f"says {record.config.memory} bytes of memory, has {world.memory}")


def connected(record: Record, world: World) -> None:
    """P26, at rest: what runs with a network that was to be set up after create has one."""
    runs = world.alive and record.status in (Status.RUNNING, Status.PAUSED)
    if record.config.deferred_network and runs and world.plugged != record.epoch:
        raise Broken("P26", "runs with a network that nobody has set up")


def one_truthful_exit(record: Record, world: World) -> None:
    """P02: the code on record is the one it ended with, or says that nobody saw it."""
    if record.exit_code is None or record.process is None or record.epoch != world.epoch:
        return
    truth = world.code if world.reported else -1
    if world.runtime != "absent" and record.exit_code != truth:
        raise Broken("P02", f"says exit code {record.exit_code}, it was {world.code}")


def owned(record: Record) -> None:
    """P04: an operation has orders out in the world, and orders belong to an operation."""
    if bool(record.todo) != bool(record.pending):
        raise Broken("P04", "an operation without orders, or orders without an operation")


def everywhere(record: Record, there: Footprint) -> None:
    """What must hold at every point of every life, crashed or not."""
    owned(record)
    held_by_its_user(record)
    intent_first(record, there)
    exact_footprint(record, there)


def at_rest(record: Record, there: Footprint) -> None:
    """What must hold besides, wherever nothing is being done and a look has told what it can."""
    agreement(record, there)
    can_work(record, there)
    frozen_iff_paused(record, there)
    nothing_left(record, there)


def freed(before: Sequence[int], after: Sequence[int]) -> None:
    """P25: after a removal there is more room than before, of every kind that is counted."""
    if any(now <= then for then, now in zip(before, after, strict=True)):
        raise Broken("P25", f"a removal took space: {tuple(before)} before, {tuple(after)} after")
