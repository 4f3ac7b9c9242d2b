"""The page of what is covered names tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "coverage.md").read_text()
SOURCES = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "src/lockgate/testing").rglob("*.py")]
DEFINED = re.compile(r"^\s*(?:class|def) (\w+)", re.MULTILINE)


def rows() -> list[tuple[str, ...]]:
    lines = (line for line in PAGE.splitlines() if line.startswith("| "))
    cells = (tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in lines)
    return [row for row in cells if row[0] != "behaviour"]


def named(cell: str) -> list[str]:
    """What a cell has between backquotes; `a.py::B` is one name."""
    return re.findall(r"`([^`]+)`", cell)


def exists(name: str) -> bool:
    """`tests/folder`, `[tests/…/]test_file.py[::Class[::test]]`, or `Class`."""
    place, *inside = name.split("::")
    if not place.endswith(".py"):
        if "/" in place:
            return (ROOT / place).exists()
        inside, sources = [place], SOURCES
    else:
        sources = [one for one in SOURCES if f"/{one.relative_to(ROOT)}".endswith(f"/{place}")]
    found = [set(DEFINED.findall(one.read_text())) for one in sources]
    return any(set(inside) <= one for one in found)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:60])
def test_every_row_has_its_columns_and_its_tests(row: tuple[str, ...]) -> None:
    assert len(row) in (3, 4), row
    assert [name for name in named(row[2]) if not exists(name)] == []


@pytest.mark.parametrize(
    "name",
    ["tests/nothing", "test_nothing.py", "test_coverage.py::TestNothing", "TestOfNothingAtAll"],
)
def test_what_does_not_exist_is_found_out(name: str) -> None:
    assert not exists(name)
