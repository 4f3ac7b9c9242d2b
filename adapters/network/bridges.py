"""Bridge networks as CNI configurations: what `network create` writes, and what can be read from it.

One rule: names and subnets follow from what is there. A bridge's name is made from folder and
network, so that two folders never share one; a subnet is the first that no route of the host and no
other network covers.
"""

import hashlib
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, TypeAlias

from lockgate.adapters.network.conflist import Conflist, as_list, as_object, as_texts
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import NetworkInfo

Subnet: TypeAlias = IPv4Network | IPv6Network

VERSION = "1.0.0"
PLUGINS = ("bridge", "host-local", "portmap", "firewall")
"""What the networks made here are of."""
POOL = IPv4Network("10.89.0.0/16")
"""Where subnets are taken from; each has 254 addresses."""
SIZE = 24


def conflist(info: NetworkInfo, leases: Path) -> Conflist:
    """The network as plugins want it. `leases` is where host-local keeps its addresses.

    An internal one has no gateway: its containers reach each other and nothing else, not even the
    host, and its ports cannot be published.
    """
    outside = not info.internal
    routes = [{"dst": _everywhere(subnet)} for subnet in info.subnets] if outside else []
    bridge: dict[str, Any] = {
        "type": "bridge",
        "bridge": info.bridge,
        "isGateway": outside,
        "ipMasq": outside,
        "hairpinMode": True,
        "capabilities": {"ips": True, "mac": True},
        "dns": {"nameservers": list(info.dns)},
        "ipam": {
            "type": "host-local",
            "dataDir": str(leases),
            "ranges": [
                [{"subnet": subnet} | ({"gateway": gateway} if gateway else {})]
                for subnet, gateway in zip(info.subnets, info.gateways)
            ],
            "routes": routes,
        },
    }
    publishing: dict[str, Any] = {
        "type": "portmap",
        "snat": True,
        "capabilities": {"portMappings": True},
    }
    plugins = (bridge, publishing, {"type": "firewall"}) if outside else (bridge,)
    return Conflist(VERSION, info.name, plugins)


def made_here(network: Conflist, root: Path, leases: Path) -> bool:
    """Is it, to the letter, what `conflist` writes for this folder, with one subnet of IPv4?"""
    told = info(network, ours=True)
    return (
        told.bridge == bridge_name(root, network.name)
        and len(told.subnets) == 1
        and ip_network(told.subnets[0]).version == 4
        and network == conflist(told, leases)
    )


def info(network: Conflist, *, ours: bool) -> NetworkInfo:
    """What a configuration says, as far as it says it in the words of bridge and host-local."""
    first = network.plugins[0]
    found = list(ranges(network))
    return NetworkInfo(
        name=network.name,
        subnets=tuple(str(subnet) for subnet, _ in found),
        gateways=tuple(gateway for _, gateway in found),
        bridge=str(first.get("bridge", "")),
        internal=first.get("type") == "bridge" and not first.get("isGateway", False),
        dns=as_texts(as_object(first.get("dns")).get("nameservers")),
        plugins=network.types,
        ours=ours,
    )


def ranges(network: Conflist) -> Iterator[tuple[Subnet, str]]:
    """Subnets and their gateways (empty: none is named) that IPAM takes addresses from."""
    ipam = as_object(network.plugins[0].get("ipam"))
    sets = [*as_list(ipam.get("ranges")), *([[ipam]] if "subnet" in ipam else [])]
    for given in (as_object(given) for one in sets for given in as_list(one)):
        try:
            yield ip_network(str(given["subnet"]), strict=False), str(given.get("gateway", ""))
        except (KeyError, ValueError):
            continue  # the plugin will say what is wrong with it


def bridge_name(root: Path, network: str) -> str:
    """At most 15 characters (IFNAMSIZ), different for every folder and network."""
    digest = hashlib.sha256(f"{root}\0{network}".encode()).hexdigest()
    return f"lg-{digest[:10]}"


def free_subnet(taken: Iterable[Subnet]) -> Subnet:
    """Raises `PortError("scarce")` when the pool is used up."""
    others = [one for one in taken if one.version == POOL.version]
    for subnet in POOL.subnets(new_prefix=SIZE):
        if not any(subnet.overlaps(other) for other in others):
            return subnet
    raise PortError(
        "scarce", f"every subnet of {POOL} is in use; give one, as in --subnet", dirty=False
    )


def routed(routes: str) -> Iterator[Subnet]:
    """What the host reaches by a route of its own: /proc/net/route, but for the default one."""
    for line in routes.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8 or fields[7] == "00000000":
            continue
        address, mask = (int.from_bytes(bytes.fromhex(fields[at]), "little") for at in (1, 7))
        yield ip_network((address, mask.bit_count()), strict=False)


def first_address(subnet: Subnet) -> str:
    return str(ip_address(int(subnet.network_address) + 1))


def _everywhere(subnet: str) -> str:
    return "::/0" if ip_network(subnet).version == 6 else "0.0.0.0/0"
