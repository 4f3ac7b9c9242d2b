"""What must be so after anything has gone wrong on a real host, in the order in which it is asked
(FAULTS §3, "Oracle order")."""

from pathlib import Path

import pytest
from tests.ground import Ground
from tests.waiting import until

from lockgate import Engine, NoSuchContainer, Record, Status
from lockgate.adapters.oci.process import alive
from lockgate.adapters.syscalls import mounted_at
from lockgate.effects.config import Config
from lockgate.statemachine.record import RESOURCES, newborn
from lockgate.statemachine.status import Presence
from lockgate.testing import properties as promised
from lockgate.testing.explore import Broken

ENDED = (Status.STOPPED, Status.EXITED)


def footprint(root: Path, record: Record) -> promised.Footprint:
    """What this host really holds of the container."""
    merged = root / "containers" / record.id / "merged"
    there = {
        "layer": merged.exists(),
        "mount": merged.exists() and mounted_at(merged) is not None,
        "network": any((root / "netns").glob(f"{record.id}-*")),
        "runtime": (root / "runtime" / record.id).exists(),
        "freezer": record.status is Status.PAUSED,  # said by the cgroup, not asked here
    }
    lives = record.process is not None and alive(record.process)
    return promised.Footprint(frozenset(name for name, yes in there.items() if yes), lives)


def recovered(engine: Engine, root: Path) -> tuple[Record, ...]:
    """One look, and nothing is in doubt: P01, P02, P03, P04, P06, P14, of all there are."""
    records = tuple(engine.sync(record.id) for record in engine.list())
    records = tuple(record for record in records if not record.gone)
    for record in records:
        assert record.pending == ()
        promised.settled(record, footprint(root, record))
        history = list(engine.history(record.id))
        blank = newborn(Config(id=record.id))
        assert promised.replays(blank, history) == record
        promised.ordered_before_heard(history)
        promised.one_exit_each(blank, history)
        promised.stop_wins(history)
        promised.within_budget(blank, history)
        promised.joined_to(record, engine.sessions(record.id))
        if record.status in ENDED:
            promised.waits_agree([engine.wait(record.id), engine.wait(record.id)])
    promised.needs_met(records)
    promised.nobody_elses(records)
    return records


def mended(engine: Engine) -> None:
    """After what failed and said so: what may be left of it is given back by one command."""
    engine.refresh()
    for record in engine.list():
        doubts = any(getattr(record, name) is Presence.UNCERTAIN for name in RESOURCES)
        if doubts and record.status in ENDED:
            engine.cleanup(record.id)


def judged(engine: Engine, root: Path, before: Ground) -> None:
    """It has recovered, can run, and can be removed; and nothing is left of it (P05, P06)."""
    for record in recovered(engine, root):
        if record.status is Status.PAUSED:
            engine.unpause(record.id)
        elif record.status is not Status.RUNNING:
            assert engine.start(record.id).status is Status.RUNNING
    for record in recovered(engine, root):
        engine.remove(record.id, force=True, timeout=0)
        with pytest.raises(NoSuchContainer):
            engine.remove(record.id, force=True, timeout=0)
    assert not engine.refresh()  # whoever died last may have left a lock
    until(lambda: _at_rest(engine), "a lock is kept of what is gone")
    before.still(root)


def _at_rest(engine: Engine) -> bool:
    """Whoever saw to its health may be finding out just now that there is nothing left to see to."""
    try:
        promised.one_lock_each(engine.host.locks.known(), ())
    except Broken:
        return False
    return True
