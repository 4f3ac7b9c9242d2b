"""Promises about one answer of the machine: what a step may say, given what was said to it."""

from collections.abc import Callable

from lockgate.adapters.simulated.world import World, carried_out
from lockgate.effects.config import Config, lodges
from lockgate.effects.model import (
    AnyEffect,
    CheckpointRuntime,
    ConnectNetwork,
    DeleteLayer,
    DeleteRuntime,
    Halt,
    JoinNetwork,
    Mount,
    Order,
    Process,
    RunPoststop,
    Signal,
    Unmount,
    WriteSpec,
)
from lockgate.effects.outcome import Done, Exited, Failed, Fault, PortError
from lockgate.statemachine import inputs as i
from lockgate.statemachine.limits import updated
from lockgate.statemachine.policy import owes_restart
from lockgate.statemachine.record import RESOURCES, Answer, Notice, Record, Refused, Step
from lockgate.statemachine.status import LIVE, Presence, Status, Verb
from lockgate.testing.explore import Broken

Stepper = Callable[[Record, i.Input], Answer]

LATE = Fault("failed", "late")
OTHER_END = Exited(3, 1)

POSTCONDITIONS: dict[Verb, frozenset[Status]] = {
    Verb.CREATE: frozenset({Status.CONFIGURED}),
    Verb.INIT: frozenset({Status.CREATED}),
    Verb.START: frozenset({Status.RUNNING}),
    Verb.STOP: frozenset({Status.STOPPED, Status.EXITED}),
    Verb.KILL: frozenset({Status.STOPPED, Status.EXITED}),
    Verb.PAUSE: frozenset({Status.PAUSED}),
    Verb.UNPAUSE: frozenset({Status.RUNNING}),
    Verb.RESTART: frozenset({Status.RUNNING}),
    Verb.CHECKPOINT: frozenset({Status.EXITED}),
    Verb.SNAPSHOT: frozenset({Status.RUNNING}),
    Verb.RESTORE: frozenset({Status.RUNNING}),
    Verb.CLEANUP: frozenset({Status.CONFIGURED, Status.EXITED}),
    Verb.REMOVE: frozenset({Status.ABSENT}),
    Verb.FORCE_REMOVE: frozenset({Status.ABSENT}),
}
"""Where a command that succeeded has led, unless the run ended in the middle of it."""

ENDED = frozenset({Status.STOPPED, Status.EXITED})


def same_again(step: Stepper, record: Record, given: i.Input) -> Answer:
    """P10: the same record and input give the same answer; which is returned."""
    answer = step(record, given)
    if step(record, given) != answer:
        raise Broken("P10", f"two answers to {given}")
    return answer


def stale_is_no_news(step: Stepper, record: Record) -> None:
    """P09: news of another run, or under a ticket that is not out, changes nothing."""
    for late in (
        i.Died(record.epoch - 1, OTHER_END),
        Done(record.tickets + 1),
        Failed(record.tickets + 1, LATE),
        i.Checked(record.epoch - 1, 1, False),
        i.SessionBegan(record.epoch - 1, "late"),
        i.SessionEnded(record.epoch - 1, "late", OTHER_END),
    ):
        if step(record, late) != Step(record):
            raise Broken("P09", f"late news was believed: {late}")


def twice_is_once(world: World, effect: AnyEffect, config: Config | None = None) -> None:
    """P09: an effect carried out again changes nothing more, where it is possible at all."""
    config = config or Config(id=effect.container)
    try:
        once, _ = carried_out(world, effect, config, 1)
        twice, _ = carried_out(once, effect, config, 1)
    except PortError:
        return
    if twice != once:
        raise Broken("P09", f"{type(effect).__name__} twice is not once")


def nothing_needless(before: Record, answer: Step) -> None:
    """P09: what is surely there is not made again, and what is surely gone not given back again; but
    for a mount that its user holds, which is looked at again (L-31), and what replaces what is there."""
    if answer.record.boot != before.boot:
        return  # of a boot before nothing is sure any more
    held = before.mounts or isinstance(answer.record.operation, i.Mount)
    out = {order.effect.resource for order in before.pending}
    for order in answer.orders:
        effect = order.effect
        if order.ticket <= before.tickets or not effect.resource or effect.resource in out:
            continue
        sure = Presence.PRESENT if effect.acquires else Presence.ABSENT
        meant = effect.replaces or (held and isinstance(effect, Mount))
        if getattr(before, effect.resource) is sure and not meant:
            raise Broken("P09", f"{type(effect).__name__}, and the {effect.resource} is {sure}")


