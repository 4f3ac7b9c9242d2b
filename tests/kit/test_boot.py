"""Boots, explored: what the shipped law makes of them, and the one rule that would do (P17)."""

from functools import partial

from lockgate.testing.boots import told, untold
from lockgate.testing.containers import OneContainer
from lockgate.testing.explore import explore


def test_a_rule_for_boots_keeps_every_promise() -> None:
    report = explore(OneContainer(faults=False, boots=told))
    assert not report.problem and report.exhausted, report


def test_without_it_a_start_builds_on_a_mount_of_the_last_boot() -> None:
    report = explore(OneContainer(faults=False, boots=untold))
    assert report.problem == "P01: WriteSpec: a spec needs a mounted root filesystem"
    assert report.path[-1] == "boot"


def test_boots_are_not_explored_unless_asked_for() -> None:
    model = partial(OneContainer, faults=False)
    assert explore(model()).nodes < explore(model(boots=told)).nodes
