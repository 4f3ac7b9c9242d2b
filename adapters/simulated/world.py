"""What one container is in the world, as a value, and what each effect does to it.

The rule that keeps it honest: `carried_out` does what a real host would do, refuses what a real
host would refuse, and is idempotent where the ports promise it. It knows nothing of records.
"""

from typing import Literal, TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from lockgate.effects import model as e
from lockgate.effects.config import SHAREABLE, Config, volume_mounts
from lockgate.effects.hooks import Hook
from lockgate.effects.outcome import (
    Connected,
    Created,
    Dumped,
    Exited,
    Fact,
    Joined,
    Launched,
    Mounted,
    PortError,
    Restored,
    Saved,
    Settled,
)

RuntimeState: TypeAlias = Literal["absent", "created", "running", "stopped"]
Left: TypeAlias = Literal["all", "half", "nothing"]
"""What a restart leaves of the runtime's files: they are on disk; or on a file system in memory that
keeps some of them, so that the runtime cannot make sense of the rest; or in memory."""

HOOKS = (Hook("/simulated/poststop"),)
"""What each run owes here, when it is over."""

SIGKILL = 9
KILLED = 128 + SIGKILL


class World(Struct, frozen=True, cache_hash=True):
    """`dump`: the number of the newest whole checkpoint; `memory`: the limit an update has given this
    run; `volumes`: the names of those that are its own, made and removed with its layer; `shm`: whether
    what is /dev/shm of whoever lives in its IPC namespace is mounted, for its run; `owes`: the run whose
    poststop hooks have not succeeded; `plugged`: the run whose network was set up after it was created;
    `watched`: the run whose health somebody sees to; `epoch`: the
    run the runtime's object belongs to; `code`: how that run really ended, None while it has not;
    `reported`: whether the monitor lived to write it down; `damaged`: whether the runtime can make
    sense of its own files; `held`: whether somebody else has mounted what is below its layer, too, so
    that it cannot be removed."""

    layer: bool = False
    mounted: bool = False
    network: bool = False
    spec: bool = False
    runtime: RuntimeState = "absent"
    epoch: int = 0
    frozen: bool = False
    monitor: bool = False
    code: int | None = None
    reported: bool = False
    damaged: bool = False
    volumes: tuple[str, ...] = ()
    shm: bool = False
    held: bool = False
    owes: int = 0
    watched: int = 0
    dump: int = 0
    memory: int | None = None
    plugged: int = 0

    @property
    def alive(self) -> bool:
        return self.runtime in ("created", "running")

    @property
    def empty(self) -> bool:
        return self == World()


RUNS = ("epoch", "owes", "watched", "plugged")
"""Where a world speaks of runs: only their order means anything."""


class Impossible(PortError):
    """An order no host could carry out in this world: the machine asked for nonsense."""

    def __init__(self, reason: str) -> None:
        super().__init__("refused", reason, dirty=False)


def own_volumes(config: Config) -> tuple[str, ...]:
    """The names of the volumes that come and go with this container."""
    return tuple(one.volume for one in volume_mounts(config) if one.anonymous)


def lends_memory(config: Config) -> bool:
    """Is its /dev/shm also that of whoever lives in its IPC namespace, and so mounted by us?"""
    return config.namespaces.ipc == SHAREABLE


def process(epoch: int) -> e.Process:
    """Who the first process of a run is, here."""
    return e.Process(1000 + epoch, epoch, "simulated")


def monitor(epoch: int) -> e.Process:
    return e.Process(100_000 + epoch, epoch, "simulated")


def died(world: World, code: int) -> World:
    """The first process ends by itself; a living monitor reports it and goes."""
    return replace(
        world,
        runtime="stopped",
        frozen=False,
        monitor=False,
        watched=0,
        memory=None,
        code=code,
        reported=world.monitor,
    )


def rebooted(world: World, left: Left = "all") -> World:
    """The host was restarted: nothing is left of a run but what was on disk."""
    gone = replace(world, mounted=False, network=False, shm=False, frozen=False, monitor=False)
    gone = replace(gone, watched=0, plugged=0, held=False)
    if left == "nothing":
        return replace(gone, runtime="absent", epoch=0, code=None, reported=False, damaged=False)
    damaged = world.damaged or (left == "half" and world.runtime != "absent")
    runtime: RuntimeState = "stopped" if world.alive else world.runtime
    return replace(gone, runtime=runtime, damaged=damaged)


def seen(world: World, epoch: int, at: int) -> Exited | None:
    """What a look from outside tells of this run's end."""
    if world.epoch != epoch or world.runtime == "absent":
        return Exited(-1, at, reason="nothing is left of this run")
    if world.alive:
        return None
    if world.reported and world.code is not None:
        return Exited(world.code, at)
    return Exited(-1, at, reason="the monitor ended without reporting")


