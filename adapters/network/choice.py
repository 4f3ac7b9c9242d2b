"""Which plumbing works here, and the port `Network` made of it."""

from pathlib import Path

from lockgate.adapters.network.book import NetworkBook
from lockgate.adapters.network.claims import Claims
from lockgate.adapters.network.cni import Cni, Note
from lockgate.adapters.network.namespaces import Namespaces
from lockgate.adapters.network.notes import Notes
from lockgate.adapters.network.plugged import PluggedNetwork
from lockgate.adapters.network.plugins import PATIENCE, Plugins
from lockgate.effects.ports import Locks


def network(root: Path, book: NetworkBook, locks: Locks) -> PluggedNetwork:
    """Namespaces, claims and notes below `root`."""
    namespaces = Namespaces(root / "netns")
    notes = Notes(root / "attached", Note, PATIENCE)
    plumbing = Cni(book.find, notes, Plugins(), namespaces)
    return PluggedNetwork(namespaces, Claims(root / "ports", locks), plumbing)
