"""The store: state and history in one transaction, twice: on disk and in memory.

First what both promise, then that they answer alike whatever is asked, then what only a file can
suffer: crashes, forks, damage, newer versions, and a full disk.
"""

import random
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier, Thread
from threading import Event as Signal
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from lockgate.adapters.store import MemoryStore, SqliteStore, schema
from lockgate.adapters.store.reserve import FILES
from lockgate.effects.model import Process
from lockgate.effects.outcome import UNKNOWN_EXIT, Exited
from lockgate.effects.ports import (
    Commit,
    Event,
    Executor,
    NameTakenError,
    NeededError,
    NoPodError,
    PodRow,
    Row,
    StaleError,
    Store,
    StoreError,
    UnmetError,
)

A, B, C = "a" * 64, "ab" + "b" * 62, "c" * 64
ME = Executor(Process(41, 7, "boot"))


def commit(container: str = A, seq: int = 0, *, name: str | None = None, **given: Any) -> Commit:
    """A commit in which only what the test is about is said."""
    said: dict[str, Any] = {
        "status": "created",
        "entry": f"{container} {seq}".encode(),
        "record": f"record {seq}".encode(),
    }
    chosen = container[:12] if name is None else name
    return Commit(container=container, name=chosen, seq=seq, **(said | given))


def happened(event: str, container: str = A) -> Event:
    return Event(container, container[:12], event, at=5)


def everything(store: Store, *references: str) -> dict[str, object]:
    """All a store can tell."""
    ids = sorted({A, B, C, *references})
    return {
        "rows": list(store.rows()),
        "row": [store.row(one) for one in ids],
        "history": [list(store.history(one)) for one in ids],
        "exits": [[store.exit(one, epoch) for epoch in (None, 0, 1, 2, 9)] for one in ids],
        "events": [list(store.events(after)) for after in (-1, 0, 1, 3)],
        "find": [store.find(one) for one in ids],
        "past": [store.past(one) for one in ids],
        "needed_by": [store.needed_by(one) for one in ids],
        "pods": [(one, store.members(one.pod)) for one in store.pods()],
    }


@contextmanager
def unchanged(store: Store) -> Iterator[None]:
    before = everything(store)
    yield
    assert everything(store) == before


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def disk(path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(path)) as store:
        yield store


@pytest.fixture(params=["sqlite", "memory"])
def store(request: pytest.FixtureRequest, path: Path) -> Iterator[Store]:
    with closing(SqliteStore(path) if request.param == "sqlite" else MemoryStore()) as made:
        yield made


# ---- who needs whom ----------------------------------------------------------------------


class TestNeeds:
    """Nobody is ever without whom they need, in whatever order two commits come."""

    def test_are_kept_while_both_are_there(self, store: Store) -> None:
        store.append(commit(A))
        store.append(commit(C, needs=(A,)))
        store.append(commit(B, needs=(A, C, A)))
        store.append(commit(B, 1))  # only the first commit says whom it needs
        assert (store.needed_by(A), store.needed_by(C), store.needed_by(B)) == ((C, B), (B,), ())
        store.append(commit(B, 2, record=None, leaving=True))
        assert (store.needed_by(A), store.needed_by(C)) == ((C,), ())

    @pytest.mark.parametrize("away", ["never", "leaving", "gone"])
    def test_cannot_be_of_who_is_away(self, store: Store, away: str) -> None:
        if away != "never":
            store.append(commit(A))
            store.append(commit(A, 1, leaving=True, record=b"" if away == "leaving" else None))
        with unchanged(store), pytest.raises(UnmetError, match="which is not there"):
            store.append(commit(B, needs=(A,)))

    def test_who_is_needed_cannot_leave(self, store: Store) -> None:
        store.append(commit(A))
        store.append(commit(C, needs=(A,)))
        store.append(commit(B, needs=(A,)))
        with unchanged(store), pytest.raises(NeededError, match="needed by 2 others") as refused:
            store.append(commit(A, 1, leaving=True))
        assert refused.value.by == (C, B)

    def test_who_stays_after_all_can_be_needed_again(self, store: Store) -> None:
        store.append(commit(A))
        store.append(commit(A, 1, leaving=True))
        store.append(commit(A, 2))
        store.append(commit(B, needs=(A,)))
        assert store.needed_by(A) == (B,)

    def test_who_leaves_already_may_go_on(self, store: Store) -> None:
        store.append(commit(A))
        for seq in (1, 2):
            store.append(commit(A, seq, leaving=True))
        store.append(commit(A, 3, leaving=True, record=None))
        assert store.row(A) is None


