"""A session is told by its files, whatever is in them."""

import os
from pathlib import Path

import msgspec
import pytest

from lockgate.adapters.oci.cgroups import Cgroups
from lockgate.adapters.oci.sessions import ConmonSessions
from lockgate.effects.config import Config
from lockgate.effects.outcome import PortError
from lockgate.effects.sessions import Session, Standing, Wish

CONTAINER = "c0ffee"
BEGUN = Session(id="5e55", container=CONTAINER, epoch=1, wish=Wish(command=("ls",)), created_at=7)


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


def only(sessions: ConmonSessions) -> Session:
    (found,) = sessions.look(CONTAINER, 1)
    return found


def test_where_nobody_joined_there_are_none(sessions: ConmonSessions) -> None:
    assert sessions.look(CONTAINER, 1) == ()
    assert sessions.await_exit(CONTAINER, 1, BEGUN.id, 0) is None


def test_it_has_only_begun_while_nobody_has_answered(sessions: ConmonSessions, place: Path) -> None:
    (place / "sync").unlink()
    assert only(sessions) == BEGUN


def test_what_its_monitor_wrote_is_its_code(sessions: ConmonSessions, place: Path) -> None:
    (place / "exits" / CONTAINER).write_text("7")
    assert (only(sessions).standing, only(sessions).exit_code) == (Standing.STOPPED, 7)
    assert sessions.await_exit(CONTAINER, 1, BEGUN.id, None) == only(sessions)


@pytest.mark.parametrize("text", ["", "seven", "7" * 100, "-9"])
def test_anything_else_is_an_end_nobody_saw(
    sessions: ConmonSessions, place: Path, text: str
) -> None:
    (place / "exits" / CONTAINER).write_text(text)
    assert only(sessions).exit_code == -1
    assert "exit" in only(sessions).exit_reason


def test_without_a_monitor_nobody_knows(sessions: ConmonSessions, place: Path) -> None:
    assert (only(sessions).standing, only(sessions).exit_code) == (Standing.STOPPED, -1)
    assert "monitor" in only(sessions).exit_reason


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


@pytest.mark.parametrize(
    "pid",
    ["1", "0", "-1", "", "x", str(os.getpid())],
    ids=["1", "0", "-1", "none", "no number", "we"],
)
def test_who_is_not_in_the_container_is_never_signalled(
    sessions: ConmonSessions, place: Path, pid: str
) -> None:
    (place / "pidfile").write_text(pid)
    with pytest.raises(PortError, match="has ended"):
        sessions.signal(Config(id=CONTAINER), 1, BEGUN.id, 9)


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b"])
def test_an_id_that_is_none_leads_nowhere(sessions: ConmonSessions, name: str) -> None:
    with pytest.raises(PortError, match="is no session"):
        sessions.output(CONTAINER, 1, name)


def test_who_would_join_a_run_that_is_over_is_told(sessions: ConmonSessions) -> None:
    with pytest.raises(PortError, match="the run it would join is over"):
        sessions.begin(Config(id=CONTAINER), BEGUN, b"{}")
