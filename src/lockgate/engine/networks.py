"""Networks of the host, and who is plugged into them."""

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

from lockgate import validation
from lockgate.effects.config import (
    NETWORK_MODES,
    SHARED,
    UNPLUGGED,
    USERMODES,
    Attachment,
    Config,
    shares,
)
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import NetworkInfo
from lockgate.engine.core import Core, faults_raised
from lockgate.errors import InvalidArgument, NetworkInUse, NoSuchNetwork
from lockgate.statemachine.record import Record

NETWORKS = "networks"
"""The lock of whoever makes or removes a network, or a container that uses one."""


class Networks(Core):
    """Making, listing and removing networks; what a container may wish of them."""

    def create_network(
        self,
        name: str,
        *,
        subnet: str = "",
        gateway: str = "",
        internal: bool = False,
        dns: Sequence[str] = (),
    ) -> NetworkInfo:
        """A bridge network of the host; without a `subnet` (CIDR) a free one is chosen.

        Containers on an `internal` one reach each other and nothing else; others have the
        `gateway` (left out: the subnet's first address) and what lies behind it. Raises
        `InvalidArgument`, `OperationFailed` for a name or subnet in use.
        """
        wish = validation.subnet(subnet) if subnet else ""
        way = validation.address(gateway) if gateway else ""
        servers = tuple(map(validation.address, validation.words(dns, "list of DNS servers")))
        with self.host.locks.hold(NETWORKS), faults_raised("create", name, "network"):
            return self.host.networks.create(
                validation.name(name), subnet=wish, gateway=way, internal=internal, dns=servers
            )

    def networks(self) -> tuple[NetworkInfo, ...]:
        return self.host.networks.list()

    def network(self, name: str) -> NetworkInfo:
        """Raises `NoSuchNetwork`."""
        try:
            return self.host.networks.lookup(name)
        except PortError as problem:
            raise NoSuchNetwork(problem.fault.reason) from None

    def users(self, network: str) -> tuple[Record, ...]:
        """The containers made to be plugged into this network, running or not."""
        return tuple(
            record
            for record in self._records()
            if any(one.network == network for one in record.config.networks)
        )

    def remove_network(self, name: str) -> None:
        """Raises `NoSuchNetwork`, `NetworkInUse`; then nothing has changed."""
        with self.host.locks.hold(NETWORKS):
            self.network(name)
            if users := self.users(name):
                raise NetworkInUse(name, tuple(one.config.name for one in users))
            with faults_raised("remove", name, "network"):
                self.host.networks.remove(name)

    def _mode(self, wish: str) -> str:
        """The mode that is wished for; empty for a network."""
        if not wish.startswith(SHARED):
            return wish if wish in NETWORK_MODES else ""
        config = self.inspect(wish.removeprefix(SHARED)).config
        if config.network in UNPLUGGED:
            raise InvalidArgument(
                f"container {config.name} has no network of its own to share: it is in the mode "
                f"{config.network!r}"
            )
        return config.network if shares(config) else f"{SHARED}{config.id}"

    def _connectable(self, config: Config) -> None:
        """Do its networks exist, and can they do what is asked of them?"""
        if config.ports and not config.networks:
            raise InvalidArgument(
                f"ports are published by a network, and {config.network!r} is none: give one"
            )
        if usermode := next((one for one in config.networks if one.network in USERMODES), None):
            if config.networks != (Attachment(usermode.network, aliases=usermode.aliases),):
                raise InvalidArgument(
                    f"the network {usermode.network!r} goes with no other, and gives addresses of its own"
                )
            return
        found = [self.network(one.network) for one in config.networks]
        for one, info in zip(config.networks, found):
            inside = any(
                ip_address(one.ip) in ip_network(subnet) for subnet in info.subnets if one.ip
            )
            if one.ip and info.subnets and not inside:
                subnets = ", ".join(info.subnets)
                raise InvalidArgument(f"{one.ip} is not in network {info.name} ({subnets})")
        if config.ports and found[0].internal:
            raise InvalidArgument(
                f"the network {found[0].name} is internal: nothing of it can be published"
            )
