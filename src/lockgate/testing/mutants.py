"""Break the law on purpose, one way at a time: does anybody notice?

A mutant is the shipped machine with one line of its source changed, executed beside the shipped
one; the explorer must find a broken promise in each. That tests the promises.
"""

import inspect
import sys
from collections.abc import Generator
from contextlib import contextmanager
from types import ModuleType
from typing import cast

from msgspec import Struct

from lockgate.testing.properties import Stepper

MODULES = tuple(f"lockgate.statemachine.{name}" for name in ("conditions", "orders", "law", "step"))


class Mutant(Struct, frozen=True):
    """`old` must stand exactly once in the source of `module`. `checked`: it takes a container
    with health checks to tell, or another `model`."""

    name: str
    module: str
    old: str
    new: str
    checked: bool = False
    model: str = ""


def mutated(mutant: Mutant) -> Stepper:
    """The step function of the broken machine. Raises `LookupError` for a stale mutant."""
    with _set_aside(MODULES) as shipped:
        for name in MODULES:
            source = inspect.getsource(shipped[name])
            if name.endswith("." + mutant.module):
                if source.count(mutant.old) != 1:
                    raise LookupError(f"the mutant {mutant.name!r} is stale: no such line, or two")
                source = source.replace(mutant.old, mutant.new)
            module = ModuleType(name)
            sys.modules[name] = module
            exec(compile(source, f"<mutant {mutant.name}>", "exec"), module.__dict__)
        return cast(Stepper, vars(sys.modules[MODULES[-1]])["step"])


@contextmanager
def _set_aside(names: tuple[str, ...]) -> Generator[dict[str, ModuleType]]:
    shipped = {name: sys.modules[name] for name in names}
    try:
        yield shipped
    finally:
        sys.modules.update(shipped)


