"""7. The runtime is killed inside create, or what it keeps is damaged: removal by force leaves no
process, no cgroup and no directory.

Runtimes leave cgroups in every hierarchy, or cannot delete what they no longer understand (FAULTS
rows k and m).
"""

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import which

import pytest
from tests.engine.conftest import Simulation
from tests.ground import Ground
from tests.promises.conftest import patient
from tests.soak import WHOLE, step

from lockgate import Engine, OperationFailed, Status
from lockgate.adapters.simulated import DRIFTS, FaultPlan
from lockgate.adapters.simulated.faults import TURNS, Turn
from lockgate.effects.model import CreateRuntime
from lockgate.testing import busybox

KEPT = {"runc": "state.json", "crun": "status"}
"""Where a runtime keeps what it knows of a container."""

LENGTHS = 120 if WHOLE else 12
"""At so many lengths, evenly apart, what the runtime keeps is cut off."""


class TestSimulated:
    @pytest.mark.parametrize("turn", TURNS)
    def test_however_create_turns_out(self, turn: Turn, simulation: Simulation) -> None:
        engine = simulation.engine()
        web = engine.create(name="web", image="busybox", network="private")
        simulation.host.plan = FaultPlan({(CreateRuntime, 1): turn})
        try:
            engine.start("web")
        except OperationFailed:
            assert engine.inspect("web").status is Status.CONFIGURED
        engine.remove("web", force=True)
        assert simulation.host.world(web.id).empty

    @pytest.mark.parametrize("stage", ["created", "running", "paused", "stopped"])
    def test_its_state_is_damaged(self, stage: str, simulation: Simulation) -> None:
        engine = simulation.engine()
        web = engine.create(name="web", image="busybox")
        brought(engine, stage)
        simulation.host.drift(web.id, DRIFTS["runtime state damaged"])
        engine.remove("web", force=True)
        assert simulation.host.world(web.id).empty


def brought(engine: Engine, stage: str) -> None:
    engine.init("web")
    if stage != "created":
        engine.start("web")
    match stage:
        case "paused":
            engine.pause("web")
        case "stopped":
            engine.kill("web")
        case _:
            pass


# ---- a runtime that is killed ------------------------------------------------------------

CRASHES = {
    "before it begins": 'case " $* " in *" create "*) kill -9 $$;; esac; exec {runtime} "$@"',
    "when it is done": '{runtime} "$@"; code=$?; case " $* " in *" create "*) kill -9 $$;; esac; '
    "exit $code",
    **{
        f"after {milliseconds} ms": (
            f'case " $* " in *" create "*) {{runtime}} "$@" & '
            f"sleep {milliseconds / 1000:.3f}; kill -9 $! 2>/dev/null; wait $!; exit $?;; esac; "
            'exec {runtime} "$@"'
        )
        for milliseconds in range(2, 80, step(8))
    },
}
"""What stands in the runtime's place; `{runtime}` is the real one."""

HOOKS = ("prestart", "createRuntime", "createContainer")
"""Where `create` calls somebody, who kills it."""


@pytest.fixture
def crashing(tmp_path: Path, runtime: str) -> Iterator[Callable[[str], Engine]]:
    """An engine whose runtime does this instead; it has the right one back when it is removed."""
    stand_in = tmp_path / runtime
    real, root = which(runtime), tmp_path / "root"
    opened: list[Engine] = []

    def made(script: str) -> Engine:
        stand_in.write_text("#!/bin/sh\n" + script.replace("{runtime}", str(real)) + "\n")
        stand_in.chmod(stat.S_IRWXU)
        engine = Engine.open(root, runtime=str(stand_in))
        opened.append(engine)
        return engine

    with Engine.open(root, runtime=runtime) as whole:
        whole.import_image("busybox", busybox.rootfs_tar(tmp_path / "busybox.tar"))
        yield made
        for engine in opened:
            engine.close()
        for record in whole.list():
            whole.remove(record.id, force=True, timeout=0)


def failing(engine: Engine) -> None:
    """It may have been too late to keep it from starting."""
    try:
        assert engine.start("web").status is Status.RUNNING
    except OperationFailed:
        assert engine.inspect("web").status is Status.CONFIGURED


@pytest.mark.real
@pytest.mark.slow
class TestReal:
    @pytest.mark.parametrize("where", CRASHES)
    def test_killed_in_create(
        self, where: str, crashing: Callable[[str], Engine], tmp_path: Path
    ) -> None:
        engine = crashing(CRASHES[where])
        before = Ground.of(tmp_path)
        patient(engine, network="private")
        failing(engine)
        engine.remove("web", force=True, timeout=0)
        before.still(tmp_path)

    @pytest.mark.parametrize("stage", HOOKS)
    def test_killed_by_a_hook_in_create(self, stage: str, engine: Engine, root: Path) -> None:
        hook = {
            "version": "1.0.0",
            "hook": {"path": "/bin/sh", "args": ["sh", "-c", "kill -9 $PPID"]},
            "when": {"always": True},
            "stages": [stage],
        }
        (root / "hooks.d").mkdir()
        before = Ground.of(root)
        (root / "hooks.d" / "kill.json").write_text(json.dumps(hook))
        patient(engine, network="private")
        failing(engine)
        engine.remove("web", force=True, timeout=0)
        before.still(root)

    @pytest.mark.parametrize("stage", ["created", "running", "paused", "stopped"])
    def test_what_it_keeps_is_cut_off(
        self, stage: str, engine: Engine, root: Path, runtime: str
    ) -> None:
        before = Ground.of(root)
        length = step = 0
        while True:
            web = patient(engine, network="private")
            brought(engine, stage)
            kept = root / "runtime" / web.id / KEPT[runtime]
            whole = kept.read_bytes()
            step = max(1, len(whole) // (LENGTHS if stage == "running" else 3))
            kept.write_bytes(whole[:length])
            engine.remove("web", force=True, timeout=0)
            before.still(root)
            length += step
            if length >= len(whole):
                return
