"""What a break is: one line of the product that is wrong on purpose, and the test that must notice.

Each belongs to a row of the page of what is covered (`docs/reference/coverage.md`), and its test is
one that the row names, or part of it: so a row is shown to have teeth.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

from ..docs.test_coverage import PAGE, ROOT, defined, named, rows_of

SECTIONS = ("Records, states, paths (MAP §1.3 to §1.9)", "Storage and images", "Spec and files")
"""Headings of the page under which every row with a test has a break."""


class Break(NamedTuple):
    """`row` is the behaviour on the page, or how it begins; `old` stands once in `file`, and `test`, a node
    of pytest's, fails when it is `new`. Paths are from the top of the repository."""

    row: str
    file: str
    old: str
    new: str
    test: str


@cache
def rows() -> list[tuple[str, ...]]:
    """Those of `SECTIONS` that name a test."""
    found: list[tuple[str, ...]] = []
    for heading in SECTIONS:
        section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
        found += [row for row in rows_of(section) if named(row[2])]
    return found


def row_of(one: Break) -> tuple[str, ...]:
    """Raises `LookupError` unless there is just one."""
    found = [row for row in rows() if row[0].startswith(one.row)]
    match [row for row in found if row[0] == one.row] or found:
        case [row]:
            return row
        case several:
            raise LookupError(f"{len(several)} rows begin with {one.row!r}")


def belongs(test: str, name: str) -> bool:
    """Is the node `test` what a row calls `name`, or a part of it? See `test_coverage.exists`."""
    place, *inside = name.split("::")
    file, *node = test.split("::")
    if not place.endswith(".py") and "/" not in place:  # a class, or what others inherit
        bases = defined(ROOT / file).get(node[0], (frozenset(), ()))[1]
        return place in (node[0], *bases) and node[1 : len(inside) + 1] == inside
    there = f"/{file}".endswith(f"/{place}") or file.startswith(f"{place}/")
    return there and node[: len(inside)] == inside


def broken(one: Break, top: Path) -> str:
    """The text of the file with the break in it, in the repository at `top`. Raises `LookupError`."""
    text = (top / one.file).read_text()
    if text.count(one.old) != 1:
        raise LookupError(f"{one.file} has {text.count(one.old)} times: {one.old}")
    return text.replace(one.old, one.new)
