"""The engine on real parts: the README's example, and what goes wrong in the field."""

import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from lockgate import (
    AlreadyStopped,
    Engine,
    IllegalState,
    NameTaken,
    OperationFailed,
    Record,
    Status,
)
from lockgate.adapters.oci.cgroups import Cgroups
from lockgate.testing import busybox

pytestmark = pytest.mark.real


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def sleeper(engine: Engine, name: str = "web") -> Record:
    return engine.create(name=name, image="busybox", command=["sleep", "600"])


def alive(record: Record) -> bool:
    return record.process is not None and Path(f"/proc/{record.process.pid}").exists()


class TestLife:
    def test_the_example_of_the_readme(self, engine: Engine) -> None:
        web = engine.create(name="web", image="busybox", command=["sh", "-c", "exit 7"])
        engine.start(web.id)
        assert engine.wait(web.id) == 7
        engine.remove(web.id)
        assert engine.list() == ()

    def test_every_state_and_back(self, engine: Engine) -> None:
        web = sleeper(engine)
        created = engine.init("web")
        assert (created.status, created.started_at) == (Status.CREATED, 0)
        assert alive(created)
        assert engine.start("web").status is Status.RUNNING
        assert engine.pause("web").status is Status.PAUSED
        with pytest.raises(IllegalState, match="unpause it first"):
            engine.stop("web")
        assert engine.unpause("web").status is Status.RUNNING
        stopped = engine.stop("web", timeout=0)
        assert (stopped.status, stopped.exit_code) == (Status.STOPPED, 137)
        assert engine.start("web").epoch == 2
        assert engine.restart("web", timeout=0).epoch == 3
        assert engine.kill("web").status is Status.STOPPED
        assert engine.cleanup("web").status is Status.EXITED
        engine.remove("web")
        assert engine.replay(web.id).unwrap().gone

    def test_a_handler_has_its_time(self, engine: Engine) -> None:
        script = 'trap "exit 5" TERM; echo ready; while :; do sleep 0.05; done'
        engine.create(name="web", image="busybox", command=["sh", "-c", script])
        engine.start("web")
        until(lambda: any(line.text == "ready" for line in engine.logs("web")))
        stopped = engine.stop("web", timeout=20)
        assert stopped.exit_code == 5
        with pytest.raises(AlreadyStopped):
            engine.stop("web")

    def test_output_is_kept_by_stream(self, engine: Engine) -> None:
        engine.create(
            name="web", image="busybox", command=["sh", "-c", "echo out; echo err >&2; exit 3"]
        )
        lines = list(engine.run_to_end("web"))
        assert sorted((line.stream, line.text) for line in lines) == [
            ("stderr", "err"),
            ("stdout", "out"),
        ]
        assert engine.wait("web") == 3

    def test_files_written_in_one_run_are_there_in_the_next(self, engine: Engine) -> None:
        script = "[ -e /mark ] && exit 9; touch /mark"
        engine.create(name="web", image="busybox", command=["sh", "-c", script])
        engine.start("web")
        assert engine.wait("web") == 0
        engine.start("web")
        assert engine.wait("web") == 9

    def test_user_workdir_environment_and_hostname(self, engine: Engine) -> None:
        engine.create(
            name="web",
            image="busybox",
            command=["sh", "-c", 'id -u; id -G; pwd; echo "$A"; hostname'],
            user="web",
            workdir="/srv",
            env={"A": "b c"},
            hostname="lock-keeper",
        )
        text = [line.text for line in engine.run_to_end("web")]
        assert text == ["33", "34 4", "/srv", "b c", "lock-keeper"]

    def test_memory_is_limited_and_its_death_is_told(self, engine: Engine) -> None:
        engine.create(name="web", image="busybox", command=["tail", "/dev/zero"], memory=16 << 20)
        engine.start("web")
        assert engine.wait("web", timeout=60) == 137
        assert engine.inspect("web").oom_killed

    def test_a_plain_rootfs_directory(self, engine: Engine, tmp_path: Path) -> None:
        rootfs = tmp_path / "rootfs"
        rootfs.mkdir()
        archive = busybox.rootfs_tar(tmp_path / "again.tar")
        subprocess.run(["tar", "-xf", archive, "-C", rootfs], check=True)
        engine.create(name="web", rootfs=rootfs, command=["sh", "-c", "touch /was-here; exit 4"])
        engine.start("web")
        assert engine.wait("web") == 4
        assert (rootfs / "was-here").exists()
        engine.remove("web")
        assert (rootfs / "was-here").exists()

    @pytest.mark.parametrize("network", ["none", "host", "private"])
    def test_networks(self, engine: Engine, network: str) -> None:
        engine.create(
            name="web",
            image="busybox",
            command=["sh", "-c", "cat /proc/net/dev | wc -l"],
            network=network,
        )
        (line,) = engine.run_to_end("web")
        here = len(Path("/proc/net/dev").read_text().splitlines())
        assert int(line.text) == (here if network == "host" else 3)

    def test_a_command_that_is_not_there(self, engine: Engine) -> None:
        engine.create(name="web", image="busybox", command=["/no/such/program"])
        with pytest.raises(OperationFailed, match="/no/such/program") as caught:
            engine.start("web")
        assert caught.value.fault.kind == "missing"
        assert engine.inspect("web").status is Status.CONFIGURED

    def test_two_containers_two_names(self, engine: Engine) -> None:
        sleeper(engine, "one")
        sleeper(engine, "two")
        with pytest.raises(NameTaken):
            sleeper(engine, "one")
        engine.start("one")
        engine.start("two")
        assert [record.status for record in engine.list()] == [Status.RUNNING] * 2


