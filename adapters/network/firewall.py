"""The firewall's part of bridge networks: one nftables table for all networks of a root folder.

Rules are made once, with the table; networks and published ports are elements of its sets and maps,
so that a container costs at most one call of `nft`. Two rules keep it simple: each call is one
transaction, whole or not at all; and each says what shall be, so that saying it twice is saying it once.
"""

import hashlib
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from lockgate.adapters.commands import finished, printable
from lockgate.adapters.network.namespaces import PATIENCE, TOOLS
from lockgate.adapters.nonsense import NONSENSE
from lockgate.effects.config import PortMapping
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import NetworkInfo

PROGRAM, TRACKER = "nft", "conntrack"
ABSENT, CONFLICT = "No such file or directory", "File exists"
"""How nft says that what was named is not there, and that a key leads elsewhere already."""

TABLE = """\
add table inet {table}
flush table inet {table}
table inet {table} {{
  set bridges {{ type ifname; }}
  set subnets {{ type ipv4_addr; flags interval; }}
  map everywhere {{ type inet_proto . inet_service : ipv4_addr . inet_service; }}
  map somewhere {{ type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service; }}
  chain loopback {{
    type filter hook prerouting priority raw;
    iifname @bridges ip daddr 127.0.0.0/8 drop
  }}
  chain published {{
    dnat ip to meta l4proto . ip daddr . th dport map @somewhere
    dnat ip to meta l4proto . th dport map @everywhere
  }}
  chain prerouting {{
    type nat hook prerouting priority dstnat;
    fib daddr type local jump published
  }}
  chain output {{
    type nat hook output priority -100;
    fib daddr type local jump published
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    ip saddr @subnets ip daddr != 224.0.0.0/4 oifname != @bridges masquerade
    ip saddr @subnets oifname @bridges ct status dnat masquerade
    ip saddr 127.0.0.0/8 oifname @bridges ct status dnat masquerade
  }}
}}
"""
"""Hairpins are masqueraded (who calls a published port of its own network would else be answered by
another than whom it called), and so is the host's loopback, for which bridges have `route_localnet`: what
comes from a container is therefore kept from it."""


class _Chain(Struct, frozen=True):
    family: str = ""
    table: str = ""
    name: str = ""
    hook: str = ""
    policy: str = ""


class _Object(Struct, frozen=True):
    chain: _Chain | None = None


class _Ruleset(Struct, frozen=True):
    nftables: tuple[_Object, ...] = ()


class Firewall:
    """The table of the networks of `root`. Methods raise `PortError`."""

    def __init__(self, root: Path) -> None:
        self.table = "lockgate-" + hashlib.sha256(str(root).encode()).hexdigest()[:10]

    def admit(
        self,
        network: NetworkInfo,
        address: str,
        ports: Sequence[PortMapping],
        keeping: Sequence[int] = (),
    ) -> None:
        """Let the network out, and lead these ports of the host to the address."""
        wish = self._network("add", network) + self._ports("add", address, ports)
        try:
            nft(wish, keeping)
        except Absent:  # the first time, and after whoever flushed it
            nft(TABLE.format(table=self.table) + wish, keeping)
        for port in ports:
            if port.protocol == "udp":
                forget_flows(port, keeping)

    def admitted(self, network: NetworkInfo, ports: Sequence[PortMapping]) -> bool:
        """Is the network let out, and does something lead from each of the ports? Total."""
        try:
            nft(self._network("get", network) + self._ports("get", "", ports))
        except PortError:
            return False
        return True

    def withdraw(
        self, address: str, ports: Sequence[PortMapping], keeping: Sequence[int] = ()
    ) -> None:
        """These ports lead to the address no more; those that never did are left as they are."""
        if not (address and ports):
            return
        try:
            self._withdrawn(address, ports, keeping)
        except Elsewhere:
            for port in ports:
                with suppress(Elsewhere):
                    self._withdrawn(address, (port,), keeping)

    def forget(self, network: NetworkInfo, *, last: bool) -> None:
        """The network is no more; with the last one the table goes. Nothing there is fine."""
        if shutil.which(PROGRAM, path=TOOLS["PATH"]) is None:
            return
        with suppress(Absent):
            if last:
                nft(f"delete table inet {self.table}\n")
            elif not network.internal:
                nft(self._network("add", network) + self._network("delete", network))

    def _withdrawn(
        self, address: str, ports: Sequence[PortMapping], keeping: Sequence[int]
    ) -> None:
        """What is added first can be deleted without looking."""
        with suppress(Absent):
            nft(self._ports("add", address, ports) + self._ports("delete", "", ports), keeping)

    def _network(self, verb: str, network: NetworkInfo) -> str:
        return self._element(verb, "bridges", network.bridge) + "".join(
            self._element(verb, "subnets", subnet) for subnet in network.subnets
        )

    def _ports(self, verb: str, address: str, ports: Sequence[PortMapping]) -> str:
        return "".join(self._port(verb, address, port) for port in ports)

    def _port(self, verb: str, address: str, port: PortMapping) -> str:
        place, at = ("everywhere", "") if everywhere(port) else ("somewhere", f"{port.host_ip} . ")
        key = f"{port.protocol} . {at}{port.host_port}"
        value = f" : {address} . {port.container_port}" if address else ""
        return self._element(verb, place, key + value)

    def _element(self, verb: str, place: str, element: str) -> str:
        return f"{verb} element inet {self.table} {place} {{ {element} }}\n"


