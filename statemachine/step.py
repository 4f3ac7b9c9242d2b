"""The whole machine. Same record, same input: same answer, for ever.

`step` is total: every status answers every input. A command chooses a plan, the plan is written
into the record, its stages leave as orders, their outcomes come back as inputs. A refusal changes
nothing and says what is admissible instead.

A *draft* is a copy of the record that nobody else has seen. What an input brings about is written
on one draft, instead of on a new copy each time: that is a third of the price of a step. What comes
in is never written on.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, get_args

from msgspec.structs import force_setattr as write
from msgspec.structs import replace

from lockgate.effects.health import Health
from lockgate.effects.model import (
    AdjustLimits,
    AnyEffect,
    CheckpointRuntime,
    Halt,
    Order,
    Signal,
    StartRuntime,
)
from lockgate.effects.outcome import (
    UNKNOWN_EXIT,
    Connected,
    Created,
    Done,
    Dumped,
    Exited,
    Fact,
    Failed,
    Joined,
    Launched,
    Mounted,
    Restored,
    Saved,
    Settled,
)
from lockgate.statemachine.conditions import Kind
from lockgate.statemachine.health import after, owed_action
from lockgate.statemachine.inputs import (
    Booted,
    Checked,
    Checkpoint,
    Command,
    Died,
    Input,
    Kill,
    Remove,
    Renamed,
    Restart,
    Restore,
    Resumed,
    Revive,
    Salvaged,
    SessionBegan,
    SessionEnded,
    Stop,
    Update,
)
from lockgate.statemachine.law import (
    ADMISSIBLE,
    ANNOUNCED,
    EDGES,
    EVENTS,
    HELD,
    INHABITED,
    PLANS,
    STAGES,
    WAYS,
    Plan,
    Way,
    Ways,
)
from lockgate.statemachine.limits import updated
from lockgate.statemachine.orders import signalled
from lockgate.statemachine.policy import owes_restart
from lockgate.statemachine.record import (
    RESOURCES,
    VOLATILE,
    Answer,
    Notice,
    Record,
    Refused,
    Step,
)
from lockgate.statemachine.status import LIVE, Presence, Status, Verb

ABSENT, UNCERTAIN, PRESENT = Presence.ABSENT, Presence.UNCERTAIN, Presence.PRESENT
Notices = tuple[Notice, ...]
copied: Callable[[Record], Record] = Record.__copy__  # type: ignore[attr-defined] # not in its stubs

CHECKPOINTED = "it was checkpointed"
"""Why a run that goes on elsewhere, or later, has ended without an exit code (FAULTS B153)."""


def step(record: Record, given: Input) -> Answer:
    """Fold one input into the record; say what to do next and what to announce."""
    return ANSWERS[type(given)](record, given)


def admissible(record: Record) -> tuple[Verb, ...]:
    """The verbs `step` would accept now."""
    if _busy(record):
        return ()
    owed = owes_restart(record)
    plans = ((verb, PLANS[verb, record.status]) for verb in ADMISSIBLE[record.status])
    return tuple(
        [
            verb
            for verb, plan in plans
            if _open(record, plan)
            and (owed or not plan.owed)
            and (record.checkpoint is not ABSENT or not plan.kept)
        ]
    )


def _open(record: Record, plan: Plan) -> bool:
    """Do its user's mounts allow it?"""
    return plan.mounted is None or plan.mounted == (record.mounts > 0)


def _brought(command: Command) -> bool:
    """Does the checkpoint come with the command?"""
    return type(command) is Restore and command.source != ""


# ---- commands ----------------------------------------------------------------------------


def _busy(record: Record) -> bool:
    """An operation in flight excludes every other, except while it only waits: then whatever
    the law allows in this status takes its place, or acts beside it."""
    return bool(record.todo) and not all(order.effect.patient for order in record.pending)


