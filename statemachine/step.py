"""The whole machine. Same record, same input: same answer, for ever.

`step` is total: every status answers every input. A command chooses a plan, the plan is written
into the record, its stages leave as orders, their outcomes come back as inputs. A refusal changes
nothing and says what is admissible instead.

A *draft* is a copy of the record that nobody else has seen. What an input brings about is written
on one draft, instead of on a new copy each time: that is a third of the price of a step. What comes
in is never written on.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, cast, get_args

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
from lockgate.statemachine.health import after, owed_action
from lockgate.statemachine.inputs import (
    Booted,
    Checked,
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
    Stop,
    Update,
)
from lockgate.statemachine.law import (
    ADMISSIBLE,
    ANNOUNCED,
    EDGES,
    EVENTS,
    HELD,
    PLANS,
    STAGES,
    WAYS,
    Kind,
    Plan,
    Stage,
)
from lockgate.statemachine.limits import updated
from lockgate.statemachine.orders import FILLED, signalled
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
from lockgate.statemachine.status import Presence, Status, Verb

ABSENT, UNCERTAIN, PRESENT = Presence.ABSENT, Presence.UNCERTAIN, Presence.PRESENT
Notices = tuple[Notice, ...]

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
    for_health = verb in HEALING and cast("Kill | Stop | Restart", command).by_health
    if (
        plan is None
        or (record.todo and _busy(record))
        or (plan.mounted is not None and not _open(record, plan))
        or (plan.owed and not _owed(record, command))
        or (plan.kept and record.checkpoint is ABSENT and not _brought(command))
        or (for_health and owed_action(record) != command)  # its user was first
    ):
        return Refused(verb, record.status, bool(record.todo), admissible(record), record.mounts)
    # killed for its health, its policy decides; a stop, whoever asks for it, is the last word
    wish = verb in STOPPING_VERBS and not (for_health and verb is Verb.KILL)
    by_user = record.stopped_by_user or wish
    if plan.beside and record.todo:
        return _beside(record, command)
    if not plan.stages:
        if type(command) is Update:  # nothing runs that would have to be told
            config = updated(record.config, command)
            return Step(replace(record, config=config), (), (Notice(ANNOUNCED[verb]),))
        return Step(replace(record, stopped_by_user=by_user))
    hastened = _hastened(record, command) if record.todo else None
    draft = replace(
        record,
        stopped_by_user=by_user,
        operation=hastened or command,
        todo=record.todo if hastened else _needed(record, plan.stages),
        unwinding=plan.unwinds,
        faults=(),
    )
    if (learn := MINDFUL.get(verb)) and (changes := learn(record, command)):
        _write(draft, changes)
    return _proceed(draft, ())


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


MINDFUL: Mapping[Verb, Callable[[Record, Any], dict[str, Any]]] = MappingProxyType(
    {
        Verb.CREATE: lambda _, asked: {"config": asked.config, "boot": asked.boot},
        Verb.START: lambda record, _: {"restarts": 0} if record.restarts else {},
        Verb.RESTART: lambda record, asked: (
            {"restarts": 0} if record.restarts and not asked.by_health else {}
        ),
        Verb.REVIVE: lambda record, _: {"restarts": record.restarts + 1},
        Verb.CHECKPOINT: lambda record, _: {"checkpoints": record.checkpoints + 1},
        Verb.SNAPSHOT: lambda record, _: {"checkpoints": record.checkpoints + 1},
        Verb.RESTORE: lambda record, asked: {
            "restarts": 0,
            "checkpoints": record.checkpoints + (asked.source != ""),
        },
    }
)
"""What the record learns from the mere acceptance of a command."""

HEALING = frozenset({Verb.STOP, Verb.KILL, Verb.RESTART})
"""What a health check may ask for, too."""

STOPPING_VERBS = frozenset({Verb.STOP, Verb.KILL, Verb.SIGNAL})
"""Recorded as the user's wish before anything is tried, whatever becomes of it (L-79, L-80)."""


# ---- news --------------------------------------------------------------------------------


def _ordered(record: Record, ticket: int) -> Order | None:
    """The order under this ticket, if it is still out in the world."""
    for order in record.pending:
        if order.ticket == ticket:
            return order
    return None


def _others(record: Record, order: Order) -> tuple[Order, ...]:
    """What is out in the world besides this order."""
    if len(record.pending) == 1:
        return ()
    return tuple([other for other in record.pending if other is not order])


