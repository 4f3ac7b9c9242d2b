"""The machine of one session: its table, every answer it has, and every place it can come to."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lockgate.effects.model import Process
from lockgate.effects.outcome import Exited
from lockgate.effects.sessions import Seen, Session, Standing, Wish
from lockgate.statemachine.sessions import (
    EDGES,
    LIFECYCLE,
    Begun,
    Deliver,
    Ended,
    Exec,
    Join,
    SessionInput,
    SessionRefused,
    SessionStep,
    Tell,
    Unbegun,
    session_step,
    standing,
)

from .walking import walked_alike

ENGINE, ITS = Process(7, 1, "boot"), Process(41, 2, "boot")
ASKED = Session(id="5", container="c", epoch=1, wish=Wish(command=("x",)), created_at=1)
CREATED = replace(ASKED, standing=Standing.CREATED, by=ENGINE)
RUNNING = replace(CREATED, standing=Standing.RUNNING, process=ITS)
END = Exited(7, 9, reason="so")
STOPPED = replace(
    CREATED, standing=Standing.STOPPED, exit_code=7, exit_reason="so", finished_at=9
)  # fmt: skip

INPUTS: tuple[SessionInput, ...] = (
    Exec(ENGINE),
    Tell(15),
    Begun(ITS),
    Begun(None),
    Unbegun(),
    Ended(END),
)
TRIGGERS = sorted({row["trigger"] for row in LIFECYCLE})


@given(st.sampled_from(list(Standing)), st.lists(st.sampled_from(TRIGGERS), max_size=8))
def test_the_lookup_walks_as_transitions_walks(begin: Standing, triggers: list[str]) -> None:
    walked_alike(LIFECYCLE, EDGES, begin, triggers)


class TestALife:
    def test_it_is_asked_for_begun_and_ends(self) -> None:
        assert session_step(ASKED, Exec(ENGINE)) == SessionStep(CREATED, (Join(),))
        assert session_step(CREATED, Begun(ITS)) == SessionStep(RUNNING, (), "exec")
        assert session_step(RUNNING, Ended(END)) == SessionStep(STOPPED, (), "exec_died")

    def test_who_waits_for_it_is_known_where_there_is_no_monitor(self) -> None:
        answer = session_step(ASKED, Exec(ENGINE, attached=True))
        assert answer == SessionStep(replace(CREATED, attached=True), (Join(),))

    def test_its_end_may_be_seen_before_its_beginning(self) -> None:
        assert session_step(CREATED, Ended(END)) == SessionStep(STOPPED, (), "exec_died")

    def test_what_was_never_begun_is_nothing(self) -> None:
        assert session_step(CREATED, Unbegun()) == SessionStep(ASKED)

    def test_a_signal_is_for_its_process(self) -> None:
        assert session_step(RUNNING, Tell(15)) == SessionStep(RUNNING, (Deliver(ITS, 15),))


@pytest.mark.parametrize("session", [CREATED, RUNNING, STOPPED], ids=lambda one: one.standing)
def test_it_is_begun_once(session: Session) -> None:
    assert session_step(session, Exec(ENGINE)) == SessionRefused("exec", session.standing)


@pytest.mark.parametrize("session", [ASKED, CREATED, STOPPED], ids=lambda one: one.standing)
def test_what_does_not_run_is_sent_no_signal(session: Session) -> None:
    assert session_step(session, Tell(9)) == SessionRefused("signal", session.standing)


def test_news_that_come_late_or_twice_change_nothing() -> None:
    for session, news in (
        (RUNNING, Begun(ITS)),
        (RUNNING, Unbegun()),
        (STOPPED, Begun(ITS)),
        (STOPPED, Ended(Exited(0, 10))),
        (ASKED, Begun(ITS)),
        (ASKED, Ended(END)),
    ):
        assert session_step(session, news) == SessionStep(session)


def test_every_place_it_can_come_to_and_every_row_on_the_way() -> None:
    """By exhaustion: one end, told once, and a process only while it runs."""
    seen, used = {ASKED}, set[tuple[Standing, Standing]]()
    ahead: list[tuple[Session, tuple[str, ...]]] = [(ASKED, ())]
    while ahead:
        session, told = ahead.pop()
        for news in INPUTS:
            answer = session_step(session, news)
            if isinstance(answer, SessionRefused):
                continue
            after = answer.session
            used.add((session.standing, after.standing))
            said = (*told, answer.notice) if answer.notice else told
            assert said in ((), ("exec",), ("exec_died",), ("exec", "exec_died"))
            assert (after.exit_code is not None) == (after.standing is Standing.STOPPED)
            assert after.process is None or after.standing is Standing.RUNNING
            assert not answer.orders or isinstance(news, Exec | Tell)
            if after not in seen:
                seen.add(after)
                ahead.append((after, said))
    assert used >= {(source, dest) for (source, _), dest in EDGES.items()}
    assert {one.standing for one in seen} == set(Standing)


class TestStanding:
    """How a session stands, by what is seen of it."""

    def test_nothing_is_seen_of_it_yet(self) -> None:
        assert standing(Seen(CREATED)) == CREATED

    def test_it_runs(self) -> None:
        assert standing(Seen(CREATED, ITS)) == standing(Seen(RUNNING, ITS)) == RUNNING

    def test_it_has_ended(self) -> None:
        for kept, process in product((CREATED, RUNNING), (None, ITS)):
            assert standing(Seen(kept, process, END)) == STOPPED

    def test_nobody_is_left_to_begin_it(self) -> None:
        assert standing(Seen(CREATED, never=True)).standing is Standing.ABSENT
