"""Processes that join a container: they belong to one run, and end with it."""

import threading
from collections.abc import Callable

import pytest

from lockgate import Engine, InvalidArgument, NoSuchContainer, OperationFailed
from lockgate.effects.sessions import Session, Standing
from lockgate.errors import NoSuchSession, NotRunning

NOTHING = (0, 1, 2)


@pytest.fixture
def web(engine: Engine) -> str:
    made = engine.create(name="web", image="busybox", command=["sleep", "60"])
    engine.start("web")
    return made.id


def answering(engine: Engine, answer: Callable[[Session], int | None]) -> None:
    assert engine.simulation is not None
    engine.simulation.sessions.answer = answer


def ends(engine: Engine, session: Session, code: int) -> None:
    assert engine.simulation is not None
    engine.simulation.sessions.end(session.id, code)


@pytest.mark.usefixtures("web")
class TestExec:
    def test_runs_beside_the_first_process_until_it_ends(self, engine: Engine) -> None:
        session = engine.exec("web", ["ls"], env={"A": "1"}, user="33", workdir="/tmp")
        assert (session.standing, session.epoch) == (Standing.RUNNING, 1)
        assert (session.wish.env, session.wish.user, session.wish.workdir) == (
            ("A=1",), "33", "/tmp",
        )  # fmt: skip
        assert engine.sessions("web") == (session,)
        ends(engine, session, 7)
        assert engine.exec_wait("web", session.id) == 7
        (ended,) = engine.sessions("web")
        assert (ended.standing, ended.exit_code) == (Standing.STOPPED, 7)
        assert list(engine.exec_output("web", session.id)) == []

    def test_is_known_by_the_beginning_of_its_id(self, engine: Engine) -> None:
        one, _ = engine.exec("web", ["a"]), engine.exec("web", ["b"])
        assert engine.session("web", one.id[:40]) == one
        for wrong in ("", "nothing", one.id + "0"):
            with pytest.raises(NoSuchSession, match="no session"):
                engine.session("web", wrong)

    def test_a_wait_ends_with_it(self, engine: Engine) -> None:
        session = engine.exec("web", ["ls"])
        with pytest.raises(TimeoutError, match="has not ended in"):
            engine.exec_wait("web", session.id, 0.01)
        threading.Timer(0.05, ends, (engine, session, 3)).start()
        assert engine.exec_wait("web", session.id, 10) == 3

    def test_any_number_that_fail_leave_nothing(self, engine: Engine, web: str) -> None:
        """P21: neither a session nor a line of history of them."""
        before = engine.host.store.row(web)
        answering(engine, lambda session: None)
        for _ in range(500):
            with pytest.raises(OperationFailed):
                engine.exec("web", ["nope"])
        assert engine.sessions("web") == ()
        assert engine.host.store.row(web) == before

    def test_it_can_be_killed_and_only_once(self, engine: Engine) -> None:
        session = engine.exec("web", ["sleep"])
        engine.exec_kill("web", session.id, "USR1")
        assert engine.session("web", session.id).standing is Standing.RUNNING
        engine.exec_kill("web", session.id)
        assert engine.exec_wait("web", session.id) == 137
        with pytest.raises(OperationFailed, match="has ended"):
            engine.exec_kill("web", session.id)

    def test_it_ends_with_the_run_and_is_nobodys_in_the_next(self, engine: Engine) -> None:
        session = engine.exec("web", ["sleep"])
        engine.kill("web")
        (ended,) = engine.sessions("web")
        assert (ended.id, ended.standing, ended.exit_code) == (session.id, Standing.STOPPED, 137)
        engine.start("web")
        assert engine.sessions("web") == ()

    def test_each_is_told_of_and_none_after_its_run(self, engine: Engine, web: str) -> None:
        """P21, P24, B130."""
        one, two = engine.exec("web", ["a"]), engine.exec("web", ["b"])
        assert engine.inspect("web").sessions == (one.id, two.id)
        ends(engine, two, 7)
        assert engine.inspect("web").sessions == (one.id,)
        engine.kill("web")
        told = [(event.event, event.session, event.exit_code) for event in engine.events()]
        assert told[-6:-1] == [
            ("exec", one.id, None),
            ("exec", two.id, None),
            ("exec_died", two.id, 7),
            ("exec_died", one.id, 137),
            ("died", "", 137),
        ]
        engine.replay(web).unwrap()

    def test_it_never_keeps_a_container_from_going(self, engine: Engine) -> None:
        engine.exec("web", ["sleep"])
        engine.remove("web", force=True, timeout=0)
        assert engine.list() == ()


@pytest.mark.usefixtures("web")
class TestCall:
    def test_is_answered_with_the_exit_code(self, engine: Engine) -> None:
        answering(engine, lambda session: len(session.wish.command))
        assert engine.call("web", ["a", "b", "c"], NOTHING) == 3
        assert engine.sessions("web") == ()

    def test_who_waits_for_it_learns_its_end_also_when_it_is_put_away(self, engine: Engine) -> None:
        answering(engine, lambda session: 4)
        engine.call("web", ["a"], NOTHING)
        (session,) = {one.session for one in engine.events() if one.event == "exec_died"}
        assert engine.exec_wait("web", session) == 4
        assert engine.exec_wait("web", session[:12]) == 4
        for wrong in ("", session + "0"):
            with pytest.raises(NoSuchSession):
                engine.exec_wait("web", wrong)
        engine.restart("web")
        with pytest.raises(NoSuchSession):
            engine.exec_wait("web", session)

    @pytest.mark.parametrize("lasting", [False, True])
    def test_is_told_of_and_forgotten(self, engine: Engine, web: str, lasting: bool) -> None:
        assert engine.simulation is not None
        engine.simulation.sessions.lasting = lasting
        before = len(list(engine.history(web)))
        engine.call("web", ["ls"], NOTHING)
        began, died = [one for one in engine.events() if one.session]
        assert (began.event, died.event, died.exit_code) == ("exec", "exec_died", 0)
        assert began.session == died.session
        assert len(list(engine.history(web))) - before == 1 + lasting
        engine.replay(web).unwrap()


class TestWhatCannotBe:
    def test_a_command_that_is_not_there(self, engine: Engine, web: str) -> None:
        answering(engine, lambda session: None)
        with pytest.raises(OperationFailed, match="cannot exec in container web: nope") as no:
            engine.exec("web", ["nope"])
        assert no.value.fault.kind == "missing"
        assert engine.sessions("web") == ()

    @pytest.mark.parametrize("command", [[], ["a\0b"]])
    def test_a_command_that_is_none(self, engine: Engine, web: str, command: list[str]) -> None:
        with pytest.raises(InvalidArgument):
            engine.exec("web", command)

    def test_where_nothing_runs(self, engine: Engine, web: str) -> None:
        engine.pause("web")
        with pytest.raises(NotRunning, match="it is paused; unpause it first"):
            engine.exec("web", ["ls"])
        engine.kill("web")
        with pytest.raises(NotRunning, match="it is stopped; start it first"):
            engine.call("web", ["ls"], NOTHING)
        with pytest.raises(NoSuchContainer):
            engine.exec("nobody", ["ls"])

    def test_an_unknown_user(self, engine: Engine, web: str) -> None:
        with pytest.raises(OperationFailed, match="somebody"):
            engine.exec("web", ["ls"], user="somebody")
