"""Which rows of the law a piece of work has used: what no exploration reaches may as well go."""

import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

from lockgate.statemachine import law

TABLES = ("EDGES", "STAGES", "PLANS")


class _Watched(dict[Any, Any]):
    """A table that notes which of its rows are looked up."""

    def __init__(self, rows: Mapping[Any, Any], prefix: str) -> None:
        super().__init__(rows)
        self._names = {row: f"{prefix} {named(row)}" for row in rows}
        self.used: set[str] = set()

    def __getitem__(self, row: Any) -> Any:
        value = super().__getitem__(row)
        self.used.add(self._names[row])
        return value

    def get(self, row: Any, default: Any = None) -> Any:
        if row in self:
            return self[row]
        return default


def named(row: str | tuple[str, str]) -> str:
    """A row's key as people write it."""
    return " of ".join(reversed(row)) if isinstance(row, tuple) else row


class Usage:
    """What of the law has been used since it is watched."""

    def __init__(self) -> None:
        self.tables = {name: _Watched(getattr(law, name), name) for name in TABLES}

    def used(self) -> frozenset[str]:
        return frozenset(row for table in self.tables.values() for row in table.used)


def every_row() -> frozenset[str]:
    """Of the law as it is."""
    return frozenset(f"{name} {named(row)}" for name in TABLES for row in getattr(law, name))


def here() -> frozenset[str]:
    """What this process has used since this was first asked, for processes that know nothing of each
    other: from then on it is watched for good."""
    return _for_good().used()


@cache
def _for_good() -> Usage:
    usage = Usage()
    vars(sys.modules["lockgate.statemachine.step"]).update(usage.tables)
    return usage
