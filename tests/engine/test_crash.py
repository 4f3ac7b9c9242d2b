"""Killed at every commit and every effect of every operation: the next command recovers."""

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from lockgate import Engine, LockgateError, Record, Status
from lockgate.adapters.store import SqliteStore
from lockgate.adapters.store.memory import MemoryStore
from lockgate.effects.config import Config
from lockgate.effects.ports import StoreError
from lockgate.statemachine.record import newborn
from lockgate.testing import properties as promised
from lockgate.testing.deaths import Fuse, Killed
from lockgate.testing.stores import FullStore

from .conftest import Simulation


def started(engine: Engine) -> None:
    engine.start("web")


def stopped(engine: Engine) -> None:
    engine.start("web")
    engine.stop("web")


def deferred(engine: Engine) -> None:
    engine.create(name="late", image="busybox", network="private", deferred_network=True)


def written_down(engine: Engine) -> None:
    deferred(engine)
    engine.start("late")
    engine.checkpoint("late")


SCENARIOS: dict[str, tuple[Callable[[Engine], object], Callable[[Engine], object]]] = {
    "create": (lambda engine: None, lambda engine: engine.create(name="new", image="busybox")),
    "init": (lambda engine: None, lambda engine: engine.init("web")),
    "start": (lambda engine: None, lambda engine: engine.start("web")),
    "start with a network set up late": (deferred, lambda engine: engine.start("late")),
    "restore with a network set up late": (written_down, lambda engine: engine.restore("late")),
    "start of a stopped one": (stopped, lambda engine: engine.start("web")),
    "stop": (started, lambda engine: engine.stop("web")),
    "kill": (started, lambda engine: engine.kill("web")),
    "signal": (started, lambda engine: engine.kill("web", "USR1")),
    "pause": (started, lambda engine: engine.pause("web")),
    "restart": (started, lambda engine: engine.restart("web")),
    "cleanup": (stopped, lambda engine: engine.cleanup("web")),
    "remove": (stopped, lambda engine: engine.remove("web")),
    "remove by force": (started, lambda engine: engine.remove("web", force=True)),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_anywhere_the_next_command_recovers(name: str, tmp_path: Path) -> None:
    before, operation = SCENARIOS[name]
    place = 0
    while True:
        place += 1
        simulation = Simulation()
        first = simulation.engine()
        first.import_image("busybox", tmp_path, command=["sh"])
        first.create(name="web", image="busybox")
        before(first)
        fuse = Fuse(place)
        try:
            operation(simulation.engine(fuse))
        except Killed:
            pass
        else:
            assert place > 2, "the fuse was never lit"
            simulation.close()
            return
        survivor = simulation.engine()
        for record in survivor.list():
            synced = survivor.sync(record.id)
            if not synced.gone:
                promised.settled(synced, promised.footprint(simulation.host.world(record.id)))
            entries = list(survivor.history(record.id))
            promised.replays(newborn(Config(id=record.id)), entries)
            promised.ordered_before_heard(entries)
            promised.stop_wins(entries)
        promised.in_order(list(survivor.events()))
        # whatever was done, it can be brought to running, and then to nothing
        for record in survivor.list():
            if record.status not in (Status.RUNNING, Status.PAUSED):
                survivor.start(record.id)
            survivor.remove(record.id, force=True)
            assert simulation.host.world(record.id).empty
        simulation.close()


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_space_at_any_commit_is_said_and_survived(name: str, tmp_path: Path) -> None:
    """P25: nothing is half written, the next command goes on when there is space again."""
    before, operation = SCENARIOS[name]
    place = 0
    while True:
        place += 1
        store = FullStore(MemoryStore())
        simulation = Simulation(store)
        engine = simulation.engine()
        engine.import_image("busybox", tmp_path, command=["sh"])
        engine.create(name="web", image="busybox")
        before(engine)
        store.at = store.commits + place
        try:
            operation(engine)
        except StoreError as problem:
            assert "no space" in str(problem)
        else:
            assert place > 2, "there was always space"
            simulation.close()
            return
        assert all(record.status in Status for record in engine.list()), "listing needs no space"
        store.at = 0
        for record in engine.list():
            synced = engine.sync(record.id)
            if not synced.gone:
                promised.settled(synced, promised.footprint(simulation.host.world(record.id)))
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
