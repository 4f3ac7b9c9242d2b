"""Promises about several containers, commands or sessions at once, and about their locks."""

import re
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from ipaddress import ip_interface
from typing import TypeVar

from lockgate.effects.config import needs, shares
from lockgate.effects.sessions import Session, Standing
from lockgate.statemachine import inputs as i
from lockgate.statemachine.graph import Cycle, generations
from lockgate.statemachine.history import Entry
from lockgate.statemachine.record import Record, Step
from lockgate.statemachine.status import Presence, Status
from lockgate.statemachine.step import step
from lockgate.testing.explore import Broken
from lockgate.testing.linear import Call, linearizable
from lockgate.testing.properties.places import LIVING

State = TypeVar("State", bound=Hashable)
Asked = TypeVar("Asked")
Answered = TypeVar("Answered")

RUNS = (Status.RUNNING, Status.PAUSED)
_ID = re.compile(r"[0-9a-f]{64}")


def only_marked(before: Sequence[Record], after: Sequence[Record], damaged: str) -> None:
    """P11: of all that is listed only the one whose file was damaged is shown otherwise."""
    if [one.id for one in before] != [one.id for one in after]:
        raise Broken("P11", "damage to one file has changed who is listed")
    for old, new in zip(before, after, strict=True):
        if old != new and old.id != damaged:
            raise Broken("P11", f"damage to {damaged} has changed {old.id}")


def explained(
    calls: Sequence[Call[Asked, Answered]],
    begin: State,
    explain: Callable[[State, Asked, Answered], Iterable[State]],
) -> tuple[int, ...]:
    """P12: some order of these calls explains all their answers; which is returned."""
    order = linearizable(calls, begin, explain)
    if order is None:
        raise Broken("P12", "no order explains:\n" + "\n".join(map(str, calls)))
    return order


def one_lock_each(scopes: Iterable[str], containers: Collection[str]) -> None:
    """P14, at rest: no lock is kept of a container that is not there."""
    for scope in scopes:
        if _ID.fullmatch(scope) and scope not in containers:
            raise Broken("P14", f"a lock is kept of {scope}, which is gone")


def ended_by_boots(newborn: Record, history: Iterable[Entry]) -> None:
    """P17: a boot of another name ends the run, which has its end on record then; one that was heard
    of before changes nothing."""
    record = newborn
    for entry in history:
        answer = step(record, entry.given)
        if not isinstance(answer, Step):
            continue
        after = answer.record
        if isinstance(entry.given, i.Booted) and after is not record:
            if after.status in LIVING or after.process is not None:
                raise Broken("P17", f"entry {entry.seq}: it lives through a boot")
            if after.status is Status.EXITED and after.exit_code is None:
                raise Broken("P17", f"entry {entry.seq}: a boot has ended a run that has no end")
            if step(after, entry.given) != Step(after):
                raise Broken("P17", f"entry {entry.seq}: the same boot is news twice")
        record = after


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


def joined_to(record: Record, sessions: Iterable[Session]) -> None:
    """P21: a session is one of the newest run, does not outlive it, and says how it ended."""
    for one in sessions:
        if (one.container, one.epoch) != (record.id, record.epoch):
            raise Broken("P21", f"session {one.id} is one of run {one.epoch} of {one.container}")
        if one.standing is Standing.RUNNING and record.status not in (*RUNS, Status.STOPPING):
            raise Broken("P21", f"session {one.id} runs, and its container is {record.status}")
        if (one.standing is Standing.STOPPED) != (one.exit_code is not None):
            raise Broken("P21", f"session {one.id} is {one.standing} with code {one.exit_code}")
        if one.exit_code == -1 and not one.exit_reason:
            raise Broken("P21", f"session {one.id} has ended, and nobody knows how or why")