def carried_out(
    world: World, effect: e.AnyEffect, config: Config, at: int
) -> tuple[World, Fact | None]:
    """The world after the effect was carried out, and the fact it brings back. Of the `config` only
    what is made is asked: whatever there is is given back, wanted or not."""
    match effect:
        case e.CreateLayer():
            return replace(world, layer=True, volumes=own_volumes(config)), None
        case e.DeleteLayer():
            if world.mounted or world.alive:
                raise Impossible("the layer is in use")
            if world.held:
                raise PortError("refused", "something is mounted below its layer")
            return World(), None
        case e.Mount():
            if not world.layer:
                raise Impossible("there is no layer to mount")
            return replace(world, mounted=True), Mounted(f"/simulated/{effect.container}")
        case e.Unmount():
            if world.alive:
                raise Impossible("the root filesystem is in use by a live container")
            return replace(world, mounted=False), None
        case e.JoinNetwork():
            netns = "" if effect.deferred else f"/simulated/netns/{effect.container}"
            return replace(world, network=True, shm=lends_memory(config)), Joined(netns)
        case e.LeaveNetwork():
            # a live process keeps its namespace
            return replace(world, network=False, shm=False, plugged=0), None
        case e.ConnectNetwork():
            if not world.alive or world.epoch != effect.epoch:
                raise PortError("missing", "it has ended", dirty=False)
            if not world.network:
                raise Impossible("a network that nobody has joined is set up")
            return replace(world, plugged=effect.epoch), Connected(
                f"/simulated/netns/{effect.container}"
            )
        case e.WriteSpec():
            if not world.mounted:
                raise Impossible("a spec needs a mounted root filesystem")
            return replace(world, spec=True), Saved("simulated", HOOKS)
        case e.CreateRuntime():
            return _created(world, effect.epoch)
        case e.DeleteRuntime():
            if world.alive and not effect.force:
                raise Impossible("the container is still alive")
            gone = replace(world, runtime="absent", frozen=False, monitor=False, spec=False)
            gone = replace(gone, epoch=0, watched=0, code=None, reported=False, damaged=False)
            return replace(gone, memory=None), None
        case e.RunPoststop():
            if world.runtime != "absent":
                raise Impossible("poststop hooks before the runtime has deleted the run")
            return (replace(world, owes=0) if world.owes == effect.epoch else world), Settled()
        case e.Watch():
            return replace(world, watched=effect.epoch if world.alive else 0), None
        case e.StartRuntime():
            if world.runtime == "absent" or world.epoch != effect.epoch:
                raise Impossible("started what was never created")
            _readable(world)
            started = world.runtime == "created"
            return (replace(world, runtime="running") if started else world), Launched(at)
        case e.Halt():
            if world.alive and world.epoch == effect.epoch:  # never another run's process
                world = died(world, KILLED if effect.signal == SIGKILL else 128 + effect.signal)
            return world, seen(world, effect.epoch, at)
        case e.Signal():
            return world, None
        case e.Freeze():
            if world.runtime == "stopped":
                raise PortError("refused", "it has ended", dirty=False)
            if world.runtime != "running":
                raise Impossible("only what runs can be frozen")
            _readable(world)
            return replace(world, frozen=True), None
        case e.Thaw():
            return replace(world, frozen=False), None
        case e.CheckpointRuntime():
            return _dumped(world, effect), Dumped(at)
        case e.RestoreRuntime():
            return _restored(world, effect.epoch, at)
        case e.ExportCheckpoint(_, target):
            if not target:
                raise Impossible("an archive without a name")
            if not world.dump:
                raise PortError("missing", "there is no checkpoint", dirty=False)
            return world, None
        case e.ImportCheckpoint(_, _, source):
            if not source:
                raise Impossible("a checkpoint from nowhere")
            if not world.layer:
                raise Impossible("there is nowhere to put a checkpoint")
            return replace(world, dump=effect.number), None
        case e.DropCheckpoint():
            return replace(world, dump=0), None
        case e.AdjustLimits():
            if not world.alive or world.epoch != effect.epoch:
                raise PortError("missing", "it has ended", dirty=False)
            _readable(world)
            return replace(world, memory=effect.memory), None
        case _:
            assert_never(effect)


def _dumped(world: World, effect: e.CheckpointRuntime) -> World:
    if world.dump == effect.number:
        return world  # it is whole already
    if world.epoch != effect.epoch or world.runtime != "running":
        raise PortError("missing", "it has ended", dirty=False)
    _readable(world)
    dumped = replace(world, dump=effect.number, frozen=False)
    return dumped if effect.leave_running else died(dumped, KILLED)


def _restored(world: World, epoch: int, at: int) -> tuple[World, Fact]:
    if not (world.mounted and world.spec):
        raise Impossible("restored without root filesystem or spec")
    if not world.dump:
        raise PortError("missing", "there is no checkpoint", dirty=False)
    mine = world.epoch == epoch and not world.damaged
    if mine and world.runtime == "stopped":
        raise PortError("refused", "it was restored, and has ended since")
    if not (mine and world.runtime == "running" and world.monitor):
        world = replace(_begun(world, epoch), runtime="running")
    return world, Restored(process(epoch), monitor(epoch), at)


def _readable(world: World) -> None:
    if world.damaged:
        raise PortError("damaged", "the runtime cannot read its state", dirty=False)


def _created(world: World, epoch: int) -> tuple[World, Fact]:
    if not (world.mounted and world.spec):
        raise Impossible("created without root filesystem or spec")
    waits = world.epoch == epoch and world.runtime == "created" and world.monitor
    adopted = waits and not world.damaged
    if not adopted:  # anything else of this name is deleted first
        world = _begun(world, epoch)
    return world, Created(process(epoch), monitor(epoch))


def _begun(world: World, epoch: int) -> World:
    return replace(
        world,
        runtime="created",
        epoch=epoch,
        owes=epoch,
        monitor=True,
        frozen=False,
        code=None,
        reported=False,
        damaged=False,
        memory=None,
    )