def plugged_once(before: Record, answer: Step) -> None:
    """P09: who needs no network is given none, and what is set up is not set up again."""
    for order in answer.orders:
        match order.effect:
            case JoinNetwork() if not lodges(answer.record.config):
                raise Broken("P09", f"a network for {answer.record.config.network!r}")
            case ConnectNetwork() if before.netns and order.ticket > before.tickets:
                raise Broken("P09", "its network is set up, and asked for again")
            case _:
                pass


def only_its_run(order: Order, before: World, after: World) -> None:
    """P07: what is about a process leaves every other run's alone."""
    epoch = getattr(order.effect, "epoch", before.epoch)
    if order.effect.vital and before.epoch != epoch and after != before:
        raise Broken("P07", f"{type(order.effect).__name__} of run {epoch} hit run {before.epoch}")


def about_itself(record: Record, answer: Step) -> None:
    """P07: every order names this container."""
    for order in answer.orders:
        if order.effect.container not in (record.id, answer.record.id):
            raise Broken("P07", f"{order} is about another container")


def nobodys_mount(answer: Step) -> None:
    """P07: nothing is unmounted that its user still holds, unless he gives it back or gives up the
    container."""
    record, operation = answer.record, answer.record.operation
    for order in answer.orders:
        if not isinstance(order.effect, Unmount) or not record.mounts:
            continue
        verb = operation.verb if operation else None
        last = verb is Verb.UNMOUNT and record.mounts == 1
        if not last and verb not in (Verb.FORCE_UNMOUNT, Verb.FORCE_REMOVE):
            raise Broken("P07", f"{verb} takes away what its user has mounted")


def identified(answer: Step) -> None:
    """P15: whatever is done to a process is done to one that lives, and of which all is known."""
    for order in answer.orders:
        effect = order.effect
        if effect.vital and answer.record.status not in LIVE:
            raise Broken("P15", f"{type(effect).__name__}, and it is {answer.record.status}")
        if isinstance(effect, Halt | Signal | DeleteRuntime):
            process: Process | None = effect.process
            if process is not None and (process.pid <= 1 or not process.start or not process.boot):
                raise Broken("P15", f"{order} is about some process or other")


def owed_for_health(record: Record, command: i.Command) -> None:
    """P22: what a health check asks for is accepted at the last failure that counts, while it runs."""
    if not getattr(command, "by_health", False):
        return
    check, health = record.config.health, record.health
    counted = check is not None and health is not None and health.failures == check.retries
    if not counted or record.status is not Status.RUNNING:
        raise Broken("P22", f"{command.verb} for its health: {health}, and it is {record.status}")


def accepted_rightly(record: Record, command: i.Command) -> None:
    """P16, P26: a policy's restart is accepted only where it is owed, a restore where there may be
    something to go on from, an unmount where anything is mounted."""
    match command:
        case i.Revive(booted) if not owes_restart(record, booted=booted):
            raise Broken("P16", "a restart that nobody owes is accepted")
        case i.Restore(source="") if record.checkpoint is Presence.ABSENT:
            raise Broken("P26", "a restore is accepted, and there is no checkpoint")
        case i.Unmount(force=False) if not record.mounts:
            raise Broken("P26", "an unmount is accepted, and nothing is mounted")
        case _:
            pass


def hooks_kept(answer: Step) -> None:
    """P20: hooks wait for the runtime's delete, and only a removal by force leaves without them."""
    record = answer.record
    forced = record.operation is not None and record.operation.verb is Verb.FORCE_REMOVE
    for order in answer.orders:
        match order.effect:
            case RunPoststop(_, _, ()):
                raise Broken("P20", "hooks are run, and none are owed")
            case RunPoststop() if record.runtime is not Presence.ABSENT:
                raise Broken("P20", "hooks are run while the runtime may have the run")
            case WriteSpec() | DeleteLayer() if record.poststop and not forced:
                raise Broken("P20", f"{type(order.effect).__name__} while hooks are owed")
            case _:
                pass


def patient_alone(answer: Step) -> None:
    """P13: what takes long is never newly asked for beside what needs the lock."""
    kinds = {order.effect.patient for order in answer.orders if not order.again}
    if len(kinds) > 1:
        raise Broken("P13", "a lock would be held while something slow is awaited")


