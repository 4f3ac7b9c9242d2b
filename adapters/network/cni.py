"""Plugging containers in by way of CNI plugins (CNI 1.0 sections 3 and 4).

ADD runs the plugins of a network in order, each seeing the result of those before it; DEL runs them
the other way round, all of them, whatever fails. Three rules make a crash at any point harmless:

- an interface is noted before it is asked for, and again after every plugin, for a plugin that is to
  undo its part must be told what it had made (without that, firewall rules stay for ever);
- what has no finished note is taken away and made afresh, never believed;
- plugins undo what they find in the namespace; where the interface is gone, they are lent a namespace
  that looks as ours did (without that, masquerading rules stay for ever).
"""

import re
from collections.abc import Callable, Iterable
from ipaddress import ip_interface
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from lockgate.adapters.network.bridges import ranges
from lockgate.adapters.network.conflist import Conflist, Settings
from lockgate.adapters.network.namespaces import Namespaces, holds, lent
from lockgate.adapters.network.notes import Desk, Notes
from lockgate.adapters.network.plugins import Plugins, Subject
from lockgate.effects.config import Attachment, Config
from lockgate.effects.outcome import Dns, Link, PortError

INTERFACE = "eth{}"

RULES_GONE = re.compile(
    r"Chain '[^']+' does not exist|No chain/target/match by that name|does a matching rule exist"
)
"""How iptables says that what a plugin wanted to delete is not there, which the plugin bridge takes
for a failure (its last step, all else is done)."""


class Note(Struct, frozen=True, omit_defaults=True):
    """One interface that may exist, and all that is needed to take it away.

    `capabilities` are offered to every plugin that declares them (CNI 1.0, "Runtime configuration");
    `result` is what has been made so far; `done` says that this is all of it.
    """

    interface: str
    netns: str
    conflist: Conflist
    capabilities: Settings
    aliases: tuple[str, ...] = ()
    result: Settings | None = None
    done: bool = False


class Cni:
    """Implements `Plumbing`. `find` says what a network's name means now."""

    def __init__(
        self,
        find: Callable[[str], Conflist],
        notes: Notes[Note],
        plugins: Plugins,
        namespaces: Namespaces,
    ) -> None:
        self._find, self._notes, self._plugins = find, notes, plugins
        self._namespaces = namespaces

    def plug(self, config: Config, netns: str) -> tuple[tuple[Link, ...], Dns | None]:
        """The interfaces of a run, each as noted; those that stand and pass CHECK are kept."""
        wishes = [
            self._wish(number, attachment, config, netns)
            for number, attachment in enumerate(config.networks)
        ]
        with self._notes.hold(config.id) as desk:
            for name in desk.names():
                self._cleared_unless(name, wishes, desk, config.id)
            made = [self._plugged(wish, desk, config.id) for wish in wishes]
        return tuple(map(_link, made)), _dns(note.result or {} for note in made)

    def unplug(self, container: str) -> None:
        """Every interface noted goes, the newest first; all are tried, the first fault is raised."""
        if not self._notes.known(container):
            return
        faults: list[PortError] = []
        with self._notes.hold(container) as desk:
            for name in reversed(desk.names()):
                try:
                    self._removed(name, desk, container)
                except PortError as problem:
                    faults.append(problem)
        if faults:
            raise faults[0]

    # ---- one interface -------------------------------------------------------------------

    def _wish(self, number: int, attachment: Attachment, config: Config, netns: str) -> Note:
        conflist = self._find(attachment.network)
        capabilities: dict[str, Any] = {}
        if attachment.ip:
            capabilities["ips"] = [_within(attachment.ip, conflist)]
        if attachment.mac:
            capabilities["mac"] = attachment.mac
        if attachment.aliases:
            capabilities["aliases"] = {conflist.name: list(attachment.aliases)}
        if number == 0 and config.ports:
            capabilities["portMappings"] = [
                {
                    "hostPort": port.host_port,
                    "containerPort": port.container_port,
                    "protocol": port.protocol,
                    "hostIP": port.host_ip,
                }
                for port in config.ports
            ]
        interface = INTERFACE.format(number)
        return Note(interface, netns, conflist, capabilities, attachment.aliases)

    def _cleared_unless(
        self, name: str, wishes: list[Note], desk: Desk[Note], container: str
    ) -> None:
        """Take away what is not, or not wholly, what is wished for now."""
        note = desk.read(name)
        wanted = any(note and note.done and _same(note, wish) for wish in wishes)
        if not (note and wanted and self._stands(note, desk.fd, container)):
            self._removed(name, desk, container)

    def _plugged(self, wish: Note, desk: Desk[Note], container: str) -> Note:
        standing = desk.read(wish.interface)
        if standing is not None:
            return standing
        note = wish
        desk.write(note.interface, note)
        for kind, plugin in zip(note.conflist.types, note.conflist.plugins):
            subject = Subject(container, note.netns, note.interface, desk.fd)
            result = self._plugins.call("ADD", kind, _settings(note, plugin), subject)
            note = replace(note, result=result)
            desk.write(note.interface, note)
        note = replace(note, done=True)
        desk.write(note.interface, note)
        return note

    def _stands(self, note: Note, fd: int, container: str) -> bool:
        """Total. A no is no harm: nothing uses it yet. (portmap 1.1 always says no to ports that
        are mapped for IPv4 alone.)"""
        if not note.conflist.checked:
            return False
        subject = Subject(container, note.netns, note.interface, fd)
        try:
            for kind, plugin in zip(note.conflist.types, note.conflist.plugins):
                self._plugins.call("CHECK", kind, _settings(note, plugin), subject)
        except PortError:
            return False
        return True

    def _removed(self, name: str, desk: Desk[Note], container: str) -> None:
        note = desk.read(name)
        if note is None:
            return
        if holds(note.netns, note.interface):
            self._deleted(note, note.netns, desk.fd, container)
        else:
            loan = self._namespaces.handle(container, "lent")
            with lent(loan, note.interface, _addresses(note)) as netns:
                self._deleted(note, netns, desk.fd, container)
        desk.forget(name)

    def _deleted(self, note: Note, netns: str, fd: int, container: str) -> None:
        faults: list[PortError] = []
        subject = Subject(container, netns, note.interface, fd)
        for kind, plugin in reversed(list(zip(note.conflist.types, note.conflist.plugins))):
            try:
                self._plugins.call("DEL", kind, _settings(note, plugin), subject)
            except PortError as problem:
                if not RULES_GONE.search(problem.fault.reason):
                    faults.append(problem)
        if faults:
            raise faults[0]


