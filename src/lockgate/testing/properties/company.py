"""Promises about containers that need each other, or want the same: told from what is on record, and
from what is there."""

from collections.abc import Collection, Iterable, Sequence
from ipaddress import ip_interface
from typing import Protocol

from lockgate.adapters.simulated.world import World
from lockgate.effects.config import Config, borrowed, needs, shares, volume_mounts
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


def memory_shared(members: Sequence[Member]) -> None:
    """P18: what runs in the IPC namespace of another lives with the run that it has now, and with the
    memory of that. Of one whose record was lost nobody can tell which run that is."""
    by_id = {one.config.id: one for one in members}
    for one in members:
        owner = by_id.get(dict(borrowed(one.config)).get("ipc", ""))
        if owner is None or one.world.runtime != "running" or not _known(one):
            continue
        if not owner.world.shm:
            raise Broken("P18", f"{one.config.id} lives in memory that {owner.config.id} gave back")
        homes = {home.container: home.epoch for home in one.record.homes} if one.record else {}
        run = owner.record.epoch if owner.record else 0
        if run and homes.get(owner.config.id) != run:
            raise Broken("P18", f"{one.config.id} lives with an earlier run of {owner.config.id}")


def _known(one: Member) -> bool:
    """Not so once its record was damaged, until it is gone."""
    config = one.record.config if one.record else None
    return config is not None and (shares(config), borrowed(config)) == (
        shares(one.config),
        borrowed(one.config),
    )


def volumes_there(members: Sequence[Member], named: Collection[str]) -> None:
    """P06: what is made, or runs, has the volumes it mounts, whoever else has removed what, and though
    nobody can read what it was asked to be. `named`: the volumes there are but for containers' own."""
    for one in members:
        made = one.record is not None and one.record.layer is Presence.PRESENT
        if not (made or one.world.alive):
            continue
        for mount in volume_mounts(one.config):
            if mount.volume not in (one.world.volumes if mount.anonymous else named):
                raise Broken(
                    "P06", f"{one.config.id} uses volume {mount.volume}, which is not there"
                )


def volumes_stay(before: Collection[str], after: Collection[str], removed: Collection[str]) -> None:
    """P07: no volume with a name goes but those that somebody has asked to remove."""
    for name in before:
        if name not in {*after, *removed}:
            raise Broken("P07", f"volume {name} has gone, and nobody has removed it")


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
