"""Write golden histories of the law there is now: `python tests/golden/record.py`.

Run it once per law, commit what it wrote, never change it again: old histories must replay to the
same bits for ever.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from lockgate import Engine, LockgateError
from lockgate.effects.health import HealthCheck, StartupCheck
from lockgate.effects.hooks import Hook, HookFile, When
from lockgate.effects.model import (
    AdjustLimits,
    AnyEffect,
    CheckpointRuntime,
    ConnectNetwork,
    CreateRuntime,
    DeleteRuntime,
    Mount,
    RestoreRuntime,
    RunPoststop,
    Unmount,
    Watch,
)
from lockgate.effects.outcome import PortError
from lockgate.simulation import simulated
from lockgate.statemachine import LAW

HERE = Path(__file__).parent


def whole_life(engine: Engine, trouble: dict[type[AnyEffect], PortError]) -> None:
    engine.init("web")
    engine.start("web")
    engine.pause("web")
    engine.unpause("web")
    engine.kill("web", "USR1")
    engine.stop("web")
    engine.restart("web")
    engine.stop("web", timeout=0)
    engine.cleanup("web")
    engine.remove("web")


def failing_start(engine: Engine, trouble: dict[type[AnyEffect], PortError]) -> None:
    trouble[Mount] = PortError("missing", "no such layer", dirty=False)
    _refused(lambda: engine.start("web"))
    trouble.clear()
    trouble[CreateRuntime] = PortError("failed", "the runtime crashed")
    trouble[DeleteRuntime] = PortError("timeout", "no answer")
    _refused(lambda: engine.start("web"))
    trouble.clear()
    engine.start("web")
    engine.remove("web", force=True)


def mounts(engine: Engine, trouble: dict[type[AnyEffect], PortError]) -> None:
    trouble[Mount] = PortError("missing", "no such layer", dirty=False)
    _refused(lambda: engine.mount("web"))
    trouble.clear()
    engine.mount("web")
    engine.start("web")
    engine.mount("web")
    engine.stop("web")
    engine.unmount("web")
    engine.cleanup("web")
    trouble[Unmount] = PortError("failed", "busy")
    _refused(lambda: engine.unmount("web"))
    trouble.clear()
    engine.unmount("web", force=True)
    engine.mount("web")
    engine.remove("web", force=True)


def _refused(call: Callable[[], object]) -> None:
    try:
        call()
    except LockgateError:
        return
    raise AssertionError("this was meant to fail")


def crashes(engine: Engine, trouble: dict[type[AnyEffect], PortError]) -> None:
    class Killed(BaseException):
        pass

    def before_the_runtime(place: str) -> None:
        if place == "before CreateRuntime":
            raise Killed

    dying = Engine(engine.host, before_the_runtime)
    try:
        dying.start("web")
    except Killed:
        dying.close()
    engine.sync("web")
    engine.remove("web", force=True, timeout=0)


def hooks(engine: Engine, trouble: dict[type[AnyEffect], PortError]) -> None:
    assert engine.host.simulation is not None
    release = HookFile("release.json", Hook("/release"), When(always=True), ("poststop",))
    engine.host.simulation.hooks = (release,)
    engine.start("web")
    engine.restart("web", timeout=0)
    trouble[RunPoststop] = PortError("failed", "no such device")
    engine.stop("web")
    _refused(lambda: engine.cleanup("web"))
    _refused(lambda: engine.start("web"))
    trouble.clear()
    engine.start("web")
    trouble[RunPoststop] = PortError("failed", "no such device")
    engine.remove("web", force=True)


def moments(engine: Engine, trouble: dict[type[AnyEffect], PortError]) -> None:
    engine.update("web", memory=1 << 28)
    engine.start("web")
    trouble[AdjustLimits] = PortError("refused", "it uses more", dirty=False)
    _refused(lambda: engine.update("web", memory=1 << 24))
    trouble.clear()
    engine.update("web", cpu_quota=50_000, cpu_period=100_000, pids=64)
    trouble[CheckpointRuntime] = PortError("failed", "an open connection", dirty=False)
    _refused(lambda: engine.checkpoint("web"))
    trouble.clear()
    engine.checkpoint("web", leave_running=True, keep=True)
    engine.checkpoint("web", tcp_established=True, export="/archive.tar")
    trouble[RestoreRuntime] = PortError("failed", "no such process")
    _refused(lambda: engine.restore("web"))
    trouble.clear()
    engine.restore("web", keep=True)
    engine.stop("web")
    engine.restore("web", source="/archive.tar")
    engine.remove("web", force=True)


def deferred_network(engine: Engine, trouble: dict[type[AnyEffect], PortError]) -> None:
    trouble[ConnectNetwork] = PortError("failed", "no such plugin")
    _refused(lambda: engine.start("web"))
    trouble.clear()
    engine.init("web")
    engine.start("web")
    engine.restart("web", timeout=0)
    engine.checkpoint("web")
    engine.restore("web")
    engine.remove("web", force=True)


def health(engine: Engine, trouble: dict[type[AnyEffect], PortError]) -> None:
    codes = iter((1, 1, 0, 0, 0, 1, 1, 1))
    simulation = engine.host.simulation
    assert simulation is not None
    simulation.sessions.answer = lambda session: next(codes)
    trouble[Watch] = PortError("failed", "no process for it")
    _refused(lambda: engine.start("web"))
    trouble.clear()
    engine.start("web")
    engine.check("web")
    engine.check("web")  # its start-up check failed twice: another run
    for _ in range(3):
        engine.check("web")  # and now it is up and well
    engine.pause("web")
    engine.unpause("web")
    for _ in range(3):
        engine.check("web")  # the last failure that counts
    engine.remove("web", force=True)


CHECK = HealthCheck(
    command=("check",),
    retries=3,
    on_failure="kill",
    startup=StartupCheck(command=("up",), retries=2, successes=2),
)
SCENARIOS = {
    1: (whole_life, failing_start, crashes, mounts),
    2: (hooks, health),
    3: (moments, deferred_network),
}
"""What is new in each law, or different from the one before it."""


def main() -> None:
    for scenario in SCENARIOS[LAW]:
        trouble: dict[type[AnyEffect], PortError] = {}
        host = simulated()
        assert host.simulation is not None

        def before(effect: AnyEffect, trouble: dict[type[AnyEffect], PortError] = trouble) -> None:
            if type(effect) in trouble:
                raise trouble[type(effect)]

        host.simulation.before = before
        with tempfile.TemporaryDirectory() as folder, Engine(host) as engine:
            engine.import_image("busybox", folder, command=["sh"])
            check = CHECK if scenario is health else None
            late = scenario is deferred_network
            web = engine.create(
                name="web",
                image="busybox",
                network="private",
                health=check,
                deferred_network=late,
            )
            scenario(engine, trouble)
            name = scenario.__name__.replace("_", "-")
            lines = b"".join(line + b"\n" for line in host.store.history(web.id))
            (HERE / f"law-{LAW}-{name}.jsonl").write_bytes(lines)


if __name__ == "__main__":
    main()