class TestPods:
    """A pod comes and goes with the container that holds it together."""

    POD, OTHER = "d" * 64, "de" + "e" * 62

    def founded(self, store: Store, name: str = "web", pod: str = POD, infra: str = A) -> None:
        store.append(commit(infra, pod=pod, pod_name=name))

    def test_is_there_from_the_first_commit_of_that_to_its_last(self, store: Store) -> None:
        self.founded(store)
        row = PodRow(pod=self.POD, name="web", infra=A)
        assert (list(store.pods()), store.pod(self.POD)) == ([row], row)
        store.append(commit(A, 1))
        assert store.pod(self.POD) == row
        store.append(commit(A, 2, record=None, leaving=True))
        assert (list(store.pods()), store.pod(self.POD)) == ([], None)

    def test_has_members_in_the_order_they_came(self, store: Store) -> None:
        self.founded(store)
        for one in (C, B):
            store.append(commit(one, pod=self.POD, needs=(A,)))
        store.append(commit(C, 1))  # only the first commit says where it is
        assert store.members(self.POD) == (A, C, B)
        assert [row.pod for row in store.rows()] == [self.POD] * 3
        store.append(commit(C, 2, record=None, leaving=True))
        assert store.members(self.POD) == (A, B)
        assert store.members("") == ()

    @pytest.mark.parametrize("leaving", ["", "plain", "force", "gone"])
    def test_nobody_comes_into_one_that_is_about_to_go(self, store: Store, leaving: str) -> None:
        self.founded(store)
        if leaving == "gone":
            store.append(commit(A, 1, record=None, leaving=True))
        else:
            store.dismiss(self.POD, leaving)  # type: ignore[arg-type]
        if leaving:
            with unchanged(store), pytest.raises(NoPodError, match="no pod dddd"):
                store.append(commit(B, pod=self.POD))
        else:
            store.append(commit(B, pod=self.POD))

    def test_one_that_stays_after_all_takes_members_again(self, store: Store) -> None:
        self.founded(store)
        for word in ("force", ""):
            store.dismiss(self.POD, word)
            pod = store.pod(self.POD)
            assert pod is not None and pod.leaving == word
        store.append(commit(B, pod=self.POD))
        store.dismiss(self.OTHER, "force")  # nothing, where there is none

    def test_has_a_name_nobody_else_has(self, store: Store) -> None:
        self.founded(store)
        store.append(commit(B, name="db"))
        taken: tuple[tuple[dict[str, Any], str], ...] = (
            ({"name": "web"}, "pod dddd"),
            ({"pod": self.OTHER, "pod_name": "web"}, "pod dddd"),
            ({"pod": self.OTHER, "pod_name": "db"}, "container ab"),
            ({"name": "x", "pod": self.OTHER, "pod_name": "x"}, "container cccc"),
        )
        for given, what in taken:
            with unchanged(store), pytest.raises(NameTakenError, match=what):
                store.append(commit(C, **given))
        with unchanged(store), pytest.raises(NameTakenError, match="pod dddd"):
            store.append(commit(B, 1, name="web"))
        store.append(commit(A, 1, record=None, leaving=True))
        store.append(commit(C, name="web"))

    def test_is_found_by_name_id_and_the_beginning_of_one(self, store: Store) -> None:
        self.founded(store)
        self.founded(store, "dddd", self.OTHER, B)
        assert store.find_pod("web") == store.find_pod(self.POD) == (self.POD,)
        assert store.find_pod("dddd") == (self.OTHER,)  # a name before the beginning of an id
        assert store.find_pod("d") == (self.POD, self.OTHER)
        assert store.find_pod("") == store.find_pod("nobody") == store.find_pod(A) == ()
        assert store.find("web") == ()


# ---- state and history -------------------------------------------------------------------


def test_nothing_is_known_at_first(store: Store) -> None:
    assert store.row(A) is None
    assert list(store.rows()) == list(store.history(A)) == list(store.events()) == []
    assert store.find(A) == () and store.past(A) is None and store.exit(A) is None


def test_a_commit_is_row_and_entry_at_once(store: Store) -> None:
    store.append(commit(A, name="web", status="running", entry=b"born", record=b"\0\xff"))
    row = Row(container=A, name="web", seq=1, status="running", record=b"\0\xff")
    assert store.row(A) == row
    assert list(store.rows()) == [row]
    assert list(store.history(A)) == [b"born"]


def test_the_next_commit_replaces_the_row_and_extends_the_history(store: Store) -> None:
    store.append(commit(A, 0, entry=b"one", executor=ME))
    store.append(commit(A, 1, entry=b"", status="stopping", record=b"", executor=ME))
    store.append(commit(A, 2, entry=b"three", status="stopping", record=b"last"))
    assert list(store.history(A)) == [b"one", b"", b"three"]
    assert store.row(A) == Row(
        container=A, name=A[:12], seq=3, status="stopping", record=b"last", executor=None
    )


def test_who_waits_is_remembered(store: Store) -> None:
    store.append(commit(A, executor=ME))
    row = store.row(A)
    assert row is not None and row.executor == ME


