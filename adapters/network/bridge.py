"""The tool bridge: bridge interfaces by the kernel's own means, iproute2 and nftables, and no program else.

A container costs two calls of `ip` and one of `nft`, and another when ports are given back. It serves
the networks made here, for IPv4; others have plugins of their own. Three rules:

- what stands for a whole network (bridge, table) is looked for at every joining and made where it
  is not; it goes with the network;
- the end of a cable that lies in a namespace goes with that: whoever leaves takes the other end
  down, so that nothing passes any more, and the kernel does away with both a moment later. To wait for it
  would be to wait for a grace period of the kernel's, 16 ms and more;
- an address always has the same hardware address, so that nobody who knew its last owner is misled.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from functools import cached_property
from ipaddress import IPv4Network, ip_interface, ip_network
from pathlib import Path

from msgspec.structs import replace

from lockgate.adapters.network import bridges, firewall, links
from lockgate.adapters.network.conflist import Conflist
from lockgate.adapters.network.firewall import Firewall
from lockgate.adapters.network.iproute import ip, ip_within
from lockgate.adapters.network.leases import PATIENCE, Leases
from lockgate.adapters.network.namespaces import TOOLS, holds
from lockgate.adapters.network.notes import Desk
from lockgate.adapters.network.plumbing import INTERFACE, Note, Subject
from lockgate.effects.config import Attachment, Config, PortMapping
from lockgate.effects.outcome import Dns, Link, PortError
from lockgate.effects.ports import Locks, NetworkInfo

PROGRAMS = {"ip": "iproute2", "nft": "nftables"}
"""What it calls, and what to install for it."""

SCOPE = "bridges"
SYSCTL = Path("/proc/sys/net/ipv4")
"""Of the namespace of the caller (sysctl(8), "net")."""


class BridgeNote(Note, frozen=True, kw_only=True, omit_defaults=True):
    """`info` is the network as it was when the interface was made."""

    info: NetworkInfo
    ip: str = ""
    mac: str = ""
    ports: tuple[PortMapping, ...] = ()

    @property
    def address(self) -> str:
        """Without the prefix length; empty before there is one."""
        return next((one.partition("/")[0] for one in self.addresses), "")

    @property
    def hardware_address(self) -> str:
        return self.mac or hardware_address(self.address)

    @property
    def cable(self) -> str:
        """The host's end of the veth pair: another for every run and interface."""
        digest = hashlib.sha256(f"{self.netns}\0{self.interface}".encode()).hexdigest()
        return f"veth{digest[:11]}"


class Bridge:
    """Implements `Tool`. `find` says what a network's name means now. `wary`: it steps back where another
    table of the firewall would stop what its containers send."""

    needs_namespace = False

    def __init__(
        self,
        root: Path,
        find: Callable[[str], Conflist],
        leases: Leases,
        locks: Locks,
        *,
        wary: bool,
    ) -> None:
        self._root, self._find, self._leases, self._locks = root, find, leases, locks
        self._wary, self._firewall = wary, Firewall(root)

    def obstacle(self, config: Config) -> str:
        if why := missing():
            return why
        if self._barred:
            return f"the firewall's chain `{self._barred}` would drop what its containers send"
        networks = [self._find(one.network) for one in config.networks]
        for one in networks:
            if not bridges.made_here(one, self._root, self._leases.directory):
                return f"the network {one.name} is none of those made here for IPv4"
        for port in config.ports:
            if ":" in port.host_ip:
                return f"port {port.host_port} is published on an address of IPv6"
        return ""

    def wish(self, number: int, one: Attachment, config: Config, netns: str) -> BridgeNote:
        info = bridges.info(self._find(one.network), ours=True)
        wish = str(ip_interface(one.ip).ip) if one.ip else ""
        if wish and not _usable(wish, info):
            reason = f"{wish} is no address for containers of network {info.name}"
            raise PortError("refused", f"{reason} ({info.subnets[0]})", dirty=False)
        return BridgeNote(
            network=info.name,
            interface=INTERFACE.format(number),
            netns=netns,
            aliases=one.aliases,
            info=info,
            ip=wish,
            mac=one.mac,
            ports=config.ports if number == 0 and not info.internal else (),
        )

    def add(self, note: BridgeNote, desk: Desk[BridgeNote], subject: Subject) -> BridgeNote:
        holder, subnet = (subject.container, note.interface), note.info.subnets[0]
        address = self._leases.take(note.network, subnet, note.info.gateways, holder, note.ip)
        note, keeping = replace(note, addresses=(address,)), (subject.fd,)
        if not _stands(note.info):
            with self._locks.hold(SCOPE, PATIENCE):
                _made(note.info, keeping)
        _connected(note, keeping)
        _configured(note, keeping)
        if not note.info.internal:
            self._firewall.admit(note.info, note.address, note.ports, keeping)
        return note

    def stands(self, note: BridgeNote, subject: Subject) -> bool:
        return (
            _stands(note.info)
            and links.is_up(note.cable)
            and holds(note.netns, note.interface)
            and (note.info.internal or self._firewall.admitted(note.info, note.ports))
        )

    def delete(self, note: BridgeNote, subject: Subject) -> None:
        holder, keeping = (subject.container, note.interface), (subject.fd,)
        if subject.leaving:
            links.set_down(note.cable)
        else:
            _disconnected(note.cable, keeping)
        address = note.address or self._leases.held(note.network, holder)
        self._firewall.withdraw(address, note.ports, keeping)
        self._leases.release(note.network, holder)

    def told(self, note: BridgeNote) -> tuple[Link, Dns | None]:
        link = Link(
            network=note.network,
            interface=note.interface,
            mac=note.hardware_address,
            addresses=note.addresses,
            gateways=tuple(filter(None, note.info.gateways)),
            aliases=note.aliases,
        )
        return link, Dns(note.info.dns)

    @cached_property
    def _barred(self) -> str:
        """Looked at once: the firewall of a host is up before its containers are."""
        return firewall.barred() if self._wary else ""


