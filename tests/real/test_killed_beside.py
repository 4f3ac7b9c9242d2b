"""SIGKILL at every boundary of what is done beside a container's life: health checks, hooks, processes
that join it, what is owed after a run. A boundary is here also before and after whatever such an
operation does to the world. The next command recovers, and nothing is left.
"""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from msgspec import Struct
from tests.ground import Ground
from tests.oracle import judged
from tests.soak import step
from tests.victims import Operation, Tool, killed_everywhere

from lockgate import Engine, Record
from lockgate.adapters.oci.process import end
from lockgate.effects.health import HealthCheck

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.sampled, pytest.mark.timeout(600)]

SESSIONS = "lockgate.adapters.oci.sessions"
EXEC: tuple[Tool, ...] = (
    (SESSIONS, "ConmonSessions._made"),
    (SESSIONS, "launch"),
    (SESSIONS, "heard"),
)
CHECK: tuple[Tool, ...] = (
    (SESSIONS, "ConmonSessions._made"),
    (SESSIONS, "Listener.until_the_end"),
    ("lockgate.adapters.checks", "LocalChecks.note"),
)
HOOKS: tuple[Tool, ...] = (
    ("lockgate.adapters.hooks.run", "finished"),
    ("lockgate.adapters.hooks.run", "_succeeded"),
)
SELDOM = HealthCheck(command=("true",), interval=3600 * 10**9)


def start(engine: Engine) -> None:
    engine.start("web")


def stop(engine: Engine) -> None:
    engine.stop("web", timeout=0)


def cleanup(engine: Engine) -> None:
    engine.cleanup("web")


def remove(engine: Engine) -> None:
    engine.remove("web", force=True, timeout=0)


def settle(engine: Engine) -> None:
    engine.settle("web")


def refresh(engine: Engine) -> None:
    assert not engine.refresh()


def check(engine: Engine) -> None:
    engine.check("web")


def join(engine: Engine) -> None:
    engine.exec("web", ["sleep", "600"])


def give_back(engine: Engine) -> None:
    engine.unmount("web", force=True)


def stopped(engine: Engine) -> None:
    start(engine)
    engine.kill("web")


def joined(engine: Engine) -> None:
    start(engine)
    join(engine)


def mounted_twice(engine: Engine) -> None:
    engine.mount("web")
    engine.mount("web")


def ended_unseen(engine: Engine) -> None:
    """By a run whose monitor calls nobody."""
    web: Record = engine.start("web")
    assert web.process is not None and web.monitor is not None
    assert end(web.monitor, 10) and end(web.process, 10)


def nothing(engine: Engine) -> None:
    """It is configured, and that is all."""


class Scene(Struct, frozen=True):
    """`wishes` of the container, what was `done` before; `tools` are boundaries, too."""

    done: Operation
    operation: Operation
    wishes: tuple[tuple[str, object], ...] = ()
    tools: tuple[Tool, ...] = ()
    hooked: bool = False


SCENES = {
    "start with health checks": Scene(nothing, start, (("health", SELDOM),)),
    "a health check": Scene(start, check, (("health", SELDOM),), CHECK),
    "start with hooks": Scene(nothing, start, hooked=True, tools=HOOKS[:1]),
    "cleanup with hooks": Scene(stopped, cleanup, hooked=True, tools=HOOKS),
    "removal by force with hooks": Scene(start, remove, hooked=True, tools=HOOKS),
    "exec": Scene(start, join, tools=EXEC),
    "stop of what others have joined": Scene(joined, stop),
    "removal of what others have joined": Scene(joined, remove),
    "settle, another run": Scene(
        ended_unseen, settle, (("restart", "on-failure"), ("restart_retries", 1))
    ),
    "settle, a removal": Scene(ended_unseen, settle, (("auto_remove", True),)),
    "refresh": Scene(ended_unseen, refresh, (("restart", "always"),)),
    "unmount by force": Scene(mounted_twice, give_back),
}


def hook(root: Path, name: str, script: str, stage: str) -> None:
    (root / "hooks.d").mkdir(exist_ok=True)
    written = {
        "version": "1.0.0",
        "hook": {"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/usr/bin:/bin"]},
        "when": {"always": True},
        "stages": [stage],
    }
    (root / "hooks.d" / name).write_text(json.dumps(written))


def made(engine: Engine, scene: Scene) -> None:
    wishes = dict(scene.wishes)
    command = ["sleep", "600"]
    engine.create(name="web", image="busybox", command=command, network="private", **wishes)  # type: ignore[arg-type]
    scene.done(engine)


@pytest.mark.parametrize("name", SCENES)
def test_killed_anywhere_the_next_command_recovers(
    name: str, engine: Engine, root: Path, runtime: str, tmp_path: Path
) -> None:
    scene = SCENES[name]
    told = tmp_path / "told"
    if scene.hooked:
        hook(root, "precreate.json", "cat", "precreate")
        hook(
            root, "runtime.json", "cat > /dev/null", "createRuntime"
        )  # else crun may fail to tell it
        hook(root, "poststop.json", f"echo $LOCKGATE_HOOK_KEY >> {told}", "poststop")
    before = Ground.of(root)
    made(engine, scene)
    for _ in killed_everywhere(root, runtime, scene.operation, scene.tools, every=step(3)):
        judged(engine, root, before)
        once_each(told)
        made(engine, scene)
    engine.remove("web", force=True, timeout=0)
    before.still(root)


def once_each(told: Path) -> None:
    """P20: no hook of any run has succeeded twice."""
    with suppress(FileNotFoundError):
        keys = told.read_text().split()
        assert len(keys) == len(set(keys))