def test_rows_come_oldest_first_whatever_happened_since(store: Store) -> None:
    for one in (C, A, B):
        store.append(commit(one))
    store.append(commit(C, 1))
    store.append(commit(A, 1, name="renamed"))
    assert [row.container for row in store.rows()] == [C, A, B]


def test_what_is_gone_leaves_its_history_and_exits_and_frees_its_name(store: Store) -> None:
    end = Exited(3, at=9)
    store.append(commit(A, name="web", exits=((1, end),)))
    store.append(commit(A, 1, name="web", entry=b"gone", record=None))
    assert store.row(A) is None and list(store.rows()) == []
    assert store.find(A) == store.find("web") == ()
    assert list(store.history(A))[1:] == [b"gone"]
    assert store.exit(A) == end
    assert store.past("web") == store.past(A) == A
    store.append(commit(B, name="web"))
    assert store.find("web") == (B,)


@pytest.mark.parametrize("seq", [-1, 0, 1, 3])
def test_a_writer_that_missed_something_is_refused(store: Store, seq: int) -> None:
    store.append(commit(A, 0))
    store.append(commit(A, 1))
    with unchanged(store), pytest.raises(StaleError, match=f"has 2 entries.* not {seq}:"):
        store.append(commit(A, seq, events=(happened("x"),), exits=((1, Exited(0, 1)),)))


def test_the_first_entry_is_number_zero(store: Store) -> None:
    with unchanged(store), pytest.raises(StaleError):
        store.append(commit(A, 1))


@pytest.mark.parametrize("seq", [0, 1, 2])
def test_what_is_gone_does_not_come_back(store: Store, seq: int) -> None:
    store.append(commit(A, 0))
    store.append(commit(A, 1, record=None))
    with unchanged(store), pytest.raises(StaleError):
        store.append(commit(A, seq))


def test_it_can_be_gone_at_once(store: Store) -> None:
    store.append(commit(A, entry=b"stillborn", record=None))
    assert list(store.rows()) == []
    assert list(store.history(A)) == [b"stillborn"]


def test_iterators_are_snapshots(store: Store) -> None:
    store.append(commit(A, events=(happened("create"),)))
    rows, history, events = store.rows(), store.history(A), store.events()
    store.append(commit(A, 1, events=(happened("start"),)))
    store.append(commit(B))
    assert [row.seq for row in rows] == [1]
    assert len(list(history)) == 1
    assert [event.event for event in events] == ["create"]


def test_a_long_history_comes_whole(store: Store) -> None:
    entries = [b"%d" % seq for seq in range(1203)]
    for seq, entry in enumerate(entries):
        store.append(commit(A, seq, entry=entry, events=(happened("x"),)))
    assert list(store.history(A)) == entries
    assert [event.number for event in store.events()] == list(range(1, 1204))
    assert [event.number for event in store.events(1201)] == [1202, 1203]


def test_threads_may_write_at_once(store: Store) -> None:
    def life(number: int) -> None:
        for seq in range(20):
            store.append(commit(f"c{number}", seq, events=(happened("x"),)))
            row = store.row(f"c{number}")
            assert row is not None and row.seq == seq + 1

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(life, range(6)))
    assert [row.seq for row in store.rows()] == [20] * 6
    assert [event.number for event in store.events()] == list(range(1, 121))


# ---- names -------------------------------------------------------------------------------


def test_a_name_belongs_to_one(store: Store) -> None:
    store.append(commit(A, name="web"))
    with unchanged(store), pytest.raises(NameTakenError) as taken:
        store.append(commit(B, name="web", events=(happened("x", B),)))
    assert (taken.value.name, taken.value.holder) == ("web", A)


def test_a_name_can_be_changed_for_a_free_one(store: Store) -> None:
    store.append(commit(A, name="web"))
    store.append(commit(B, name="db"))
    with unchanged(store), pytest.raises(NameTakenError):
        store.append(commit(A, 1, name="db"))
    store.append(commit(A, 1, name="www"))
    store.append(commit(B, 1, name="web"))
    assert store.find("www") == (A,) and store.find("web") == (B,)


def test_any_number_may_have_no_name(store: Store) -> None:
    store.append(commit(A, name=""))
    store.append(commit(B, name=""))
    assert store.find("") == () and store.past("") is None


def test_a_full_id_means_more_than_a_name_and_a_name_more_than_a_prefix(store: Store) -> None:
    store.append(commit("abc", name="x"))
    store.append(commit("abd", name="abc"))
    store.append(commit("xyz", name="ab"))
    assert store.find("abc") == ("abc",)
    assert store.find("ab") == ("xyz",)
    assert store.find("abd") == ("abd",)