def missing() -> str:
    """What is to be installed before anything can be done; empty where nothing is."""
    places = TOOLS["PATH"]
    absent = [package for name, package in PROGRAMS.items() if not shutil.which(name, path=places)]
    return f"it needs {' and '.join(absent)}" if absent else ""


def hardware_address(address: str) -> str:
    """Of an IPv4 address: administered locally, of one host, the same for ever."""
    return ":".join(f"{byte:02x}" for byte in (2, 0x42, *ip_interface(address).ip.packed))


def _usable(address: str, info: NetworkInfo) -> bool:
    subnet, wish = ip_network(info.subnets[0]), ip_interface(address).ip
    return wish in subnet and wish not in (subnet.network_address, subnet.broadcast_address)


def _stands(info: NetworkInfo) -> bool:
    """The bridge of a network, up and with its address; both come last when it is made."""
    return links.is_up(info.bridge) and links.address(info.bridge) == info.gateways[0]


def _made(info: NetworkInfo, keeping: Sequence[int]) -> None:
    """The bridge, with a hardware address of its own: else it would have that of one of its ports, and
    another one when that goes."""
    subnet, gateway = IPv4Network(info.subnets[0]), info.gateways[0]
    own = hardware_address(gateway or str(subnet.network_address))
    if not links.exists(info.bridge):
        ip(f"link add {info.bridge} address {own} type bridge", keeping=keeping)
    if gateway:
        _set("ip_forward")
        _set(f"conf/{info.bridge}/route_localnet")
    else:
        ip(f"link set {info.bridge} up", keeping=keeping)
        return
    ip(
        f"link set {info.bridge} up",
        f"address replace {gateway}/{subnet.prefixlen} broadcast + dev {info.bridge}",
        keeping=keeping,
    )


def _connected(note: BridgeNote, keeping: Sequence[int]) -> None:
    """A cable from the bridge right into the namespace, both ends up. What a crash has left of it is
    taken away before."""
    _disconnected(note.cable, keeping)
    netns = os.open(note.netns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        ip(
            f"link add {note.cable} master {note.info.bridge} up type veth peer"
            f" name {note.interface} netns /proc/self/fd/{netns} address {note.hardware_address}",
            f"link set {note.cable} type bridge_slave hairpin on",
            keeping=(*keeping, netns),
        )
    finally:
        os.close(netns)


def _configured(note: BridgeNote, keeping: Sequence[int]) -> None:
    """Address and routes inside. Of several networks the first one leads to the rest of the world."""
    number = int(note.interface.removeprefix(INTERFACE.format("")))
    lines = [
        f"address add {note.addresses[0]} broadcast + dev {note.interface}",
        f"link set {note.interface} up",
        *(
            f"route add default via {gateway} dev {note.interface} metric {number}"
            for gateway in filter(None, note.info.gateways)
        ),
    ]
    ip_within(note.netns, *lines, keeping=keeping)


def _disconnected(cable: str, keeping: Sequence[int]) -> None:
    if not links.exists(cable):
        return
    try:
        ip(f"link delete {cable}", keeping=keeping)
    except PortError:
        if links.exists(cable):  # else its namespace has gone meanwhile, and it with that
            raise


def _set(name: str) -> None:
    """To 1, where it is not. Raises `PortError("denied")`."""
    try:
        if (SYSCTL / name).read_text().strip() != "1":
            (SYSCTL / name).write_text("1")
    except OSError as problem:
        raise PortError("denied", f"cannot set {SYSCTL / name}: {problem.strerror}") from None
