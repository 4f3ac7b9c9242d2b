"""8. Poststop hooks succeed exactly once for each run: tried again until then, whoever dies.

Established engines and runtimes warn and forget, or run them twice (FAULTS row l).
"""

import json
from pathlib import Path

import pytest
from tests.engine.conftest import Simulation
from tests.victims import Victim, killed_everywhere
from tests.waiting import until

from lockgate import Engine, OperationFailed, Status
from lockgate.adapters.simulated import FaultPlan
from lockgate.adapters.simulated.world import HOOKS
from lockgate.effects.hooks import HookFile, When
from lockgate.effects.model import AnyEffect, RunPoststop
from lockgate.testing.deaths import Fuse, Killed


def cleanup(engine: Engine) -> None:
    engine.cleanup("web")


class TestSimulated:
    def test_it_fails_twice_and_then_succeeds_though_all_die_over_it(
        self, simulation: Simulation
    ) -> None:
        simulation.host.hooks = (HookFile("x.json", HOOKS[0], When(always=True), ("poststop",)),)
        place = 0
        while True:
            place += 1
            engine = simulation.engine()
            web = engine.create(name="web", image="busybox")
            engine.start("web")
            engine.stop("web")
            for turn in ("dirty", "refused"):
                simulation.host.plan = FaultPlan({(RunPoststop, 1): turn})
                with pytest.raises(OperationFailed):
                    engine.cleanup("web")
                assert engine.inspect("web").poststop, "what is owed is to be seen"
            simulation.host.plan = FaultPlan()
            successes = 0

            def watch(effect: AnyEffect, web: str = web.id) -> None:
                nonlocal successes
                if type(effect) is RunPoststop and simulation.host.world(web).owes:
                    successes += 1  # nothing goes wrong any more

            simulation.host.before = watch
            try:
                cleanup(simulation.engine(Fuse(place)))
                killed = False
            except Killed:
                killed = True
            simulation.engine().sync("web")
            assert engine.start("web").status is Status.RUNNING
            assert successes == 1
            engine.remove("web", force=True)
            if not killed:
                return


@pytest.mark.real
class TestReal:
    @pytest.fixture
    def tries(self, root: Path, engine: Engine) -> Path:
        """Each try is a line; the first two fail, the third waits to be let go."""
        tries = root.parent / "tries"
        script = (
            f"echo try >> {tries}; [ $(grep -c try {tries}) -ge 3 ] || exit 1; "
            f"until [ -e {root.parent}/go ]; do sleep 0.02; done; echo done >> {tries}"
        )
        hook = {
            "version": "1.0.0",
            "hook": {
                "path": "/bin/sh",
                "args": ["sh", "-c", script],
                "env": ["PATH=/usr/bin:/bin"],
            },
            "when": {"always": True},
            "stages": ["poststop"],
        }
        (root / "hooks.d").mkdir()
        (root / "hooks.d" / "poststop.json").write_text(json.dumps(hook))
        engine.create(name="web", image="busybox", command=["true"])
        engine.start("web")
        assert engine.wait("web", 20) == 0
        return tries

    def failed_twice(self, engine: Engine) -> None:
        for _ in range(2):
            with pytest.raises(OperationFailed, match="poststop hook"):
                engine.cleanup("web")
            assert [hook.path for hook in engine.inspect("web").poststop] == ["/bin/sh"]

    def test_killed_inside_it(self, engine: Engine, root: Path, runtime: str, tries: Path) -> None:
        self.failed_twice(engine)
        victim = Victim(root, runtime, cleanup, 0)
        until(lambda: tries.read_text().count("try") == 3)
        victim.end()
        (root.parent / "go").touch()
        engine.cleanup("web")
        engine.cleanup("web")
        engine.remove("web")
        assert tries.read_text().split() == ["try"] * 3 + ["done"]

    @pytest.mark.slow
    def test_killed_anywhere(self, engine: Engine, root: Path, runtime: str, tries: Path) -> None:
        (root.parent / "go").touch()
        self.failed_twice(engine)
        for run, _ in enumerate(killed_everywhere(root, runtime, cleanup, HOOK), start=1):
            engine.cleanup("web")
            assert not engine.inspect("web").poststop
            assert tries.read_text().count("done") == run
            engine.start("web")
            assert engine.wait("web", 20) == 0


HOOK = (("lockgate.adapters.hooks.run", "finished"), ("lockgate.adapters.hooks.run", "_succeeded"))