class TestOthers:
    """Several processes on one root, and processes that die."""

    def test_an_exit_while_nobody_looked_is_found(self, engine: Engine) -> None:
        engine.create(name="web", image="busybox", command=["sh", "-c", "sleep 0.1; exit 6"])
        engine.start("web")
        until(lambda: engine.inspect("web").status is Status.STOPPED)
        assert engine.inspect("web").exit_code == 6

    def test_another_process_sees_and_stops_it(
        self, engine: Engine, root: Path, runtime: str
    ) -> None:
        sleeper(engine)
        engine.start("web")
        code = (
            "import sys; from lockgate import Engine\n"
            "with Engine.open(sys.argv[1], runtime=sys.argv[2]) as e:\n"
            "    print(e.inspect('web').status); e.kill('web')\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(root), runtime],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == "running\n"
        assert engine.inspect("web").exit_code == 137

    def test_the_monitor_dies_first(self, engine: Engine) -> None:
        """I04, FAULTS row c: the end is noticed, the code is unknown, the reason is told."""
        sleeper(engine)
        record = engine.start("web")
        assert record.monitor is not None and record.process is not None
        os.kill(record.monitor.pid, signal.SIGKILL)
        monitor = record.monitor
        until(lambda: not Path(f"/proc/{monitor.pid}/exe").exists())
        assert engine.inspect("web").status is Status.RUNNING
        ended = engine.kill("web")
        assert (ended.status, ended.exit_code) == (Status.STOPPED, -1)
        assert "monitor" in ended.exit_reason
        engine.remove("web")

    @pytest.mark.usefixtures("engine")
    def test_its_cgroups_are_where_they_were_wished_for(self, root: Path, runtime: str) -> None:
        """Also those of a container of which nothing is known any more."""
        parent = f"/lockgate-test-{secrets.token_hex(4)}"
        with Engine.open(root, runtime=runtime, cgroup_parent=parent) as mine:
            sleeper(mine)
            web = mine.start("web")
            assert web.process and web.process.pid in Cgroups.here().members(parent)
            with closing(sqlite3.connect(root / "lockgate.db")) as database, database:
                database.execute("update containers set record = x'00'")
            assert mine.inspect("web").config.cgroup_parent == parent
            mine.remove("web", force=True, timeout=0)
        assert Cgroups.here().directories(f"{parent}/{web.id}") == ()

    def test_a_damaged_record_costs_the_container_and_nothing_else(
        self, engine: Engine, root: Path
    ) -> None:
        engine.create(name="web", image="busybox", command=["sleep", "600"], network="private")
        web = engine.start("web")
        sleeper(engine, "other")
        with closing(sqlite3.connect(root / "lockgate.db")) as database, database:
            database.execute("update containers set record = x'00' where container = ?", (web.id,))
        assert [one.status for one in engine.list()] == [Status.UNKNOWN, Status.CONFIGURED]
        with pytest.raises(IllegalState, match="legal now: remove --force"):
            engine.start("web")
        assert alive(web)
        engine.remove("web", force=True)
        assert not alive(web)
        for place in ("containers", "run", "runtime"):
            assert not (root / place / web.id).exists()
        assert not list((root / "netns").iterdir())
        assert [one.config.name for one in engine.list()] == ["other"]

    @pytest.mark.parametrize("how", ["stop", "kill", "remove"])
    def test_what_somebody_else_froze_ends_all_the_same(self, engine: Engine, how: str) -> None:
        engine.create(name="web", image="busybox", command=["sleep", "60"])
        web = engine.start("web")
        runtime = engine.description.split(" ")[0]
        root = Path(web.mountpoint).parents[2] / "runtime"
        subprocess.run([runtime, "--root", str(root), "pause", web.id], check=True)
        match how:
            case "stop":
                assert engine.stop("web", timeout=1).exit_code == 137
            case "kill":
                assert engine.kill("web").exit_code == 137
            case _:
                engine.remove("web", force=True, timeout=0)
                assert engine.list() == ()

    def test_stop_frees_the_lock_while_it_waits(self, engine: Engine) -> None:
        """I13: inspect and kill answer while a stop waits."""
        sleeper(engine)  # as process 1 it has no handler for TERM and ignores it
        engine.start("web")
        stopped: list[Record] = []
        stopper = threading.Thread(target=lambda: stopped.append(engine.stop("web", timeout=60)))
        stopper.start()
        until(lambda: engine.inspect("web").status is Status.STOPPING)
        began = time.monotonic()
        engine.list()
        assert time.monotonic() - began < 30  # not the stop's patience
        engine.kill("web")
        stopper.join(30)
        assert [record.status for record in stopped] == [Status.STOPPED]
        assert engine.wait("web") == 137

    @pytest.mark.parametrize(
        "content", [b"", b"seven", b"7" * 5000, b"\xff", b"-5", b"999999999999"]
    )
    def test_a_damaged_exit_file_is_an_unknown_exit(
        self, engine: Engine, root: Path, content: bytes
    ) -> None:
        sleeper(engine)
        record = engine.start("web")
        assert record.monitor is not None
        os.kill(record.monitor.pid, signal.SIGKILL)
        (root / "run" / record.id / "1" / "exits" / record.id).write_bytes(content)
        ended = engine.kill("web")
        assert ended.exit_code == -1
        assert ended.exit_reason


def until(condition: "object") -> None:
    deadline = time.monotonic() + 30
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)
