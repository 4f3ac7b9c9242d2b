"""Interfaces plugged in and taken out by a tool of the host, so that a crash at any point does no harm.

Three rules, whatever the tool:

- an interface is noted before it is asked for, and again with every part of it that was made: who is
  to undo it must know what there may be (without that, firewall rules stay for ever);
- what has no finished note is taken away and made afresh, never believed;
- tools undo what they find in the namespace; where the interface is gone, they are lent a namespace
  that looks as ours did (without that, masquerading rules stay for ever).
"""

import re
from collections.abc import Iterable
from typing import Generic, Protocol, TypeAlias, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from lockgate.adapters.network.conflist import Settings
from lockgate.adapters.network.leases import Leases
from lockgate.adapters.network.namespaces import Namespaces, holds, lent
from lockgate.adapters.network.notes import Desk, Notes
from lockgate.effects.config import Attachment, Config
from lockgate.effects.outcome import Dns, Link, PortError

INTERFACE = "eth{}"

RULES_GONE = re.compile(
    r"Chain '[^']+' does not exist|No chain/target/match by that name|does a matching rule exist"
)
"""How iptables says that what was to be deleted is not there: tools take it for a failure, of a step
after which nothing else is left to do."""


class Note(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One interface that may exist; a tool adds what it needs to take it away.

    `addresses` (CIDR) and `result` are what has been made so far; `done` says that this is all.
    """

    network: str
    interface: str
    netns: str
    aliases: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    result: Settings | None = None
    done: bool = False


class Subject(Struct, frozen=True):
    """Whom a call is about: an interface in the namespace of a run. `fd` stays open in the tool and
    whatever it starts: it holds the notes. `leaving`: the namespace is let go right afterwards."""

    container: str
    netns: str
    interface: str
    fd: int
    leaving: bool = False


N = TypeVar("N", bound=Note)

Plugged: TypeAlias = tuple[tuple[Link, ...], Dns | None]
"""The interfaces of a container, and what their networks ask for in resolv.conf."""


class Tool(Protocol[N]):
    """Who really makes interfaces. Methods raise `PortError`."""

    needs_namespace: bool
    """Does it undo only what it finds in a namespace?"""

    def obstacle(self, config: Config) -> str:
        """Why it cannot plug this container in here; empty where it can."""
        ...

    def wish(self, number: int, one: Attachment, config: Config, netns: str) -> N:
        """What is to be made: interface `number` of the run in the namespace at `netns`."""
        ...

    def add(self, note: N, desk: Desk[N], subject: Subject) -> N:
        """Make it, noting every part; the note comes back with all of them."""
        ...

    def stands(self, note: N, subject: Subject) -> bool:
        """Is all of it still there? Total. A no does no harm, for nothing uses it yet."""
        ...

    def delete(self, note: N, subject: Subject) -> None:
        """Take it away; if it needs a namespace, from one that holds the interface if there ever was
        one."""
        ...

    def told(self, note: N) -> tuple[Link, Dns | None]:
        """What was made, in our words."""
        ...


class Plumbing(Protocol):
    """Who plugs namespaces into networks. Twice is once; all methods raise `PortError`."""

    def obstacle(self, config: Config) -> str:
        """Why it cannot plug this container in here; empty where it can."""
        ...

    def plug(self, config: Config, netns: str) -> Plugged:
        """The interfaces of this run in the namespace pinned at `netns`."""
        ...

    def unplug(self, config: Config, netns: str) -> None:
        """Every interface it has made for the container, and that may still be there; neither the
        namespace, whose handle is `netns`, nor the networks need to be."""
        ...

    def plugged(self, container: str) -> Plugged:
        """What stands for the container, as it was noted; nothing is asked of anybody."""
        ...


class Plumber(Generic[N]):
    """Implements `Plumbing` by way of a tool."""

    def __init__(
        self, tool: Tool[N], notes: Notes[N], namespaces: Namespaces, leases: Leases
    ) -> None:
        self._tool, self._notes = tool, notes
        self._namespaces, self._leases = namespaces, leases

    def obstacle(self, config: Config) -> str:
        return self._tool.obstacle(config)

    def plug(self, config: Config, netns: str) -> Plugged:
        wishes = [
            self._tool.wish(number, one, config, netns)
            for number, one in enumerate(config.networks)
        ]
        with self._notes.hold(config.id) as desk:
            for name in desk.names():
                self._cleared_unless(name, wishes, desk, config, netns)
            made = [self._plugged(wish, desk, config.id) for wish in wishes]
        return self._told(made)

    def plugged(self, container: str) -> Plugged:
        return self._told([note for note in self._notes.seen(container) if note.done])

    def unplug(self, config: Config, netns: str) -> None:
        """The newest first; all are tried, then the first fault is raised."""
        if not self._notes.known(config.id):
            return
        faults: list[PortError] = []
        with self._notes.hold(config.id) as desk:
            for name in reversed(desk.names()):
                try:
                    self._removed(name, desk, config, netns, leaving=True)
                except PortError as problem:
                    faults.append(problem)
        if faults:
            raise faults[0]

    def _told(self, notes: Iterable[N]) -> Plugged:
        told = [self._tool.told(note) for note in notes]
        return tuple(link for link, _ in told), _together(dns for _, dns in told if dns)

    def _cleared_unless(
        self, name: str, wishes: list[N], desk: Desk[N], config: Config, netns: str
    ) -> None:
        """Take away what is not, or not wholly, what is wished for now."""
        note = self._noted(name, desk, config, netns)
        wanted = note is not None and note.done and _unmade(note) in wishes
        if note and wanted and self._tool.stands(note, _subject(note, desk, config.id)):
            return
        self._removed(name, desk, config, netns, leaving=False)

    def _noted(self, name: str, desk: Desk[N], config: Config, netns: str) -> N | None:
        """Of a damaged note, as much as follows from what was wished for, and the address that is kept
        for it: it may have been made. Raises `PortError` where this interface never was."""
        try:
            return desk.read(name)
        except PortError:
            for number, one in enumerate(config.networks):
                if INTERFACE.format(number) == name:
                    wish = self._tool.wish(number, one, config, netns)
                    held = self._leases.held(wish.network, (config.id, name))
                    return replace(wish, addresses=(held,) if held else ())
            raise

    def _plugged(self, wish: N, desk: Desk[N], container: str) -> N:
        standing = desk.read(wish.interface)
        if standing is not None:
            return standing
        desk.write(wish.interface, wish)
        made = self._tool.add(wish, desk, _subject(wish, desk, container))
        note = replace(made, done=True)
        desk.write(note.interface, note)
        return note

    def _removed(
        self, name: str, desk: Desk[N], config: Config, netns: str, *, leaving: bool
    ) -> None:
        note = self._noted(name, desk, config, netns)
        if note is None:
            return
        subject = replace(_subject(note, desk, config.id), leaving=leaving)
        if not self._tool.needs_namespace or holds(note.netns, note.interface):
            self._tool.delete(note, subject)
        else:
            loan = self._namespaces.handle(config.id, "lent")
            with lent(loan, note.interface, note.addresses) as netns:
                self._tool.delete(note, replace(subject, netns=netns))
        desk.forget(name)


def _unmade(note: N) -> N:
    """The wish it was made from."""
    return replace(note, addresses=(), result=None, done=False)


def _subject(note: Note, desk: Desk[N], container: str) -> Subject:
    return Subject(container, note.netns, note.interface, desk.fd)


def _together(wishes: Iterable[Dns]) -> Dns | None:
    """What all networks ask for, without repetition; None when none asks for anything."""
    servers: dict[str, None] = {}
    search: dict[str, None] = {}
    options: dict[str, None] = {}
    for wish in wishes:
        servers |= dict.fromkeys(wish.servers)
        search |= dict.fromkeys(wish.search)
        options |= dict.fromkeys(wish.options)
    found = Dns(tuple(servers), tuple(search), tuple(options))
    return None if found == Dns() else found
