"""The tables are the whole of the law, and `transitions` agrees with them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.effects.model import Mount, Unmount
from lockgate.statemachine.law import (
    ADMISSIBLE,
    EDGES,
    LIFECYCLE,
    PLANS,
    STAGES,
    LawError,
    Plan,
    Stage,
    checked,
    compiled,
)
from lockgate.statemachine.status import Status, Verb

from .walking import walked_alike

TRIGGERS = sorted({row["trigger"] for row in LIFECYCLE})


@given(st.sampled_from(list(Status)), st.lists(st.sampled_from(TRIGGERS), max_size=12))
def test_the_lookup_walks_as_transitions_walks(begin: Status, triggers: list[str]) -> None:
    walked_alike(LIFECYCLE, EDGES, begin, triggers)


def test_a_misspelt_status_is_refused() -> None:
    with pytest.raises(LawError, match="'go' names no known status: 'nowhere'"):
        compiled([{"trigger": "go", "source": "nowhere", "dest": Status.RUNNING}], Status)


def test_two_rows_for_one_move_are_refused() -> None:
    row = {"trigger": "go", "source": Status.CREATED, "dest": Status.RUNNING}
    with pytest.raises(LawError, match="two rows for"):
        compiled([row, row], Status)


def test_a_row_leads_where_it_says() -> None:
    row = {"trigger": "go", "source": Status.CREATED, "dest": Status.RUNNING}
    assert compiled([row], Status) == {(Status.CREATED, "go"): Status.RUNNING}


def test_a_reflexive_row_stays_where_it_is() -> None:
    row = {"trigger": "stay", "source": Status.CREATED, "dest": "="}
    assert compiled([row], Status) == {(Status.CREATED, "stay"): Status.CREATED}


@pytest.mark.parametrize(
    ("stages", "plans", "complaint"),
    [
        ({"a": Stage(asks=(), reaches="nothing")}, {}, "no row for its milestone 'nothing'"),
        ({"a": Stage(asks=(), enters="nothing")}, {}, "no row for its milestone 'nothing'"),
        ({"a": Stage(asks=(), undo=("b",))}, {}, re.escape("undoes through {'b'}")),
        ({"a": Stage(asks=(Mount, Unmount))}, {}, "asks twice about one resource"),
        ({}, {(Verb.INIT, Status.CONFIGURED): Plan(("b",))}, re.escape("names {'b'}")),
    ],
)
def test_tables_that_contradict_each_other_are_refused(
    stages: dict[str, Stage], plans: dict[tuple[Verb, Status], Plan], complaint: str
) -> None:
    with pytest.raises(LawError, match=complaint):
        checked(stages, plans, EDGES)


def test_every_stage_is_part_of_a_plan_or_of_an_undoing() -> None:
    used = {name for plan in PLANS.values() for name in plan.stages}
    used |= {name for stage in STAGES.values() for name in stage.undo or ()}
    assert used == set(STAGES)


MOUNTING = {Verb.MOUNT, Verb.UNMOUNT, Verb.FORCE_UNMOUNT}

# BEHAVIOUR §4 with MAP §4.3, written out by hand: what may be asked of a container in each status.
LEGAL = {
    Status.ABSENT: {Verb.CREATE},
    Status.CONFIGURED: {
        Verb.INIT,
        Verb.START,
        Verb.RESTART,
        Verb.RESTORE,
        Verb.UPDATE,
        Verb.CLEANUP,
        Verb.REMOVE,
        Verb.FORCE_REMOVE,
        *MOUNTING,
    },
    Status.CREATED: {
        Verb.UPDATE,
        Verb.START,
        Verb.STOP,
        Verb.KILL,
        Verb.RESTART,
        Verb.CLEANUP,
        Verb.REMOVE,
        Verb.FORCE_REMOVE,
        *MOUNTING,
    },
    Status.RUNNING: {
        Verb.STOP,
        Verb.KILL,
        Verb.SIGNAL,
        Verb.PAUSE,
        Verb.CHECKPOINT,
        Verb.SNAPSHOT,
        Verb.UPDATE,
        Verb.RESTART,
        Verb.FORCE_REMOVE,
        *MOUNTING,
    },
    Status.PAUSED: {
        Verb.UPDATE,
        Verb.KILL,
        Verb.SIGNAL,
        Verb.UNPAUSE,
        Verb.FORCE_REMOVE,
        *MOUNTING,
    },
    Status.STOPPING: {Verb.STOP, Verb.KILL, Verb.SIGNAL, Verb.FORCE_REMOVE, *MOUNTING},
    Status.STOPPED: {
        Verb.INIT,
        Verb.START,
        Verb.STOP,
        Verb.RESTART,
        Verb.REVIVE,
        Verb.RESTORE,
        Verb.UPDATE,
        Verb.CLEANUP,
        Verb.REMOVE,
        Verb.FORCE_REMOVE,
        *MOUNTING,
    },
    Status.EXITED: {
        Verb.INIT,
        Verb.START,
        Verb.STOP,
        Verb.RESTART,
        Verb.REVIVE,
        Verb.RESTORE,
        Verb.UPDATE,
        Verb.CLEANUP,
        Verb.REMOVE,
        Verb.FORCE_REMOVE,
        *MOUNTING,
    },
    Status.REMOVING: {Verb.REMOVE, Verb.FORCE_REMOVE},
    Status.UNKNOWN: {Verb.FORCE_REMOVE},
}


@pytest.mark.parametrize("status", list(Status))
def test_the_matrix_is_the_one_of_the_reference(status: Status) -> None:
    assert set(ADMISSIBLE[status]) == LEGAL[status]
