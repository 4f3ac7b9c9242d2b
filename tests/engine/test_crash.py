"""Killed at every commit and every effect of every operation: the next command recovers."""

import contextlib
import sqlite3
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from lockgate import LockgateError, OperationFailed, Record, Status
from lockgate.adapters.store import SqliteStore
from lockgate.adapters.store.memory import MemoryStore
from lockgate.effects.ports import StoreError
from lockgate.testing.stores import FullStore

from .boundaries import (
    LEAST,
    OPERATIONS,
    Begin,
    alone,
    drifted,
    emptied,
    everywhere,
    interrupted,
    killed,
    looked_at,
    mended,
)
from .conftest import Simulation


@pytest.fixture
def begin(tmp_path: Path) -> Begin:
    return partial(alone, tmp_path)


@pytest.mark.parametrize("name", OPERATIONS)
def test_killed_anywhere_the_next_command_recovers(name: str, begin: Begin) -> None:
    for simulation, _, _ in everywhere(begin, OPERATIONS[name], killed):
        survivor = simulation.engine()
        looked_at(simulation, survivor)
        emptied(simulation, survivor)


@pytest.mark.parametrize("name", OPERATIONS)
def test_interrupted_anywhere_the_same_engine_goes_on(name: str, begin: Begin) -> None:
    """SIGINT, or SIGTERM and whoever handles it: what was begun is unwound, the process lives on."""
    for simulation, engine, _ in everywhere(begin, OPERATIONS[name], interrupted):
        looked_at(simulation, engine)
        emptied(simulation, engine)


@pytest.mark.parametrize(
    "who", ["monitor killed", "killed", "both killed", "runtime state damaged"]
)
@pytest.mark.parametrize("name", OPERATIONS)
def test_others_die_anywhere_and_the_engine_notices(name: str, who: str, begin: Begin) -> None:
    """Its monitor, its first process, both; or the runtime, in the middle of writing."""
    for simulation, engine, _ in everywhere(begin, OPERATIONS[name], drifted(who)):
        mended(engine)
        looked_at(simulation, engine)
        for record in engine.list():  # what the runtime cannot read fails once, and is cleared away
            if record.status not in (Status.RUNNING, Status.PAUSED):
                with contextlib.suppress(OperationFailed):
                    engine.start(record.id)
        emptied(simulation, engine)


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_space_at_any_commit_is_said_and_survived(name: str, tmp_path: Path) -> None:
    """P25: nothing is half written, the next command goes on when there is space again."""
    for place in count(1):
        store = FullStore(MemoryStore())
        simulation = alone(tmp_path, store)
        OPERATIONS[name].before(simulation.engine())
        engine = simulation.engine()
        store.at = store.commits + place
        try:
            OPERATIONS[name].operation(engine)
        except StoreError as problem:
            assert "no space" in str(problem)
        else:
            assert place > LEAST, "there was always space"
            simulation.close()
            return
        assert all(record.status in Status for record in engine.list()), "listing needs no space"
        store.at = 0
        looked_at(simulation, engine)
        for record in engine.list():
            engine.remove(record.id, force=True)
        assert not simulation.host.worlds()
        simulation.close()


@pytest.mark.parametrize(
    "nonsense", [b"", b"\x00\xff", b"{}", b'{"config":{"id":"other"}}', b"[" * 9999]
)
def test_a_record_that_cannot_be_read_is_shown_and_can_be_removed(
    nonsense: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "lockgate.db"
    store = SqliteStore(path)
    simulation = Simulation(store)
    engine = simulation.engine()
    engine.import_image("busybox", tmp_path, command=["sh"])
    web = engine.create(name="web", image="busybox")
    other = engine.create(name="other", image="busybox")
    engine.start("web")
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE containers SET record = ? WHERE name = 'web'", (nonsense,))
    shown = {record.config.name: record.status for record in engine.list()}
    assert shown == {"web": Status.UNKNOWN, "other": Status.CONFIGURED}
    with pytest.raises(LockgateError, match="it is unknown; legal now: remove --force"):
        engine.start("web")
    engine.remove("web", force=True)
    assert simulation.host.world(web.id).empty
    assert [record.id for record in engine.list()] == [other.id]
    assert isinstance(engine.replay(web.id).unwrap(), Record)  # the damage is part of the history
    simulation.close()
    store.close()