def _settings(note: Note, plugin: Settings) -> Settings:
    """What a plugin is told (CNI 1.0, "Deriving execution configuration")."""
    offered = plugin.get("capabilities", {})
    wanted = {name: value for name, value in note.capabilities.items() if offered.get(name)}
    settings = {name: value for name, value in plugin.items() if name != "capabilities"}
    settings |= {"cniVersion": note.conflist.cniVersion, "name": note.conflist.name}
    if wanted:
        settings["runtimeConfig"] = wanted
    if note.result is not None:
        settings["prevResult"] = note.result
    return settings


def _same(note: Note, wish: Note) -> bool:
    return replace(note, result=None, done=False) == wish


# ---- results -----------------------------------------------------------------------------


def _addresses(note: Note) -> tuple[str, ...]:
    found = (note.result or {}).get("ips", [])
    return tuple(str(ip["address"]) for ip in found)


def _link(note: Note) -> Link:
    result = note.result or {}
    ips = result.get("ips", [])
    interfaces = result.get("interfaces", [])
    macs = [one.get("mac", "") for one in interfaces if one.get("sandbox")]
    return Link(
        network=note.conflist.name,
        interface=note.interface,
        mac=macs[0] if macs else "",
        addresses=_addresses(note),
        gateways=tuple(ip["gateway"] for ip in ips if ip.get("gateway")),
        aliases=note.aliases,
    )


def _dns(results: Iterable[Settings]) -> Dns | None:
    """What all networks ask for, without repetition; None when none asks for anything."""
    wishes = [result.get("dns") or {} for result in results]

    def gathered(key: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(word for wish in wishes for word in wish.get(key) or ()))

    found = Dns(gathered("nameservers"), gathered("search"), gathered("options"))
    return None if found == Dns() else found


def _within(address: str, conflist: Conflist) -> str:
    """A wished-for address with the prefix length of the subnet it is in, as IPAM wants it."""
    wish = ip_interface(address)
    for subnet, _ in ranges(conflist):
        if wish.ip in subnet:
            return f"{wish.ip}/{subnet.prefixlen}"
    return str(wish)
