"""The closed union of effects: everything that can be asked of the world, as plain data.

Two rules keep it simple. An effect names the container and what this one occasion needs, never
how it is done; and an effect that brings a resource into being (`Acquire`) or gives one back
(`Release`) says which, so that the record can note "it may exist" before any hand moves.
Tags are pinned: renaming a class must not orphan a history.
"""

from typing import ClassVar, Literal, TypeAlias

from msgspec import Struct

from lockgate.effects.config import Attachment, Limits
from lockgate.effects.hooks import Hook
from lockgate.effects.network import Dns, Link

Resource: TypeAlias = Literal["", "layer", "mount", "network", "runtime", "freezer", "checkpoint"]


Lodging: TypeAlias = tuple[tuple[str, str], ...]
"""Where what is lived in can be found on this host, by its kind: `ipc`, `uts`, `pid`, `shm`."""


class Process(Struct, frozen=True, gc=False):
    """A process that cannot be mistaken for a later one with the same pid (P15).

    `start` is field 22 of /proc/PID/stat (clock ticks since boot), `boot` the kernel's boot id.
    """

    pid: int
    start: int
    boot: str


class Effect(Struct, frozen=True, gc=False, tag=True):
    """Something to be done to the world: described, not done."""

    resource: ClassVar[Resource] = ""  # what it acquires or releases; empty: it holds nothing
    acquires: ClassVar[bool] = False
    patient: ClassVar[bool] = False  # may take minutes: performed with the lock released
    vital: ClassVar[bool] = False  # about a living process: its death settles it
    replaces: ClassVar[bool] = False  # makes another of what may be there; else that one stays
    freezes: ClassVar[bool] = False  # the container, as long as it takes


class Acquire(Effect, frozen=True, gc=False):
    """Brings a resource into being. Asked twice, it finds what is already there."""

    acquires: ClassVar[bool] = True


class Release(Effect, frozen=True, gc=False):
    """Gives a resource back. Releasing what is already gone is a success."""


class CreateLayer(Acquire, frozen=True, gc=False, tag="create-layer"):
    """Writable layer and bundle directory of the container."""

    container: str
    resource: ClassVar[Resource] = "layer"


class DeleteLayer(Release, frozen=True, gc=False, tag="delete-layer"):
    """Everything the container has on disk."""

    container: str
    resource: ClassVar[Resource] = "layer"


class Mount(Acquire, frozen=True, gc=False, tag="mount"):
    """The root filesystem, ready to be used; brings back `Mounted`."""

    container: str
    resource: ClassVar[Resource] = "mount"


class Unmount(Release, frozen=True, gc=False, tag="unmount"):
    container: str
    resource: ClassVar[Resource] = "mount"


class JoinNetwork(Acquire, frozen=True, gc=False, tag="join-network", omit_defaults=True):
    """A network namespace with its interfaces; brings back `Joined`. `deferred`: all but these, which
    `ConnectNetwork` sees to when the runtime has made the namespace. `networks`: with these addresses,
    instead of those of its config."""

    container: str
    epoch: int
    deferred: bool = False
    networks: tuple[Attachment, ...] = ()
    resource: ClassVar[Resource] = "network"


class LeaveNetwork(Release, frozen=True, gc=False, tag="leave-network"):
    container: str
    epoch: int
    resource: ClassVar[Resource] = "network"


class ConnectNetwork(Effect, frozen=True, gc=False, tag="connect-network", omit_defaults=True):
    """The network namespace that the runtime has made for this run, kept and plugged in; hosts and
    resolv.conf tell of it then. Brings back `Connected`. What it makes goes by `LeaveNetwork`."""

    container: str
    epoch: int
    process: Process | None
    mountpoint: str
    lodging: Lodging = ()
    networks: tuple[Attachment, ...] = ()  # as in `JoinNetwork`
    vital: ClassVar[bool] = True


class WriteSpec(Effect, frozen=True, gc=False, tag="write-spec", omit_defaults=True):
    """Generate the OCI spec of this run and put config.json into the bundle, atomically.

    `links` and `dns` are what came of joining the networks: once, and after they are known, hosts
    and resolv.conf tell of them (MAP L-33). `lodging`: what of others it lives in.
    """

    container: str
    epoch: int
    mountpoint: str
    netns: str
    links: tuple[Link, ...] = ()
    dns: Dns | None = None
    lodging: Lodging = ()


class CreateRuntime(Acquire, frozen=True, gc=False, tag="create-runtime"):
    """OCI `create` under a monitor; brings back `Created`."""

    container: str
    epoch: int
    resource: ClassVar[Resource] = "runtime"


