"""Two operators on one container: every interleaving, effect by effect, and what is found there."""

from functools import partial

import pytest
from msgspec.structs import replace

from lockgate.statemachine import inputs as i
from lockgate.testing.counterexamples import walk
from lockgate.testing.explore import explore
from lockgate.testing.mutants import MUTANTS, mutated
from lockgate.testing.operators import Scene, TwoOperators, resting
from lockgate.testing.together import explore_together


def test_of_two_who_meet_no_faults_nothing_is_left_undone() -> None:
    report = explore(TwoOperators(faults=False, deaths=False))
    assert report.holds, report


@pytest.mark.slow
def test_either_may_die_anywhere() -> None:
    """Every pair of commands from every resting place, a death before and after every effect."""
    report = explore_together(partial(TwoOperators, faults=False))
    assert report.holds, report


@pytest.mark.slow
def test_two_who_stop_and_remove_meet_every_fault() -> None:
    wishes = (i.Stop(), i.Remove(force=True))
    report = explore(TwoOperators(wishes=wishes))
    assert not report.problem and report.exhausted, report


class Deaf(TwoOperators):
    """Whoever is on record as waiting is believed to be there for ever."""

    @staticmethod
    def _abandoned(node: Scene, place: int) -> bool:
        return not all(order.effect.patient for order in node.record.pending)


def test_a_dead_owner_who_is_believed_alive_is_found_out() -> None:
    report = explore(Deaf(faults=False))
    assert report.problem.startswith("P04: turned away for somebody who is not there")
    assert report.path[-1] == "b: dies before Halt"


def test_a_broken_law_is_found_by_two_operators_too() -> None:
    [mutant] = [one for one in MUTANTS if one.name == "resuming forgets what was asked"]
    report = explore(TwoOperators(faults=False, step=mutated(mutant)))
    assert report.problem


def test_beginnings_differ_in_name_as_in_fact() -> None:
    model = TwoOperators()
    [root] = model.begin()
    scenes = list(model.moves(root))
    assert len(dict(scenes)) == len(scenes) == len({scene for _, scene in scenes})
    assert len({place.record.status for place in resting()}) == 6


def test_a_path_can_be_walked_again() -> None:
    report = explore(Deaf(faults=False))
    *_, (_, last) = walk(TwoOperators(faults=False), report.path)
    assert "a: init (asking), b: stop (dead)" in str(last)


class Overtaken(TwoOperators):
    """Commands take each other's place, whatever was promised to whom."""

    def _next(self, node: Scene, place: int) -> Scene | None:
        after = super()._next(node, place)
        if after is None or not isinstance(after.record.operation, i.Remove):
            return after
        if not isinstance(node.operators[place].wish, i.Stop):
            return after
        halted = replace(after.record, todo=("halt",), operation=i.Stop())
        return replace(after, record=halted)


def test_who_is_told_that_it_is_removed_finds_it_gone() -> None:
    """P26: another's stop hastens a removal by force; taking its place would be found out."""
    report = explore(Overtaken(faults=False, deaths=False))
    assert report.problem == "P26: told that it is removed, and it is stopped"
