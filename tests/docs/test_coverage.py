"""The page of what is covered names tests that exist, and gives a reason where there are none."""

import ast
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "coverage.md").read_text()
SOURCES = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "src/lockgate/testing").rglob("*.py")]


def rows() -> list[tuple[str, ...]]:
    return rows_of(PAGE)


def rows_of(text: str) -> list[tuple[str, ...]]:
    lines = (line for line in text.splitlines() if line.startswith("| "))
    cells = (tuple(cell.strip() for cell in line.strip()[1:-1].split("|")) for line in lines)
    return [row for row in cells if row[0] != "behaviour"]


def named(cell: str) -> list[str]:
    """What a cell has between backquotes; `a.py::B` is one name."""
    return re.findall(r"`([^`]+)`", cell)


@cache
def defined(source: Path) -> Mapping[str, tuple[frozenset[str], tuple[str, ...]]]:
    """The names a file defines: classes with what is in them and the names of their bases,
    functions with nothing."""
    found: dict[str, tuple[frozenset[str], tuple[str, ...]]] = {}
    for node in ast.parse(source.read_text()).body:
        if isinstance(node, ast.ClassDef):
            inside = frozenset(one.name for one in node.body if isinstance(one, ast.FunctionDef))
            bases = tuple(base.id for base in node.bases if isinstance(base, ast.Name))
            found[node.name] = (inside, bases)
        elif isinstance(node, ast.FunctionDef):
            found[node.name] = (frozenset(), ())
    return found


def has(source: Path, inside: list[str]) -> bool:
    """Is there `Class`, `test`, or `Class::test`, its own or inherited?"""
    names = defined(source)
    match inside:
        case []:
            return True
        case [name]:
            return name in names
        case [name, test] if name in names:
            tests, bases = names[name]
            inherited = (other for other in SOURCES for base in bases if base in defined(other))
            return test in tests or any(
                has(other, [base, test]) for other in inherited for base in bases
            )
        case _:
            return False


def exists(name: str) -> bool:
    """`tests/folder`, `[tests/…/]test_file.py[::Class[::test]]`, or `Class[::test]`."""
    place, *inside = name.split("::")
    if place.endswith(".py"):
        sources = [one for one in SOURCES if f"/{one.relative_to(ROOT)}".endswith(f"/{place}")]
    elif "/" in place:
        return (ROOT / place).exists()
    else:
        inside, sources = [place, *inside], SOURCES
    return any(has(source, inside) for source in sources)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:60])
def test_every_row_has_its_columns_and_its_tests(row: tuple[str, ...]) -> None:
    assert len(row) in (3, 4), row
    assert [name for name in named(row[2]) if not exists(name)] == []


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:60])
def test_what_has_no_test_has_a_reason(row: tuple[str, ...]) -> None:
    tested = bool(named(row[2]))
    assert tested or (len(row) == 4 and row[3]), "neither a test nor a reason"


@pytest.mark.parametrize(
    "name",
    [
        "tests/nothing",
        "test_nothing.py",
        "test_coverage.py::TestNothing",
        "TestOfNothingAtAll",
        "HostContract::test_nothing",
        "tests/statemachine/test_step.py::TestStop::test_takes_over_a_stop_that_waits",
        "tests/statemachine/test_step.py::TestRestart::test_of_a_paused_one_is_refused",
    ],
)
def test_what_does_not_exist_is_found_out(name: str) -> None:
    assert not exists(name)


def test_what_is_inherited_exists() -> None:
    assert exists("tests/contracts/test_real.py::TestRealHost::test_a_layer_is_made_once")


@pytest.mark.parametrize(("kind", "last"), [("L", 162), ("D", 86)])
def test_no_lesson_and_no_defect_of_the_reference_is_missing(kind: str, last: int) -> None:
    told = {int(number) for number in re.findall(rf"\b{kind}-(\d+)\b", PAGE)}
    assert set(range(1, last + 1)) - told == set()


FUNCTIONS = """
rootFsSize rwSize bundlePath ControlSocketPath CheckpointPath AttachSocketPath execPidPath exitFilePath
getArtifactPath getExcludedCGroups waitForExitFileAndSync handleExitFile syncContainer setupStorage
teardownStorage resetState refresh removeConmonFiles export isStopped save prepareToStart
checkDependenciesAndHandleError startDependencies getAllDependencies checkDependenciesRunning
checkDependenciesRunningLocked completeNetworkSetup init cleanupRuntime reinit initAndStart start stop
pause unpause restartWithTimeout mountStorage cleanupStorage cleanup delete postDeleteHooks
writeStringToRundir appendStringToRundir saveSpec setupOCIHooks mount unmount copyWithTarFromImage
Init Start StartAndAttach RestartWithTimeout Stop StopWithTimeout Kill Exec Attach Mount Unmount Pause
Unpause Export AddArtifact GetArtifact RemoveArtifact Inspect Wait Cleanup Batch Sync Checkpoint Restore
Refresh makeBindMounts generateSpec mountSHM updateContainerStatus execStopContainer newVolume removeVolume
"""
"""The reference's own, and what its callers use (MAP §2, §3.1, §3.3, §3.5, §3.15)."""

SECTIONS = (
    *(f"1.{number}" for number in range(1, 10)),
    *(f"2.{number}" for number in range(1, 41)),
    *(f"3.{number}" for number in range(1, 19) if number != 3),
    *("3.1.1", "3.1.2", "3.3.1", "3.3.2", "3.3.3", "3.3.4", "3.3.5"),
    *(f"5.16.{number}" for number in range(1, 15)),
)


def behaviours(heading: str = "") -> str:
    """First cells, of one section or of all."""
    text = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0] if heading else PAGE
    return "\n".join(line[2:].partition(" | ")[0] for line in text.splitlines() if line[:2] == "| ")


def test_no_function_of_the_reference_is_missing() -> None:
    told = set(re.findall(r"\w+", behaviours()))
    assert [name for name in FUNCTIONS.split() if name not in told] == []


def test_no_section_of_the_reference_is_missing() -> None:
    told = set(re.findall(r"§(\d(?:\.\d+)+)", behaviours()))
    assert [section for section in SECTIONS if section not in told] == []


@pytest.mark.parametrize(
    ("heading", "last"), [("Spec and files", 21), ("What the reference leaves open (MAP §6.7)", 10)]
)
def test_no_numbered_step_is_missing(heading: str, last: int) -> None:
    """Of generateSpec (MAP §3.5), and of what is left to decide."""
    lists = re.findall(r"^(\d+(?:, \d+)*)[ ,]", behaviours(heading), re.MULTILINE)
    told = {int(number) for numbers in lists for number in numbers.split(", ")}
    assert set(range(1, last + 1)) - told == set()