def _asked(record: Record, command: Command) -> Answer:
    verb = command.verb
    plan = PLANS.get((verb, record.status))
    if (
        plan is None
        or (record.todo and _busy(record))
        or (plan.conditional and not _allowed(record, command, plan))
        or (verb in HEALING and not _first(record, command))
    ):
        return Refused(verb, record.status, bool(record.todo), admissible(record), record.mounts)
    if plan.beside and record.todo:
        return _beside(record, command)
    learn = MINDFUL.get(verb)
    learned = learn(record, command) if learn else {}
    if not plan.stages:  # there is nothing to be done but to know of it
        told = (Notice(ANNOUNCED[verb]),) if verb is Verb.UPDATE else ()
        return Step(replace(record, **learned), (), told)
    hastened = _hastened(record, command) if record.todo else None
    draft = copied(record)
    write(draft, "operation", hastened or command)
    if plan.unwinds is not record.unwinding:
        write(draft, "unwinding", plan.unwinds)
    if record.faults:
        write(draft, "faults", ())
    if learned:
        _write(draft, learned)
    return _proceed(draft, record.todo if hastened else _own(record, plan.ways), ())


def _allowed(record: Record, command: Command, plan: Plan) -> bool:
    """Does what the plan depends on, besides the status, allow it?"""
    return (
        _open(record, plan)
        and (not plan.owed or _owed(record, command))
        and (not plan.kept or record.checkpoint is not ABSENT or _brought(command))
    )


def _first(record: Record, command: Command) -> bool:
    """Was its user not before its health check?"""
    assert isinstance(command, (Kill, Stop, Restart))
    return not command.by_health or owed_action(record) == command


def _beside(record: Record, command: Command) -> Step:
    """Act while an operation waits, and leave it alone: a signal more, or a mount more or less of
    what that operation's run has mounted all the time."""
    if type(command) is not Kill:
        counted = HELD[command.verb](record.mounts)
        return Step(replace(record, mounts=counted), (), (Notice(ANNOUNCED[command.verb]),))
    order = Order(record.tickets + 1, signalled(record, command.signal))
    pending = (*record.pending, order)
    return Step(
        replace(record, tickets=order.ticket, pending=pending, stopped_by_user=True), (order,)
    )


def _hastened(record: Record, command: Command) -> Remove | None:
    """A stop or kill that meets a removal by force does not take its place, else somebody would be
    told of a removal that never was (P26): it is the same removal, with the shorter patience."""
    removal = record.operation
    if type(removal) is not Remove or type(command) not in (Stop, Kill):
        return None
    usual = record.config.stop_timeout
    asked = command.timeout if type(command) is Stop else 0
    before = usual if removal.timeout is None else removal.timeout
    return Remove(removal.force, min(before, usual if asked is None else asked))


def _owed(record: Record, command: Command) -> bool:
    return owes_restart(record, booted=type(command) is Revive and command.booted)


MINDFUL: Mapping[Verb, Callable[[Record, Any], dict[str, Any]]] = {
    Verb.CREATE: lambda _, asked: {"config": asked.config, "boot": asked.boot},
    Verb.START: lambda record, _: {"restarts": 0} if record.restarts else {},
    # recorded as a wish before anything is tried, whatever becomes of it (L-79, L-80)
    Verb.STOP: lambda _, asked: {"stopped_by_user": True},
    Verb.SIGNAL: lambda _, asked: {"stopped_by_user": True},
    # killed for its health, its policy decides; a stop, whoever asks, is the last word
    Verb.KILL: lambda _, asked: {} if asked.by_health else {"stopped_by_user": True},
    Verb.RESTART: lambda record, asked: (
        {"restarts": 0} if record.restarts and not asked.by_health else {}
    ),
    Verb.REVIVE: lambda record, _: {"restarts": record.restarts + 1},
    # told at once where nothing runs that would have to be told first
    Verb.UPDATE: lambda record, asked: (
        {} if record.status in LIVE else {"config": updated(record.config, asked)}
    ),
    Verb.CHECKPOINT: lambda record, _: {"checkpoints": record.checkpoints + 1},
    Verb.SNAPSHOT: lambda record, _: {"checkpoints": record.checkpoints + 1},
    Verb.RESTORE: lambda record, asked: {
        "restarts": 0,
        "checkpoints": record.checkpoints + (asked.source != ""),
        "checkpoint_links": () if asked.source else record.checkpoint_links,
    },
}
"""What the record learns from the mere acceptance of a command."""

