"""Network configuration lists of the CNI specification 1.0 (section 1): reading and believing them.

One rule: a plugin's part is handed on as it is, whatever it holds; only what the runtime itself is
told by the specification to look at has a type here.
"""

import re
from pathlib import Path
from typing import Any, TypeAlias, cast

import msgspec
from msgspec import Struct

from lockgate.adapters.filesystem import read_bounded
from lockgate.adapters.nonsense import NONSENSE
from lockgate.effects.outcome import PortError

SUFFIX = ".conflist"
NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}")
"""Of a network: CNI 1.0 section 1, and short enough for a file name."""

LIMIT = 1 << 20
"""Bytes of a configuration we are willing to read."""

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_OLDEST = (0, 3, 0)
"""Older ones tell results in another form."""

Settings: TypeAlias = dict[str, Any]
"""A JSON object that belongs to a plugin."""


class Conflist(Struct, frozen=True, omit_defaults=True):
    """One network: its plugins in the order of ADD."""

    cniVersion: str
    name: str
    plugins: tuple[Settings, ...]
    disableCheck: bool = False

    @property
    def version(self) -> tuple[int, ...]:
        """Major, minor, patch; (0, 0, 0) for what is no version."""
        form = _VERSION.match(self.cniVersion)
        return tuple(map(int, form.groups())) if form else (0, 0, 0)

    @property
    def types(self) -> tuple[str, ...]:
        """The plugins by name."""
        return tuple(str(plugin.get("type", "")) for plugin in self.plugins)

    @property
    def checked(self) -> bool:
        """Whether its plugins can be asked to CHECK (since 0.4.0)."""
        return self.version >= (0, 4, 0) and not self.disableCheck


def read(path: Path) -> Conflist:
    """The network of this file. Raises `PortError("damaged")`, `FileNotFoundError`."""
    try:
        found = msgspec.json.decode(read_bounded(path, LIMIT), type=Conflist)
    except NONSENSE as problem:
        raise _damaged(path, str(problem)) from None
    if NAME.fullmatch(found.name) is None:
        raise _damaged(path, f"{found.name[:64]!r} is no name of a network")
    if found.version < _OLDEST:
        raise _damaged(path, f"cniVersion {found.cniVersion!r} is older than 0.3.0")
    for kind in found.types:
        if not kind or "/" in kind:
            raise _damaged(path, f"{kind!r} is no type of a plugin")
    if not found.plugins:
        raise _damaged(path, "it names no plugin")
    return found


def as_object(value: object) -> Settings:
    """Somebody's JSON object; an empty one for what is none."""
    return cast(Settings, value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    """Somebody's JSON array; an empty one for what is none."""
    return cast("list[object]", value) if isinstance(value, list) else []


def as_texts(value: object) -> tuple[str, ...]:
    """The strings in somebody's JSON array."""
    return tuple(one for one in as_list(value) if isinstance(one, str))


def _damaged(path: Path, reason: str) -> PortError:
    return PortError("damaged", f"the network configuration {path}: {reason}", dirty=False)
