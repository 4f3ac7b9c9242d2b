"""Which rows of the law a piece of work has used: what no exploration reaches may as well go."""

import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
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

    def all(self) -> frozenset[str]:
        """Every row there is."""
        return frozenset(
            f"{name} {named(row)}" for name, table in self.tables.items() for row in table
        )


@contextmanager
def watched() -> Generator[Usage]:
    """The shipped step works over watched tables until the end of the block."""
    machine = sys.modules["lockgate.statemachine.step"]  # `step` is the function's name, too
    usage = Usage()
    shipped = {name: getattr(machine, name) for name in TABLES}
    vars(machine).update(usage.tables)
    try:
        yield usage
    finally:
        vars(machine).update(shipped)