MUTANTS = (
    Mutant(
        "unmount even if the runtime would not go",
        "law",
        '"unmount": Stage(asks=(Unmount,), when=orphaned)',
        '"unmount": Stage(asks=(Unmount,), when=present)',
    ),
    Mutant(
        "unmount before delete",
        "law",
        'UNWIND = ("leave", "delete", "poststop", "unmount")',
        'UNWIND = ("leave", "unmount", "delete", "poststop")',
    ),
    Mutant(
        "clean-up unmounts from under its user",
        "conditions",
        "    unheld = not record.mounts or _carries_out(record, Verb.FORCE_REMOVE)\n",
        "    unheld = True\n",
    ),
    Mutant(
        "the first to give a mount back takes all of them",
        "conditions",
        "    unheld = record.mounts <= 1 or _carries_out(record, Verb.FORCE_UNMOUNT)\n",
        "    unheld = True\n",
    ),
    Mutant(
        "a failed mount counts",
        "step",
        "    elif operation is not None and (event := ANNOUNCED",
        "    if operation is not None and (event := ANNOUNCED",
    ),
    Mutant(
        "unwinding forgets the network",
        "law",
        'UNWIND = ("leave", "delete", "poststop", "unmount")',
        'UNWIND = ("delete", "poststop", "unmount")',
    ),
    Mutant(
        "the layer goes although something is left",
        "law",
        'asks=(DeleteLayer,), when=free, enters="removing", reaches="remove"',
        'asks=(DeleteLayer,), when=present, enters="removing", reaches="remove"',
    ),
    Mutant(
        "start without a network",
        "law",
        "asks=(Mount, JoinNetwork), when=wanted",
        "asks=(Mount,), when=wanted",
    ),
    Mutant(
        "a run begins over what another may have left",
        "law",
        'INIT = ("clear", "settle", "prepare", "specify", "create", "connect")',
        'INIT = ("settle", "prepare", "specify", "create", "connect")',
    ),
    Mutant(
        "a run begins though the last one owes its hooks",
        "law",
        'INIT = ("clear", "settle", "prepare", "specify", "create", "connect")',
        'INIT = ("clear", "prepare", "specify", "create", "connect")',
    ),
    Mutant(
        "hooks that failed are passed over",
        "law",
        '"settle": Stage(asks=(RunPoststop,), when=owed, undo=GIVE_UP)',
        '"settle": Stage(asks=(RunPoststop,), when=owed)',
    ),
    Mutant(
        "hooks do not wait for the runtime",
        "conditions",
        "return record.poststop != () and record.runtime is ABSENT",
        "return record.poststop != ()",
    ),
    Mutant(
        "a removal forgets the hooks",
        "conditions",
        "settled = not record.poststop or _carries_out(record, Verb.FORCE_REMOVE)",
        "settled = True",
    ),
    Mutant(
        "not even force removes what owes its hooks",
        "conditions",
        "settled = not record.poststop or _carries_out(record, Verb.FORCE_REMOVE)",
        "settled = not record.poststop",
    ),
    Mutant(
        "nobody runs the hooks",
        "step",
        "return ways[record.poststop != ()][config.health is not None]",
        "return ways[False][config.health is not None]",
    ),
    Mutant(
        "a failed stop cleans up under a live container",
        "law",
        '"halt": Stage(asks=(Halt,), enters="stopping", reaches="died", undo=GIVE_UP)',
        '"halt": Stage(asks=(Halt,), enters="stopping", reaches="died", undo=UNWIND)',
    ),
    Mutant(
        "a failed halt is passed over",
        "law",
        '"halt": Stage(asks=(Halt,), enters="stopping", reaches="died", undo=GIVE_UP)',
        '"halt": Stage(asks=(Halt,), enters="stopping", reaches="died")',
    ),
    Mutant(
        "a failed pause is not taken back",
        "law",
        'reaches="pause", undo=("relent",)',
        'reaches="pause", undo=GIVE_UP',
    ),
    Mutant(
        "a failed start is not undone",
        "law",
        '"launch": Stage(asks=(StartRuntime,), when=waiting, reaches="start", undo=UNWIND)',
        '"launch": Stage(asks=(StartRuntime,), when=waiting, reaches="start", undo=GIVE_UP)',
    ),
    Mutant(
        "a failed creation is not reclaimed",
        "law",
        'reaches="create", undo=("reclaim",)',
        'reaches="create", undo=GIVE_UP',
    ),
    Mutant(
        "what is stopping cannot be stopped again",
        "law",
        "(S.CREATED, S.RUNNING, S.STOPPING)},\n    **{(V.STOP, at): Plan(())",
        "(S.CREATED, S.RUNNING)},\n    **{(V.STOP, at): Plan(())",
    ),
    Mutant(
        "the damaged cannot be removed",
        "law",
        "for at in (*RESTING, S.REMOVING, S.UNKNOWN)",
        "for at in (*RESTING, S.REMOVING)",
    ),
    Mutant(
        "no row for what is left in the runtime",
        "law",
        '"source": [S.CONFIGURED, S.EXITED, S.UNKNOWN], "dest": "="}',
        '"source": [S.UNKNOWN], "dest": "="}',
    ),
    Mutant(
        "intentions are not written down",
        "step",
        "            write(draft, resource, UNCERTAIN)\n",
        "            pass\n",
    ),
    Mutant(
        "a second clean failure proves absence",
        "step",
        "not news.fault.dirty and not order.again",
        "not news.fault.dirty",
    ),
    Mutant(
        "dirty failures look clean",
        "step",
        "not news.fault.dirty and not order.again",
        "not order.again",
    ),
    Mutant(
        "a failed release counts as released",
        "step",
        "write(draft, effect.resource, ABSENT if proven else UNCERTAIN)",
        "write(draft, effect.resource, ABSENT)",
    ),
    Mutant(
        "milestones are reached despite failures",
        "step",
        "    if not draft.tripped:\n",
        "    if not draft.tripped or draft.unwinding:\n",
    ),
    Mutant(
        "the death of another run is believed",
        "step",
        "if epoch != record.epoch or (",
        "if (",
    ),
    Mutant(
        "a death does not settle what was out",
        "step",
        "[order for order in record.pending if not order.effect.vital]",
        "list(record.pending)",
    ),
    Mutant(
        "resuming forgets what was asked",
        "step",
        "return Step(replace(record, pending=orders), orders)",
        "return Step(replace(record, pending=()), ())",
    ),
    Mutant(
        "a salvaged record believes in nothing",
        "step",
        "dict.fromkeys(RESOURCES, UNCERTAIN)",
        "dict.fromkeys(RESOURCES, ABSENT)",
    ),
    Mutant(
        "after a reboot everything is believed to be there",
        "step",
        "dict.fromkeys(volatile, UNCERTAIN)",
        "dict.fromkeys(volatile, PRESENT)",
    ),
    Mutant(
        "after a reboot nothing is believed to be there",
        "step",
        "dict.fromkeys(volatile, UNCERTAIN)",
        "dict.fromkeys(volatile, ABSENT)",
    ),
    Mutant(
        "after a reboot an operation goes on where it was",
        "step",
        "todo = _own(record, plan.ways) if plan else ()",
        "pass",
    ),
    Mutant(
        "nobody writes down that it is frozen for a checkpoint",
        "step",
        'write(draft, "freezer", UNCERTAIN)  # as long as it takes',
        "pass",
        model="one container, checkpoints",
    ),
    Mutant(
        "a checkpoint that was left running has ended it",
        "step",
        "if effect.leave_running:\n        return ()",
        "",
        model="one container, checkpoints",
    ),
    Mutant(
        "ended by a checkpoint looks like success",
        "step",
        '"exit_code": None, "exit_reason": CHECKPOINTED',
        '"exit_code": 0, "exit_reason": CHECKPOINTED',
        model="one container, checkpoints",
    ),
    Mutant(
        "the checkpoint goes before anything runs",
        "law",
        'RESTORE = ("clear", "settle", "prepare", "specify", "restore", "reconnect", "follow", "spend")',
        'RESTORE = ("clear", "settle", "prepare", "specify", "spend", "restore", "reconnect", "follow")',
        model="one container, checkpoints",
    ),
    Mutant(
        "a failed restore is not undone",
        "law",
        'when=uncreated, reaches="restore", undo=UNWIND',
        'when=uncreated, reaches="restore", undo=GIVE_UP',
        model="one container, checkpoints",
    ),
    Mutant(
        "a restore skips a step of a start",
        "law",
        'RESTORE = ("clear", "settle", "prepare", "specify", "restore", "reconnect", "follow", "spend")',
        'RESTORE = ("clear", "settle", "prepare", "restore", "reconnect", "follow", "spend")',
        model="one container, checkpoints",
    ),
    Mutant(
        "the restored are not followed",
        "law",
        'RESTORE = ("clear", "settle", "prepare", "specify", "restore", "reconnect", "follow", "spend")',
        'RESTORE = ("clear", "settle", "prepare", "specify", "restore", "reconnect", "spend")',
        model="one container, checkpoints and health checks",
    ),
    Mutant(
        "limits that were refused are on record",
        "step",
        'write(draft, "limits_doubted", news.fault.dirty or order.again)',
        'write(draft, "limits_doubted", False)',
        model="one container, limits",
    ),
    Mutant(
        "delete never forces",
        "orders",
        "force = r.status is not Status.STOPPED",
        "force = False",
    ),
    Mutant(
        "what is created counts as dead",
        "orders",
        "force = r.status is not Status.STOPPED",
        "force = r.status not in (Status.STOPPED, Status.EXITED)",
    ),
    Mutant(
        "it is started though its network could not be set up",
        "law",
        '"connect": Stage(asks=(ConnectNetwork,), when=unconnected, undo=UNWIND)',
        '"connect": Stage(asks=(ConnectNetwork,), when=unconnected)',
        model="one container, deferred network",
    ),
    Mutant(
        "its network is set up when it runs already",
        "law",
        '"specify", "create", "connect")\nLAUNCH = (*INIT, "watch", "launch")',
        '"specify", "create")\nLAUNCH = (*INIT, "watch", "launch", "reconnect")',
        model="one container, deferred network",
    ),
    Mutant(
        "nobody sees to the checks",
        "law",
        'LAUNCH = (*INIT, "watch", "launch")',
        'LAUNCH = (*INIT, "launch")',
        checked=True,
    ),
    Mutant(
        "it is watched when it runs already",
        "law",
        'LAUNCH = (*INIT, "watch", "launch")',
        'LAUNCH = (*INIT, "launch", "watch")',
        checked=True,
    ),
    Mutant(
        "a check of an earlier run counts",
        "step",
        "if check is None or news.epoch != record.epoch or record.status",
        "if check is None or record.status",
        checked=True,
    ),
    Mutant(
        "a check counts though nothing runs",
        "step",
        "or record.status is not Status.RUNNING:\n        return Step(record)\n    before",
        ":\n        return Step(record)\n    before",
        checked=True,
    ),
    Mutant(
        "health outlives its run",
        "step",
        "        health=None,\n",
        "",
        checked=True,
    ),
    Mutant(
        "a health check acts though nothing is owed",
        "step",
        "        or (verb in HEALING and not _first(record, command))\n",
        "",
        checked=True,
    ),
    Mutant(
        "what may be left is passed over",
        "conditions",
        "return getattr(record, kind.resource) is not ABSENT",
        "return getattr(record, kind.resource) is PRESENT",
    ),
    Mutant(
        "what is there is made again",
        "conditions",
        "        return unseen(record, kind)\n    return getattr(record, kind.resource) is not PRESENT",
        "        return unseen(record, kind)\n    return True",
    ),
    Mutant(
        "who wants no network is given one",
        "conditions",
        "if kind is JoinNetwork and not lodges(record.config):",
        "if False:",
        model="one container, bare",
    ),
    Mutant(
        "what its user has mounted is not mounted again",
        "conditions",
        "return record.mount is not PRESENT or record.runtime is ABSENT",
        "return False",
    ),
    Mutant(
        "what has ended is started",
        "conditions",
        "return record.status is Status.CREATED",
        "return True",
        model="one container, deferred network",
    ),
    Mutant(
        "its network is set up twice",
        "conditions",
        'return record.netns == "" and record.status in',
        "return record.status in",
        model="one container, checkpoints and health checks",
    ),
    Mutant(
        "the network of the restored is not set up",
        "conditions",
        'record.netns == "" and record.status in (Status.CREATED, Status.RUNNING)',
        'record.netns == "" and record.status is Status.CREATED',
        model="one container, checkpoints and health checks",
    ),
    Mutant(
        "a run begins over what is in doubt",
        "conditions",
        "return getattr(record, kind.resource) is UNCERTAIN",
        "return False",
    ),
    Mutant(
        "what is created is created again",
        "conditions",
        "return record.runtime is not PRESENT",
        "return True",
    ),
    Mutant(
        "nobody follows what runs",
        "conditions",
        "return record.status is Status.RUNNING",
        "return False",
        model="one container, checkpoints and health checks",
    ),
    Mutant(
        "an archive that nobody asked for",
        "conditions",
        ' and asked.export != "" and',
        " and",
        model="one container, checkpoints and health checks",
    ),
    Mutant(
        "a checkpoint that nobody brought is taken in",
        "conditions",
        'return isinstance(record.operation, Restore) and record.operation.source != ""',
        "return True",
        model="one container, checkpoints and health checks",
    ),
    Mutant(
        "what is to be kept is spent",
        "conditions",
        "return record.checkpoint is not ABSENT and not kept",
        "return record.checkpoint is not ABSENT",
        model="one container, checkpoints and health checks",
    ),
    Mutant(
        "what is spent is kept",
        "conditions",
        "return record.checkpoint is not ABSENT and not kept",
        "return False",
        model="one container, checkpoints and health checks",
    ),
    Mutant(
        "what is not mounted is unmounted",
        "conditions",
        "Verb.FORCE_REMOVE)\n    return record.mount is not ABSENT and",
        "Verb.FORCE_REMOVE)\n    return",
    ),
    Mutant(
        "its user's last unmount pulls it from under a run",
        "conditions",
        "Verb.FORCE_UNMOUNT)\n    return record.mount is not ABSENT and record.runtime is ABSENT and",
        "Verb.FORCE_UNMOUNT)\n    return record.mount is not ABSENT and",
    ),
    Mutant(
        "the layer goes from under what is upon it",
        "conditions",
        "record.layer is not ABSENT and upon_layer(record) == NOTHING",
        "record.layer is not ABSENT",
    ),
    Mutant(
        "a pause that is done is not on record",
        "law",
        '"freeze": Stage(asks=(Freeze,), reaches="pause",',
        '"freeze": Stage(asks=(Freeze,),',
    ),
    Mutant(
        "what is being removed does not say so",
        "law",
        'when=free, enters="removing", reaches="remove"',
        'when=free, reaches="remove"',
    ),
    Mutant(
        "an update does nothing",
        "law",
        '"adjust": Stage(asks=(AdjustLimits,), undo=GIVE_UP)',
        '"adjust": Stage(asks=(), undo=GIVE_UP)',
        model="one container, limits",
    ),
    Mutant(
        "a stop that waits gives way to a mount",
        "law",
        'Plan(("attach",), beside=True)',
        'Plan(("attach",))',
    ),
    Mutant(
        "a policy starts what nobody wants",
        "law",
        "Plan(LAUNCH, owed=True)",
        "Plan(LAUNCH)",
        model="one container, bare",
    ),
    Mutant(
        "removed although its user has mounted it",
        "law",
        "unwinds=True, mounted=False)",
        "unwinds=True)",
    ),
    Mutant(
        "nothing is unmounted, and that is a success",
        "law",
        'Plan(("clear", "detach"), mounted=True)',
        'Plan(("clear", "detach"))',
    ),
    Mutant(
        "restored from nothing",
        "law",
        'Plan(("take", *RESTORE), kept=True)',
        'Plan(("take", *RESTORE))',
        model="one container, checkpoints",
    ),
    Mutant(
        "what runs is removed as if it did not",
        "law",
        'Plan(("halt", *UNWIND, "discard")) for at in ENDING',
        'Plan((*UNWIND, "discard")) for at in ENDING',
    ),
    Mutant(
        "runs are not counted",
        "law",
        "when=wanted, undo=UNWIND, begins_run=True)",
        "when=wanted, undo=UNWIND)",
    ),
)
"""Each a bug that an engine of this kind has had, or that the explorer found in this one."""