def test_a_prefix_finds_one_or_shows_two(store: Store) -> None:
    for one in ("abc", "abd", "abe", "b"):
        store.append(commit(one, name=""))
    assert store.find("abe") == ("abe",)
    assert store.find("ab") == ("abc", "abd")
    assert store.find("abcd") == store.find("c") == store.find("aa") == ()


@pytest.mark.parametrize("reference", ["%", "_", "a%", "__", "*", "a*", "?", "[a]", "A", "\udcff"])
def test_references_are_taken_literally(store: Store, reference: str) -> None:
    """No wildcards, no other case (MAP L-152), and no upset over bytes that are no text."""
    store.append(commit("ab", name="web"))
    assert store.find(reference) == () and store.past(reference) is None


def test_the_past_knows_the_newest_of_a_name(store: Store) -> None:
    for one in ("aa", "ab"):
        store.append(commit(one, name="web"))
        store.append(commit(one, 1, name="web", record=None))
    store.append(commit("b", name="aa"))
    assert store.past("web") == "ab"
    assert store.past("a") == "ab"
    assert store.past("aa") == "aa", "an id means more than a name"
    assert store.past("c") is None


# ---- exits and events --------------------------------------------------------------------


def test_a_run_has_one_end(store: Store) -> None:
    """What was said first stands (P02)."""
    store.append(commit(A, 0, exits=((1, Exited(3, at=9, oom=True)),)))
    store.append(commit(A, 1, exits=((1, Exited(UNKNOWN_EXIT, at=10, reason="lost")),)))
    assert store.exit(A, 1) == Exited(3, at=9, oom=True)


def test_the_newest_exit_is_that_of_the_last_run(store: Store) -> None:
    store.append(commit(A, 0, exits=((2, Exited(2, 2)), (10, Exited(10, 1)), (9, Exited(9, 3)))))
    assert store.exit(A) == Exited(10, 1)
    assert store.exit(A, 2) == Exited(2, 2)
    assert store.exit(A, 3) is store.exit(B) is None


def test_events_are_numbered_in_the_order_of_commits(store: Store) -> None:
    store.append(commit(A, events=(happened("create"), happened("start"))))
    store.append(commit(B, events=(Event(B, "b", "died", 7, exit_code=0, signal=9),)))
    assert [(event.number, event.event) for event in store.events()] == [
        (1, "create"),
        (2, "start"),
        (3, "died"),
    ]
    assert list(store.events(2)) == [Event(B, "b", "died", 7, exit_code=0, signal=9, number=3)]
    assert list(store.events(3)) == []
    assert store.newest_event() == 3


def test_waiting_ends_at_once_when_there_is_news_already(store: Store) -> None:
    store.append(commit(A, events=(happened("create"),)))
    began = time.monotonic()
    store.wait_events(0, timeout=60)
    assert time.monotonic() - began < 10


def test_waiting_ends_when_news_come(store: Store) -> None:
    store.append(commit(A, events=(happened("create"),)))
    waiter = Thread(target=store.wait_events, args=(1, 60), daemon=True)
    waiter.start()
    store.append(commit(A, 1, events=(happened("start"),)))
    waiter.join(10)
    assert not waiter.is_alive()


def test_waiting_ends_without_news_too(store: Store) -> None:
    began = time.monotonic()
    store.wait_events(0, timeout=0.05)
    assert 0.05 <= time.monotonic() - began < 10


# ---- the twins ---------------------------------------------------------------------------

IDS = ("a", "ab", "abc", "b")
NAMES = ("", "a", "ab", "web")
EXITS = st.builds(Exited, st.integers(-1, 255), st.integers(0, 3), st.booleans())


