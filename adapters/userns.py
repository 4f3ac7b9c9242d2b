"""Whether we are in a user namespace that is not the whole host's, and what follows from that.

One rule: it is asked of the kernel, not of anybody's environment: root in a container of another engine
is as confined as an ordinary user who has entered a namespace of his own.
"""

from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

UID_MAP, GID_MAP = Path("/proc/self/uid_map"), Path("/proc/self/gid_map")

Ids: TypeAlias = tuple[range, ...]

WHOLE: Final = ["0", "0", str(2**32 - 1)]
"""The map of the namespace that the host began with (user_namespaces(7))."""


@cache
def confined() -> bool:
    """Are only some of the host's users known here? Changes only for who enters a namespace, and
    they say so (`entered`)."""
    try:
        return UID_MAP.read_text().split() != WHOLE
    except FileNotFoundError:  # a kernel without user namespaces
        return False


def entered() -> None:
    """This process is in another user namespace from now on."""
    confined.cache_clear()


def ids_of(file: Path) -> Ids:
    """The users, or groups, there are in here."""
    rows = (line.split() for line in file.read_text().splitlines())
    return tuple(range(int(first), int(first) + int(size)) for first, _, size in rows)


def overlay_attribute(name: str) -> str:
    """The extended attribute by which an overlay knows its directories: `trusted.*` is for the
    host's root alone; for others the kernel takes `user.*` (mount option `userxattr`, Linux 5.11)."""
    return f"{'user' if confined() else 'trusted'}.overlay.{name}"
