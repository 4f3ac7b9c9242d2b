"""With no engine alive: the monitor calls who does what is owed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.programs import at_work
from tests.waiting import until

from lockgate import Engine, NoSuchContainer, OperationFailed, Record, Status
from lockgate.testing import busybox

pytestmark = pytest.mark.real


@pytest.fixture
def root(tmp_path: Path, runtime: str) -> Iterator[Path]:
    root = tmp_path / "root"
    with Engine.open(root, runtime=runtime) as engine:
        engine.import_image("busybox", busybox.rootfs_tar(tmp_path / "busybox.tar"))
    yield root
    with Engine.open(root, runtime=runtime) as engine:
        for record in engine.list():
            engine.remove(record.id, force=True, timeout=0)


def test_auto_remove_with_a_true_exit_code_for_who_comes_late(root: Path, runtime: str) -> None:
    with Engine.open(root, runtime=runtime) as engine:
        web = engine.create(
            name="web", image="busybox", command=["sh", "-c", "exit 7"], auto_remove=True
        )
        engine.start("web")
    until(lambda: not (root / "containers" / web.id).exists())  # nobody looks but whom it calls
    with Engine.open(root, runtime=runtime) as engine:
        until(lambda: engine.list() == ())
        assert engine.wait("web") == 7
        assert engine.replay(web.id).unwrap().gone


def test_an_early_waiter_hears_the_same(root: Path, runtime: str) -> None:
    with Engine.open(root, runtime=runtime) as engine:
        engine.create(
            name="web", image="busybox", command=["sh", "-c", "sleep 0.3; exit 7"], auto_remove=True
        )
        engine.start("web")
        assert engine.wait("web") == 7
        until(lambda: engine.list() == ())


def test_restarted_on_failure_so_often(root: Path, runtime: str) -> None:
    with Engine.open(root, runtime=runtime) as engine:
        engine.create(
            name="web",
            image="busybox",
            command=["sh", "-c", "echo run; exit 3"],
            restart="on-failure",
            restart_retries=2,
        )
        engine.start("web")
    with Engine.open(root, runtime=runtime) as engine:
        until(lambda: at_rest(engine.inspect("web"), epoch=3))
        assert engine.inspect("web").restarts == 2
        assert [line.text for line in engine.logs("web")] == ["run"] * 3


def test_stopped_by_its_user_it_stays_stopped(root: Path, runtime: str) -> None:
    with Engine.open(root, runtime=runtime) as engine:
        engine.create(name="web", image="busybox", command=["sleep", "600"], restart="always")
        web = engine.start("web")
        engine.stop("web", timeout=0)
        until(lambda: not at_work("lockgate.settle", web.id))
        stopped = engine.inspect("web")
        assert (stopped.status, stopped.epoch) == (Status.STOPPED, 1)


def test_killed_by_somebody_else_it_runs_again(root: Path, runtime: str) -> None:
    with Engine.open(root, runtime=runtime) as engine:
        engine.create(name="web", image="busybox", command=["sleep", "600"], restart="always")
        process = engine.start("web").process
        assert process is not None
        os.kill(process.pid, 9)
        until(lambda: engine.inspect("web").epoch == 2)
        until(lambda: engine.inspect("web").status is Status.RUNNING)


def test_removal_does_not_wait_for_who_waits_for_it(root: Path, runtime: str) -> None:
    with Engine.open(root, runtime=runtime) as engine:
        web = engine.create(name="web", image="busybox", command=["true"], restart="always")
        engine.start("web")
        engine.wait("web")
        engine.remove("web", force=True)
        with pytest.raises(NoSuchContainer):
            engine.inspect("web")
        until(lambda: not at_work("lockgate.settle", web.id))
        assert engine.list() == ()


def at_rest(record: Record, epoch: int) -> bool:
    return (record.status, record.epoch) == (Status.STOPPED, epoch)


@pytest.mark.parametrize("wish", [{"restart": "always"}, {"auto_remove": True}])
def test_what_is_called_late_twice_or_for_what_never_began_does_nothing(
    root: Path, runtime: str, wish: dict[str, object]
) -> None:
    with Engine.open(root, runtime=runtime) as engine:
        web = engine.create(name="web", image="busybox", command=["nope"], **wish)  # type: ignore[arg-type]
        with pytest.raises(OperationFailed, match="not found"):
            engine.start("web")  # the monitor calls all the same
        until(lambda: not at_work("lockgate.settle", web.id))
        before = engine.inspect("web")
        assert (before.status, before.epoch, before.restarts) == (Status.CONFIGURED, 1, 0)
        words = [sys.executable, "-m", "lockgate.settle", str(root), web.id]
        programs = engine.description.split(" under ")
        for epoch in ("0", "1", "1", "2"):
            subprocess.run([*words, epoch, *programs], check=True, timeout=60)
        assert engine.inspect("web") == before
        assert [one.event for one in engine.events()] == ["create"]