def announced_in_time(answer: Step) -> None:
    """P26: nothing is announced before it is true."""
    record = answer.record
    held = {name for name in RESOURCES if getattr(record, name) is not Presence.ABSENT}
    for notice in answer.notices:
        match notice:
            case Notice("cleanup") if "runtime" in held and not record.pending:
                raise Broken("P26", "announced a cleanup that did not happen")
            case Notice("init") if record.runtime is not Presence.PRESENT:
                raise Broken("P26", "announced a creation that did not happen")
            case Notice("remove") if held:
                raise Broken("P26", f"announced a removal that left {sorted(held)}")
            case _:
                pass


def kept_its_word(before: Record, answer: Step) -> None:
    """P26: an operation that ends without a fault has led where its verb leads."""
    after, operation = answer.record, before.operation
    if operation is None or after.todo or after.faults or after.status is Status.UNKNOWN:
        return
    expected = POSTCONDITIONS.get(operation.verb)
    died_meanwhile = after.status in ENDED and operation.verb is not Verb.CREATE
    if expected is not None and after.status not in expected and not died_meanwhile:
        raise Broken("P26", f"{operation.verb} succeeded, and it is {after.status}")
    own_end = after.exit_code is not None  # which came first, so that there was nothing to be taken
    taken = after.checkpoint is Presence.PRESENT
    if isinstance(operation, i.Checkpoint) and not (taken or own_end):
        raise Broken("P26", "a checkpoint was taken, and is not there")
    if isinstance(operation, i.Restore) and after.status is Status.RUNNING:
        kept = after.checkpoint is not Presence.ABSENT
        if kept != operation.keep:
            said = f"restored, keep: {operation.keep}, and the checkpoint is {after.checkpoint}"
            raise Broken("P26", said)
    if isinstance(operation, i.Update) and updated(after.config, operation) != after.config:
        raise Broken("P26", f"updated, and its limits are {after.config.memory} bytes")
    if operation.verb is Verb.MOUNT and after.mount is not Presence.PRESENT:
        raise Broken("P26", "it was mounted, and is not there")
    at_rest = after.status in (Status.CONFIGURED, Status.EXITED)
    if operation.verb is Verb.FORCE_UNMOUNT and after.mount is not Presence.ABSENT and at_rest:
        raise Broken("P26", "all was unmounted, and something may be left")


def former_state(before: Record, answer: Step) -> None:
    """P27: what is not written down runs on, and older checkpoints stay; what is not restored, is not
    anything by half."""
    after, operation = answer.record, before.operation
    if operation is None or after.todo or not after.faults or after.status is Status.UNKNOWN:
        return
    match operation:
        case i.Start() | i.Restart() | i.Revive() if after.runtime is Presence.PRESENT:
            if after.status is Status.CREATED:
                raise Broken("P27", f"a {operation.verb} failed, and nothing was given back")
        case i.Checkpoint() if after.checkpoint is Presence.ABSENT:
            if after.status not in (Status.RUNNING, *ENDED) or after.checkpointed:
                raise Broken("P27", f"a checkpoint failed, and it is {after.status}")
        case i.Restore() if after.runtime is Presence.ABSENT:
            if after.status not in (Status.CONFIGURED, Status.EXITED):
                raise Broken("P27", f"a restore failed, and it is {after.status}")
            if before.todo[0] == "restore" and after.network is Presence.PRESENT:
                raise Broken("P27", "a restore failed, and nothing was given back")
        case _:
            pass


def frozen_with_intent(before: Record, answer: Step) -> None:
    """P27: whoever takes a checkpoint, freezes: that intent is on record."""
    for order in answer.orders:
        intent = answer.record.freezer is not Presence.ABSENT
        if isinstance(order.effect, CheckpointRuntime) and not intent:
            raise Broken("P27", "it is frozen for a checkpoint, and the record does not say so")


def sound_answer(before: Record, answer: Answer) -> None:
    """Everything that must hold of an answer by itself."""
    if isinstance(answer, Refused):
        return
    about_itself(before, answer)
    nothing_needless(before, answer)
    plugged_once(before, answer)
    nobodys_mount(answer)
    identified(answer)
    hooks_kept(answer)
    patient_alone(answer)
    announced_in_time(answer)
    kept_its_word(before, answer)
    former_state(before, answer)
    frozen_with_intent(before, answer)