def _write(draft: Record, changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        write(draft, name, value)


def _done(record: Record, news: Done) -> Step:
    order = _ordered(record, news.ticket)
    if order is None:
        return Step(record)  # late or repeated: the history has moved on
    effect = order.effect
    if type(effect) is Halt:
        return _died(record, effect.epoch, _end(news))
    notices: Notices = ()
    if type(effect) is Signal:
        notices = (Notice("kill", signal=effect.signal),)
    draft = replace(record, pending=_others(record, order))
    if type(effect) is CheckpointRuntime:
        _write(draft, _dumped(record, effect, news.fact))
    elif type(effect) is AdjustLimits:
        config = replace(record.config, memory=effect.memory, limits=effect.limits)
        write(draft, "config", config)
        write(draft, "limits_doubted", False)
    if news.fact is not None:
        _write(draft, LEARNED[type(news.fact)](news.fact))
    if resource := effect.resource:
        if not effect.acquires:
            _write(draft, FORGOTTEN[resource])
        write(draft, resource, PRESENT if effect.acquires else ABSENT)
    return Step(draft, (), notices) if draft.pending else _close(draft, notices)


def _failed(record: Record, news: Failed) -> Step:
    order = _ordered(record, news.ticket)
    if order is None:
        return Step(record)
    effect = order.effect
    draft = replace(record, pending=_others(record, order), faults=(*record.faults, news.fault))
    if effect.resource and not _stays(draft, effect):
        # only a first, clean failure to acquire proves that there is nothing there
        proven = effect.acquires and not news.fault.dirty and not order.again
        write(draft, effect.resource, ABSENT if proven else UNCERTAIN)
    elif type(effect) is AdjustLimits:
        write(draft, "limits_doubted", news.fault.dirty or order.again)
    if type(effect) in STAGES[record.todo[0]].asks:
        write(draft, "tripped", True)  # an order beside the stage does not trip it
    return Step(draft) if draft.pending else _close(draft, ())


def _learned_created(fact: Created) -> dict[str, Any]:
    """A run has begun, and nothing of the last one is true any more."""
    return {
        "process": fact.process,
        "monitor": fact.monitor,
        "started_at": 0,
        "finished_at": 0,
        "exit_code": None,
        "exit_reason": "",
        "oom_killed": False,  # else it would tell of an earlier run (D-12)
        "stopped_by_user": False,
        "checkpointed": False,
        "restored": False,
        "limits_doubted": False,
    }


def _learned_restored(fact: Restored) -> dict[str, Any]:
    made = _learned_created(Created(fact.process, fact.monitor))
    return made | {"started_at": fact.at, "restored": True}


def _dumped(record: Record, effect: CheckpointRuntime, fact: Fact | None) -> dict[str, Any]:
    """Its processes are written down; unless they were left running, or had an end of their own, that
    is how the run has ended."""
    at = fact.at if isinstance(fact, Dumped) else 0
    changes: dict[str, Any] = {"freezer": ABSENT, "checkpointed_at": at}
    if not effect.leave_running and record.status is Status.RUNNING:
        changes |= {
            "finished_at": at,
            "exit_code": None,
            "exit_reason": CHECKPOINTED,
            "health": None,
            "checkpointed": True,
        }
    return changes


def _stays(draft: Record, effect: AnyEffect) -> bool:
    """Is what it would replace there, whatever becomes of it?"""
    return effect.replaces and getattr(draft, effect.resource) is PRESENT


LEARNED: Mapping[type[Fact], Callable[[Any], dict[str, Any]]] = {
    Mounted: lambda fact: {"mountpoint": fact.mountpoint},
    Joined: lambda fact: {
        "netns": fact.netns,
        "links": fact.links,
        "dns": fact.dns,
        "lodging": fact.lodging,
        "homes": fact.homes,
    },
    Connected: lambda fact: {"netns": fact.netns, "links": fact.links, "dns": fact.dns},
    Created: _learned_created,
    Launched: lambda fact: {"started_at": fact.at},
    Saved: lambda fact: {"poststop": fact.poststop} if fact.poststop else {},
    Settled: lambda fact: {"poststop": ()},
    Exited: lambda fact: {},  # about a run: heard by `_died`
    Dumped: lambda fact: {},  # depends on what was asked for: heard by `_dumped`
    Restored: _learned_restored,
}

FORGOTTEN: Mapping[str, dict[str, Any]] = {
    "layer": {"poststop": (), "checkpoint": ABSENT, "checkpointed": False},
    "mount": {"mountpoint": "", "mounts": 0},
    "network": {"netns": "", "links": (), "dns": None, "lodging": ()},
    "runtime": {"process": None, "monitor": None, "freezer": ABSENT},
    "freezer": {},
    "checkpoint": {},
}
"""What no longer means anything once the resource has been given back."""


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
    if not record.unwinding:
        plan = PLANS.get((operation.verb, status))
        changes["todo"] = _needed(record, plan.stages) if plan else ()
        if type(operation) is Update:  # nothing runs any more that would have to be told
            changes["config"] = updated(record.config, operation)
    return _proceed(replace(record, **changes, pending=(), tripped=False), ())


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
    record = replace(
        record,
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
        return _proceed(replace(record, todo=record.todo[1:], tripped=False), notices)
    return Step(record, (), notices)


# ---- plans -------------------------------------------------------------------------------


def _close(draft: Record, notices: Notices) -> Step:
    """Leave the current stage: onward, or into undoing what may exist."""
    stage = STAGES[draft.todo[0]]
    if not draft.tripped:
        if milestone := stage.reaches:
            write(draft, "status", EDGES[draft.status, milestone])
            if milestone in EVENTS:
                notices = (*notices, Notice(milestone))
        write(draft, "todo", draft.todo[1:])
        return _proceed(draft, notices)
    write(draft, "tripped", False)
    if draft.unwinding or stage.undo is None:
        write(draft, "todo", draft.todo[1:])
    else:
        write(draft, "todo", _needed(draft, stage.undo))
        write(draft, "unwinding", True)
    return _proceed(draft, notices)


def _needed(record: Record, stages: tuple[str, ...]) -> tuple[str, ...]:
    """Without those for what this container does not have."""
    config = record.config
    return WAYS[record.poststop != (), config.health is not None, config.deferred_network][stages]


def _proceed(draft: Record, notices: Notices) -> Step:
    """Open stages until one has something to ask of the world, or none is left."""
    todo = draft.todo
    while todo:
        stage = STAGES[todo[0]]
        if stage.begins_run and draft.runtime is not PRESENT:
            write(draft, "epoch", draft.epoch + 1)
        if orders := _orders(draft, stage):
            write(draft, "todo", todo)
            if stage.enters:
                write(draft, "status", EDGES[draft.status, stage.enters])
            return Step(draft, orders, notices)
        todo = todo[1:]
    operation = draft.operation
    if operation is not None and operation.verb in ANNOUNCED and not draft.faults:
        notices = (*notices, Notice(ANNOUNCED[operation.verb]))
        if count := HELD.get(operation.verb):
            write(draft, "mounts", count(draft.mounts))
    if draft.faults and draft.status is Status.ABSENT and type(operation) is Remove:
        write(draft, "faults", ())  # it was removed all the same: by force, without its hooks
    write(draft, "todo", ())
    write(draft, "pending", ())
    write(draft, "operation", None)
    write(draft, "tripped", False)
    write(draft, "unwinding", False)
    return Step(draft, (), notices)


def _tried(draft: Record, kind: Kind) -> bool:
    """May it have been carried out before?"""
    if not kind.resource:
        return kind is AdjustLimits and draft.limits_doubted
    known = getattr(draft, kind.resource)
    return known is UNCERTAIN or (kind.acquires and known is PRESENT)


def _orders(draft: Record, stage: Stage) -> tuple[Order, ...]:
    """Ask for what the stage needs, and note in the same breath that it may exist."""
    asked: list[Order] = []
    ticket = draft.tickets
    when = stage.when
    for kind in stage.asks:
        if when(draft, kind):
            ticket += 1
            asked.append(Order(ticket, FILLED[kind](draft), _tried(draft, kind)))
    if not asked:
        return ()
    for order in asked:  # now that all are filled in from how it was
        effect = order.effect
        if (resource := effect.resource) and not _stays(draft, effect):
            write(draft, resource, UNCERTAIN)
        if type(effect) is CheckpointRuntime:
            write(draft, "freezer", UNCERTAIN)  # as long as it takes
    write(draft, "tickets", ticket)
    write(draft, "pending", orders := tuple(asked))
    return orders


ANSWERS: Mapping[type[Input], Callable[[Record, Any], Answer]] = MappingProxyType(
    {
        **dict.fromkeys(get_args(Command), _asked),
        Done: _done,
        Failed: _failed,
        Died: _told_of_death,
        Checked: _checked,
        Resumed: _resumed,
        Booted: _booted,
        Renamed: _renamed,
        Salvaged: _salvaged,
    }
)
"""Who answers which input: total over `Input` (a test says so); a lookup, because walking a `match`
of two dozen classes would cost a third of the step."""
