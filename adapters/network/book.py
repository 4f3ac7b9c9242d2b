"""The networks there are: one CNI configuration list a file, ours and those of given folders.

One rule: ours win. What lies in other folders is used as it is and never written.
"""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address, ip_network
from pathlib import Path

import msgspec

from lockgate.adapters.filesystem import ensure_directory, write_atomic
from lockgate.adapters.network import bridges, conflist, links
from lockgate.adapters.network.conflist import SUFFIX, Conflist
from lockgate.adapters.network.firewall import Firewall
from lockgate.adapters.userns import confined
from lockgate.effects.config import NETWORK_MODES, USERMODES
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import NetworkInfo

ROUTES = Path("/proc/net/route")
_MODE = 0o644


class NetworkBook:
    """Implements `Networks` below `root`; `elsewhere` are further folders with *.conflist files."""

    def __init__(self, root: Path, elsewhere: tuple[Path, ...] = ()) -> None:
        self._root, self._elsewhere = root, elsewhere
        self._ours = root / "networks"

    def create(
        self,
        name: str,
        *,
        subnet: str = "",
        gateway: str = "",
        internal: bool = False,
        dns: tuple[str, ...] = (),
    ) -> NetworkInfo:
        if name in (*NETWORK_MODES, *USERMODES) or conflist.NAME.fullmatch(name) is None:
            raise _refused(f"{name[:64]!r} cannot name a network")
        if any(one.name == name for one in self._all()):
            raise _refused(f"there is a network {name!r} already")
        wish = self._subnet(subnet)
        if gateway and ip_address(gateway) not in wish:
            raise _refused(f"the gateway {gateway} is not in the subnet {wish}")
        made = NetworkInfo(
            name=name,
            subnets=(str(wish),),
            gateways=("",) if internal else (gateway or bridges.first_address(wish),),
            bridge=bridges.bridge_name(self._root, name),
            internal=internal,
            dns=dns,
        )
        whole = bridges.conflist(made, self.leases)
        ensure_directory(self._ours, 0o755)
        data = msgspec.json.format(msgspec.json.encode(whole), indent=2)
        write_atomic(self._ours, name + SUFFIX, data, _MODE)
        return bridges.info(whole, ours=True)

    def lookup(self, name: str) -> NetworkInfo:
        return bridges.info(self.find(name), ours=(self._ours / (name + SUFFIX)).exists())

    def list(self) -> tuple[NetworkInfo, ...]:
        ours = {path.stem for path in self._ours.glob(f"*{SUFFIX}")}
        return tuple(
            bridges.info(one, ours=one.name in ours)
            for one in sorted(self._all(), key=lambda one: one.name)
        )

    def remove(self, name: str) -> None:
        """The configuration, the bridge, its part of the firewall, and what is still kept of its addresses."""
        network = self.find(name)
        path = self._ours / (name + SUFFIX)
        if not path.exists():
            raise _refused(f"the network {name!r} is not ours; remove its file instead")
        info = bridges.info(network, ours=True)
        if info.bridge == bridges.bridge_name(self._root, name):  # else somebody else's
            links.delete_bridge(info.bridge)
            if not confined():
                others = [one for one in self._ours.glob(f"*{SUFFIX}") if one != path]
                Firewall(self._root).forget(info, last=not others)
        shutil.rmtree(self.leases / name, ignore_errors=True)
        path.unlink()

    def find(self, name: str) -> Conflist:
        """The configuration of a network. Raises `PortError("missing")` that names all there are."""
        damaged: list[PortError] = []
        known: list[str] = []
        for path in self._paths():
            try:
                one = conflist.read(path)
            except PortError as problem:
                damaged.append(problem)
                continue
            if one.name == name:
                return one
            known.append(one.name)
        if damaged:
            raise damaged[0]
        names = ", ".join(sorted(known)) or "none"
        raise PortError("missing", f"there is no network {name!r}; there are: {names}", dirty=False)

    @property
    def leases(self) -> Path:
        """Where addresses are kept, a folder a network."""
        return self._root / "leases"

    def _subnet(self, wish: str) -> bridges.Subnet:
        taken = [subnet for one in self._all() for subnet, _ in bridges.ranges(one)]
        if not wish:
            with suppress(FileNotFoundError):
                taken += bridges.routed(ROUTES.read_text())
            return bridges.free_subnet(taken)
        subnet = ip_network(wish)
        for other in taken:
            if other.version == subnet.version and other.overlaps(subnet):
                raise _refused(f"the subnet {subnet} overlaps with {other} of another network")
        return subnet

    def _paths(self) -> Iterator[Path]:
        for directory in (self._ours, *self._elsewhere):
            yield from sorted(directory.glob(f"*{SUFFIX}"))

    def _all(self) -> Iterator[Conflist]:
        """Every network that can be read; of two with one name, ours or the first."""
        seen: set[str] = set()
        for path in self._paths():
            with suppress(PortError, FileNotFoundError):
                one = conflist.read(path)
                if one.name not in seen:
                    seen.add(one.name)
                    yield one


def _refused(reason: str) -> PortError:
    return PortError("refused", reason, dirty=False)
