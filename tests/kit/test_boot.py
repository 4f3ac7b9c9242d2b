"""Boots, explored: the host may go down at any point, with or without the runtime's files (P17)."""

from functools import partial

from lockgate.testing.containers import OneContainer
from lockgate.testing.explore import explore
from lockgate.testing.mutants import Mutant, mutated


def test_every_promise_is_kept() -> None:
    report = explore(OneContainer(faults=False, boots=True))
    assert not report.problem and report.exhausted, report


def test_a_machine_that_is_not_told_builds_on_a_mount_of_the_last_boot() -> None:
    deaf = mutated(
        Mutant("deaf", "step", "if status is None or news.boot == record.boot:", "if True:")
    )
    report = explore(OneContainer(faults=False, boots=True, step=deaf))
    assert report.problem == "P01: WriteSpec: a spec needs a mounted root filesystem"
    assert "boot" in report.path


def test_boots_are_not_explored_unless_asked_for() -> None:
    model = partial(OneContainer, faults=False)
    assert explore(model()).nodes < explore(model(boots=True)).nodes