class Absent(PortError):
    """What was named is not there."""


class Elsewhere(PortError):
    """A key that is to lead to one place leads to another."""


def everywhere(port: PortMapping) -> bool:
    """Is it published on all addresses?"""
    return port.host_ip in ("", "0.0.0.0")


def barred() -> str:
    """The chain of somebody else's (family, table, name) that lets nothing through that it does not
    know: no rule of ours can overrule it (nft(8), "Verdict statement"). Empty where there is none."""
    try:
        found = msgspec.json.decode(_called(("-j", "list", "chains")), type=_Ruleset)
    except (PortError, *NONSENSE):
        return ""
    for chain in (one.chain for one in found.nftables if one.chain):
        if (chain.hook, chain.policy) == ("forward", "drop"):
            return f"{chain.family} {chain.table} {chain.name}"
    return ""


def forget_flows(port: PortMapping, keeping: Sequence[int] = ()) -> None:
    """Datagrams of a flow go where its first one went: to nobody, or to whom the port led before. Those
    of this port shall find their way anew; where there is no conntrack, they do so after a pause."""
    line = [TRACKER, "-D", "-p", port.protocol, "--orig-port-dst", str(port.host_port)]
    with suppress(FileNotFoundError, TimeoutError):
        finished(line, environment=TOOLS, patience=PATIENCE, keeping=keeping)


def nft(script: str, keeping: Sequence[int] = ()) -> None:
    """One transaction in the namespace of the caller.

    Raises `PortError`: "missing" without the program, "timeout", `Absent`, `Elsewhere`, or "failed" with
    what it said.
    """
    _called(("-f", "-"), script, keeping)


def _called(words: Sequence[str], script: str = "", keeping: Sequence[int] = ()) -> bytes:
    try:
        done = finished(
            [PROGRAM, *words],
            environment=TOOLS,
            patience=PATIENCE,
            stdin=script.encode(),
            keeping=keeping,
        )
    except FileNotFoundError:
        raise PortError("missing", "there is no nft; install nftables") from None
    except TimeoutError as problem:
        raise PortError("timeout", f"nft: {problem}") from None
    if done.code == 0:
        return done.output
    said = printable(done.complaints.decode("utf-8", "replace"))
    reason = f"nft failed: {said or 'it said nothing'}"
    if ABSENT in said:
        raise Absent("failed", reason)
    if CONFLICT in said:
        raise Elsewhere("refused", reason)
    raise PortError("failed", reason)
