"""4. Reboots that never were, and reboots that nobody noticed: the boot's own name decides, and what
lives is what lives, whatever files are there or are not.

Established engines disown what runs, start a second one beside it, or show what died with the host
as up (FAULTS row g).
"""

import shutil
from pathlib import Path

import pytest
from tests.engine.conftest import Simulation
from tests.promises.conftest import let_go, patient
from tests.victims import Victim
from tests.waiting import until

from lockgate import Engine, IllegalState, Record, Status
from lockgate.adapters.clock import SystemClock
from lockgate.adapters.oci import exits, process
from lockgate.adapters.oci.process import alive, end
from lockgate.adapters.simulated import DRIFTS
from lockgate.adapters.simulated.world import Left
from lockgate.adapters.syscalls import unmount


class TestSimulated:
    def test_a_reboot_that_never_was(self, simulation: Simulation) -> None:
        engine = simulation.engine()
        web = engine.create(name="web", image="busybox")
        engine.start("web")
        simulation.host.drift(web.id, DRIFTS["runtime state damaged"])
        assert [one.status for one in engine.list()] == [Status.RUNNING]
        with pytest.raises(IllegalState):
            engine.start("web")
        assert simulation.host.world(web.id).alive
        engine.stop("web")
        assert not simulation.host.world(web.id).alive
        engine.remove("web")

    @pytest.mark.parametrize("left", ["all", "half", "nothing"])
    def test_a_reboot_that_nobody_noticed(self, left: Left, simulation: Simulation) -> None:
        engine = simulation.engine()
        engine.create(name="web", image="busybox", network="private")
        engine.start("web")
        simulation.host.reboot(left)
        (web,) = engine.list()
        assert (web.status, web.exit_code) == (Status.EXITED, -1)
        assert engine.wait("web") == -1
        for _ in "two reboots more, one while nobody looks":
            simulation.host.reboot(left)
        assert engine.start("web").epoch == 2
        assert [event.event for event in engine.events()].count("died") == 1


def stop(engine: Engine) -> None:
    engine.stop("web")


def forgotten(engine: Engine, root: Path, record: Record) -> None:
    """Every file that a cleaner of volatile folders may take."""
    for folder in ("run", "runtime", "locks"):
        shutil.rmtree(root / folder)
    for namespace in root.glob("netns/*"):
        unmount(namespace)
        namespace.unlink()


@pytest.mark.real
class TestReal:
    @pytest.mark.parametrize("how", ["stop", "kill", "remove"])
    def test_a_reboot_that_never_was(self, engine: Engine, root: Path, how: str) -> None:
        patient(engine, network="private")
        web = engine.start("web")
        assert web.process is not None
        forgotten(engine, root, web)
        assert [one.status for one in engine.list()] == [Status.RUNNING]
        assert alive(web.process)
        with pytest.raises(IllegalState, match="it runs already"):
            engine.start("web")
        assert engine.inspect("web").process == web.process
        match how:
            case "stop":
                assert engine.stop("web", timeout=0).status is Status.STOPPED
            case "kill":
                assert engine.kill("web").status is Status.STOPPED
            case _:
                engine.remove("web", force=True, timeout=0)
        assert not alive(web.process)
        if how != "remove":
            assert engine.start("web").epoch == 2

    def test_its_end_is_noticed_though_all_is_forgotten(self, engine: Engine, root: Path) -> None:
        patient(engine)
        forgotten(engine, root, web := engine.start("web"))
        let_go(web)
        until(lambda: engine.inspect("web").status is Status.STOPPED)
        assert engine.wait("web") == -1

    @pytest.mark.parametrize("stopping", [False, True])
    def test_a_reboot_that_nobody_noticed(
        self,
        stopping: bool,
        engine: Engine,
        root: Path,
        runtime: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Everything that ran is gone, every file is still there, and the boot has another name;
        also of one whose stopper was killed before (I02)."""
        patient(engine)
        web = engine.start("web")
        if stopping:
            assert Victim(root, runtime, stop, 1, at="before Halt").killed()
            assert engine.inspect("web").status is Status.STOPPING
        assert web.process is not None and web.monitor is not None
        assert end(web.monitor, 10) and end(web.process, 10)
        unmount(Path(web.mountpoint))
        for place in (process, exits):
            monkeypatch.setattr(place, "boot_id", lambda: "another boot")
        monkeypatch.setattr(SystemClock, "boot", lambda self: "another boot")
        (seen,) = engine.list()
        assert (seen.status, seen.exit_code, engine.wait("web")) == (Status.EXITED, -1, -1)
        assert "restarted" in seen.exit_reason
        again = engine.start("web")
        assert (again.status, again.epoch) == (Status.RUNNING, 2)
