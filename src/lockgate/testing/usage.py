"""Which rows of the law a piece of work has used: what no exploration reaches may as well go."""

import sys
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from lockgate.statemachine import law
from lockgate.statemachine.law import Plan

TABLES = ("EDGES", "STAGES", "PLANS")


class _Watched(dict[Any, Any]):
    """A table that notes which of its rows are looked up."""

    def __init__(self, rows: Mapping[Any, Any], prefix: str) -> None:
        super().__init__(rows)
        self._rows = rows
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


class _Followed:
    """A plan that is used when its stages are asked for: merely listing it as admissible is no use."""

    def __init__(self, plan: Plan, note: Callable[[], None]) -> None:
        self._plan, self._note = plan, note

    @property
    def stages(self) -> tuple[str, ...]:
        self._note()
        return self._plan.stages

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plan, name)


class _WatchedPlans(_Watched):
    """A table of plans, of which looking alone tells nothing."""

    def __getitem__(self, row: Any) -> Any:
        plan: Plan = self._rows[row]
        return _Followed(plan, partial(self.used.add, self._names[row]))


def named(row: str | tuple[str, str]) -> str:
    """A row's key as people write it."""
    return " of ".join(reversed(row)) if isinstance(row, tuple) else row


class Usage:
    """What of the law has been used since it is watched."""

    def __init__(self) -> None:
        kinds = {"PLANS": _WatchedPlans}
        self.tables = {name: kinds.get(name, _Watched)(getattr(law, name), name) for name in TABLES}

    def used(self) -> frozenset[str]:
        return frozenset(row for table in self.tables.values() for row in table.used)


UNTOLD = frozenset({"EDGES checkpoint of stopped", "EDGES snapshot of stopped"})
"""Rows for what nobody tells a machine: of an end while a checkpoint is being taken (D-76). They are
there because it answers all the same; tests of `step` tell it."""


def every_row() -> frozenset[str]:
    """Of the law as it is, but for what is `UNTOLD`."""
    rows = frozenset(f"{name} {named(row)}" for name in TABLES for row in getattr(law, name))
    return rows - UNTOLD


def here() -> frozenset[str]:
    """What this process has used since this was first asked, for processes that know nothing of each
    other: from then on it is watched for good."""
    return _for_good().used()


@cache
def _for_good() -> Usage:
    usage = Usage()
    vars(sys.modules["lockgate.statemachine.step"]).update(usage.tables)
    return usage
