"""The law: three tables, and nothing about legality lives outside them.

1. LIFECYCLE: which milestone takes which status to which; written in `transitions`' row format,
   expanded by that library, checked for what it lets pass, made into a lookup.
2. STAGES: what is asked of the world side by side, when (`conditions`), what begins and what is
   reached, and what a failure means.
3. PLANS: which stages carry out a verb from a status. No plan: refused.

Stages *ensure* rather than *do*: they ask only for what is not there (or only for what may be
there), so one plan serves several states, and undoing is the ordinary plan over what may exist.
Adding an operation is adding a plan and, if need be, a stage.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from itertools import chain
from typing import Any, TypeAlias, TypeVar

from msgspec import Struct
from msgspec.structs import force_setattr
from transitions import Machine

from lockgate.effects.model import (
    AdjustLimits,
    CheckpointRuntime,
    ConnectNetwork,
    CreateLayer,
    CreateRuntime,
    DeleteLayer,
    DeleteRuntime,
    DropCheckpoint,
    ExportCheckpoint,
    Freeze,
    Halt,
    ImportCheckpoint,
    JoinNetwork,
    LeaveNetwork,
    Mount,
    Resource,
    RestoreRuntime,
    RunPoststop,
    Signal,
    StartRuntime,
    Thaw,
    Unmount,
    Watch,
    WriteSpec,
)
from lockgate.statemachine.conditions import (
    Kind,
    exporting,
    free,
    importing,
    last,
    missing,
    orphaned,
    owed,
    present,
    running,
    spent,
    unconnected,
    uncreated,
    unseen,
    unsure,
    waiting,
    wanted,
)
from lockgate.statemachine.orders import FILLED, Filling
from lockgate.statemachine.record import Record
from lockgate.statemachine.status import Status, Verb

S = Status
V = Verb

LAW = 3
"""The number of this law. A history says under which one it was written."""


# ---- 1. lifecycle ------------------------------------------------------------------------

LIFECYCLE: tuple[Mapping[str, Any], ...] = (
    {"trigger": "create", "source": [S.ABSENT], "dest": S.CONFIGURED},
    {"trigger": "init", "source": [S.CONFIGURED, S.EXITED], "dest": S.CREATED},
    {"trigger": "start", "source": [S.CREATED], "dest": S.RUNNING},
    {"trigger": "pause", "source": [S.RUNNING], "dest": S.PAUSED},
    {"trigger": "unpause", "source": [S.PAUSED], "dest": S.RUNNING},
    {
        "trigger": "stopping",
        "source": [S.CREATED, S.RUNNING, S.PAUSED, S.STOPPING],
        "dest": S.STOPPING,
    },
    {
        "trigger": "died",
        "source": [S.CREATED, S.RUNNING, S.PAUSED, S.STOPPING],
        "dest": S.STOPPED,
    },
    # it may have ended while it was written down; what is whole is whole
    {"trigger": "checkpoint", "source": [S.RUNNING, S.STOPPED], "dest": S.STOPPED},
    {"trigger": "snapshot", "source": [S.RUNNING, S.STOPPED], "dest": "="},
    {"trigger": "restore", "source": [S.CONFIGURED, S.EXITED], "dest": S.RUNNING},
    {"trigger": "cleanup", "source": [S.CREATED], "dest": S.CONFIGURED},
    {"trigger": "cleanup", "source": [S.STOPPED], "dest": S.EXITED},
    # what a failed operation left in the runtime is given back later, from a resting status
    {"trigger": "cleanup", "source": [S.CONFIGURED, S.EXITED, S.UNKNOWN], "dest": "="},
    {
        "trigger": "removing",
        "source": [S.ABSENT, S.CONFIGURED, S.EXITED, S.REMOVING, S.UNKNOWN],
        "dest": S.REMOVING,
    },
    {"trigger": "remove", "source": [S.REMOVING], "dest": S.ABSENT},
    {"trigger": "reboot", "source": [S.CREATED], "dest": S.CONFIGURED},  # it never ran
    {"trigger": "reboot", "source": [S.STOPPED], "dest": S.EXITED},
    {
        "trigger": "reboot",
        "source": [S.ABSENT, S.CONFIGURED, S.EXITED, S.REMOVING, S.UNKNOWN],
        "dest": "=",
    },
    {"trigger": "abandon", "source": [S.REMOVING], "dest": S.ABSENT},  # it was never made
)

EVENTS = frozenset(
    {
        "create",
        "init",
        "start",
        "pause",
        "unpause",
        "died",
        "checkpoint",
        "restore",
        "cleanup",
        "remove",
    }
)
"""Milestones that are announced."""

ANNOUNCED: Mapping[Verb, str] = {
    V.STOP: "stop",
    V.KILL: "kill",
    V.RESTART: "restart",
    V.SNAPSHOT: "checkpoint",
    V.UPDATE: "update",
    V.MOUNT: "mount",
    V.UNMOUNT: "unmount",
    V.FORCE_UNMOUNT: "unmount",
}
"""Verbs that are announced themselves, once all they asked for has happened, and as what."""

HELD: Mapping[Verb, Callable[[int], int]] = {
    V.MOUNT: lambda mounts: mounts + 1,
    V.UNMOUNT: lambda mounts: max(0, mounts - 1),
    V.FORCE_UNMOUNT: lambda mounts: 0,
}
"""How many mounts its user holds, once all that the verb asked for has happened."""


class LawError(ValueError):
    """The tables contradict each other or name what does not exist. Raised at import."""


State = TypeVar("State", bound=StrEnum)


def compiled(
    rows: Iterable[Mapping[str, Any]], states: type[State]
) -> Mapping[tuple[State, str], State]:
    """Expand the rows with `transitions`, then check what it does not: names and duplicates."""
    machine = Machine(
        model=None,
        states=states,
        transitions=[dict(row) for row in rows],
        initial=next(iter(states)),
        auto_transitions=False,
    )
    edges: dict[tuple[State, str], State] = {}
    for trigger, event in machine.events.items():
        for edge in chain.from_iterable(event.transitions.values()):
            try:
                key = states[edge.source], trigger
                dest = states[edge.dest or edge.source]
            except KeyError as unknown:
                raise LawError(f"the row {trigger!r} names no known status: {unknown}") from None
            if key in edges:
                raise LawError(f"two rows for {key}")
            edges[key] = dest
    return edges


EDGES = compiled(LIFECYCLE, Status)


# ---- 2. stages ---------------------------------------------------------------------------


Undo: TypeAlias = tuple[str, ...] | None
KEEP: Undo = None
"""On failure: carry on with the plan, report the fault at the end."""
GIVE_UP: Undo = ()
"""On failure: the operation ends here, where it is."""


Condition: TypeAlias = Callable[[Record, Kind], bool]
Ask: TypeAlias = tuple[Kind, Condition | None, Filling, Resource, bool, bool, bool]


def ask(kind: Kind, when: Condition | None) -> Ask:
    """An effect that a stage may ask for, with all that asking has to know of its kind, looked up
    beforehand: its resource, does it acquire, replace, freeze?"""
    traits = (kind.resource, kind.acquires, kind.replaces, kind.freezes)
    return kind, when, FILLED[kind], *traits


class Stage(Struct, frozen=True, kw_only=True):
    """Effects performed side by side. A stage with nothing to ask begins and reaches nothing.

    `when`: on which condition each of them is asked for; always, if there is none. `undo`: the
    stages to run instead of the rest of the plan when one of the effects failed. While an operation
    is unwinding every stage is kept going.
    `begins_run`: unless the runtime holds the container already, a new run is counted here, so
    that everything of it, on disk, in the network and in the runtime, carries one number.
    """

    asks: tuple[Kind, ...]
    when: Condition | None = None
    enters: str = ""
    reaches: str = ""
    undo: Undo = KEEP
    begins_run: bool = False
    asked: tuple[Ask, ...] = ()  # follows from `asks` and `when`

    def __post_init__(self) -> None:
        force_setattr(self, "asked", tuple(ask(kind, self.when) for kind in self.asks))


UNWIND = ("leave", "delete", "poststop", "unmount")
END = ("halt", *UNWIND)
"""What runs already ends before it is unwound, so that there is word of its end."""

STAGES: Mapping[str, Stage] = {
    "allot": Stage(asks=(CreateLayer,), when=missing, reaches="create", undo=("reclaim",)),
    # a run begins only when nothing can be left of another (the explorer insisted)
    "clear": Stage(asks=(DeleteRuntime,), when=unsure, reaches="cleanup", undo=GIVE_UP),
    "settle": Stage(asks=(RunPoststop,), when=owed, undo=GIVE_UP),
    "prepare": Stage(asks=(Mount, JoinNetwork), when=wanted, undo=UNWIND, begins_run=True),
    "specify": Stage(asks=(WriteSpec,), when=uncreated, undo=UNWIND),
    "create": Stage(asks=(CreateRuntime,), when=uncreated, reaches="init", undo=UNWIND),
    # what belongs to the container's own users is there only now
    "connect": Stage(asks=(ConnectNetwork,), when=unconnected, undo=UNWIND),
    # before it runs: a check that nobody runs is a promise not kept (L-142)
    "watch": Stage(asks=(Watch,), when=waiting, undo=UNWIND),
    "launch": Stage(asks=(StartRuntime,), when=waiting, reaches="start", undo=UNWIND),
    "freeze": Stage(asks=(Freeze,), reaches="pause", undo=("relent",)),
    "relent": Stage(asks=(Thaw,), when=present),
    "thaw": Stage(asks=(Thaw,), reaches="unpause", undo=GIVE_UP),
    # whoever writes it down freezes it, and may have died over it
    "dump": Stage(asks=(CheckpointRuntime,), reaches="checkpoint", undo=("relent",)),
    "snap": Stage(asks=(CheckpointRuntime,), reaches="snapshot", undo=("relent",)),
    "pack": Stage(asks=(ExportCheckpoint,), when=exporting),
    "take": Stage(asks=(ImportCheckpoint,), when=importing, undo=GIVE_UP),
    "restore": Stage(asks=(RestoreRuntime,), when=uncreated, reaches="restore", undo=UNWIND),
    "reconnect": Stage(asks=(ConnectNetwork,), when=unconnected, undo=END),
    "follow": Stage(asks=(Watch,), when=running, undo=END),
    "spend": Stage(asks=(DropCheckpoint,), when=spent),
    "adjust": Stage(asks=(AdjustLimits,), undo=GIVE_UP),
    "signal": Stage(asks=(Signal,), undo=GIVE_UP),
    "halt": Stage(asks=(Halt,), enters="stopping", reaches="died", undo=GIVE_UP),
    "attach": Stage(asks=(Mount,), when=unseen, undo=GIVE_UP),
    "detach": Stage(asks=(Unmount,), when=last, undo=GIVE_UP),
    "leave": Stage(asks=(LeaveNetwork,), when=present),
    "delete": Stage(asks=(DeleteRuntime,), when=present, reaches="cleanup", undo=GIVE_UP),
    "poststop": Stage(asks=(RunPoststop,), when=owed),
    "unmount": Stage(asks=(Unmount,), when=orphaned),
    "discard": Stage(
        asks=(DeleteLayer,), when=free, enters="removing", reaches="remove", undo=GIVE_UP
    ),
    "reclaim": Stage(
        asks=(DeleteLayer,), when=free, enters="removing", reaches="abandon", undo=GIVE_UP
    ),
}


Way: TypeAlias = tuple[str, ...]
Ways: TypeAlias = tuple[tuple[tuple[Way, ...], ...], ...]


def _halved(way: Way, kind: Kind) -> tuple[Way, Way]:
    """Without the stages that ask for this, and with them."""
    asking = {name for name, stage in STAGES.items() if kind in stage.asks}
    return tuple(name for name in way if name not in asking), way


def ways(way: Way) -> Ways:
    """The way without those stages that a container has no need of: does it owe hooks, has it health
    checks, is its network set up after create? So it is written down as it was before there were any,
    and what was written under law 1 replays (decision 0014)."""
    return tuple(
        tuple(_halved(watched, ConnectNetwork) for watched in _halved(hooked, Watch))
        for hooked in _halved(way, RunPoststop)
    )


WAYS: Mapping[Way, Ways] = {
    stage.undo: ways(stage.undo) for stage in STAGES.values() if stage.undo is not None
}
"""Those of undoing; those of plans are with them."""


# ---- 3. plans ----------------------------------------------------------------------------


class Plan(Struct, frozen=True):
    """How a verb is carried out.

    `unwinds`: every stage is tried, whatever fails. `beside`: it may run while a patient
    operation waits, without disturbing it. `owed`: only by whom the record owes it to, so that
    a policy never acts against its user's last word, however late it comes. `mounted`: only while
    its user has it mounted, or only while he has not. `kept`: only while there may be a checkpoint, or
    one is brought.
    """

    stages: Way
    unwinds: bool = False
    beside: bool = False
    owed: bool = False
    mounted: bool | None = None
    kept: bool = False
    ways: Ways = ()  # this and the next follow from the others
    conditional: bool = False

    def __post_init__(self) -> None:
        force_setattr(self, "ways", ways(self.stages))
        conditional = self.owed or self.kept or self.mounted is not None
        force_setattr(self, "conditional", conditional)


INIT = ("clear", "settle", "prepare", "specify", "create", "connect")
LAUNCH = (*INIT, "watch", "launch")
RESET = ("leave", "delete")  # nothing of the last run is used again (L-25)
# a start, but for how its process comes to be (FAULTS B151)
RESTORE = ("clear", "settle", "prepare", "specify", "restore", "reconnect", "follow", "spend")

INHABITED = frozenset({S.RUNNING, S.PAUSED, S.STOPPING})
"""Where processes that have joined may live."""

JOINABLE = frozenset({S.RUNNING})
"""Where one may join."""

ATTACHABLE = frozenset({S.CREATED, S.RUNNING})
"""Where one may be connected to its first process."""

RESTING = (S.CONFIGURED, S.CREATED, S.STOPPED, S.EXITED)
ENDING = (S.RUNNING, S.PAUSED, S.STOPPING)

PLANS: Mapping[tuple[Verb, Status], Plan] = {
    (V.CREATE, S.ABSENT): Plan(("allot",)),
    **{(V.INIT, at): Plan(INIT) for at in (S.CONFIGURED, S.EXITED)},
    (V.INIT, S.STOPPED): Plan((*RESET, *INIT)),
    **{(V.START, at): Plan(LAUNCH) for at in (S.CONFIGURED, S.CREATED, S.EXITED)},
    (V.START, S.STOPPED): Plan((*RESET, *LAUNCH)),
    **{(V.STOP, at): Plan(("halt",)) for at in (S.CREATED, S.RUNNING, S.STOPPING)},
    **{(V.STOP, at): Plan(()) for at in (S.STOPPED, S.EXITED)},
    **{(V.KILL, at): Plan(("halt",)) for at in (S.CREATED, *ENDING)},
    **{(V.SIGNAL, at): Plan(("signal",), beside=True) for at in ENDING},
    (V.PAUSE, S.RUNNING): Plan(("freeze",)),
    (V.UNPAUSE, S.PAUSED): Plan(("thaw",)),
    **{(V.RESTART, at): Plan(LAUNCH) for at in (S.CONFIGURED, S.CREATED, S.EXITED)},
    (V.RESTART, S.STOPPED): Plan((*RESET, *LAUNCH)),
    (V.RESTART, S.RUNNING): Plan(("halt", *RESET, *LAUNCH)),
    (V.REVIVE, S.STOPPED): Plan((*RESET, *LAUNCH), owed=True),
    (V.REVIVE, S.EXITED): Plan(LAUNCH, owed=True),
    (V.CHECKPOINT, S.RUNNING): Plan(("dump", "pack", *UNWIND)),
    (V.SNAPSHOT, S.RUNNING): Plan(("snap", "pack")),
    **{(V.RESTORE, at): Plan(("take", *RESTORE), kept=True) for at in (S.CONFIGURED, S.EXITED)},
    (V.RESTORE, S.STOPPED): Plan(("take", *RESET, *RESTORE), kept=True),
    **{(V.UPDATE, at): Plan(("adjust",)) for at in (S.CREATED, S.RUNNING, S.PAUSED)},
    **{(V.UPDATE, at): Plan(()) for at in (S.CONFIGURED, S.STOPPED, S.EXITED)},
    **{(V.CLEANUP, at): Plan(UNWIND, unwinds=True) for at in RESTING},
    **{(V.MOUNT, at): Plan(("attach",), beside=True) for at in (*RESTING, *ENDING)},
    **{(V.UNMOUNT, at): Plan(("clear", "detach"), mounted=True) for at in (S.CONFIGURED, S.EXITED)},
    **{(V.FORCE_UNMOUNT, at): Plan(("clear", "detach")) for at in (S.CONFIGURED, S.EXITED)},
    **{
        (verb, at): Plan(("detach",), beside=True, mounted=True)
        for verb in (V.UNMOUNT, V.FORCE_UNMOUNT)
        for at in (S.CREATED, S.STOPPED, *ENDING)
    },
    **{
        (V.REMOVE, at): Plan((*UNWIND, "discard"), unwinds=True, mounted=False)
        for at in (*RESTING, S.REMOVING)
    },
    **{
        (V.FORCE_REMOVE, at): Plan((*UNWIND, "discard"), unwinds=True)
        for at in (*RESTING, S.REMOVING, S.UNKNOWN)
    },
    **{(V.FORCE_REMOVE, at): Plan(("halt", *UNWIND, "discard")) for at in ENDING},
}


def checked(
    stages: Mapping[str, Stage],
    plans: Mapping[tuple[Verb, Status], Plan],
    edges: Mapping[tuple[Status, str], Status],
) -> None:
    """Every name used in one table exists in the other, and what is side by side does not meet; raises
    `LawError`."""
    milestones = {milestone for _, milestone in edges}
    for name, stage in stages.items():
        for milestone in filter(None, (stage.enters, stage.reaches)):
            if milestone not in milestones:
                raise LawError(f"stage {name!r} has no row for its milestone {milestone!r}")
        if unknown := set(stage.undo or ()) - set(stages):
            raise LawError(f"stage {name!r} undoes through {unknown}")
        held = [kind.resource for kind in stage.asks if kind.resource]
        if len(held) != len(set(held)):
            raise LawError(f"stage {name!r} asks twice about one resource: {held}")
    for key, plan in plans.items():
        if unknown := set(plan.stages) - set(stages):
            raise LawError(f"plan {key} names {unknown}")


checked(STAGES, PLANS, EDGES)

ADMISSIBLE: Mapping[Status, tuple[Verb, ...]] = {
    status: tuple(verb for verb in Verb if (verb, status) in PLANS) for status in Status
}
