"""Addresses of networks, each one container's: for tools that do not keep them themselves.

Files named by the address, with container and interface inside: the form and the place host-local
has, so that both may serve one network in turns.
"""

from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path

from lockgate.adapters.filesystem import ensure_directory
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Locks

SCOPE = "leases"
PATIENCE = 30.0
"""Seconds to wait for others who are choosing."""


class Leases:
    def __init__(self, directory: Path, locks: Locks) -> None:
        self.directory, self._locks = directory, locks

    def take(
        self, network: str, subnet: str, besides: Iterable[str], holder: tuple[str, str], wish: str
    ) -> str:
        """An address (CIDR) of this subnet for a container's interface: the one wished for, the one
        it has, or the first that is free and not among `besides`.

        Raises `PortError`: "refused" for one that is taken, "scarce" when all are.
        """
        place = self.directory / network
        ensure_directory(place, 0o755)
        net = ip_network(subnet)
        with self._locks.hold(SCOPE, PATIENCE):
            held = {path.name: _holder(path) for path in place.iterdir() if _is_address(path.name)}
            mine = [one for one in held if held[one] == holder and wish in ("", one)]
            if mine:
                return f"{mine[0]}/{net.prefixlen}"
            taken = {*held, *besides}
            if wish and wish in taken:
                reason = f"the address {wish} of network {network} is in use"
                raise PortError("refused", reason, dirty=False)
            free: Iterable[str] = [wish] if wish else map(str, net.hosts())
            chosen = next((one for one in free if one not in taken), None)
            if chosen is None:
                reason = f"all addresses of network {network} ({subnet}) are in use"
                raise PortError("scarce", reason, dirty=False)
            (place / chosen).write_text("\r\n".join(holder))
            return f"{chosen}/{net.prefixlen}"

    def held(self, network: str, holder: tuple[str, str]) -> str:
        """The address this interface has; empty where it has none."""
        return next((path.name for path in self._of(network, holder)), "")

    def release(self, network: str, holder: tuple[str, str]) -> None:
        """Whatever this interface has; nothing is fine."""
        for path in self._of(network, holder):
            path.unlink(missing_ok=True)

    def _of(self, network: str, holder: tuple[str, str]) -> list[Path]:
        with suppress(FileNotFoundError):
            found = (self.directory / network).iterdir()
            return [path for path in found if _is_address(path.name) and _holder(path) == holder]
        return []


def _holder(path: Path) -> tuple[str, str]:
    """Container and interface; of what cannot be read, nobody's."""
    with suppress(OSError, UnicodeDecodeError):
        lines = path.read_text().split()
        if len(lines) == 2:
            return lines[0], lines[1]
    return "", ""


def _is_address(name: str) -> bool:
    try:
        found: IPv4Address | IPv6Address = ip_address(name)
    except ValueError:
        return False
    return str(found) == name
