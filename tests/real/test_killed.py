"""SIGKILL at every boundary of every operation, on real parts: the next command recovers.

A boundary is a point before or after a commit or an effect. The engine that is killed is a process
of its own; the one that recovers is ours. Nothing may be left in doubt, and nothing behind.
"""

from pathlib import Path
from signal import SIGINT

import pytest
from tests.ground import Ground
from tests.oracle import judged
from tests.soak import step
from tests.victims import Operation, killed_everywhere

from lockgate import Engine

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.sampled, pytest.mark.timeout(600)]

EVERY = {"runc": 1, "crun": step(4)}
"""So many boundaries at a time: what dies is ours, whichever runtime it has called."""


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


def init(engine: Engine) -> None:
    engine.init("web")


def start(engine: Engine) -> None:
    engine.start("web")


def stop(engine: Engine) -> None:
    engine.stop("web", timeout=0)


def kill(engine: Engine) -> None:
    engine.kill("web")


def signal(engine: Engine) -> None:
    engine.kill("web", "USR1")


def pause(engine: Engine) -> None:
    engine.pause("web")


def unpause(engine: Engine) -> None:
    engine.unpause("web")


def restart(engine: Engine) -> None:
    engine.restart("web", timeout=0)


def unmount(engine: Engine) -> None:
    engine.unmount("web")


def cleanup(engine: Engine) -> None:
    engine.cleanup("web")


def remove(engine: Engine) -> None:
    engine.remove("web")


def remove_by_force(engine: Engine) -> None:
    engine.remove("web", force=True, timeout=0)


SCENARIOS: dict[str, tuple[Operation, Operation]] = {
    "create": (nothing, create),
    "init": (nothing, init),
    "start": (nothing, start),
    "start of a stopped one": (stopped, start),
    "stop": (started, stop),
    "kill": (started, kill),
    "signal": (started, signal),
    "pause": (started, pause),
    "unpause": (paused, unpause),
    "restart": (started, restart),
    "mount": (nothing, mounted),
    "unmount": (mounted, unmount),
    "removal by force of what is mounted": (mounted, remove_by_force),
    "cleanup": (stopped, cleanup),
    "remove": (stopped, remove),
    "remove by force": (paused, remove_by_force),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_anywhere_the_next_command_recovers(
    name: str, engine: Engine, root: Path, runtime: str
) -> None:
    prepared, operation = SCENARIOS[name]
    before = Ground.of(root)
    sleeper(engine)
    prepared(engine)
    for _ in killed_everywhere(root, runtime, operation, every=EVERY[runtime]):
        judged(engine, root, before)
        sleeper(engine)
        prepared(engine)
    engine.remove("web", force=True, timeout=0)
    before.still(root)


@pytest.mark.parametrize("name", ["start", "restart"])
def test_interrupted_anywhere_the_next_command_recovers(
    name: str, engine: Engine, root: Path, runtime: str
) -> None:
    """What it was doing is unwound."""
    prepared, operation = SCENARIOS[name]
    before = Ground.of(root)
    sleeper(engine)
    prepared(engine)
    for _ in killed_everywhere(root, runtime, operation, number=SIGINT, every=EVERY[runtime]):
        judged(engine, root, before)
        sleeper(engine)
        prepared(engine)
    engine.remove("web", force=True, timeout=0)
    before.still(root)


def sleeper(engine: Engine) -> None:
    engine.create(name="web", image="busybox", command=["sleep", "600"], network="private")
