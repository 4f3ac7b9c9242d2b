"""Pods that really run: one network, one memory, one name; and nothing of them is left."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from returns.result import Success

from lockgate import (
    Engine,
    Namespaces,
    OperationFailed,
    PodStatus,
    Record,
    Status,
    VolumeMount,
)
from lockgate.adapters.oci.cgroups import Cgroups
from lockgate.effects.config import InitKind, cgroup
from lockgate.testing import busybox
from lockgate.testing.deaths import Fuse, Killed

pytestmark = pytest.mark.real
SOON = 30.0


@pytest.fixture
def engine(tmp_path: Path, runtime: str) -> Iterator[Engine]:
    with Engine.open(tmp_path / "root", runtime=runtime) as made:
        made.import_image("busybox", busybox.rootfs_tar(tmp_path / "busybox.tar"))
        yield made
        for pod in made.pods():
            made.remove_pod(pod.id, force=True, timeout=0)
        for record in reversed(made.list()):
            made.remove(record.id, force=True, timeout=0)
        assert pins(tmp_path) == []


def pins(base: Path) -> list[str]:
    """What is pinned for runs: namespaces, and memory they share."""
    return sorted(path.name for path in (base / "root" / "netns").glob("*"))


def member(engine: Engine, name: str, script: str, init: InitKind = "") -> Record:
    command = ["sh", "-c", script]
    return engine.create(name=name, image="busybox", command=command, pod="web", init=init)


def ran(engine: Engine, name: str, script: str) -> int:
    return engine.wait(engine.start(member(engine, name, script).id).id, 20)


def written(engine: Engine, name: str) -> list[str]:
    return [line.text for line in engine.logs(name)]


def namespace(record: Record, kind: str) -> str:
    assert record.process is not None
    return str(Path(f"/proc/{record.process.pid}/ns/{kind}").readlink())


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


class TestLivingTogether:
    def test_they_talk_over_localhost(self, engine: Engine) -> None:
        engine.create_pod(name="web")
        member(engine, "server", "while true; do echo hello | nc -l -p 8000; done")
        engine.start("server")
        script = "for try in $(seq 100); do nc 127.0.0.1 8000 </dev/null && exit; done; exit 1"
        assert ran(engine, "client", script) == 0
        assert "hello" in written(engine, "client")

    def test_they_share_memory_and_a_name(self, engine: Engine) -> None:
        engine.create_pod(name="web")
        assert ran(engine, "writer", "echo shared > /dev/shm/file; hostname") == 0
        assert ran(engine, "reader", "cat /dev/shm/file; hostname; cat /etc/hostname") == 0
        assert written(engine, "writer") == ["web"]
        assert written(engine, "reader") == ["shared", "web", "web"]

    def test_each_kind_that_is_shared_is_one(self, engine: Engine) -> None:
        pod = engine.create_pod(name="web")
        one, other = (engine.start(member(engine, name, "sleep 60").id) for name in ("a", "b"))
        infra = engine.inspect(pod.infra.id)
        for kind in ("net", "ipc", "uts"):
            assert namespace(one, kind) == namespace(other, kind) == namespace(infra, kind)
        for kind in ("pid", "mnt", "cgroup"):
            assert len({namespace(each, kind) for each in (one, other, infra)}) == 3

    def test_with_their_processes_shared_the_first_reaps(self, engine: Engine) -> None:
        pod = engine.create_pod(name="web", share=["net", "pid"])
        member(engine, "orphaning", "(sleep 1 &) ; sleep 60")
        engine.start("orphaning")
        infra = engine.inspect(pod.infra.id)
        assert infra.process is not None
        children = Path(f"/proc/{infra.process.pid}/task/{infra.process.pid}/children")
        until(lambda: children.read_text() != "")
        assert ran(engine, "looker", "ps; kill -0 1") == 0
        assert any("pause" in line for line in written(engine, "looker"))
        until(lambda: children.read_text() == "")

    def test_one_that_begins_another_run_comes_back_to_the_others(self, engine: Engine) -> None:
        engine.create_pod(name="web")
        one, other = (engine.start(member(engine, name, "sleep 60").id) for name in ("a", "b"))
        again = engine.restart("a", timeout=0)
        assert again.epoch == 2
        assert namespace(again, "net") == namespace(other, "net")
        assert one.homes == again.homes


class TestWhole:
    def test_a_life(self, engine: Engine, tmp_path: Path) -> None:
        pod = engine.create_pod(name="web")
        assert pod.status is PodStatus.CREATED
        member(engine, "prepares", "echo once > /dev/shm/prepared", "always")
        member(engine, "serves", "cat /dev/shm/prepared; sleep 60")
        member(engine, "helps", "sleep 60")
        told = engine.start_pod("web")
        assert [type(one) for one in told.values()] == [Success] * 3
        assert engine.pod("web").status is PodStatus.RUNNING
        until(lambda: written(engine, "serves") == ["once"])
        assert engine.exec_wait("serves", engine.exec("serves", ["true"]).id) == 0
        engine.pause_pod("web")
        assert engine.pod("web").status is PodStatus.PAUSED
        engine.unpause_pod("web")
        before = engine.inspect("serves")
        engine.restart_pod("web", timeout=0)
        after = engine.inspect("serves")
        assert (before.homes != after.homes, after.epoch) == (True, 2)
        engine.stop_pod("web", timeout=0)
        assert engine.pod("web").status is PodStatus.EXITED
        engine.start_pod("web")
        engine.kill_pod("web")
        assert engine.pod("web").status is PodStatus.EXITED
        engine.start_pod("web")
        engine.remove_pod("web", force=True, timeout=0)
        assert (engine.pods(), engine.list(), pins(tmp_path)) == ((), (), [])

    def test_it_ends_at_once_when_it_is_asked_to(self, engine: Engine) -> None:
        pod = engine.create_pod(name="web")
        engine.start_pod("web")
        told = engine.stop_pod("web", timeout=600)  # it would be told by the time limit of the test
        infra = told[pod.infra.config.name].unwrap()
        assert (infra.status, infra.exit_code) == (Status.STOPPED, 0)

    def test_with_the_last_it_is_stopped_though_nobody_looks(self, engine: Engine) -> None:
        pod = engine.create_pod(name="web", exit_policy="stop")
        member(engine, "short", "true")
        member(engine, "long", "sleep 60")
        engine.start_pod("web")
        assert engine.wait("short", 20) == 0
        assert engine.pod("web").status is PodStatus.DEGRADED
        long = engine.inspect("long")
        assert long.process is not None
        os.kill(long.process.pid, signal.SIGKILL)
        until(lambda: engine.host.store.row(pod.infra.id).status == "stopped")  # type: ignore[union-attr]
        assert engine.pod("web").status is PodStatus.EXITED

    def test_its_ports_are_its_own(self, engine: Engine) -> None:
        if not any(Path(path, "bridge").exists() for path in ("/usr/lib/cni", "/opt/cni/bin")):
            pytest.fail("the CNI plugins are not installed (make system)")
        engine.create_network("pods")
        try:
            pod = engine.create_pod(name="web", network="pods", ports=["18081:8000"])
            member(engine, "server", "while true; do echo hello | nc -l -p 8000; done")
            engine.start_pod("web")
            infra = engine.inspect(pod.infra.id)
            server = engine.inspect("server")
            assert (server.links, server.netns) == (infra.links, infra.netns)
            assert infra.links[0].addresses
            engine.remove_pod("web", force=True, timeout=0)
        finally:
            engine.remove_network("pods")


class TestLimits:
    def test_all_have_them_together(self, engine: Engine) -> None:
        pod = engine.create_pod(name="web", memory=1 << 27, pids=30, cpu_quota=50_000)
        member(engine, "sleeps", "sleep 60")
        member(engine, "breeds", "while :; do sleep 60 & done")
        engine.start_pod("web")
        cgroups = Cgroups.here()
        for one in engine.pod("web").members:
            assert cgroup(one.config).startswith(f"{pod.pod.cgroup}/")
        places = cgroups.directories(pod.pod.cgroup)
        limits = {
            (place / name).read_text().strip()
            for place in places
            for name in ("memory.limit_in_bytes", "memory.max", "pids.max", "cpu.cfs_quota_us")
            if (place / name).exists()
        }
        assert {str(1 << 27), "30"} <= limits
        until(lambda: any("fork" in line for line in written(engine, "breeds")))
        monitor = engine.inspect("sleeps").monitor
        assert monitor is not None and monitor.pid not in cgroups.members(pod.pod.cgroup)
        engine.restart_pod("web", timeout=0)
        engine.stop_pod("web", timeout=0)
        for name in ("sleeps", "breeds", pod.infra.config.name):
            engine.cleanup(name)
        assert cgroups.directories(pod.pod.cgroup) == ()
        engine.start_pod("web")
        engine.remove_pod("web", force=True, timeout=0)
        assert cgroups.directories(pod.pod.cgroup) == ()

    @pytest.mark.parametrize("place", ["before CreateRuntime", "after CreateRuntime"])
    def test_killed_over_it_nothing_stays(self, engine: Engine, place: str, tmp_path: Path) -> None:
        pod = engine.create_pod(name="web", pids=30)
        program = engine.host.description.partition(" ")[0]
        with Engine.open(tmp_path / "root", runtime=program, probe=Fuse(place=place)) as dying:
            with pytest.raises(Killed):
                dying.start_pod("web")
        engine.remove_pod("web", force=True, timeout=0)
        assert Cgroups.here().directories(pod.pod.cgroup) == ()


class TestWithoutAPod:
    """The same namespaces, one by one."""

    def test_what_cannot_start_gives_back_what_it_was_lent(
        self, engine: Engine, tmp_path: Path
    ) -> None:
        """Memory others could share, namespaces of another, a part of a volume."""
        volume = Path(engine.create_volume("data").path)
        (volume / "part").mkdir()
        part = VolumeMount(volume="data", destination="/part", subpath="part")
        engine.create(name="owner", image="busybox", command=["sleep", "60"])
        engine.start("owner")
        engine.create(
            name="web",
            image="busybox",
            command=["/nowhere"],
            mounts=[part],
            namespaces=Namespaces(ipc="shareable", uts="container:owner"),
        )
        before = pins(tmp_path)
        with pytest.raises(OperationFailed, match="/nowhere"):
            engine.start("web")
        assert pins(tmp_path) == before

    def test_of_a_container_that_shares_them(self, engine: Engine) -> None:
        def made(name: str, script: str, **own: str) -> Record:
            return engine.create(
                name=name,
                image="busybox",
                command=["sh", "-c", script],
                namespaces=Namespaces(**own),
            )

        made("owner", "echo hi > /dev/shm/file; sleep 60", ipc="shareable")
        shares = dict.fromkeys(("ipc", "pid", "uts", "cgroup"), "container:owner")
        made("guest", "until cat /dev/shm/file; do sleep 0.01; done; hostname; sleep 60", **shares)
        guest = engine.start("guest")
        owner = engine.inspect("owner")
        for kind in shares:
            assert namespace(owner, kind) == namespace(guest, kind)
        until(lambda: written(engine, "guest")[-2:] == ["hi", owner.id[:12]])
        assert engine.restart("owner", timeout=0).epoch == 2
        again = engine.inspect("guest")
        assert again.epoch == 2
        assert namespace(again, "ipc") == namespace(engine.inspect("owner"), "ipc")
