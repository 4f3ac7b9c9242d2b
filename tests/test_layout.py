"""The house as a whole: one namespace, arrows one way, nothing impure in the pure rooms."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import lockgate

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("room", ["effects", "statemachine", "adapters"])
def test_the_rooms_are_relative_links_into_the_one_namespace(room: str) -> None:
    link = ROOT / "src" / "lockgate" / room
    assert link.is_symlink()
    assert str(link.readlink()) == f"../../{room}"


def test_nothing_is_imported_by_its_bare_name() -> None:
    """`import statemachine` would make every class twice."""
    assert not {"effects", "statemachine", "adapters"} & set(sys.modules)


def test_the_front_door_opens_to_all_it_names() -> None:
    for name in lockgate.__all__:
        assert getattr(lockgate, name) is not None
    assert set(dir(lockgate)) == set(lockgate.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lockgate.nothing


def test_the_front_door_alone_loads_nothing() -> None:
    code = "import sys, lockgate; print(len([m for m in sys.modules if m.startswith('lockgate.')]))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.strip() == "0"


def test_the_layers_hold() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "module",
    ["wiring", "settle", "watch", "cli", "simulation", "testing"]
    + [
        f"adapters.{name}"
        for name in ("checkpoints", "hooks", "network", "oci", "storage", "store")
    ],
)
def test_each_can_be_the_first_that_is_imported(module: str) -> None:
    """Else what works here fails in a process that begins elsewhere: whom the monitor calls."""
    line = [sys.executable, "-c", f"import lockgate.{module}"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_is_done_in_part_is_marked_so() -> None:
    """By itself or for its folder: `make soak` does what has that mark, and nothing else."""
    parts = [
        path
        for path in (ROOT / "tests").rglob("test_*.py")
        if re.search(r"^from tests\.soak import", path.read_text(), re.MULTILINE)
    ]
    assert parts
    for path in parts:
        folder = path.with_name("conftest.py")
        marks = path.read_text() + (folder.read_text() if folder.exists() else "")
        assert "pytest.mark.sampled" in marks, path
