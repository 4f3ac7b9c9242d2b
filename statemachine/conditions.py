"""When a stage asks for an effect: the words in which the law says it, each about one record."""

from operator import attrgetter
from typing import TypeAlias

from lockgate.effects.config import lodges
from lockgate.effects.model import AnyEffect, JoinNetwork, Mount
from lockgate.statemachine.inputs import Checkpoint, Restore
from lockgate.statemachine.record import RESOURCES, Record
from lockgate.statemachine.status import Presence, Status, Verb

ABSENT, UNCERTAIN, PRESENT = Presence.ABSENT, Presence.UNCERTAIN, Presence.PRESENT
Kind: TypeAlias = type[AnyEffect]


def missing(record: Record, kind: Kind) -> bool:
    return getattr(record, kind.resource) is not PRESENT


def present(record: Record, kind: Kind) -> bool:
    return getattr(record, kind.resource) is not ABSENT


def wanted(record: Record, kind: Kind) -> bool:
    """Missing; the networks `none` and `host` need nobody to plug them in, and what its user has
    mounted is looked at again: it may have been unmounted behind our back (L-31)."""
    if kind is JoinNetwork and not lodges(record.config):
        return False
    if kind is Mount and record.mounts:
        return unseen(record, kind)
    return getattr(record, kind.resource) is not PRESENT


def waiting(record: Record, kind: Kind) -> bool:
    """It may have ended while somebody was asked to see to its health."""
    return record.status is Status.CREATED


def unconnected(record: Record, kind: Kind) -> bool:
    """Its runtime has made its network namespace, and nobody has set it up; it may have ended
    meanwhile."""
    return record.netns == "" and record.status in (Status.CREATED, Status.RUNNING)


def unsure(record: Record, kind: Kind) -> bool:
    return getattr(record, kind.resource) is UNCERTAIN


def uncreated(record: Record, kind: Kind) -> bool:
    return record.runtime is not PRESENT


def running(record: Record, kind: Kind) -> bool:
    """It may have ended while somebody was asked to see to its health."""
    return record.status is Status.RUNNING


def exporting(record: Record, kind: Kind) -> bool:
    """An archive is to be made of the checkpoint that was just taken."""
    asked = record.operation
    return isinstance(asked, Checkpoint) and asked.export != "" and record.checkpoint is PRESENT


def importing(record: Record, kind: Kind) -> bool:
    """The checkpoint comes from an archive."""
    return isinstance(record.operation, Restore) and record.operation.source != ""


def spent(record: Record, kind: Kind) -> bool:
    """What it goes on from is not to be gone on from again."""
    asked = record.operation
    kept = isinstance(asked, Restore) and asked.keep
    return record.checkpoint is not ABSENT and not kept


def orphaned(record: Record, kind: Kind) -> bool:
    """Never pull the root filesystem from under a runtime that would not go away, nor, but for a
    removal by force, from under its user."""
    unheld = not record.mounts or _carries_out(record, Verb.FORCE_REMOVE)
    return record.mount is not ABSENT and record.runtime is ABSENT and unheld


def unseen(record: Record, kind: Kind) -> bool:
    """Missing; or nothing runs that would have noticed it missing (L-31)."""
    return record.mount is not PRESENT or record.runtime is ABSENT


def last(record: Record, kind: Kind) -> bool:
    """Neither a run nor its user, once this one is given back, holds the mount."""
    unheld = record.mounts <= 1 or _carries_out(record, Verb.FORCE_UNMOUNT)
    return record.mount is not ABSENT and record.runtime is ABSENT and unheld


def _carries_out(record: Record, verb: Verb) -> bool:
    return record.operation is not None and record.operation.verb is verb


def owed(record: Record, kind: Kind) -> bool:
    """Never before the runtime has deleted the run (P20)."""
    return record.poststop != () and record.runtime is ABSENT


def free(record: Record, kind: Kind) -> bool:
    """The layer goes last: only when nothing else of the container may exist (D-43) and, but for a
    removal by force, nothing is owed."""
    settled = not record.poststop or _carries_out(record, Verb.FORCE_REMOVE)
    return settled and record.layer is not ABSENT and upon_layer(record) == NOTHING


upon_layer = attrgetter(*(name for name in RESOURCES if name != "layer"))
NOTHING = (ABSENT,) * (len(RESOURCES) - 1)
