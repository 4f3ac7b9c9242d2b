"""The table of breaks stands: each belongs to a row and can still be made, and no row is without."""

import pytest

from ..docs.test_coverage import ROOT, named
from .catalogue import BREAKS
from .notation import Break, belongs, broken, row_of, rows


@pytest.mark.parametrize("one", BREAKS, ids=lambda one: one.row)
def test_each_is_of_a_row_and_can_be_made(one: Break) -> None:
    names = named(row_of(one)[2])
    assert any(belongs(one.test, name) for name in names), f"{one.test} is none of {names}"
    assert broken(one, ROOT) != (ROOT / one.file).read_text()


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:60])
def test_no_row_is_without(row: tuple[str, ...]) -> None:
    assert any(row_of(one) == row for one in BREAKS)


@pytest.mark.parametrize(
    ("test", "name", "part"),
    [
        ("tests/adapters/test_a.py::test_b", "test_a.py", True),
        ("tests/adapters/test_a.py::test_b", "tests/adapters", True),
        ("tests/adapters/test_a.py::TestA::test_b", "test_a.py::TestA", True),
        ("tests/adapters/test_a.py::test_b", "test_a.py::test_c", False),
        ("tests/adapters/test_aa.py::test_b", "test_a.py", False),
        ("tests/contracts/test_real.py::TestRealHost::test_a", "HostContract", True),
        ("tests/contracts/test_real.py::TestRealHost::test_a", "VolumesContract", False),
    ],
)
def test_what_is_part_of_what_a_row_names(test: str, name: str, part: bool) -> None:
    assert belongs(test, name) is part


def test_what_is_stale_is_found_out() -> None:
    stale = Break("no such row", "statemachine/law.py", "no such line", "", "")
    for look in (row_of, lambda one: broken(one, ROOT)):
        with pytest.raises(LookupError):
            look(stale)
