"""Networks in memory: who is plugged in where, with which address, and who holds which port."""

from collections.abc import Mapping
from ipaddress import ip_network

from msgspec.structs import replace

from lockgate.adapters.network import bridges
from lockgate.adapters.network.claims import Claim, claims
from lockgate.adapters.sockets import taken
from lockgate.effects.config import NETWORK_MODES, USERMODES, Attachment, Config
from lockgate.effects.outcome import Dns, Joined, Link, PortError
from lockgate.effects.ports import NetworkInfo


class SimulatedNetworks:
    """Implements `Networks`, and what the simulated `Network` keeps its books with."""

    def __init__(self) -> None:
        self._networks: dict[str, NetworkInfo] = {}
        self._plugged: dict[str, tuple[Link, ...]] = {}  # container -> its interfaces
        self._claims: dict[Claim, str] = {}  # claim -> the name of who holds it
        self.strangers: set[int] = set()
        self._namespaces: dict[str, str] = {}  # container -> where its newest one is

    # ---- Networks ------------------------------------------------------------------------

    def create(
        self,
        name: str,
        *,
        subnet: str = "",
        gateway: str = "",
        internal: bool = False,
        dns: tuple[str, ...] = (),
    ) -> NetworkInfo:
        if name in (*NETWORK_MODES, *USERMODES) or name in self._networks:
            raise PortError("refused", f"there is a network {name!r} already", dirty=False)
        others = [ip_network(one) for info in self._networks.values() for one in info.subnets]
        wish = ip_network(subnet) if subnet else bridges.free_subnet(others)
        if any(wish.version == other.version and wish.overlaps(other) for other in others):
            raise PortError("refused", f"the subnet {wish} overlaps with another", dirty=False)
        way = "" if internal else gateway or bridges.first_address(wish)
        made = NetworkInfo(
            name=name,
            subnets=(str(wish),),
            gateways=(way,),
            bridge=name,
            internal=internal,
            dns=dns,
            plugins=("simulated",),
        )
        self._networks[name] = made
        return made

    def lookup(self, name: str) -> NetworkInfo:
        if name in USERMODES:
            return NetworkInfo(
                name=name, subnets=("10.0.2.0/24",), gateways=("10.0.2.2",), ours=False
            )
        if name not in self._networks:
            known = ", ".join(sorted(self._networks)) or "none"
            raise PortError("missing", f"no network {name!r}; there are: {known}", dirty=False)
        return self._networks[name]

    def list(self) -> tuple[NetworkInfo, ...]:
        return tuple(self._networks[name] for name in sorted(self._networks))

    def remove(self, name: str) -> None:
        del self._networks[self.lookup(name).name]

    # ---- for the host --------------------------------------------------------------------

    def claim(self, config: Config) -> None:
        """As `Claims.take`, of a host on which other programs have bound the ports `strangers`."""
        for wish, port in zip(claims(config), config.ports):
            if port.host_port in self.strangers and wish not in self._claims:
                raise taken(port, "another program")
            for other, name in self._claims.items():
                if other.container != config.id and wish.meets(other):
                    raise taken(port, f"container {name} ({other.container[:12]})")
        self._claims |= dict.fromkeys(claims(config), config.name)

    def entered(self, container: str, epoch: int) -> str:
        """Where the namespace of this run is: no two runs have the same."""
        later = f"-{epoch}" if epoch > 1 else ""
        self._namespaces[container] = f"/simulated/netns/{container}{later}"
        return self._namespaces[container]

    def newest(self, container: str) -> str:
        return self._namespaces[container]

    def run(self, container: str) -> int:
        """Of which run that is; 0 where that cannot be told."""
        place = self._namespaces.get(container, "")
        first, _, later = place.removeprefix("/simulated/netns/").partition("-")
        return (int(later) if later else 1) if first == container else 0

    def namespaces(self) -> dict[str, str]:
        return dict(self._namespaces)

    def restore(self, namespaces: Mapping[str, str]) -> None:
        self._namespaces = dict(namespaces)

    def plug(self, config: Config, joined: Joined) -> Joined:
        """The same addresses again for who is plugged in already."""
        if config.id not in self._plugged:
            self._plugged[config.id] = tuple(
                self._link(number, one) for number, one in enumerate(config.networks)
            )
        return self.shared(config.id, joined)

    def shared(self, owner: str, joined: Joined) -> Joined:
        """With what the owner of the namespace is plugged into."""
        links = self._plugged.get(owner, ())
        servers = [server for link in links for server in self.lookup(link.network).dns]
        dns = Dns(tuple(dict.fromkeys(servers))) if servers else None
        return replace(joined, links=links, dns=dns)

    def unplug(self, container: str) -> None:
        self._plugged.pop(container, None)
        self._claims = {
            claim: name for claim, name in self._claims.items() if claim.container != container
        }

    def _link(self, number: int, wish: Attachment) -> Link:
        info = self.lookup(wish.network)
        subnet = ip_network(info.subnets[0])
        used = {
            address
            for links in self._plugged.values()
            for link in links
            for address in link.addresses
        }
        used |= {f"{gateway}/{subnet.prefixlen}" for gateway in info.gateways}
        free = (
            address
            for host in ([wish.ip] if wish.ip else subnet.hosts())
            if (address := f"{host}/{subnet.prefixlen}") not in used
        )
        found = next(free, "")
        if not found:
            raise PortError("refused", f"{wish.ip or subnet} is used up in network {info.name}")
        return Link(
            network=info.name,
            interface=f"eth{number}",
            mac=wish.mac,
            addresses=(found,),
            gateways=tuple(filter(None, info.gateways)),
            aliases=wish.aliases,
        )