class DeleteRuntime(Release, frozen=True, gc=False, tag="delete-runtime"):
    """OCI `delete` and all that the run left behind: monitor, run directory, cgroup.

    Without `force` the container's process must have ended; with it, it is killed.
    """

    container: str
    epoch: int
    force: bool
    process: Process | None = None
    monitor: Process | None = None
    resource: ClassVar[Resource] = "runtime"


class RunPoststop(Effect, frozen=True, gc=False, tag="run-poststop"):
    """The hooks of a run that is over, each until it has succeeded once; brings back `Settled`."""

    container: str
    epoch: int
    hooks: tuple[Hook, ...]


class Watch(Effect, frozen=True, gc=False, tag="watch"):
    """See to it that the health checks of this run are run for as long as it lasts."""

    container: str
    epoch: int
    vital: ClassVar[bool] = True


class StartRuntime(Effect, frozen=True, gc=False, tag="start-runtime"):
    """OCI `start`; brings back `Launched`."""

    container: str
    epoch: int
    vital: ClassVar[bool] = True


class Halt(Effect, frozen=True, gc=False, tag="halt"):
    """Signal, wait `timeout` seconds, SIGKILL, wait; brings back `Exited`.

    `frozen` says that the processes may be frozen and must be thawed to die.
    """

    container: str
    epoch: int
    process: Process | None
    monitor: Process | None
    signal: int
    timeout: int
    frozen: bool
    patient: ClassVar[bool] = True
    vital: ClassVar[bool] = True


class Signal(Effect, frozen=True, gc=False, tag="signal"):
    """One signal to the container's first process."""

    container: str
    epoch: int
    process: Process | None
    signal: int
    vital: ClassVar[bool] = True


class Freeze(Acquire, frozen=True, gc=False, tag="freeze"):
    container: str
    epoch: int
    resource: ClassVar[Resource] = "freezer"
    vital: ClassVar[bool] = True


class Thaw(Release, frozen=True, gc=False, tag="thaw"):
    container: str
    epoch: int
    resource: ClassVar[Resource] = "freezer"
    vital: ClassVar[bool] = True


class CheckpointRuntime(Acquire, frozen=True, gc=False, tag="checkpoint-runtime"):
    """OCI `checkpoint`: all its processes as files, whole or not at all; brings back `Dumped`.

    Without `leave_running` they have ended then. `number` tells this one from those before it, which
    stay until it is whole. `keep`: the log and the statistics of whoever did it, too.
    """

    container: str
    epoch: int
    number: int
    leave_running: bool
    tcp_established: bool
    keep: bool
    resource: ClassVar[Resource] = "checkpoint"
    replaces: ClassVar[bool] = True
    freezes: ClassVar[bool] = True


class RestoreRuntime(Acquire, frozen=True, gc=False, tag="restore-runtime"):
    """OCI `restore` of the newest checkpoint, under a monitor; brings back `Restored`."""

    container: str
    epoch: int
    tcp_established: bool
    resource: ClassVar[Resource] = "runtime"


class ExportCheckpoint(Effect, frozen=True, gc=False, tag="export-checkpoint"):
    """The newest checkpoint as an archive at the absolute path `target`."""

    container: str
    target: str


class ImportCheckpoint(Acquire, frozen=True, gc=False, tag="import-checkpoint"):
    """A checkpoint from the archive at the absolute path `source`; `number` as above."""

    container: str
    number: int
    source: str
    resource: ClassVar[Resource] = "checkpoint"
    replaces: ClassVar[bool] = True


class DropCheckpoint(Release, frozen=True, gc=False, tag="drop-checkpoint"):
    """Every checkpoint there is."""

    container: str
    resource: ClassVar[Resource] = "checkpoint"


class AdjustLimits(Effect, frozen=True, gc=False, tag="adjust-limits"):
    """OCI `update`: what a run may use from now on, all of it or nothing."""

    container: str
    epoch: int
    memory: int
    limits: Limits


AnyEffect: TypeAlias = (
    CreateLayer
    | DeleteLayer
    | Mount
    | Unmount
    | JoinNetwork
    | LeaveNetwork
    | ConnectNetwork
    | WriteSpec
    | CreateRuntime
    | DeleteRuntime
    | RunPoststop
    | StartRuntime
    | Halt
    | Signal
    | Freeze
    | Thaw
    | Watch
    | CheckpointRuntime
    | RestoreRuntime
    | ExportCheckpoint
    | ImportCheckpoint
    | DropCheckpoint
    | AdjustLimits
)


class Order(Struct, frozen=True, gc=False, omit_defaults=True):
    """An effect under a ticket. `again`: it may have been tried before; look before you act."""

    ticket: int
    effect: AnyEffect
    again: bool = False
