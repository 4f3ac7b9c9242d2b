"""Two operators on one container: every interleaving, effect by effect, and what is found there."""

from functools import partial

import pytest

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
@pytest.mark.timeout(900)
def test_either_may_die_anywhere() -> None:
    """Every pair of commands from every resting place, a death before and after every effect."""
    report = explore_together(partial(TwoOperators, faults=False))
    assert report.holds, report


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


class Hasty(TwoOperators):
    """Who has waited for an end believes that the removal went on by itself."""

    persistent = False


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_removal_that_something_came_between_is_not_taken_for_one() -> None:
    """P26: one waits for the end of what it removes, another sees it first, fails, and cleans up."""
    wishes = (i.Cleanup(), i.Remove(force=True))
    report = explore(Hasty(wishes=wishes))
    assert report.problem == "P26: told that it is removed, and it is exited"
    assert explore(TwoOperators(wishes=wishes)).problem == ""
