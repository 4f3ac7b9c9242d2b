"""An exploration that was interrupted goes on, and comes to the report it would have come to."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest

from lockgate.testing.__main__ import main
from lockgate.testing.containers import OneContainer
from lockgate.testing.explore import Report, explore
from lockgate.testing.folder import HEAD, Folder, Mismatch
from lockgate.testing.mutants import MUTANTS, mutated
from lockgate.testing.rig import Place
from lockgate.testing.together import explore_together

SMALL = partial(OneContainer, faults=False)
NAME = "one container, nothing goes wrong"


class Interrupted(Exception):
    """Somebody pressed Ctrl-C."""


def at_level(wanted: int) -> Callable[[int, int, int], None]:
    def progress(depth: int, known: int, ahead: int) -> None:
        if depth == wanted:
            raise Interrupted

    return progress


def same(one: Report[Place], other: Report[Place]) -> bool:
    return msgspec.structs.replace(one, seconds=0.0, used=frozenset()) == msgspec.structs.replace(
        other, seconds=0.0, used=frozenset()
    )


@pytest.mark.parametrize("level", [1, 7, 20])
@pytest.mark.parametrize(("first", "then"), [(1, 1), (2, 2), (2, 3)])
def test_interrupted_anywhere_it_comes_to_the_same_report(
    level: int, first: int, then: int, tmp_path: Path
) -> None:
    with pytest.raises(Interrupted):
        folder = Folder(tmp_path, NAME)
        explore_together(SMALL, workers=first, folder=folder, progress=at_level(level))
    levels: list[int] = []
    report = explore_together(
        SMALL,
        workers=then,
        folder=Folder(tmp_path, NAME),
        progress=lambda depth, known, ahead: levels.append(depth),
    )
    assert same(report, explore(SMALL()))
    assert levels[0] == level + 1, "it went on from where it was"


def test_interrupted_before_the_head_is_written_it_does_the_level_again(tmp_path: Path) -> None:
    folder = Folder(tmp_path, NAME)
    with pytest.raises(Interrupted):
        explore_together(SMALL, workers=2, folder=folder, progress=at_level(5))
    heads = (tmp_path / HEAD).read_bytes()
    with pytest.raises(Interrupted):
        explore_together(SMALL, workers=2, folder=folder, progress=at_level(6))
    (tmp_path / HEAD).write_bytes(heads)  # the level is there, the head does not say so
    report = explore_together(SMALL, workers=2, folder=folder)
    assert same(report, explore(SMALL()))


def test_asked_again_when_all_is_known_it_says_the_same_again(tmp_path: Path) -> None:
    reports = [explore_together(SMALL, workers=2, folder=Folder(tmp_path, NAME)) for _ in range(2)]
    assert same(*reports)


def test_a_broken_promise_is_found_by_the_same_path(tmp_path: Path) -> None:
    broken = partial(OneContainer, step=mutated(MUTANTS[1]))
    alone = explore(broken())
    with pytest.raises(Interrupted):
        explore_together(broken, workers=2, folder=Folder(tmp_path, "m"), progress=at_level(2))
    together = explore_together(broken, workers=2, folder=Folder(tmp_path, "m"))
    assert (together.problem, together.path) == (alone.problem, alone.path)


def test_a_folder_belongs_to_one_model_and_one_version(tmp_path: Path) -> None:
    explore_together(SMALL, workers=1, folder=Folder(tmp_path, NAME))
    with pytest.raises(Mismatch, match="holds 'one container, nothing goes wrong', not 'another'"):
        Folder(tmp_path, "another").begun()
    head = tmp_path / HEAD
    head.write_bytes(head.read_bytes().replace(b'"version":"', b'"version":"0'))
    with pytest.raises(Mismatch, match="another version"):
        Folder(tmp_path, NAME).begun()
    head.write_bytes(b"nonsense")
    with pytest.raises(Mismatch, match="is no exploration"):
        Folder(tmp_path, NAME).begun()


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--model", NAME, "--workers", "1", "--resume", str(tmp_path)]
    assert main(asked) == main(asked) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split(" s, ")[0].rpartition(",")[0] == second.split(" s, ")[0].rpartition(",")[0]
    [folder] = tmp_path.iterdir()
    (folder / HEAD).write_bytes(b"nonsense")
    assert main(asked) == 2
    assert "is no exploration" in capsys.readouterr().out
