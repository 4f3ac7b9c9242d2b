"""Promises about containers that need each other, or want the same: told from what is on record, and
from what is there."""

from collections.abc import Iterable, Sequence
from ipaddress import ip_interface
from typing import Protocol

from lockgate.adapters.simulated.world import World
from lockgate.effects.config import Config, needs, shares
from lockgate.statemachine.graph import Cycle, generations, stays
from lockgate.statemachine.record import Record
from lockgate.statemachine.status import Presence, Status
from lockgate.testing.explore import Broken

RUNS = (Status.RUNNING, Status.PAUSED)


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
            if record is not None and not stays(record):
                raise Broken("P18", f"{needed} is about to go, and {one.config.id} needs it")


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


def needs_met(records: Sequence[Record]) -> None:
    """P18: whom each needs is there, nobody needs himself by way of others, and who lives in
    another's namespace lives in that of its newest run."""
    there = {one.id: one for one in records}
    for one in records:
        for needed in needs(one.config):
            if needed not in there or there[needed].gone:
                raise Broken("P18", f"{one.id} needs {needed}, which is not there")
    try:
        generations({one.id: needs(one.config) for one in records})
    except Cycle as circle:
        raise Broken("P18", str(circle)) from None
    for one in records:
        owner = there.get(shares(one.config))
        if owner is None or one.status not in RUNS or owner.status not in RUNS:
            continue
        if one.netns != owner.netns:
            raise Broken("P18", f"{one.id} lives in a namespace that {owner.id} has left")


def nobody_elses(records: Iterable[Record]) -> None:
    """P19: no port of the host and no address of a network belongs to two runs."""
    ports: dict[tuple[str, int], list[tuple[str, str]]] = {}
    addresses: dict[tuple[str, str], str] = {}
    for one in records:
        if one.network is not Presence.PRESENT or shares(one.config):
            continue
        for port in one.config.ports:
            others = ports.setdefault((port.protocol, port.host_port), [])
            for ip, holder in others:
                if holder != one.id and (not ip or not port.host_ip or ip == port.host_ip):
                    raise Broken(
                        "P19",
                        f"port {port.host_port}/{port.protocol} is {holder}'s and {one.id}'s",
                    )
            others.append((port.host_ip, one.id))
        for link in one.links:
            for text in link.addresses:
                address = str(ip_interface(text).ip)
                holder = addresses.setdefault((link.network, address), one.id)
                if holder != one.id:
                    raise Broken("P19", f"{address} in {link.network} is {holder}'s and {one.id}'s")
