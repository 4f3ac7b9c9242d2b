"""A session is told by its files, whatever is in them."""

import os
import subprocess
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from lockgate.adapters.oci.cgroups import Cgroups
from lockgate.adapters.oci.process import identify
from lockgate.adapters.oci.sessions import ConmonSessions
from lockgate.effects.config import Config
from lockgate.effects.model import Process
from lockgate.effects.outcome import PortError
from lockgate.effects.sessions import Seen, Session, Standing, Wish

CONTAINER = "c0ffee"
ME = identify(os.getpid())
BEGUN = Session(
    id="5e55",
    container=CONTAINER,
    epoch=1,
    wish=Wish(command=("ls",)),
    created_at=7,
    standing=Standing.CREATED,
    by=ME,
)


@pytest.fixture
def sessions(tmp_path: Path) -> ConmonSessions:
    return ConmonSessions(tmp_path, "runc", "conmon", Cgroups(()))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the files of one session are, as they are once it has begun."""
    made = tmp_path / "run" / CONTAINER / "1" / "exec" / BEGUN.id
    (made / "exits").mkdir(parents=True)
    (made / "persist").mkdir()
    (made / "session.json").write_bytes(msgspec.json.encode(BEGUN))
    (made / "sync").write_text('{"data": 41}\n')
    return made


def only(sessions: ConmonSessions) -> Seen:
    (found,) = sessions.look(CONTAINER, 1)
    again = sessions.seen(CONTAINER, 1, found.session.id)
    assert again and (again.session, again.process) == (found.session, found.process)
    return found


def ended(sessions: ConmonSessions) -> tuple[int, str]:
    end = only(sessions).end
    assert end is not None
    return end.code, end.reason


def passed_away() -> Process:
    """Somebody who has ended."""
    child = subprocess.Popen(["sleep", "9"])
    found = identify(child.pid)
    child.kill()
    child.wait()
    assert found is not None
    return found


def test_where_nobody_joined_there_are_none(sessions: ConmonSessions) -> None:
    assert sessions.look(CONTAINER, 1) == ()
    assert sessions.await_exit(CONTAINER, 1, BEGUN.id, 0) is None


def test_it_has_only_begun_while_nobody_has_answered(sessions: ConmonSessions, place: Path) -> None:
    (place / "sync").unlink()
    assert only(sessions) == Seen(BEGUN)


def test_nor_will_it_when_whoever_had_it_begun_is_dead(
    sessions: ConmonSessions, place: Path
) -> None:
    (place / "sync").unlink()
    for by in (passed_away(), None):
        sessions.keep(replace(BEGUN, by=by))
        assert only(sessions) == Seen(replace(BEGUN, by=by), never=True)


def test_what_its_monitor_wrote_is_its_code(sessions: ConmonSessions, place: Path) -> None:
    (place / "exits" / CONTAINER).write_text("7")
    assert ended(sessions) == (7, "")
    assert sessions.await_exit(CONTAINER, 1, BEGUN.id, None) == only(sessions).end


@pytest.mark.parametrize("text", ["", "seven", "7" * 100, "-9"])
def test_anything_else_is_an_end_nobody_saw(
    sessions: ConmonSessions, place: Path, text: str
) -> None:
    (place / "exits" / CONTAINER).write_text(text)
    code, reason = ended(sessions)
    assert code == -1 and "exit" in reason


def test_without_a_monitor_nobody_knows(sessions: ConmonSessions, place: Path) -> None:
    code, reason = ended(sessions)
    assert code == -1 and "monitor" in reason


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"id": 5}', b"\xff", b"[" * 10_000])
def test_a_record_that_cannot_be_read_is_none(
    sessions: ConmonSessions, place: Path, text: bytes
) -> None:
    (place / "session.json").write_bytes(text)
    assert sessions.look(CONTAINER, 1) == ()


def test_neither_is_a_link_or_a_pipe(sessions: ConmonSessions, place: Path) -> None:
    record = place / "session.json"
    elsewhere = place / "elsewhere"
    record.rename(elsewhere)
    record.symlink_to(elsewhere)
    assert sessions.look(CONTAINER, 1) == ()
    record.unlink()
    os.mkfifo(record)
    assert sessions.look(CONTAINER, 1) == ()


class TestAttached:
    """It has no monitor: whoever called it waits in its place."""

    @pytest.fixture
    def attached(self, sessions: ConmonSessions, place: Path) -> Session:
        (place / "sync").unlink()
        (place / "pidfile").write_text(str(os.getpid()))
        session = replace(BEGUN, attached=True)
        sessions.keep(session)
        return session

    def test_it_runs_while_its_process_does(
        self, sessions: ConmonSessions, attached: Session
    ) -> None:
        assert only(sessions) == Seen(attached, ME)

    def test_of_its_end_its_caller_has_the_first_word(
        self, sessions: ConmonSessions, attached: Session, place: Path
    ) -> None:
        sessions.keep(replace(attached, process=passed_away()))
        assert only(sessions).end is None
        (place / "exits" / CONTAINER).write_text("3")
        assert ended(sessions) == (3, "")

    def test_unless_that_is_dead_too(self, sessions: ConmonSessions, attached: Session) -> None:
        gone = passed_away()
        sessions.keep(replace(attached, process=gone, by=gone))
        assert ended(sessions) == (-1, "whoever called it did not live to see its end")

    def test_a_process_that_outlives_its_caller_runs(
        self, sessions: ConmonSessions, attached: Session
    ) -> None:
        sessions.keep(replace(attached, process=ME, by=passed_away()))
        assert (only(sessions).process, only(sessions).end) == (ME, None)

    def test_a_number_is_not_believed_once_nobody_holds_it(
        self, sessions: ConmonSessions, attached: Session
    ) -> None:
        sessions.keep(replace(attached, by=passed_away()))
        assert only(sessions).process is None

    def test_it_is_forgotten(self, sessions: ConmonSessions, attached: Session) -> None:
        for _ in range(2):
            sessions.forget(attached)
            sessions.keep(attached)
            assert sessions.look(CONTAINER, 1) == ()


@pytest.mark.parametrize("who", [None, Process(1, 1, "boot"), ME], ids=["nobody", "init", "we"])
def test_who_is_not_in_the_container_is_never_signalled(
    sessions: ConmonSessions, who: Process | None
) -> None:
    with pytest.raises(PortError, match="has ended"):
        sessions.signal(Config(id=CONTAINER), 1, who, 9)


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b"])
def test_an_id_that_is_none_leads_nowhere(sessions: ConmonSessions, name: str) -> None:
    with pytest.raises(PortError, match="is no session"):
        sessions.output(CONTAINER, 1, name)


def test_who_would_join_a_run_that_is_over_is_told(sessions: ConmonSessions) -> None:
    with pytest.raises(PortError, match="the run it would join is over"):
        sessions.begin(Config(id=CONTAINER), BEGUN, b"{}")
