"""Where things are unless somebody says otherwise. Next to nothing is loaded to know it."""

import os
from pathlib import Path

from lockgate.adapters.userns import confined

NAMESPACES = "LOCKGATE_NAMESPACES"
"""In the environment of whoever is in the namespaces of an ordinary user: whose, as a folder."""


def default_root() -> Path:
    """Where the containers of this user are: the machine's for root, `$XDG_DATA_HOME/lockgate` for
    others, that is `~/.local/share/lockgate`; and for who is in a user's namespaces, that user's."""
    if os.geteuid() == 0:
        inside = os.environ.get(NAMESPACES, "") if confined() else ""
        return Path(inside or "/var/lib/lockgate")
    data = os.environ.get("XDG_DATA_HOME", "")
    # a relative path there is invalid and to be ignored (XDG base directory specification)
    base = Path(data) if data.startswith("/") else Path.home() / ".local" / "share"
    return base / "lockgate"
