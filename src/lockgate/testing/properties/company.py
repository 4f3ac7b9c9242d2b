"""Promises about containers that need each other, told from what is on record and what is there."""

from collections.abc import Sequence
from typing import Protocol

from lockgate.adapters.simulated.world import World
from lockgate.effects.config import Config, needs, shares
from lockgate.statemachine.inputs import Remove
from lockgate.statemachine.law import INHABITED
from lockgate.statemachine.record import Record
from lockgate.statemachine.status import Status
from lockgate.testing.explore import Broken


class Member(Protocol):
    """One of several containers. `namespace`: where the network namespace of its run is, if it has
    one; `sessions`: how many processes have joined its run and live."""

    @property
    def config(self) -> Config: ...
    @property
    def record(self) -> Record | None: ...
    @property
    def world(self) -> World: ...
    @property
    def damaged(self) -> bool: ...
    @property
    def namespace(self) -> str: ...
    @property
    def sessions(self) -> int: ...


def never_without(members: Sequence[Member]) -> None:
    """P18: whom a container needs is there as long as it, and not about to go."""
    there = {one.config.id: one for one in members if one.record or one.damaged}
    for one in there.values():
        for needed in needs(one.config):
            if needed not in there:
                raise Broken(
                    "P18", f"{one.config.id} is there, and {needed}, which it needs, is not"
                )
            record = there[needed].record
            if record is not None and _leaves(record):
                raise Broken("P18", f"{needed} is about to go, and {one.config.id} needs it")


def _leaves(record: Record) -> bool:
    return record.status is Status.REMOVING or type(record.operation) is Remove


def guests_at_home(members: Sequence[Member]) -> None:
    """P18, P19: what runs in the namespace of another runs in the one that it has now; what only
    waits to be started is made anew when it is. Of one whose record was lost nobody can tell."""
    by_id = {one.config.id: one for one in members}
    for one in members:
        owner = by_id.get(shares(one.config))
        if owner is None or one.world.runtime != "running" or not _known(one):
            continue
        if not owner.world.network:
            raise Broken(
                "P18", f"{one.config.id} runs in a namespace that {owner.config.id} gave up"
            )
        if one.record and one.record.netns != owner.namespace:
            raise Broken("P18", f"{one.config.id} runs in a namespace of an earlier run")


def _known(one: Member) -> bool:
    """Not so once its record was damaged, until it is gone."""
    return one.record is not None and shares(one.record.config) == shares(one.config)


def sessions_of_a_run(members: Sequence[Member]) -> None:
    """P21: no process that has joined a run outlives it, in the world or on record."""
    for one in members:
        if one.record and one.record.sessions and one.record.status not in INHABITED:
            raise Broken("P21", f"{one.config.id} is {one.record.status}, and sessions are in it")
        if one.sessions and not one.world.alive:
            raise Broken("P21", f"{one.config.id} has ended, and {one.sessions} sessions have not")
