"""The first two dozen incidents: each is played, and those that are marked are played for real, too."""

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs.test_coverage import exists
from tests.ground import Ground
from tests.incidents.field import FIELD, MARKED, Met, table
from tests.incidents.notation import Stage
from tests.promises.conftest import PATIENT
from tests.waiting import until

from lockgate import Engine, OperationFailed, Status
from lockgate.adapters.syscalls import unmount
from lockgate.testing import busybox

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "incidents.md"


@pytest.mark.parametrize("met", FIELD, ids=lambda one: one.id)
def test_it_does_not_happen_here(met: Met) -> None:
    stage = Stage()
    try:
        for line in filter(None, map(str.strip, met.steps.split("\n"))):
            stage.play(line)
    finally:
        stage.close()


def test_there_are_all_of_them() -> None:
    assert [one.id for one in FIELD] == [f"I{number:02}" for number in range(1, 25)]
    for number, one in enumerate(FIELD, start=1):
        assert bool(one.real) == (number in MARKED), one.id
        assert not one.real or exists(one.real), one.real


def test_the_page_is_current() -> None:
    assert table() in PAGE.read_text(), "python -m tests.incidents.field prints the table"


@pytest.mark.real
class TestReal:
    @pytest.fixture
    def engine(self, tmp_path: Path, runtime: str) -> Iterator[Engine]:
        with Engine.open(tmp_path / "root", runtime=runtime) as made:
            made.import_image("busybox", busybox.rootfs_tar(tmp_path / "busybox.tar"))
            yield made
            for record in made.list():
                made.remove(record.id, force=True, timeout=0)

    def test_i06_who_waits_for_what_is_removed_hears_137(self, engine: Engine) -> None:
        engine.create(name="web", image="busybox", command=["sleep", "600"])
        web = engine.start("web")
        heard: list[int] = []
        waiters = [threading.Thread(target=lambda: heard.append(engine.wait(web.id))) for _ in "ab"]
        for waiter in waiters:
            waiter.start()
        engine.remove("web", force=True, timeout=0)
        for waiter in waiters:
            waiter.join(30)
        assert heard == [137, 137]
        assert engine.wait(web.id) == 137

    def test_i08_whoever_cleans_up_first_both_hear_the_code(
        self, engine: Engine, tmp_path: Path, runtime: str
    ) -> None:
        engine.create(name="web", image="busybox", command=PATIENT)
        web = engine.start("web")
        stopped: list[int | None] = []
        stopper = threading.Thread(
            target=lambda: stopped.append(engine.stop("web", timeout=60).exit_code)
        )
        stopper.start()
        until(lambda: engine.inspect("web").status is Status.STOPPING)
        with Engine.open(tmp_path / "root", runtime=runtime) as other:
            Path(web.mountpoint, "go").touch()
            assert other.wait("web", 30) == 7
            other.cleanup("web")
        stopper.join(30)
        assert (stopped, engine.wait("web")) == ([7], 7)

    def test_i20_a_start_that_fails_leaves_nothing(self, engine: Engine, tmp_path: Path) -> None:
        engine.create(name="web", image="busybox", command=["/no/such"], network="private")
        before = Ground.of(tmp_path)
        for _ in range(2):
            with pytest.raises(OperationFailed, match="/no/such"):
                engine.start("web")
            before.still(tmp_path)
        assert engine.inspect("web").status is Status.CONFIGURED

    @pytest.mark.parametrize("busy", [False, True], ids=["vanished", "busy"])
    def test_i21_a_mount_that_has_vanished(self, engine: Engine, busy: bool) -> None:
        """Or that somebody else stands in."""
        engine.create(name="web", image="busybox", command=["sleep", "600"])
        web = engine.start("web")
        if not busy:
            unmount(Path(web.mountpoint))
        guest = subprocess.Popen(["sleep", "600"], cwd=web.mountpoint if busy else "/")
        try:
            engine.remove("web", force=True, timeout=0)
            assert engine.list() == ()
        finally:
            guest.kill()
            guest.wait()