class Twins(RuleBasedStateMachine):
    """The same commits to both; whatever is asked, they answer alike."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = TemporaryDirectory()
        self.disk, self.memory = SqliteStore(Path(self.directory.name, "store")), MemoryStore()

    @rule(
        container=st.sampled_from(IDS),
        name=st.sampled_from(NAMES),
        late=st.sampled_from([0, 0, 0, 0, 0, 0, 1, -1]),
        record=st.none() | st.binary(max_size=3) | st.binary(max_size=3),
        executor=st.sampled_from([None, ME]),
        events=st.lists(st.sampled_from(["create", "start"]), max_size=2),
        exits=st.lists(st.tuples(st.integers(0, 2), EXITS), max_size=2),
    )
    def append(
        self,
        container: str,
        name: str,
        late: int,
        record: bytes | None,
        executor: Executor | None,
        events: list[str],
        exits: list[tuple[int, Exited]],
    ) -> None:
        asked = commit(
            container,
            len(list(self.memory.history(container))) + late,
            name=name,
            record=record,
            executor=executor,
            events=tuple(happened(event, container) for event in events),
            exits=tuple(exits),
        )
        assert _answer(self.disk, asked) == _answer(self.memory, asked)
        assert everything(self.disk, *IDS, *NAMES) == everything(self.memory, *IDS, *NAMES)

    @rule()
    def reopen(self) -> None:
        self.disk.close()
        self.disk = SqliteStore(Path(self.directory.name, "store"))

    def teardown(self) -> None:
        self.disk.close()
        self.directory.cleanup()


def _answer(store: Store, asked: Commit) -> str:
    try:
        store.append(asked)
    except (NameTakenError, StaleError) as refusal:
        return repr(refusal)
    return "done"


TestTwins = Twins.TestCase
TestTwins.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)


# ---- the file ----------------------------------------------------------------------------


def test_what_was_committed_is_there_tomorrow(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        store.append(commit(A, executor=ME, events=(happened("x"),), exits=((1, Exited(1, 2)),)))
        before = everything(store)
    with closing(SqliteStore(path)) as store:
        assert everything(store) == before


RESERVE = ("store-reserve", *(f"store-reserve.{number}" for number in range(FILES)))


def test_it_is_private(disk: SqliteStore, path: Path) -> None:
    disk.append(commit())
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
    assert modes == dict.fromkeys(["store", "store-wal", "store-shm", *RESERVE], 0o600)


def test_closing_leaves_no_litter(path: Path) -> None:
    SqliteStore(path).close()
    assert {one.name for one in path.parent.iterdir()} == {"store", *RESERVE}


def test_its_log_is_written_over_soon(disk: SqliteStore, path: Path) -> None:
    page = 4096 + 24  # bytes, and the header of its frame
    for seq in range(300):
        disk.append(commit(seq=seq))
    most = schema.LOG_PAGES + 20  # a commit that reaches the mark is written whole
    assert path.with_name("store-wal").stat().st_size < most * page


def test_a_closed_store_says_so(disk: SqliteStore) -> None:
    disk.close()
    disk.close()
    with pytest.raises(StoreError, match="closed"):
        disk.row(A)


@pytest.mark.parametrize("name", ["a b", "100%", "what?", "#1", "ä", ":memory:", "%41"])
def test_any_name_will_do(tmp_path: Path, name: str) -> None:
    with closing(SqliteStore(tmp_path / name)) as store:
        store.append(commit())
    assert (tmp_path / name).stat().st_size > 0


def test_readers_do_not_wait_for_a_writer(disk: SqliteStore, path: Path) -> None:
    disk.append(commit(A))
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        writer.execute("DELETE FROM history")
        writer.execute("DELETE FROM containers")
        began = time.monotonic()
        assert [row.seq for row in disk.rows()] == [1]
        everything(disk)
        with closing(SqliteStore(path)) as another:
            assert another.find(A) == (A,)
        assert time.monotonic() - began < 10


def test_writers_wait_for_each_other(disk: SqliteStore, path: Path) -> None:
    done = Signal()

    def write() -> None:
        disk.append(commit(A))
        done.set()

    thread = Thread(target=write, daemon=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        thread.start()
        assert not done.wait(0.05)
        other.execute("COMMIT")
    assert done.wait(10)
    thread.join()


def test_who_is_in_a_hurry_does_not_wait_for_a_writer(disk: SqliteStore, path: Path) -> None:
    """Another process may have been stopped in the middle of it (FAULTS §4, 9)."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with unchanged(disk), pytest.raises(StoreError, match="another process has kept it locked"):
            disk.append(commit(A), 0.01)
        other.execute("ROLLBACK")
    disk.append(commit(A), 0.01)


def test_nor_for_a_thread_of_its_own(disk: SqliteStore) -> None:
    with disk._connections.writing:
        with unchanged(disk), pytest.raises(StoreError, match="another thread has kept it locked"):
            disk.append(commit(A), 0.01)
    disk.append(commit(A), 0.01)


def test_what_fails_half_way_leaves_nothing(disk: SqliteStore) -> None:
    unwritable = happened("\udcff")
    with unchanged(disk), pytest.raises(UnicodeEncodeError):
        disk.append(commit(A, exits=((1, Exited(0, 1)),), events=(happened("x"), unwritable)))
    disk.append(commit(A))


# ---- what is no store of ours ------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"precious text, and not a database\n" * 100, "not a database at all"),
        (b"SQLite format 3\0" + b"\xff" * 5000, "damaged|not a database"),
    ],
)
def test_a_file_that_is_no_database_is_left_alone(
    path: Path, content: bytes, complaint: str
) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreError, match=complaint) as error:
        SqliteStore(path)
    assert str(path) in str(error.value) and "move it away" in str(error.value)
    assert path.read_bytes() == content


def test_the_database_of_another_program_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as foreign:
        foreign.execute("CREATE TABLE containers (precious)")
    content = path.read_bytes()
    with pytest.raises(StoreError, match=f"{path}: a database of another program"):
        SqliteStore(path)
    assert path.read_bytes() == content


