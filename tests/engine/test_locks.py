"""Locks are kept of those that are there, and of nobody else (P14)."""

import pytest

from lockgate import Engine, NameTaken, NoSuchContainer, Record
from lockgate.effects.config import Config
from lockgate.statemachine.inputs import Create
from lockgate.testing import properties as promised


def kept(engine: Engine) -> set[str]:
    known = set(engine.host.locks.known())
    promised.one_lock_each(known, {record.id for record in engine.list()})
    return known


def test_a_removed_one_takes_its_lock_along(engine: Engine, web: Record) -> None:
    assert web.id in kept(engine)
    for _ in range(3):
        other = engine.create(name="other", image="busybox")
        engine.start("other")
        engine.remove("other", force=True)
        assert other.id not in kept(engine)


def test_one_that_could_not_be_made_has_none(engine: Engine, web: Record) -> None:
    with pytest.raises(NameTaken):
        engine.create(name="web", image="busybox")
    assert kept(engine) == {web.id}


def test_who_comes_late_leaves_none(engine: Engine, web: Record) -> None:
    engine.remove("web")
    with pytest.raises(NoSuchContainer):
        engine.start(web.id)
    engine._interpreter.sync(web.id)
    assert kept(engine) == set()


def test_what_somebody_did_not_live_to_remove_goes_with_a_refresh(
    engine: Engine, web: Record
) -> None:
    engine._interpreter.submit("c" * 64, Create(Config(id="c" * 64, name="c", command=("sh",))))
    engine.remove("c")
    with engine.host.locks.hold("c" * 64):  # and dies
        pass
    assert "c" * 64 in engine.host.locks.known()
    assert engine.refresh() == {}
    assert kept(engine) == {web.id}


def test_who_is_busy_is_told(engine: Engine, web: Record) -> None:
    assert engine.busy("web") == ""
    with engine.host.locks.hold(web.id):
        assert engine.busy("web") == "another thread"
    engine.remove("web")
    assert engine.busy(web.id) == ""
