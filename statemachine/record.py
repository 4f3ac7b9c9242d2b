"""Everything the engine knows about one container, as one immutable value.

The record is the fold of the container's inputs and nothing else. For each resource it says
whether it may exist; an operation in flight carries its own remaining plan.
"""

from typing import TypeAlias

from msgspec import Struct

from lockgate.effects.config import Config
from lockgate.effects.health import Health
from lockgate.effects.hooks import Hook
from lockgate.effects.model import CheckpointRuntime, Lodging, Order, Process
from lockgate.effects.outcome import Dns, Fault, Home, Link
from lockgate.statemachine.inputs import Command
from lockgate.statemachine.status import Presence, Status, Verb

RESOURCES = ("layer", "mount", "network", "runtime", "freezer")
VOLATILE = ("mount", "network", "runtime", "freezer")
"""What a reboot takes away, wholly or in part."""


class Record(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, cache_hash=True):
    """One container. Times are nanoseconds since the Unix epoch, 0 for never."""

    config: Config
    status: Status = Status.ABSENT
    epoch: int = 0  # which run this is, from 1; counted when the runtime is asked to create

    layer: Presence = Presence.ABSENT
    mount: Presence = Presence.ABSENT
    network: Presence = Presence.ABSENT
    runtime: Presence = Presence.ABSENT
    freezer: Presence = Presence.ABSENT

    mountpoint: str = ""
    mounts: int = 0  # that its user has asked for and not given back; a run's own is none of them
    netns: str = ""
    links: tuple[Link, ...] = ()  # what is plugged in there, and with which addresses
    dns: Dns | None = None  # what its networks ask for in resolv.conf
    lodging: Lodging = ()  # what it lives in besides
    homes: tuple[Home, ...] = ()  # the runs of others its newest run lives, or lived, in
    process: Process | None = None
    monitor: Process | None = None
    started_at: int = 0
    finished_at: int = 0
    exit_code: int | None = None  # -1: it ended and nobody saw how
    exit_reason: str = ""
    oom_killed: bool = False
    health: Health | None = None  # by the checks of this run
    sessions: tuple[str, ...] = ()  # processes that have joined it and not yet ended
    restarts: int = 0  # by its policy, since its user last started it
    boot: str = ""  # of the host, when it was last heard of

    poststop: tuple[Hook, ...] = ()  # hooks this run still owes, once it is over

    limits_doubted: bool = False  # nobody heard whether an update of its run came to pass
    checkpoint: Presence = Presence.ABSENT
    checkpoints: int = 0  # asked for so far: the number of the newest
    checkpointed: bool = False  # its last run was ended by one, and has no exit code
    checkpointed_at: int = 0
    checkpoint_links: tuple[Link, ...] = ()  # what was plugged in when it was taken
    restored: bool = False  # its run goes on where a checkpoint was taken

    stopped_by_user: bool = False  # recorded before anything else is tried (L-79)

    operation: Command | None = None  # the command being carried out
    todo: tuple[str, ...] = ()  # stages still ahead; the first is in progress
    pending: tuple[Order, ...] = ()  # orders of that stage, out in the world
    tickets: int = 0
    tripped: bool = False  # an order of this stage failed
    unwinding: bool = False  # giving resources back, best effort
    faults: tuple[Fault, ...] = ()  # of the newest operation; the first is the cause

    @property
    def id(self) -> str:
        return self.config.id

    @property
    def gone(self) -> bool:
        """Nothing is left of it and nothing is being done: its row may go."""
        return (
            self.status is Status.ABSENT
            and not self.todo
            and all(getattr(self, name) is Presence.ABSENT for name in RESOURCES)
        )


def newborn(config: Config) -> Record:
    """The record before the first input."""
    return Record(config=config)


def holds(record: Record) -> bool:
    """May it hold, or owe, anything that a cleanup would give back?"""
    if record.poststop:
        return True
    given = (name for name in VOLATILE if name != "mount" or not record.mounts)
    return any(getattr(record, name) is not Presence.ABSENT for name in given)


def written_down(record: Record) -> bool:
    """Is a checkpoint being taken? Until it is known whether it is whole, an end of its processes
    says nothing (D-76)."""
    return any(type(order.effect) is CheckpointRuntime for order in record.pending)


class Notice(Struct, frozen=True, gc=False, omit_defaults=True):
    """Something worth announcing once it is durable; `event` is a name users subscribe to."""

    event: str
    exit_code: int | None = None
    signal: int = 0
    health: str = ""
    session: str = ""


class Step(Struct, frozen=True, gc=False):
    """The machine's answer: what is now true, what to do, what to announce."""

    record: Record
    orders: tuple[Order, ...] = ()
    notices: tuple[Notice, ...] = ()


class Refused(Struct, frozen=True, gc=False):
    """Nothing has changed. `busy`: another operation is in flight, try again after it. `mounts`:
    how many its user holds."""

    verb: Verb
    status: Status
    busy: bool
    admissible: tuple[Verb, ...]
    mounts: int = 0


Answer: TypeAlias = Step | Refused