def test_a_directory_is_no_store(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StoreError, match=f"{path}: it is not a file; move it away"):
        SqliteStore(path)
    assert list(path.iterdir()) == []


def test_a_link_to_nowhere_is_no_store(path: Path) -> None:
    path.symlink_to("nowhere")
    with pytest.raises(StoreError, match="not a file"):
        SqliteStore(path)


def test_its_directory_must_exist(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=f"there is no directory {tmp_path}/missing; make it"):
        SqliteStore(tmp_path / "missing" / "store")


def test_damage_inside_is_told_where_it_is_met(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        store.append(commit())
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with closing(SqliteStore(path)) as store:
        with pytest.raises(StoreError, match=f"{path}: damaged"):
            list(store.rows())


DAMAGE = {
    "record is text": ("UPDATE containers SET record = 'text'", b"text"),
    "record is a number": ("UPDATE containers SET record = 7", b""),
    "record is torn": ("UPDATE containers SET record = x'00ff'", b"\0\xff"),
    "executor is no JSON": ("UPDATE containers SET executor = x'00ff'", None),
    "executor is half": ("""UPDATE containers SET executor = '{"process":{' """, None),
    "executor is a number": ("UPDATE containers SET executor = 7", None),
    "status is no text": ("UPDATE containers SET status = CAST(x'ff' AS TEXT)", None),
    "name is bytes": ("UPDATE containers SET name = x'00'", None),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_one_damaged_row_hides_no_other(disk: SqliteStore, path: Path, damage: str) -> None:
    """P11: listed with what is readable, and what is known of others stays known."""
    disk.append(commit(A, executor=ME))
    disk.append(commit(B, executor=ME))
    healthy = disk.row(B)
    statement, record = DAMAGE[damage]
    with closing(sqlite3.connect(path, isolation_level=None)) as vandal:
        vandal.execute(f"{statement} WHERE container = ?", (A,))
    found = {row.container: row for row in disk.rows()}
    assert found[B] == healthy and found[A] == disk.row(A)
    assert found[A].seq == 1
    if record is not None:
        assert found[A].record == record
    if "executor" in damage:
        assert found[A].executor is None
    disk.append(commit(A, 1))
    assert disk.row(A) == Row(container=A, name=A[:12], seq=2, status="created", record=b"record 1")


def test_damaged_exits_and_events_hide_no_other(disk: SqliteStore, path: Path) -> None:
    for one in (A, B):
        disk.append(commit(one, events=(happened("x", one),), exits=((1, Exited(0, 5)),)))
    with closing(sqlite3.connect(path, isolation_level=None)) as vandal:
        vandal.execute("UPDATE exits SET exit = x'00ff' WHERE container = ?", (A,))
        vandal.execute("UPDATE events SET event = '{' WHERE number = 1")
    ended = disk.exit(A)
    assert ended is not None and ended.code == UNKNOWN_EXIT and "damaged" in ended.reason
    assert disk.exit(B) == Exited(0, 5)
    assert [event.number for event in disk.events()] == [2]


# ---- versions ----------------------------------------------------------------------------


def _version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return schema.version(connection)


def test_a_newer_store_is_left_alone(path: Path) -> None:
    SqliteStore(path).close()
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 7")
    known = f"store version 7, this one knows up to {len(schema.MIGRATIONS)}\\); upgrade"
    with pytest.raises(StoreError, match=known):
        SqliteStore(path)
    assert _version(path) == 7


def test_a_store_upgraded_under_our_feet_is_not_written_to(disk: SqliteStore, path: Path) -> None:
    disk.append(commit(A))
    with closing(sqlite3.connect(path)) as newer:
        newer.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    with unchanged(disk), pytest.raises(StoreError, match="newer lockgate"):
        disk.append(commit(A, 1))


NEXT = (
    "ALTER TABLE containers ADD COLUMN ship TEXT NOT NULL DEFAULT ''",
    "UPDATE containers SET ship = name",
)


def test_an_older_store_is_brought_up_to_date(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        store.append(commit(A, name="web"))
        before = everything(store)
    with closing(schema.connect(path, [*schema.MIGRATIONS, NEXT])) as connection:
        assert schema.version(connection) == len(schema.MIGRATIONS) + 1
        assert connection.execute("SELECT ship FROM containers").fetchall() == [("web",)]
        connection.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS)}")
    with closing(SqliteStore(path)) as store:
        assert everything(store) == before


def test_a_store_of_the_first_version_is_brought_up_to_date(path: Path) -> None:
    with closing(schema.connect(path, schema.MIGRATIONS[:1])) as connection:
        connection.execute(
            "INSERT INTO containers (container, name, status, record) VALUES (?, 'web', 'x', '')",
            (A,),
        )
    with closing(SqliteStore(path)) as store:
        assert store.find("web") == (A,)
        store.append(commit(B, needs=(A,)))
        assert store.needed_by(A) == (B,)


def test_a_store_from_before_there_were_pods_is_brought_up_to_date(path: Path) -> None:
    with closing(schema.connect(path, schema.MIGRATIONS[:2])) as connection:
        connection.execute(
            "INSERT INTO containers (container, name, status, record) VALUES (?, 'web', 'x', '')",
            (A,),
        )
    with closing(SqliteStore(path)) as store:
        (row,) = store.rows()
        assert (row.name, row.pod, list(store.pods())) == ("web", "", [])
        store.append(commit(B, pod="d" * 64, pod_name="front"))
        store.append(commit(C, pod="d" * 64, needs=(B,)))
        assert store.members("d" * 64) == (B, C)


def test_an_older_store_may_be_opened_by_many_at_once(path: Path) -> None:
    SqliteStore(path).close()
    together = Barrier(8)

    def upgrade(_: int) -> int:
        together.wait()
        with closing(schema.connect(path, [*schema.MIGRATIONS, NEXT])) as connection:
            return schema.version(connection)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(upgrade, range(8))) == [len(schema.MIGRATIONS) + 1] * 8


