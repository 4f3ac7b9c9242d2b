"""Checkpoints under conmon: with a stand-in that walks every path, and with criu where one works."""

import tarfile
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from lockgate import Engine, OperationFailed, Status
from lockgate.adapters.oci.criu import look_for_criu
from lockgate.effects.ports import Ports
from lockgate.host import Host
from lockgate.statemachine.status import Presence
from lockgate.testing import busybox
from lockgate.testing.contracts import HostContract
from lockgate.testing.deaths import Fuse, Killed
from lockgate.wiring import real

from ..contracts import test_real
from .standin import StandIn

pytestmark = pytest.mark.real

COUNTING = ["sh", "-c", "i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done"]
SLEEPING = ["sleep", "600"]


@pytest.fixture
def standin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = StandIn(tmp_path / "stand-in")
    monkeypatch.setenv("PATH", made.path)
    return made


@pytest.fixture
def opened(tmp_path: Path, standin: StandIn) -> Iterator[Engine]:
    with Engine.open(tmp_path / "root", runtime=str(standin.runtime)) as made:
        made.import_image("busybox", busybox.rootfs_tar(tmp_path / "busybox.tar"))
        yield made
        for record in made.list():
            made.remove(record.id, force=True, timeout=0)


@pytest.fixture
def web(opened: Engine) -> str:
    opened.create(name="web", image="busybox", command=SLEEPING, network="private")
    opened.start("web")
    return "web"


def checkpoints(engine: Engine, tmp_path: Path) -> list[str]:
    """What there is in the directory of its checkpoints."""
    directory = tmp_path / "root/containers" / engine.inspect("web").id / "checkpoints"
    return sorted(path.name for path in directory.iterdir() if path.name != "lock")


class TestStandIn(HostContract):
    """The contract, where checkpoints can be taken."""

    @pytest.fixture
    def host(self, tmp_path: Path, standin: StandIn) -> Iterator[Host]:
        made = real(tmp_path / "root", str(standin.runtime))
        made.images.import_image("busybox", busybox.rootfs_tar(tmp_path / "busybox.tar"))
        yield made
        made.close()

    @pytest.fixture
    def ports(self, host: Host) -> Ports:
        return host.ports

    config = test_real.TestRealHost.config


class TestCheckpoint:
    def test_it_ends_is_cleaned_up_and_goes_on_as_another_run(
        self, opened: Engine, web: str, standin: StandIn, tmp_path: Path
    ) -> None:
        before = opened.inspect(web)
        after = opened.checkpoint(web)
        assert (after.status, after.exit_code, after.exit_reason) == (
            Status.EXITED,
            None,
            "it was checkpointed",
        )
        assert opened.wait(web) == -1
        assert checkpoints(opened, tmp_path) == ["1"]
        restored = opened.restore(web)
        assert restored.status is Status.RUNNING
        assert restored.process is not None and restored.process != before.process
        assert restored.monitor is not None
        assert checkpoints(opened, tmp_path) == []
        words = standin.seen[-1].split()
        assert words[0] == "restore" and "--detach" in words
        assert opened.stop(web, 0).exit_code == 137

    def test_left_running_it_runs(self, opened: Engine, web: str, tmp_path: Path) -> None:
        before = opened.inspect(web)
        after = opened.checkpoint(web, leave_running=True, keep=True)
        assert (after.status, after.process) == (Status.RUNNING, before.process)
        assert checkpoints(opened, tmp_path) == ["1"]
        kept = tmp_path / "root/containers" / after.id / "checkpoints/1/work/dump.log"
        assert kept.read_text() == "log\n"
        opened.checkpoint(web, leave_running=True)
        assert checkpoints(opened, tmp_path) == ["2"]
        assert not (kept.parent.parent.parent / "2/work").exists()

    def test_its_log_goes_on(self, opened: Engine) -> None:
        words = ["sh", "-c", "echo hello; sleep 600"]
        opened.create(name="talker", image="busybox", command=words)
        opened.start("talker")
        _written(opened, "talker", 1)
        opened.checkpoint("talker")
        opened.restore("talker")
        _written(opened, "talker", 2)
        assert [line.text for line in opened.logs("talker")] == ["hello", "hello"]

    def test_a_failed_one_leaves_it_running_and_the_one_before(
        self, opened: Engine, web: str, standin: StandIn, tmp_path: Path
    ) -> None:
        opened.checkpoint(web, leave_running=True)
        standin.trouble.touch()
        with pytest.raises(OperationFailed, match="an open connection"):
            opened.checkpoint(web)
        record = opened.inspect(web)
        assert (record.status, record.freezer) == (Status.RUNNING, Presence.ABSENT)
        assert checkpoints(opened, tmp_path) == ["1"]

    def test_a_failed_restore_gives_everything_back(
        self, opened: Engine, web: str, standin: StandIn, tmp_path: Path
    ) -> None:
        opened.checkpoint(web)
        standin.trouble.touch()
        with pytest.raises(OperationFailed, match="an open connection"):
            opened.restore(web)
        record = opened.inspect(web)
        assert (record.status, record.runtime, record.mount, record.network) == (
            Status.EXITED,
            *(Presence.ABSENT,) * 3,
        )
        assert checkpoints(opened, tmp_path) == ["1"]
        standin.trouble.unlink()
        assert opened.restore(web).status is Status.RUNNING

    @pytest.mark.parametrize("place", ["before CheckpointRuntime", "after CheckpointRuntime"])
    def test_whoever_comes_after_a_death_finishes_it(
        self, opened: Engine, web: str, place: str
    ) -> None:
        dying = Engine(opened.host, Fuse(place=place))
        with pytest.raises(Killed):
            dying.checkpoint(web)
        record = opened.sync(web)
        assert (record.status, record.checkpointed) == (Status.EXITED, True)

    @pytest.mark.parametrize("place", ["before RestoreRuntime", "after RestoreRuntime"])
    def test_whoever_comes_after_a_death_adopts_what_was_restored(
        self, opened: Engine, web: str, place: str, standin: StandIn
    ) -> None:
        opened.checkpoint(web)
        dying = Engine(opened.host, Fuse(place=place))
        with pytest.raises(Killed):
            dying.restore(web)
        record = opened.sync(web)
        assert (record.status, record.epoch) == (Status.RUNNING, 2)
        assert sum(line.startswith("restore") for line in standin.seen) == 1

    def test_a_removal_takes_checkpoints_along(
        self, opened: Engine, web: str, tmp_path: Path
    ) -> None:
        container = opened.inspect(web).id
        opened.checkpoint(web)
        opened.remove(web)
        assert not (tmp_path / "root/containers" / container).exists()

    def test_without_criu_nothing_is_touched(
        self, opened: Engine, web: str, standin: StandIn
    ) -> None:
        (standin.folder / "criu").write_text("#!/bin/sh\necho Error: no such kernel >&2; exit 1\n")
        before = len(list(opened.history(web)))
        with pytest.raises(OperationFailed, match="does not work with this kernel"):
            opened.checkpoint(web)
        assert len(list(opened.history(web))) == before


