"""SIGKILL at every boundary of every operation, on real parts: the next command recovers.

A boundary is a point before or after a commit or an effect. The engine that is killed is a process
of its own; the one that recovers is ours. Nothing may be left in doubt, and nothing behind.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lockgate import Engine, Record, Status
from lockgate.adapters.oci.process import alive
from lockgate.adapters.syscalls import mounted_at
from lockgate.effects.config import Config
from lockgate.statemachine.record import newborn
from lockgate.testing import busybox
from lockgate.testing import properties as promised

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600)]

Operation = Callable[[Engine], object]


def nothing(engine: Engine) -> None:
    """It is configured, and that is all."""


def started(engine: Engine) -> None:
    engine.start("web")


def stopped(engine: Engine) -> None:
    engine.start("web")
    engine.kill("web")


def paused(engine: Engine) -> None:
    engine.start("web")
    engine.pause("web")


def mounted(engine: Engine) -> None:
    engine.mount("web")


def create(engine: Engine) -> None:
    engine.create(name="new", image="busybox", command=["sleep", "600"], network="private")


SCENARIOS: dict[str, tuple[Operation, Operation]] = {
    "create": (nothing, create),
    "init": (nothing, lambda engine: engine.init("web")),
    "start": (nothing, lambda engine: engine.start("web")),
    "start of a stopped one": (stopped, lambda engine: engine.start("web")),
    "stop": (started, lambda engine: engine.stop("web", timeout=0)),
    "kill": (started, lambda engine: engine.kill("web")),
    "signal": (started, lambda engine: engine.kill("web", "USR1")),
    "pause": (started, lambda engine: engine.pause("web")),
    "unpause": (paused, lambda engine: engine.unpause("web")),
    "restart": (started, lambda engine: engine.restart("web", timeout=0)),
    "mount": (nothing, mounted),
    "unmount": (mounted, lambda engine: engine.unmount("web")),
    "removal by force of what is mounted": (
        mounted,
        lambda engine: engine.remove("web", force=True),
    ),
    "cleanup": (stopped, lambda engine: engine.cleanup("web")),
    "remove": (stopped, lambda engine: engine.remove("web")),
    "remove by force": (paused, lambda engine: engine.remove("web", force=True, timeout=0)),
}


def die_at(root: Path, runtime: str, name: str, place: int) -> None:
    """In a process of its own: carry out the operation, and be killed at the n-th boundary."""
    passed = 0

    def fuse(_: str) -> None:
        nonlocal passed
        passed += 1
        if passed == place:
            os.kill(os.getpid(), signal.SIGKILL)

    with Engine.open(root, runtime=runtime, probe=fuse) as engine:
        SCENARIOS[name][1](engine)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def engine(root: Path, runtime: str, tmp_path: Path) -> Iterator[Engine]:
    with Engine.open(root, runtime=runtime) as made:
        made.import_image("busybox", busybox.rootfs_tar(tmp_path / "busybox.tar"))
        yield made


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


def nothing_is_left_of(root: Path, container: str) -> None:
    for place in ("containers", "run", "runtime"):
        assert not (root / place / container).exists(), place
    assert not list((root / "netns").glob(f"{container}-*"))


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_anywhere_the_next_command_recovers(
    name: str, engine: Engine, root: Path, runtime: str
) -> None:
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["lockgate.engine", "lockgate.wiring"])
    place = 0
    while True:
        place += 1
        engine.create(name="web", image="busybox", command=["sleep", "600"], network="private")
        SCENARIOS[name][0](engine)
        victim = processes.Process(target=die_at, args=(root, runtime, name, place))
        victim.start()
        victim.join(60)
        assert victim.exitcode in (0, -signal.SIGKILL), victim.exitcode
        for record in engine.list():
            synced = engine.sync(record.id)
            if not synced.gone:
                promised.settled(synced, footprint(root, synced))
                entries = list(engine.history(synced.id))
                assert promised.replays(newborn(Config(id=synced.id)), entries) == synced
                promised.stop_wins(entries)
        for record in engine.list():
            if record.status not in (Status.RUNNING, Status.PAUSED):
                assert engine.start(record.id).status is Status.RUNNING
            engine.remove(record.id, force=True, timeout=0)
            nothing_is_left_of(root, record.id)
        if victim.exitcode == 0:
            break
    assert place > 2, "the fuse was never lit"