def test_all_migrations_or_none(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        store.append(commit(A, name="web"))
    failing = ("DELETE FROM containers", "INSERT INTO nowhere VALUES (1)")
    with pytest.raises(StoreError, match="nowhere"):
        schema.connect(path, [*schema.MIGRATIONS, NEXT, failing])
    assert _version(path) == len(schema.MIGRATIONS)
    with closing(SqliteStore(path)) as store:
        assert store.find("web") == (A,)


def test_an_empty_file_is_a_store_that_was_not_begun(path: Path) -> None:
    path.touch()
    with closing(SqliteStore(path)) as store:
        store.append(commit())
    assert _version(path) == len(schema.MIGRATIONS)


# ---- processes ---------------------------------------------------------------------------

COMMIT = """
import os, sys
from pathlib import Path
from lockgate.adapters.store import SqliteStore
from lockgate.effects.ports import Commit, Event
def commit(container, seq=0):
    data = b"%d" % seq
    return Commit(container=container, name=container, seq=seq, status="created", entry=data,
                  record=data, events=(Event(container, container, "x", seq),))
path = Path(sys.argv[1])
"""


@contextmanager
def process(code: str, *arguments: object) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", COMMIT + code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def said(child: "subprocess.Popen[str]", line: str) -> bool:
    assert child.stdout is not None
    return child.stdout.readline() == line + "\n"


def test_twenty_processes_may_come_first(path: Path) -> None:
    code = """
print("ready", flush=True)
sys.stdin.readline()
SqliteStore(path).append(commit(sys.argv[2]))
print("done", flush=True)
"""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", COMMIT + code, str(path), f"c{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(20)
    ]
    try:
        assert all(said(child, "ready") for child in children)
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        assert all(said(child, "done") for child in children)
    finally:
        for child in children:
            child.kill()
            child.communicate()
    with closing(SqliteStore(path)) as store:
        assert {row.container for row in store.rows()} == {f"c{number}" for number in range(20)}
        assert [event.number for event in store.events()] == list(range(1, 21))


def test_news_of_another_process_are_heard(disk: SqliteStore, path: Path) -> None:
    with process("SqliteStore(path).append(commit('a'))", path):
        disk.wait_events(0, timeout=60)
    assert [event.container for event in disk.events()] == ["a"]


def test_what_was_acknowledged_survives_the_death_of_the_writer(path: Path) -> None:
    code = """
store = SqliteStore(path)
for seq in range(int(sys.argv[2]), 1_000_000):
    store.append(commit("a", seq))
    os.write(1, b"%d\\n" % seq)
"""
    written = 0
    for _ in range(6):
        with process(code, path, written) as writer:
            assert writer.stdout is not None
            patience = random.randint(1, 200)
            acknowledged = [int(writer.stdout.readline()) for _ in range(patience)][-1]
            writer.kill()
            rest = writer.stdout.read().split("\n")[:-1]
            acknowledged = int(rest[-1]) if rest else acknowledged
        with closing(SqliteStore(path)) as store:
            history, row = list(store.history("a")), store.row("a")
            written = len(history)
            assert written in (acknowledged + 1, acknowledged + 2), "one may be unacknowledged"
            assert history == [b"%d" % seq for seq in range(written)]
            assert row is not None and (row.seq, row.record) == (written, history[-1])
            assert [event.at for event in store.events()] == list(range(written))


@pytest.mark.parametrize("kind", ["inherited", "new"])
def test_a_fork_has_locks_of_its_own(path: Path, kind: str) -> None:
    """SQLite in a fork believes it holds what its parent held, unless the parent let go first. So
    the parent may die, others may come and go, and the child still stands on firm ground."""
    code = """
store = SqliteStore(path)
store.append(commit("before"))
child = os.fork()
if child:
    store.append(commit("parent"))
    sys.stdin.readline()
    os.kill(os.getpid(), 9)
if "new" in sys.argv:
    store = SqliteStore(path)
store.append(commit("child"))
while not list(store.history("parent")):  # it is killed when we have spoken
    store.wait_events(0, 0.01)
print(os.getpid(), flush=True)
sys.stdin.readline()
store.append(commit("after"))
print("done", flush=True)
"""
    with process(code, path, kind) as parent:
        assert parent.stdout is not None and parent.stdin is not None
        child = int(parent.stdout.readline())
        holders = {
            int(fields[4])
            for fields in map(str.split, Path("/proc/locks").read_text().splitlines())
            if fields[5].rpartition(":")[2] == str(path.stat().st_ino)
        }
        assert child in holders
        parent.kill()
        parent.wait()
        with closing(SqliteStore(path)) as visitor:
            visitor.append(commit(A))
        parent.stdin.write("go\n")
        parent.stdin.flush()
        assert said(parent, "done")
    with closing(SqliteStore(path)) as store:
        ids = {row.container for row in store.rows()}
    assert ids == {"before", "parent", "child", A, "after"}


def test_threads_may_write_while_others_fork(path: Path) -> None:
    code = """
from threading import Thread
store = SqliteStore(path)
def write(name):
    for seq in range(60):
        store.append(commit(name, seq))
threads = [Thread(target=write, args=(name,)) for name in ("a", "b")]
for thread in threads:
    thread.start()
for number in range(10):
    child = os.fork()
    if child == 0:
        store.append(commit(f"child {number}"))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
for thread in threads:
    thread.join()
print("done", flush=True)
"""
    with process(code, path) as parent:
        assert said(parent, "done")
    with closing(SqliteStore(path)) as store:
        assert len(list(store.rows())) == 12
        assert [len(list(store.history(name))) for name in "ab"] == [60, 60]


# ---- the disk ----------------------------------------------------------------------------


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A small file system of its own; called again, it is mounted anew with other options."""
    target = tmp_path / "disk"
    target.mkdir()

    def mount(options: str) -> Path:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", target], check=True)
        return target

    yield mount
    while target.is_mount():
        subprocess.run(["umount", target], check=True)


def filled(directory: Path) -> Path:
    """Not one block is left."""
    ballast = directory / "ballast"
    with ballast.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return ballast


@pytest.mark.real
def test_a_full_disk_leaves_room_to_finish_and_then_changes_nothing(
    tmpfs: Callable[[str], Path],
) -> None:
    """P25. Removing must be written down before it can free anything."""
    disk = tmpfs("size=4m")
    with closing(SqliteStore(disk / "store")) as store:
        store.append(commit(A))
        ballast = filled(disk)
        seq = 1
        with pytest.raises(StoreError, match=r"no space left .* free some space"):
            for seq in range(1, 10_000):
                store.append(commit(A, seq))
        assert seq > 20, "the reserve was not used"
        with unchanged(store), pytest.raises(StoreError, match="no space left"):
            store.append(commit(A, seq, events=(happened("x"),)))
        assert len(list(store.history(A))) == seq

        ballast.unlink()
        store.append(commit(A, seq))
        assert (disk / "store-reserve").stat().st_blocks > 0, "kept again for the next time"


@pytest.mark.real
def test_a_full_disk_does_not_keep_anybody_from_looking(tmpfs: Callable[[str], Path]) -> None:
    disk = tmpfs("size=4m")
    with closing(SqliteStore(disk / "store")) as store:
        store.append(commit(A))
    filled(disk)
    with closing(SqliteStore(disk / "store")) as store:
        assert store.find(A) == (A,)
        store.append(commit(A, 1, record=None))


@pytest.mark.real
def test_a_read_only_disk_is_told_at_once(tmpfs: Callable[[str], Path]) -> None:
    disk = tmpfs("size=4m")
    SqliteStore(disk / "store").close()
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with pytest.raises(StoreError, match=f"{disk}/store: .*store cannot be written; make it"):
        SqliteStore(disk / "store")
    with pytest.raises(StoreError, match=f"{disk}/new: cannot be made there .Read-only file"):
        SqliteStore(disk / "new")


@pytest.mark.real
def test_a_full_disk_holds_no_new_store(tmpfs: Callable[[str], Path]) -> None:
    disk = tmpfs("size=4m")
    ballast = filled(disk)
    with pytest.raises(StoreError, match=f"{disk}/store: no space left"):
        SqliteStore(disk / "store")
    assert list(disk.iterdir()) == [ballast]
    ballast.unlink()
    SqliteStore(disk / "store").close()
