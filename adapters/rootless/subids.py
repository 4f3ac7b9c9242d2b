"""Which ids an administrator has given to an ordinary user: /etc/subuid and /etc/subgid (subuid(5)).

The files may have been written by hand, and by anybody's script: a line that is none counts for nothing,
and so does what another line has said already. What is left is a map the kernel takes.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from lockgate.adapters.filesystem import read_bounded

SUBUID, SUBGID = Path("/etc/subuid"), Path("/etc/subgid")

LIMIT = 4 << 20
"""Bytes of such a file that we are willing to read."""

MOST = 340
"""Lines a map may have (user_namespaces(7))."""

MAX_ID = 2**32 - 2
ENOUGH = 65_536
"""Ids that images are made for: 0 to 65535."""


class Range(Struct, frozen=True):
    """`size` ids of the host from `first` on."""

    first: int
    size: int

    @property
    def end(self) -> int:
        return self.first + self.size


def granted(text: str, uid: int, name: str = "") -> tuple[Range, ...]:
    """What is given to a user, by name or by number, in the order of the lines; his own id and what
    overlaps is left out. `name` is empty for one whom no list of users knows."""
    owners = {str(uid)} | ({name} if name else set())
    found: list[Range] = []
    for line in text.splitlines():
        owner, _, numbers = line.partition(":")
        if owner not in owners or (one := _range(numbers)) is None:
            continue
        if one.first <= uid < one.end or any(_overlap(one, other) for other in found):
            continue
        found.append(one)
    return tuple(found[: MOST - 1])


def id_map(own: int, ranges: Iterable[Range]) -> tuple[tuple[int, int, int], ...]:
    """Lines of a map (inside, outside, size): root inside is who we are outside, then come the ids
    that are ours by grant, without a gap."""
    return ((0, own, 1), *_lines(ranges))


def read(path: Path) -> str:
    """The file as text; one that is not there, or no file, is empty."""
    try:
        return read_bounded(path, LIMIT).decode(errors="replace")
    except FileNotFoundError:
        return ""


def _lines(ranges: Iterable[Range]) -> Iterator[tuple[int, int, int]]:
    inside = 1
    for one in ranges:
        yield inside, one.first, one.size
        inside += one.size


def _range(text: str) -> Range | None:
    parts = [part.strip() for part in text.split(":")]
    if len(parts) != 2 or not all(_decimal(part) for part in parts):
        return None
    one = Range(int(parts[0]), int(parts[1]))
    return one if one.first > 0 and one.size > 0 and one.end - 1 <= MAX_ID else None


def _decimal(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10


def _overlap(one: Range, other: Range) -> bool:
    return one.first < other.end and other.first < one.end
