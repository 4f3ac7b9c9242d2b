"""The tool CNI: plugins in a chain (CNI 1.0 sections 3 and 4).

ADD runs the plugins of a network in order, each seeing the result of those before it; DEL runs them
the other way round, all of them, whatever fails.
"""

from collections.abc import Callable
from ipaddress import ip_interface
from typing import Any

from msgspec.structs import replace

from lockgate.adapters.network.bridges import info, ranges
from lockgate.adapters.network.conflist import Conflist, Settings, as_object
from lockgate.adapters.network.notes import Desk
from lockgate.adapters.network.plugins import Plugins
from lockgate.adapters.network.plumbing import INTERFACE, RULES_GONE, Note, Subject
from lockgate.adapters.network.results import believed
from lockgate.effects.config import Attachment, Config, PortMapping
from lockgate.effects.outcome import Dns, Link, PortError


class CniNote(Note, frozen=True, kw_only=True, omit_defaults=True):
    """`conflist` is the network as it was when the interface was made; `capabilities` are offered to
    every plugin that declares them (CNI 1.0, "Runtime configuration")."""

    conflist: Conflist
    capabilities: Settings


class Cni:
    """Implements `Tool`. `find` says what a network's name means now."""

    needs_namespace = True

    def __init__(self, find: Callable[[str], Conflist], plugins: Plugins) -> None:
        self._find, self._plugins = find, plugins

    def obstacle(self, config: Config) -> str:
        return "" if self._plugins.any() else "there are no CNI plugins"

    def wish(self, number: int, one: Attachment, config: Config, netns: str) -> CniNote:
        conflist = self._find(one.network)
        capabilities: dict[str, Any] = {}
        if one.ip:
            capabilities["ips"] = [_within(one.ip, conflist)]
        if one.mac:
            capabilities["mac"] = one.mac
        if one.aliases:
            capabilities["aliases"] = {conflist.name: list(one.aliases)}
        if number == 0 and config.ports:
            capabilities["portMappings"] = list(map(_mapping, config.ports))
        return CniNote(
            network=conflist.name,
            interface=INTERFACE.format(number),
            netns=netns,
            aliases=one.aliases,
            conflist=conflist,
            capabilities=capabilities,
        )

    def add(self, note: CniNote, desk: Desk[CniNote], subject: Subject) -> CniNote:
        for kind, plugin in zip(note.conflist.types, note.conflist.plugins):
            result = self._plugins.call("ADD", kind, _settings(note, plugin), subject) or {}
            note = replace(note, result=result, addresses=believed(result).addresses)
            desk.write(note.interface, note)
        return note

    def stands(self, note: CniNote, subject: Subject) -> bool:
        """As CHECK says. (portmap 1.1 always says no to ports that are mapped for IPv4 alone.)"""
        if not note.conflist.checked:
            return False
        try:
            for kind, plugin in zip(note.conflist.types, note.conflist.plugins):
                self._plugins.call("CHECK", kind, _settings(note, plugin), subject)
        except PortError:
            return False
        return True

    def delete(self, note: CniNote, subject: Subject) -> None:
        if note.result is None and note.addresses:  # a firewall's rules are found by nothing else
            ips = [{"address": _within(one, note.conflist)} for one in note.addresses]
            note = replace(note, result={"cniVersion": note.conflist.cniVersion, "ips": ips})
        faults: list[PortError] = []
        for kind, plugin in reversed(list(zip(note.conflist.types, note.conflist.plugins))):
            try:
                self._plugins.call("DEL", kind, _settings(note, plugin), subject)
            except PortError as problem:
                if not RULES_GONE.search(problem.fault.reason):
                    faults.append(problem)
        if faults:
            raise faults[0]

    def told(self, note: CniNote) -> tuple[Link, Dns | None]:
        result = believed(note.result or {})
        alone = info(note.conflist, ours=True).internal  # host-local names a gateway all the same
        link = Link(
            network=note.network,
            interface=note.interface,
            mac=result.mac,
            addresses=note.addresses,
            gateways=() if alone else result.gateways,
            aliases=note.aliases,
        )
        return link, result.names


def _mapping(port: PortMapping) -> Settings:
    return {
        "hostPort": port.host_port,
        "containerPort": port.container_port,
        "protocol": port.protocol,
        "hostIP": port.host_ip,
    }


def _settings(note: CniNote, plugin: Settings) -> Settings:
    """What a plugin is told (CNI 1.0, "Deriving execution configuration")."""
    offered = as_object(plugin.get("capabilities"))
    wanted = {name: value for name, value in note.capabilities.items() if offered.get(name)}
    settings = {name: value for name, value in plugin.items() if name != "capabilities"}
    settings |= {"cniVersion": note.conflist.cniVersion, "name": note.conflist.name}
    if wanted:
        settings["runtimeConfig"] = wanted
    if note.result is not None:
        settings["prevResult"] = note.result
    return settings


def _within(address: str, conflist: Conflist) -> str:
    """A wished-for address with the prefix length of the subnet it is in, as IPAM wants it."""
    wish = ip_interface(address)
    for subnet, _ in ranges(conflist):
        if wish.ip in subnet:
            return f"{wish.ip}/{subnet.prefixlen}"
    return str(wish)