HEALING = frozenset({Verb.STOP, Verb.KILL, Verb.RESTART})
"""What a health check may ask for, too."""


# ---- news --------------------------------------------------------------------------------


def _others(record: Record, order: Order) -> tuple[Order, ...]:
    """What is out in the world besides this order."""
    return tuple([other for other in record.pending if other is not order])


def _write(draft: Record, changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        write(draft, name, value)


def _done(record: Record, news: Done) -> Step:
    out = record.pending
    for order in out:
        if order.ticket == news.ticket:
            break
    else:
        return Step(record)  # late or repeated: the history has moved on
    effect = order.effect
    if type(effect) is Halt:
        return _died(record, effect.epoch, _end(news))
    resource, presence, forgotten, hear = DOING[type(effect)]
    draft = copied(record)
    notices = hear(draft, effect, news.fact) if hear else ()
    if (fact := news.fact) is not None:
        LEARNED[type(fact)](draft, fact)
    if resource:
        write(draft, resource, presence)
        for name, value in forgotten:
            write(draft, name, value)
    if len(out) > 1:
        write(draft, "pending", _others(record, order))
        return Step(draft, (), notices)
    return _close(draft, notices)


def _failed(record: Record, news: Failed) -> Step:
    for order in record.pending:
        if order.ticket == news.ticket:
            break
    else:
        return Step(record)
    effect = order.effect
    draft = replace(record, pending=_others(record, order), faults=(*record.faults, news.fault))
    if effect.resource and not (effect.replaces and _stays(draft, effect)):
        # only a first, clean failure to acquire proves that there is nothing there
        proven = effect.acquires and not news.fault.dirty and not order.again
        write(draft, effect.resource, ABSENT if proven else UNCERTAIN)
    elif type(effect) is AdjustLimits:
        write(draft, "limits_doubted", news.fault.dirty or order.again)
    if type(effect) in STAGES[record.todo[0]].asks:
        write(draft, "tripped", True)  # an order beside the stage does not trip it
    return Step(draft) if draft.pending else _close(draft, ())


def _created(draft: Record, fact: Created | Restored) -> None:
    """A run has begun, and nothing of the last one is true any more."""
    write(draft, "process", fact.process)
    write(draft, "monitor", fact.monitor)
    write(draft, "started_at", 0)
    write(draft, "finished_at", 0)
    write(draft, "exit_code", None)
    write(draft, "exit_reason", "")
    write(draft, "oom_killed", False)  # else it would tell of an earlier run (D-12)
    write(draft, "stopped_by_user", False)
    write(draft, "checkpointed", False)
    write(draft, "restored", False)
    write(draft, "limits_doubted", False)


def _restored(draft: Record, fact: Restored) -> None:
    _created(draft, fact)
    write(draft, "started_at", fact.at)
    write(draft, "restored", True)


def _joined(draft: Record, fact: Joined) -> None:
    write(draft, "netns", fact.netns)
    write(draft, "links", fact.links)
    write(draft, "dns", fact.dns)
    write(draft, "lodging", fact.lodging)
    write(draft, "homes", fact.homes)


def _connected(draft: Record, fact: Connected) -> None:
    write(draft, "netns", fact.netns)
    write(draft, "links", fact.links)
    write(draft, "dns", fact.dns)


def _saved(draft: Record, fact: Saved) -> None:
    if fact.poststop:
        write(draft, "poststop", fact.poststop)


def _nothing(draft: Record, fact: Fact) -> None:
    """It is heard elsewhere: it depends on what was asked for."""


def _signalled(draft: Record, effect: Signal, fact: Fact | None) -> Notices:
    return (Notice("kill", signal=effect.signal),)


def _adjusted(draft: Record, effect: AdjustLimits, fact: Fact | None) -> Notices:
    config = replace(draft.config, memory=effect.memory, limits=effect.limits)
    _write(draft, {"config": config, "limits_doubted": False})
    return ()


def _dumped(draft: Record, effect: CheckpointRuntime, fact: Fact | None) -> Notices:
    """Its processes are written down; unless they were left running, or had an end of their own, that
    is how the run has ended."""
    at = fact.at if isinstance(fact, Dumped) else 0
    _write(draft, {"freezer": ABSENT, "checkpointed_at": at})
    asked = draft.operation
    if isinstance(asked, Checkpoint) and asked.links:
        write(draft, "checkpoint_links", draft.links)
    if effect.leave_running:
        return ()
    if draft.status is Status.RUNNING:
        ended = {"finished_at": at, "exit_code": None, "exit_reason": CHECKPOINTED}
        _write(draft, ended | {"health": None, "checkpointed": True})
    notices = _outlived(draft)
    write(draft, "sessions", ())
    return notices


Hearing: TypeAlias = Callable[[Record, Any, Fact | None], Notices]
Changes: TypeAlias = tuple[tuple[str, Any], ...]

HEARD: Mapping[Kind, Hearing] = {
    Signal: _signalled,
    AdjustLimits: _adjusted,
    CheckpointRuntime: _dumped,
}
"""What follows from the mere doing of an effect, besides its resource and its fact."""


def _stays(draft: Record, effect: AnyEffect) -> bool:
    """Is what it would replace there, whatever becomes of it?"""
    return getattr(draft, effect.resource) is PRESENT


LEARNED: Mapping[type[Fact], Callable[[Record, Any], None]] = {
    Mounted: lambda draft, fact: write(draft, "mountpoint", fact.mountpoint),
    Joined: _joined,
    Connected: _connected,
    Created: _created,
    Launched: lambda draft, fact: write(draft, "started_at", fact.at),
    Saved: _saved,
    Settled: lambda draft, fact: write(draft, "poststop", ()),
    Exited: _nothing,  # by `_died`
    Dumped: _nothing,  # by `_dumped`
    Restored: _restored,
}
"""What a fact makes true."""

FORGOTTEN: Mapping[str, dict[str, Any]] = {
    "layer": {"poststop": (), "checkpoint": ABSENT, "checkpointed": False, "checkpoint_links": ()},
    "mount": {"mountpoint": "", "mounts": 0},
    "network": {"netns": "", "links": (), "dns": None, "lodging": ()},
    "runtime": {"process": None, "monitor": None, "freezer": ABSENT},
    "checkpoint": {"checkpoint_links": ()},
}
"""What no longer means anything once the resource has been given back."""

DOING: Mapping[Kind, tuple[str, Presence, Changes, Hearing | None]] = {
    kind: (
        kind.resource,
        PRESENT if kind.acquires else ABSENT,
        () if kind.acquires else tuple(FORGOTTEN.get(kind.resource, {}).items()),
        HEARD.get(kind),
    )
    for kind in get_args(AnyEffect)
}
"""What each effect does when it is done: its resource, how that is then, what is forgotten with it, and
what else is heard. Looked up beforehand."""


def _end(news: Done) -> Exited:
    if isinstance(news.fact, Exited):
        return news.fact
    return Exited(UNKNOWN_EXIT, 0, reason="it was made to end and nobody saw how")


def _told_of_death(record: Record, news: Died) -> Step:
    return _died(record, news.epoch, news.exit)


def _checked(record: Record, news: Checked) -> Step:
    check = record.config.health
    if check is None or news.epoch != record.epoch or record.status is not Status.RUNNING:
        return Step(record)
    before = record.health or Health()
    found = after(check, before, running=news.at - record.started_at, passed=news.passed)
    if found == before:
        return Step(record)
    notices: Notices = ()
    if found.status is not before.status:
        notices = (Notice("health_status", health=str(found.status)),)
    return Step(replace(record, health=found), (), notices)


def _session_began(record: Record, news: SessionBegan) -> Step:
    known = news.session in record.sessions
    if known or news.epoch != record.epoch or record.status not in INHABITED:
        return Step(record)
    sessions = (*record.sessions, news.session)
    return Step(replace(record, sessions=sessions), (), (Notice("exec", session=news.session),))


def _session_ended(record: Record, news: SessionEnded) -> Step:
    known = news.session in record.sessions
    told = known or (news.untold and record.status in INHABITED)
    if news.epoch != record.epoch or not told:
        return Step(record)
    left = tuple([one for one in record.sessions if one != news.session])
    died = Notice("exec_died", exit_code=news.exit.code, session=news.session)
    said = (died,) if known else (Notice("exec", session=news.session), died)
    return Step(replace(record, sessions=left), (), said)


def _outlived(record: Record) -> Notices:
    """No process that has joined a run outlives it, and each end is told before the run's (P21)."""
    return tuple(
        [Notice("exec_died", exit_code=UNKNOWN_EXIT, session=one) for one in record.sessions]
    )


def _renamed(record: Record, news: Renamed) -> Step:
    if record.status is Status.ABSENT or news.name == record.config.name:
        return Step(record)
    config = replace(record.config, name=news.name)
    return Step(replace(record, config=config), (), (Notice("rename"),))


def _resumed(record: Record, news: Resumed) -> Step:
    """Everything that was asked for is asked for again, with a warning to look first."""
    orders = tuple(replace(order, again=True) for order in record.pending)
    return Step(replace(record, pending=orders), orders)


def _booted(record: Record, news: Booted) -> Step:
    """Nothing of the last boot is left but files: what may have existed is looked for again, and an
    operation in flight begins anew, or goes on undoing."""
    status = EDGES.get((record.status, "reboot"))
    if status is None or news.boot == record.boot:
        return Step(record)  # how its run ended is told first
    volatile = [name for name in VOLATILE if getattr(record, name) is not ABSENT]
    changes: dict[str, Any] = dict.fromkeys(volatile, UNCERTAIN)
    changes |= {"boot": news.boot, "status": status, "process": None, "monitor": None, "mounts": 0}
    operation = record.operation
    if operation is None:
        return Step(replace(record, **changes))
    todo = record.todo
    if not record.unwinding:
        plan = PLANS.get((operation.verb, status))
        todo = _own(record, plan.ways) if plan else ()
        if type(operation) is Update:  # nothing runs any more that would have to be told
            changes["config"] = updated(record.config, operation)
    return _proceed(replace(record, **changes, pending=(), tripped=False), todo, ())


def _salvaged(record: Record, news: Salvaged) -> Step:
    unknown = Record(config=news.config, status=Status.UNKNOWN, tickets=news.tickets)
    return Step(replace(unknown, **dict.fromkeys(RESOURCES, UNCERTAIN)))


def _died(record: Record, epoch: int, end: Exited) -> Step:
    """The run has ended. That settles every pending order about a living process."""
    if epoch != record.epoch or (record.status, "died") not in EDGES:
        return Step(record)
    pending = tuple([order for order in record.pending if not order.effect.vital])
    settled = len(pending) != len(record.pending)
    notices: Notices = ()
    if any(type(order.effect) is StartRuntime for order in record.pending):
        # asked to start, and it ended: it ran, though nobody was there to hear of it
        record = replace(record, started_at=end.at)
        notices = (Notice("start"),)
    notices = (*notices, *_outlived(record))
    record = replace(
        record,
        sessions=(),
        status=EDGES[record.status, "died"],
        freezer=ABSENT,
        finished_at=end.at,
        exit_code=end.code,
        exit_reason=end.reason,
        oom_killed=end.oom,
        health=None,
        pending=pending,
    )
    notices = (*notices, Notice("died", exit_code=end.code))
    if settled and not pending:
        return _proceed(replace(record, tripped=False), record.todo[1:], notices)
    return Step(record, (), notices)


# ---- plans -------------------------------------------------------------------------------


def _close(draft: Record, notices: Notices) -> Step:
    """Leave the current stage: onward, or into undoing what may exist."""
    todo = draft.todo
    stage = STAGES[todo[0]]
    if not draft.tripped:
        if milestone := stage.reaches:
            write(draft, "status", EDGES[draft.status, milestone])
            notices += NEWS[milestone]
        return _proceed(draft, todo[1:], notices)
    write(draft, "tripped", False)
    if draft.unwinding or stage.undo is None:
        return _proceed(draft, todo[1:], notices)
    write(draft, "unwinding", True)
    return _proceed(draft, _own(draft, WAYS[stage.undo]), notices)


NEWS: Mapping[str, Notices] = {
    milestone: (Notice(milestone),) if milestone in EVENTS else () for _, milestone in EDGES
}
"""What is announced of a milestone."""


def _own(record: Record, ways: Ways) -> Way:
    """Without the stages for what this container does not have."""
    config = record.config
    return ways[record.poststop != ()][config.health is not None][config.deferred_network]


def _proceed(draft: Record, todo: Way, notices: Notices) -> Step:
    """Open stages until one has something to ask of the world, or none is left. What is asked for may
    exist from then on, and that is noted in the same breath. No stage asks twice about one resource,
    so each effect is filled in from how it was."""
    while todo:
        stage = STAGES[todo[0]]
        if stage.begins_run and draft.runtime is not PRESENT:
            write(draft, "epoch", draft.epoch + 1)
        orders: tuple[Order, ...] = ()
        ticket = draft.tickets
        for kind, when, filled, resource, acquires, replaces, freezes in stage.asked:
            if when is not None and not when(draft, kind):
                continue
            ticket += 1
            if resource:
                known = getattr(draft, resource)
                tried = known is UNCERTAIN or (acquires and known is PRESENT)  # it may have been
            else:
                known, tried = None, kind is AdjustLimits and draft.limits_doubted
            orders += (Order(ticket, filled(draft), tried),)
            if resource and not (replaces and known is PRESENT):
                write(draft, resource, UNCERTAIN)
            if freezes:
                write(draft, "freezer", UNCERTAIN)  # as long as it takes
        if orders:
            write(draft, "tickets", ticket)
            write(draft, "pending", orders)
            write(draft, "todo", todo)
            if stage.enters:
                write(draft, "status", EDGES[draft.status, stage.enters])
            return Step(draft, orders, notices)
        todo = todo[1:]
    operation = draft.operation
    if draft.faults:
        if draft.status is Status.ABSENT and type(operation) is Remove:
            write(draft, "faults", ())  # it was removed all the same: by force, without its hooks
    elif operation is not None and (event := ANNOUNCED.get(operation.verb)):
        notices = (*notices, Notice(event))
        if count := HELD.get(operation.verb):
            write(draft, "mounts", count(draft.mounts))
    write(draft, "todo", ())
    write(draft, "operation", None)
    write(draft, "pending", ())
    if draft.unwinding:
        write(draft, "unwinding", False)
    return Step(draft, (), notices)


ANSWERS: Mapping[type[Input], Callable[[Record, Any], Answer]] = {
    **dict.fromkeys(get_args(Command), _asked),
    Done: _done,
    Failed: _failed,
    Died: _told_of_death,
    Checked: _checked,
    SessionBegan: _session_began,
    SessionEnded: _session_ended,
    Resumed: _resumed,
    Booted: _booted,
    Renamed: _renamed,
    Salvaged: _salvaged,
}
"""Who answers which input: total over `Input` (a test says so); a lookup, because walking a `match`
of two dozen classes would cost a third of the step."""
