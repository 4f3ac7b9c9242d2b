"""The port `Network` of this host, and what it plugs in with: our own bridges where they can be made, else
CNI plugins, else netavark; and slirp4netns or pasta for the network `user`."""

from functools import partial
from pathlib import Path

from lockgate.adapters.filesystem import read_bounded, volume_data, write_atomic
from lockgate.adapters.network.book import NetworkBook
from lockgate.adapters.network.bridge import Bridge, BridgeNote
from lockgate.adapters.network.claims import Claims
from lockgate.adapters.network.cni import Cni, CniNote
from lockgate.adapters.network.leases import Leases
from lockgate.adapters.network.lodgings import FirstProcess, Lodgings
from lockgate.adapters.network.namespaces import Namespaces
from lockgate.adapters.network.netavark import Netavark, NetavarkNote
from lockgate.adapters.network.notes import Notes
from lockgate.adapters.network.pasta import Pasta
from lockgate.adapters.network.plugged import PluggedNetwork
from lockgate.adapters.network.plugins import PATIENCE, Plugins
from lockgate.adapters.network.plumbing import Plumber, Plumbing
from lockgate.adapters.network.usermode import Slirp, UserNote
from lockgate.effects.config import PASTA, SLIRP
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Locks

DRIVERS = ("bridge", "cni", "netavark")
"""Who can plug containers into networks by name, the first before the others."""

CHOICE = "network-driver"
"""The file that says which of them does, for whoever opens this folder."""


def network(root: Path, book: NetworkBook, locks: Locks, first: FirstProcess) -> PluggedNetwork:
    """Namespaces, claims and notes below `root`. `first` knows who runs. Raises
    `PortError("damaged")`."""
    namespaces, driver = Namespaces(root / "netns"), chosen_driver(root)
    leases = Leases(book.leases, locks)
    bridge = Plumber(
        Bridge(root, book.find, leases, locks, wary=not driver),
        Notes(root / "attached-bridge", BridgeNote, PATIENCE),
        namespaces,
        leases,
    )
    cni = Plumber(
        Cni(book.find, Plugins()), Notes(root / "attached", CniNote, PATIENCE), namespaces, leases
    )
    netavark = Plumber(
        Netavark(book.find, leases, locks, root / "netavark"),
        Notes(root / "attached-netavark", NetavarkNote, PATIENCE),
        namespaces,
        leases,
    )
    slirp = Plumber(
        Slirp(root / "slirp"), Notes(root / "attached-user", UserNote, PATIENCE), namespaces, leases
    )
    pasta = Plumber(Pasta(), Notes(root / "attached-pasta", UserNote, PATIENCE), namespaces, leases)
    lodgings = Lodgings(namespaces, first, partial(volume_data, root))
    claims = Claims(root / "ports", locks)
    drivers: tuple[Plumbing, ...] = (bridge, cni, netavark)
    usermodes = {SLIRP: slirp, PASTA: pasta}
    return PluggedNetwork(
        namespaces, lodgings, claims, dict(zip(DRIVERS, drivers)), usermodes, driver
    )


def choose_driver(root: Path, driver: str) -> None:
    """From now on, for whoever opens this folder: a run that nobody watches is begun again by its
    restart policy, and must not be begun by another driver; empty lets the host decide. Raises
    `PortError("refused")`."""
    if driver and driver not in DRIVERS:
        reason = f"there is no network driver {driver[:64]!r}; there are: {', '.join(DRIVERS)}"
        raise PortError("refused", reason, dirty=False)
    write_atomic(root, CHOICE, driver.encode(), 0o600)


def chosen_driver(root: Path) -> str:
    """Empty where the host decides. Raises `PortError("damaged")`."""
    try:
        found = read_bounded(root / CHOICE, 1 << 12).decode(errors="replace")
    except FileNotFoundError:
        return ""
    if found and found not in DRIVERS:
        raise PortError("damaged", f"{root / CHOICE} names no network driver", dirty=False)
    return found