class TestArchive:
    def test_it_is_taken_by_a_container_that_was_created_for_it(
        self, opened: Engine, web: str, tmp_path: Path
    ) -> None:
        archive = tmp_path / "archive.tar"
        opened.checkpoint(web, export=archive)
        assert archive.stat().st_mode & 0o777 == 0o600
        opened.create(name="other", image="busybox", command=SLEEPING)
        assert opened.restore("other", source=archive).status is Status.RUNNING

    def test_or_makes_a_new_one(self, opened: Engine, web: str, tmp_path: Path) -> None:
        archive = tmp_path / "archive.tar"
        before = opened.inspect(web).config
        opened.checkpoint(web, export=archive)
        made = opened.restore_archive(archive, name="other")
        assert (made.status, made.config.command) == (Status.RUNNING, before.command)
        assert made.id != before.id

    def test_a_hostile_one_is_refused_and_touches_nothing(
        self, opened: Engine, web: str, tmp_path: Path
    ) -> None:
        opened.stop(web, 0)
        archive = tmp_path / "archive.tar"
        with tarfile.open(archive, "w") as tar:
            member = tarfile.TarInfo("checkpoint/../../../../etc/passwd")
            member.size = 1
            tar.addfile(member, BytesIO(b"x"))
        with pytest.raises(OperationFailed):
            opened.restore(web, source=archive)
        record = opened.inspect(web)
        assert (record.status, record.checkpoint) == (Status.STOPPED, Presence.ABSENT)
        assert checkpoints(opened, tmp_path) == []


def test_with_a_real_criu_it_goes_on_where_it_was(engine: Engine) -> None:
    if why := engine.host.ports.runtime.obstacle():
        pytest.skip(f"no checkpoints here: {why}")
    engine.create(name="counter", image="busybox", command=COUNTING, network="private")
    engine.start("counter")
    _written(engine, "counter", 3)
    engine.checkpoint("counter", leave_running=True)
    engine.checkpoint("counter")
    before = [line.text for line in engine.logs("counter")]
    engine.restore("counter")
    _written(engine, "counter", len(before) + 3)
    numbers = [int(line.text) for line in engine.logs("counter")]
    assert numbers == [*range(1, len(numbers) + 1)], "it goes on, and does not begin anew"


def test_a_refusal_says_what_to_do(engine: Engine) -> None:
    if not look_for_criu().why:
        pytest.skip("a criu works here, so nothing is refused")
    engine.create(name="web", image="busybox", command=SLEEPING)
    engine.start("web")
    with pytest.raises(OperationFailed, match=r"criu|takes no checkpoints .*: use runc"):
        engine.checkpoint("web")
    assert engine.inspect("web").status is Status.RUNNING


def _written(engine: Engine, name: str, lines: int) -> None:
    """Until it has written so many lines."""
    deadline = time.monotonic() + 20
    for seen, _ in enumerate(engine.logs(name, follow=True), start=1):
        if seen >= lines:
            return
        assert time.monotonic() < deadline
