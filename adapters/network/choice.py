"""The port `Network` of this host, and what it plugs in with: CNI plugins where there are any, else
netavark; and slirp4netns or pasta for the network `user`."""

from functools import partial
from pathlib import Path

from lockgate.adapters.filesystem import volume_data
from lockgate.adapters.network.book import NetworkBook
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
from lockgate.adapters.network.plumbing import Plumber
from lockgate.adapters.network.usermode import Slirp, UserNote
from lockgate.adapters.userns import confined
from lockgate.effects.config import PASTA, SLIRP
from lockgate.effects.ports import Locks


def network(root: Path, book: NetworkBook, locks: Locks, first: FirstProcess) -> PluggedNetwork:
    """Namespaces, claims and notes below `root`. `first` knows who runs."""
    namespaces = Namespaces(root / "netns")
    cni = Plumber(
        Cni(book.find, Plugins()), Notes(root / "attached", CniNote, PATIENCE), namespaces
    )
    netavark = Plumber(
        Netavark(book.find, Leases(book.leases, locks), locks, root / "netavark"),
        Notes(root / "attached-netavark", NetavarkNote, PATIENCE),
        namespaces,
    )
    slirp = Plumber(
        Slirp(root / "slirp"), Notes(root / "attached-user", UserNote, PATIENCE), namespaces
    )
    lodgings = Lodgings(namespaces, first, partial(volume_data, root))
    claims = Claims(root / "ports", locks)
    pasta = Plumber(Pasta(), Notes(root / "attached-pasta", UserNote, PATIENCE), namespaces)
    usermodes = {SLIRP: slirp, PASTA: pasta}
    # a user's namespaces have none of the host's bridges, nor its firewall
    bridging = () if confined() else (cni, netavark)
    return PluggedNetwork(namespaces, lodgings, claims, bridging, usermodes)
