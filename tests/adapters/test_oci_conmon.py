"""Containers for real: an OCI runtime under conmon, and all that can happen to them.

Runs with the runtime in LOCKGATE_TEST_RUNTIME (runc); the last test runs the file again with crun.
Every test must leave the host as it found it: processes, cgroups, files.
"""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Any

import msgspec
import pytest

from lockgate.adapters.inotify import Inotify, Mask
from lockgate.adapters.oci import ConmonRuntime, fifo, launch, removal
from lockgate.adapters.oci.cgroups import Cgroups
from lockgate.adapters.oci.choice import find, obstacle
from lockgate.adapters.oci.command import Ran, RuntimeCommand, State
from lockgate.adapters.oci.process import alive, descendants, end, identify, pids, wait_gone
from lockgate.adapters.oci.run import Run
from lockgate.effects.config import Config
from lockgate.effects.model import Process
from lockgate.effects.outcome import Created, Exited, PortError

SOON = 20.0
RUNTIME = os.environ.get("LOCKGATE_TEST_RUNTIME", "runc")
CGROUPS = Cgroups.here()
CONMON = find("conmon") or Path("conmon")
RUNTIME_PATH = find(RUNTIME) or Path(RUNTIME)
NAMESPACES = ("pid", "ipc", "mount", "uts", "network")


def _unfit() -> str:
    if os.geteuid() != 0:
        return "containers need root"
    for name in (RUNTIME, "conmon", "busybox"):
        if find(name) is None:
            return f"{name} is not installed"
    return obstacle(RUNTIME_PATH, CGROUPS)


pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(bool(_unfit()), reason=_unfit() or "fit"),
]


class Lab:
    """A root folder with a port on it, and containers of busybox."""

    def __init__(self, root: Path, rootfs: Path) -> None:
        self.root, self.rootfs = root, rootfs
        self.cgroup_parent = f"/lockgate-test-{token_hex(4)}"
        self.port = self.ports()

    def ports(self, **options: Any) -> ConmonRuntime:
        options = {"runtime": RUNTIME_PATH, "conmon": CONMON} | options
        return ConmonRuntime(self.root, **options)

    def container(
        self,
        *command: str,
        id: str = "web",
        change: Callable[[Any], None] | None = None,
        **wish: Any,
    ) -> Config:
        """A config, and the config.json that somebody else writes."""
        config = Config(id=id, cgroup_parent=self.cgroup_parent, command=command, **wish)
        spec: Any = {
            "ociVersion": "1.0.2",
            "process": {
                "terminal": config.terminal,
                "user": {"uid": 0, "gid": 0},
                "args": list(command),
                "env": ["PATH=/bin"],
                "cwd": "/",
            },
            "root": {"path": str(self.rootfs)},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
                {
                    "destination": "/dev/pts",
                    "type": "devpts",
                    "source": "devpts",
                    "options": ["newinstance", "ptmxmode=0666"],
                },
            ],
            "linux": {
                "cgroupsPath": self.cgroup(config),
                "namespaces": [{"type": kind} for kind in NAMESPACES],
                "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            },
        }
        if config.memory:
            limit = {"limit": config.memory, "swap": config.memory}
            spec["linux"]["resources"]["memory"] = limit
        if change:
            change(spec)
        bundle = self.root / "containers" / id
        bundle.mkdir(parents=True, exist_ok=True)
        (bundle / "config.json").write_bytes(msgspec.json.encode(spec))
        return config

    def cgroup(self, config: Config) -> str:
        return f"{self.cgroup_parent}/{config.id}"

    def run(self, config: Config, epoch: int = 1) -> Run:
        return Run.of(self.root, config.id, epoch)

    def created(self, config: Config, epoch: int = 1) -> Created:
        return self.port.create(config, epoch, again=False)

    def running(self, config: Config, epoch: int = 1) -> Created:
        made = self.created(config, epoch)
        self.port.start(config, epoch, again=False)
        return made

    def state(self, config: Config) -> State:
        return RuntimeCommand(RUNTIME_PATH, self.root / "runtime").state(config.id)

    def look(self, config: Config, made: Created, epoch: int = 1) -> Exited | None:
        return self.port.look(config, epoch, made.process, made.monitor)

    def ended(self, config: Config, made: Created, epoch: int = 1) -> Exited:
        end = self.port.await_exit(config, epoch, made.process, made.monitor, SOON)
        assert end is not None, "its end was never reported"
        return end

    def await_word(self, word: str) -> None:
        """Until the container has written this."""
        log = self.root / "containers" / "web" / "ctr.log"
        with Inotify() as news:
            news.watch(log, Mask.MODIFY)
            while word not in log.read_text():
                assert news.wait(SOON), f"it never says {word!r}"
                news.read()

    def deleted(self, config: Config, made: Created | None = None, epoch: int = 1) -> None:
        process, monitor = (made.process, made.monitor) if made else (None, None)
        self.port.delete(config, epoch, force=True, process=process, monitor=monitor)

    # ---- what may not be left ------------------------------------------------------------

    def left_files(self) -> list[str]:
        places = [*self.root.glob("run/*"), *self.root.glob("runtime/*")]
        places += [self.root / "containers" / "web" / name for name in ("attach", "ctl", "winsz")]
        return [str(place) for place in places if os.path.lexists(place)]

    def left_cgroups(self) -> list[str]:
        found: list[str] = []
        for place in CGROUPS.directories(self.cgroup_parent):
            with suppress(FileNotFoundError):  # empty, and swept away
                found += [str(inner) for inner in place.iterdir() if inner.is_dir()]
        return [each for each in found if not each.endswith("/conmon")]

    def left_processes(self) -> list[str]:
        """Whoever has our folder in its command line or its root in our root filesystem, or is in
        one of our cgroups. The dead are left out: who is to reap them is not ours to say."""
        found = {str(pid) for pid in CGROUPS.members(self.cgroup_parent)}
        for pid in pids():
            try:
                line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if f"{self.root}/" in line and pid != os.getpid():
                found.add(f"{pid} {line}")
        return sorted(found)

    def left(self) -> list[str]:
        return self.left_files() + self.left_cgroups() + self.left_processes()

    def close(self) -> None:
        CGROUPS.remove(self.cgroup_parent, SOON)


@pytest.fixture(scope="module")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("rootfs")
    for directory in ("bin", "dev", "etc", "proc", "sys", "tmp"):
        (place / directory).mkdir()
    busybox = find("busybox")
    assert busybox is not None
    shutil.copy(busybox, place / "bin" / "busybox")
    for applet in ("cat", "head", "kill", "sh", "sleep", "tail", "test", "true", "yes"):
        (place / "bin" / applet).symlink_to("busybox")
    (place / "etc" / "motd").write_text("no program")
    return place


@pytest.fixture
def lab(tmp_path: Path, rootfs: Path) -> Iterator[Lab]:
    """Fails the test that leaves something behind."""
    lab = Lab(tmp_path, rootfs)
    yield lab
    try:
        assert lab.left() == []
    finally:
        for name in sorted({path.name for path in tmp_path.glob("run/*")}):
            lab.deleted(Config(id=name, cgroup_parent=lab.cgroup_parent))
        lab.close()


def refused(action: Callable[[], object]) -> PortError:
    with pytest.raises(PortError) as refusal:
        action()
    return refusal.value


class TestALife:
    def test_it_waits_runs_ends_and_leaves_nothing(self, lab: Lab) -> None:
        config = lab.container("sh", "-c", "echo out; echo err >&2; exit 7")
        made = lab.created(config)
        assert lab.look(config, made) is None
        assert lab.state(config) == State("created", made.process.pid)
        before = time.time_ns()
        lab.port.start(config, 1, again=False)
        ended = lab.ended(config, made)
        assert (ended.code, ended.oom, ended.reason) == (7, False, "")
        assert before - 10**8 <= ended.at <= time.time_ns()  # files are stamped by a coarse clock
        log = (lab.root / "containers" / "web" / "ctr.log").read_text()
        assert {line.split(" ", 3)[1:][0] for line in log.splitlines()} == {"stdout", "stderr"}
        lab.port.delete(config, 1, force=False, process=made.process, monitor=made.monitor)

    def test_a_second_run_is_another(self, lab: Lab) -> None:
        config = lab.container("sh", "-c", "exit 1")
        first = lab.running(config)
        assert lab.ended(config, first).code == 1
        lab.deleted(config, first)
        lab.container("sleep", "1000")
        second = lab.running(config, 2)
        assert lab.look(config, second, 2) is None
        lab.deleted(config, second, 2)

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGUSR1])
    def test_a_signal_gives_its_code(self, lab: Lab, number: int) -> None:
        # the first process of a pid namespace only dies of what it is shown to want
        config = lab.container("sh", "-c", "trap 'exit 42' USR1; echo up; sleep 1000 & wait")
        made = lab.running(config)
        lab.await_word("up")
        lab.port.signal(config, 1, made.process, number)
        assert lab.ended(config, made).code == (137 if number == signal.SIGKILL else 42)
        lab.deleted(config, made)

    def test_out_of_memory_is_told(self, lab: Lab) -> None:
        config = lab.container("tail", "/dev/zero", memory=16 * 2**20)
        made = lab.running(config)
        ended = lab.ended(config, made)
        assert (ended.code, ended.oom) == (137, True)
        lab.deleted(config, made)

    def test_without_stdin_there_is_none(self, lab: Lab) -> None:
        config = lab.container("cat")
        made = lab.running(config)
        assert lab.ended(config, made).code == 0
        lab.deleted(config, made)

    def test_with_stdin_there_is_one(self, lab: Lab) -> None:
        config = lab.container("sh", "-c", "cat; exit 3", stdin=True)
        made = lab.running(config)
        assert lab.port.await_exit(config, 1, made.process, made.monitor, 0.2) is None
        lab.deleted(config, made)

    def test_with_a_terminal_there_is_one(self, lab: Lab) -> None:
        config = lab.container("sh", "-c", "test -t 0 && test -t 1 && exit 9", terminal=True)
        made = lab.running(config)
        assert lab.ended(config, made).code == 9
        lab.deleted(config, made)

    def test_paths_may_be_long_and_in_any_language(self, tmp_path: Path, rootfs: Path) -> None:
        root = tmp_path / ("wurzel-äöü-" + "x" * 200) / ("y" * 200) / "and blanks"
        root.mkdir(parents=True)
        lab = Lab(root, rootfs)
        config = lab.container("sh", "-c", "exit 5")
        made = lab.running(config)
        assert lab.ended(config, made).code == 5
        lab.deleted(config, made)
        assert lab.left() == []
        lab.close()

    def test_several_live_side_by_side(self, lab: Lab) -> None:
        configs = [lab.container("sleep", "1000", id=f"c{number}") for number in range(3)]
        made = [lab.running(config) for config in configs]
        lab.deleted(configs[1], made[1])
        assert [lab.look(config, one) is None for config, one in zip(configs, made)] == [
            True,
            False,
            True,
        ]
        for config, one in zip(configs, made):
            lab.deleted(config, one)

    def test_the_monitor_has_a_cgroup_of_its_own(self, lab: Lab) -> None:
        config = lab.container("sleep", "1000")
        made = lab.running(config)
        assert made.monitor is not None
        listed = Path(f"/proc/{made.monitor.pid}/cgroup").read_text().splitlines()
        places = {line.split(":")[1]: line.split(":")[2] for line in listed}
        for controller in ("memory", "pids", "name=systemd", ""):
            if any(controller in (each.controllers or {""}) for each in CGROUPS.hierarchies):
                assert places[controller] == f"{lab.cgroup_parent}/conmon", controller
        lab.deleted(config, made)


class TestWhatCannotBeCreated:
    @pytest.mark.parametrize(
        ("command", "kind"),
        [
            ("nowhere-to-be-found", "missing"),
            ("/bin/nowhere-to-be-found", "missing"),
            ("/etc/motd", "denied"),
            ("/etc", "denied"),
        ],
    )
    def test_a_command_that_cannot_run(self, lab: Lab, command: str, kind: str) -> None:
        config = lab.container(command)
        fault = refused(lambda: lab.created(config)).fault
        assert (fault.kind, fault.dirty) == (kind, False)
        assert RUNTIME in fault.reason and "\n" not in fault.reason
        assert lab.left() == []
        lab.container("true")  # and what is right then works
        made = lab.created(config)
        lab.deleted(config, made)

    def test_a_spec_that_is_none(self, lab: Lab) -> None:
        config = lab.container("true")
        (lab.root / "containers" / "web" / "config.json").write_text('{"process": ')
        fault = refused(lambda: lab.created(config)).fault
        assert (fault.kind, fault.dirty) == ("failed", False)

    def test_a_missing_bundle(self, lab: Lab) -> None:
        config = Config(id="web", cgroup_parent=lab.cgroup_parent)
        fault = refused(lambda: lab.created(config)).fault
        assert (fault.kind, fault.dirty) == ("missing", False)

    def test_a_runtime_that_is_not_there(self, lab: Lab) -> None:
        lab.port = lab.ports(runtime=Path("/nowhere/runc"))
        config = lab.container("true")
        fault = refused(lambda: lab.created(config)).fault
        assert not fault.dirty
        assert "/nowhere/runc" in fault.reason

    @pytest.mark.parametrize(
        ("conmon", "kind", "reason"),
        [
            (None, "missing", "is conmon installed?"),
            ("exit 3", "failed", "status 3"),
            ("echo no such option >&2; exit 1", "failed", "no such option"),
            ("exit 0", "failed", "without an answer"),
            ("kill -9 $$", "failed", "status -9"),
        ],
    )
    def test_a_monitor_that_refuses(
        self, lab: Lab, conmon: str | None, kind: str, reason: str
    ) -> None:
        script = lab.root / "monitor"
        if conmon is not None:
            script.write_text(f"#!/bin/sh\n{conmon}\n")
            script.chmod(0o755)
        lab.port = lab.ports(conmon=script)
        fault = refused(lambda: lab.created(lab.container("true"))).fault
        assert (fault.kind, fault.dirty) == (kind, False)
        assert reason in fault.reason

    def test_a_monitor_that_never_begins(self, lab: Lab) -> None:
        script = lab.root / "monitor"
        script.write_text("#!/bin/sh\nexec sleep 1000\n")
        script.chmod(0o755)
        lab.port = lab.ports(conmon=script, patience=0.2)
        fault = refused(lambda: lab.created(lab.container("true"))).fault
        assert (fault.kind, fault.dirty) == ("timeout", False)

    def test_a_runtime_that_takes_too_long(self, lab: Lab) -> None:
        lab.port = lab.ports(patience=1.0)
        config = lab.container("true", change=hooked(lab, "sleep 1000"))
        fault = refused(lambda: lab.created(config)).fault
        assert (fault.kind, fault.dirty) == ("timeout", False)

    def test_a_runtime_that_dies_over_it(self, lab: Lab) -> None:
        config = lab.container("true", change=hooked(lab, "kill -9 $PPID"))
        fault = refused(lambda: lab.created(config)).fault
        assert (fault.kind, fault.dirty) == ("failed", False)

    @pytest.mark.parametrize("id", ["", "..", "a/b", "-x", ".hidden", "a b", "conmon", "x\n"])
    def test_an_id_that_is_none(self, lab: Lab, id: str) -> None:
        config = Config(id=id, cgroup_parent=lab.cgroup_parent)
        for action in (
            lambda: lab.created(config),
            lambda: lab.deleted(config),
            lambda: lab.port.thaw(config, 1),
            lambda: lab.port.look(config, 1, None, None),
        ):
            fault = refused(action).fault
            assert (fault.kind, fault.dirty) == ("refused", False)

    @pytest.mark.parametrize("parent", ["relative", "/a/../..", "/a//b", "/."])
    def test_a_cgroup_that_leads_elsewhere(self, lab: Lab, parent: str) -> None:
        config = msgspec.structs.replace(lab.container("true"), cgroup_parent=parent)
        fault = refused(lambda: lab.created(config)).fault
        assert (fault.kind, fault.dirty) == ("refused", False)

    def test_nothing_that_is_there_is_touched(self, lab: Lab) -> None:
        config = lab.container("sleep", "1000")
        made = lab.running(config)
        for epoch in (1, 2):
            fault = refused(partial(lab.created, config, epoch)).fault
            assert (fault.kind, fault.dirty) == ("refused", False)
        assert lab.look(config, made) is None
        lab.deleted(config, made)


def hooked(lab: Lab, script: str) -> Callable[[Any], None]:
    """A createRuntime hook: called by the runtime in the midst of create."""
    hook = lab.root / "hook"
    hook.write_text(f"#!/bin/sh\n{script}\n")
    hook.chmod(0o755)
    return lambda spec: spec.update(hooks={"createRuntime": [{"path": str(hook)}]})


class TestAgain:
    def test_what_waits_is_adopted(self, lab: Lab) -> None:
        config = lab.container("sleep", "1000")
        made = lab.created(config)
        assert lab.port.create(config, 1, again=True) == made
        lab.deleted(config, made)

    @pytest.mark.parametrize("loss", ["monitor", "process", "both"])
    def test_what_has_lost_its_half_is_made_anew(self, lab: Lab, loss: str) -> None:
        config = lab.container("sleep", "1000")
        made = lab.created(config)
        assert made.monitor is not None
        if loss != "process":
            assert end(made.monitor, SOON)
        if loss != "monitor":
            assert end(made.process, SOON)
        renewed = lab.port.create(config, 1, again=True)
        assert renewed.process != made.process and renewed.monitor != made.monitor
        assert not alive(made.process) and not alive(made.monitor)
        lab.deleted(config, renewed)

    def test_what_runs_already_is_made_anew(self, lab: Lab) -> None:
        config = lab.container("sleep", "1000")
        made = lab.running(config)
        renewed = lab.port.create(config, 1, again=True)
        assert not alive(made.process)
        assert lab.state(config).status == "created"
        lab.deleted(config, renewed)

    def test_what_another_run_has_left_is_removed(self, lab: Lab) -> None:
        config = lab.container("sleep", "1000")
        made = lab.running(config)
        renewed = lab.port.create(config, 2, again=True)
        assert not alive(made.process)
        assert not lab.run(config).exists()
        lab.deleted(config, renewed, 2)

    @pytest.mark.parametrize("name", ["sync", "conmon.pid", "pidfile"])
    @pytest.mark.parametrize("content", [b"", b"1", b"-1", b'{"data": ', b"\0" * 100])
    def test_torn_files_do_not_matter(self, lab: Lab, name: str, content: bytes) -> None:
        config = lab.container("sleep", "1000")
        made = lab.created(config)
        (lab.run(config).directory / name).write_bytes(content)
        assert lab.port.create(config, 1, again=True) == made
        lab.port.start(config, 1, again=False)
        lab.port.signal(config, 1, made.process, signal.SIGKILL)
        assert lab.ended(config, made).code == 137
        lab.deleted(config, made)

    def test_a_file_that_lies_is_not_believed(self, lab: Lab) -> None:
        config = lab.container("sleep", "1000")
        made = lab.created(config)
        lab.run(config).pidfile.write_text(str(os.getpid()))
        renewed = lab.port.create(config, 1, again=True)
        assert renewed.process.pid != os.getpid()
        assert not alive(made.process)
        lab.deleted(config, renewed)

    @pytest.mark.parametrize(
        ("place", "adopted"),
        [
            ("conmon.launch", False),  # only the directories are there
            ("cgroups.Cgroups.enter", True),  # the monitor has not been told to begin
            ("conmon.heard", True),  # it is at work
            ("conmon.identify", True),  # it has answered
        ],
    )
    def test_what_a_killed_engine_began_is_taken_over(
        self, lab: Lab, place: str, adopted: bool
    ) -> None:
        config = lab.container("sh", "-c", "exit 7")
        killed_at(lab, config, place)
        marker = lab.run(config).directory / "marker"
        marker.touch()
        made = lab.port.create(config, 1, again=True)
        assert marker.exists() == adopted
        lab.port.start(config, 1, again=False)
        assert lab.ended(config, made).code == 7
        lab.deleted(config, made)

    @pytest.mark.parametrize("place", ["conmon.launch", "cgroups.Cgroups.enter", "conmon.heard"])
    def test_what_a_killed_engine_began_is_removed(self, lab: Lab, place: str) -> None:
        config = lab.container("sleep", "1000")
        killed_at(lab, config, place)
        lab.deleted(config)
        assert lab.left() == []
        lab.deleted(config)


def killed_at(lab: Lab, config: Config, place: str) -> None:
    """Another engine creates the container, and is killed where it would call `place`."""
    program = f"""
        import os, signal, sys
        from pathlib import Path
        import msgspec
        from lockgate.adapters.oci import ConmonRuntime
        from lockgate.adapters.oci import cgroups, conmon
        from lockgate.effects.config import Config
        def die(*_, **__):
            os.kill(os.getpid(), signal.SIGKILL)
        {place} = die
        config = msgspec.json.decode(sys.argv[1], type=Config)
        port = ConmonRuntime(Path({str(lab.root)!r}), {str(RUNTIME_PATH)!r}, {str(CONMON)!r})
        port.create(config, 1, again=False)
    """
    child = subprocess.run(
        (sys.executable, "-c", textwrap.dedent(program), msgspec.json.encode(config).decode()),
        check=False,
        capture_output=True,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()


class Called:
    """The verbs a runtime was called with, and what it then did."""

    def __init__(self, then: Callable[..., Ran] | None = None) -> None:
        self.verbs: list[str] = []
        self._then = then

    def __call__(self, command: RuntimeCommand, verb: str, *arguments: str) -> Ran:
        self.verbs.append(verb)
        assert self._then is not None, f"{verb} was not expected"
        return self._then(command, verb, *arguments)


class TestStarting:
    def test_again_finds_it_started(self, lab: Lab) -> None:
        config = lab.container("sleep", "1000")
        made = lab.running(config)
        lab.port.start(config, 1, again=True)
        lab.port.freeze(config, 1)
        lab.port.start(config, 1, again=True)
        assert refused(lambda: lab.port.start(config, 1, again=False)).fault.kind == "refused"
        assert lab.look(config, made) is None
        lab.deleted(config, made)

    def test_again_finds_it_ended(self, lab: Lab) -> None:
        config = lab.container("true")
        made = lab.running(config)
        assert lab.ended(config, made).code == 0
        lab.port.start(config, 1, again=True)
        assert refused(lambda: lab.port.start(config, 1, again=False)).fault.kind == "refused"
        lab.deleted(config, made)

    def test_neither_the_runtime_nor_its_patience_is_needed(
        self, lab: Lab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = lab.container("sleep", "1000")
        made = lab.created(config)
        with monkeypatch.context() as patch:
            patch.setattr(RuntimeCommand, "run", called := Called())
            lab.port.start(config, 1, again=False)
        assert called.verbs == []
        assert lab.state(config).status == "running"
        lab.deleted(config, made)

    def test_with_hooks_the_runtime_starts_it(
        self, lab: Lab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = lab.container(
            "sleep",
            "1000",
            change=lambda spec: spec.update(hooks={"poststart": [{"path": "/bin/cat"}]}),
        )
        made = lab.created(config)
        called = Called(RuntimeCommand.run)
        monkeypatch.setattr(RuntimeCommand, "run", lambda *given: called(*given))
        lab.port.start(config, 1, again=False)
        assert called.verbs == ["start"]
        assert lab.state(config).status == "running"
        lab.deleted(config, made)

    def test_killed_between_letting_it_go_and_saying_so(
        self, lab: Lab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fifo, "PATIENCE", 0.2)
        config = lab.container("sleep", "1000")
        made = lab.created(config)
        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", lambda *_, **__: None)
            lab.port.start(config, 1, again=False)
        assert lab.state(config).status == "created"  # so the runtime believes
        lab.port.start(config, 1, again=True)
        assert lab.state(config).status == "running"
        lab.deleted(config, made)

    def test_one_that_ended_in_waiting_cannot_start(self, lab: Lab) -> None:
        config = lab.container("sleep", "1000")
        made = lab.created(config)
        lab.port.signal(config, 1, made.process, signal.SIGKILL)
        lab.ended(config, made)
        assert refused(lambda: lab.port.start(config, 1, again=False)).fault.kind == "refused"
        lab.port.start(config, 1, again=True)
        lab.deleted(config, made)

    def test_what_is_not_there_cannot_start(self, lab: Lab) -> None:
        config = lab.container("true")
        for again in (False, True):
            fault = refused(partial(lab.port.start, config, 1, again=again)).fault
            assert fault.kind == "missing"

    def test_a_run_that_is_over_does_not_touch_the_next(self, lab: Lab) -> None:
        config = lab.container("sleep", "1000")
        made = lab.created(config, 2)
        assert refused(lambda: lab.port.start(config, 1, again=True)).fault.kind == "missing"
        assert refused(lambda: lab.port.freeze(config, 1)).fault.kind == "missing"
        lab.port.thaw(config, 1)
        lab.port.delete(config, 1, force=True, process=None, monitor=None)
        assert lab.state(config).status == "created"
        assert lab.look(config, made, 2) is None
        lab.deleted(config, made, 2)


class TestFreezing:
    def test_twice_is_once(self, lab: Lab) -> None:
        config = lab.container("sleep", "1000")
        made = lab.running(config)
        for _ in "twice":
            lab.port.freeze(config, 1)
            assert lab.state(config).status == "paused"
        for _ in "twice":
            lab.port.thaw(config, 1)
            assert lab.state(config).status == "running"
        lab.deleted(config, made)

    def test_what_has_ended_cannot_be_frozen_but_thawed(self, lab: Lab) -> None:
        config = lab.container("true")
        made = lab.running(config)
        lab.ended(config, made)
        fault = refused(lambda: lab.port.freeze(config, 1)).fault
        assert (fault.kind, fault.dirty) == ("missing", False)
        lab.port.thaw(config, 1)
        lab.deleted(config, made)
        lab.port.thaw(config, 1)

    def test_the_frozen_die_when_thawed(self, lab: Lab) -> None:
        config = lab.container("sleep", "1000")
        made = lab.running(config)
        lab.port.freeze(config, 1)
        lab.port.signal(config, 1, made.process, signal.SIGKILL)
        lab.port.thaw(config, 1)
        assert lab.ended(config, made).code == 137
        lab.deleted(config, made)


class TestTheMonitorDies:
    def test_the_run_goes_on_and_its_end_is_unknown(self, lab: Lab) -> None:
        config = lab.container("sleep", "1000")
        made = lab.running(config)
        assert made.monitor is not None and end(made.monitor, SOON)
        assert lab.look(config, made) is None
        assert lab.port.await_exit(config, 1, made.process, made.monitor, 0.01) is None
        lab.port.signal(config, 1, made.process, signal.SIGKILL)
        ended = lab.ended(config, made)
        assert ended.code == -1 and "without reporting" in ended.reason
        lab.port.delete(config, 1, force=False, process=made.process, monitor=made.monitor)

    def test_whoever_waits_is_told(self, lab: Lab) -> None:
        config = lab.container("sleep", "1000")
        made = lab.running(config)
        told: list[Exited | None] = []
        waiter = threading.Thread(target=lambda: told.append(lab.ended(config, made)))
        waiter.start()
        assert made.monitor is not None and end(made.monitor, SOON)
        assert end(made.process, SOON)
        waiter.join(SOON)
        assert [one and one.code for one in told] == [-1]
        lab.deleted(config, made)


class TestTheRuntimeDies:
    """What it had begun lives on, and keeps the monitor waiting for last words."""

    def mortal(self, folder: Path, lost: str = "") -> Path:
        """A runtime that is killed when all of create is done but its last step."""
        script = folder / RUNTIME
        script.write_text(
            f'#!/bin/sh\ncase " $* " in *" create "*) ;; *) exec {RUNTIME_PATH} "$@";; esac\n'
            f'{RUNTIME_PATH} "$@" || exit\n{lost}\nkill -9 $$\n'
        )
        script.chmod(0o700)
        return script

    def test_before_it_has_told_the_pid_create_has_failed(
        self, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """That is certain, so nobody is given the benefit of the doubt."""
        monkeypatch.setattr(launch, "BENEFIT_OF_DOUBT", 10_000.0)
        config = lab.container("sleep", "1000")
        runtime = self.mortal(tmp_path, f"rm {lab.run(config).pidfile}")
        port = lab.ports(runtime=runtime)
        fault = refused(lambda: port.create(config, 1, again=False)).fault
        assert not fault.dirty
        assert lab.left() == []

    def test_when_it_has_create_may_have_succeeded_and_the_monitor_has_some_time(
        self, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(launch, "LAST_WORDS", 10_000.0)
        config = lab.container("sleep", "1000")
        port = lab.ports(runtime=self.mortal(tmp_path))
        assert not refused(lambda: port.create(config, 1, again=False)).fault.dirty
        assert lab.left() == []


class TestDeleting:
    def test_what_lives_is_refused(self, lab: Lab) -> None:
        config = lab.container("sleep", "1000")
        made = lab.running(config)
        for process in (made.process, None):
            fault = refused(
                partial(lab.port.delete, config, 1, force=False, process=process, monitor=None)
            ).fault
            assert (fault.kind, fault.dirty) == ("refused", False)
        assert lab.look(config, made) is None
        lab.deleted(config, made)

    @pytest.mark.parametrize("known", [True, False])
    @pytest.mark.parametrize("stage", ["created", "running", "frozen", "ended"])
    def test_force_removes_it_at_any_stage_twice(self, lab: Lab, stage: str, known: bool) -> None:
        config = lab.container("sleep", "1000")
        made = lab.created(config)
        if stage != "created":
            lab.port.start(config, 1, again=False)
        if stage == "frozen":
            lab.port.freeze(config, 1)
        if stage == "ended":
            lab.port.signal(config, 1, made.process, signal.SIGKILL)
            lab.ended(config, made)
        for _ in "twice":
            lab.deleted(config, made if known else None)
            assert lab.left() == []
            assert not alive(made.process) and not (made.monitor and alive(made.monitor))

    @pytest.mark.parametrize("force", [True, False])
    def test_children_do_not_outlive_the_first_process(self, lab: Lab, force: bool) -> None:
        def without_pid_namespace(spec: Any) -> None:
            kinds = [kind for kind in NAMESPACES if kind != "pid"]
            spec["linux"]["namespaces"] = [{"type": kind} for kind in kinds]

        config = lab.container(
            "sh", "-c", "sleep 1000 & sleep 1000 & exit 0", change=without_pid_namespace
        )
        made = lab.running(config)
        assert wait_gone(made.process, SOON)
        orphans = [identify(pid) for pid in CGROUPS.members(lab.cgroup(config))]
        assert len(orphans) == 2
        lab.port.delete(config, 1, force=force, process=made.process, monitor=made.monitor)
        assert not any(orphan is not None and alive(orphan) for orphan in orphans)

    @pytest.mark.parametrize("content", [b"", b"half", b'{"id": "other"}', None])
    @pytest.mark.parametrize("known", [True, False])
    @pytest.mark.parametrize("stage", ["created", "running", "frozen"])
    def test_damaged_records_protect_nobody(
        self, lab: Lab, stage: str, content: bytes | None, known: bool
    ) -> None:
        config = lab.container("sleep", "1000")
        made = lab.created(config)
        if stage != "created":
            lab.port.start(config, 1, again=False)
        if stage == "frozen":
            lab.port.freeze(config, 1)
        for record in (lab.root / "runtime" / "web").iterdir():
            if not record.is_file():
                continue
            if content is None:
                record.unlink()
            else:
                half = record.read_bytes()[: record.stat().st_size // 2]
                record.write_bytes(half if content == b"half" else content)
        lab.deleted(config, made if known else None)
        assert lab.left() == []
        assert not alive(made.process)

    @pytest.mark.parametrize("known", [True, False])
    def test_a_lost_record_protects_nobody(self, lab: Lab, known: bool) -> None:
        config = lab.container("sleep", "1000")
        made = lab.running(config)
        shutil.rmtree(lab.root / "runtime" / "web")
        lab.deleted(config, made if known else None)
        assert lab.left() == []
        assert not alive(made.process)

    def test_lost_run_files_protect_nobody(self, lab: Lab) -> None:
        config = lab.container("sleep", "1000")
        made = lab.running(config)
        shutil.rmtree(lab.root / "run")
        assert lab.look(config, made) is None
        lab.port.freeze(config, 1)
        lab.port.thaw(config, 1)
        lab.deleted(config, made)

    @pytest.mark.parametrize("script", ["exit 1", "kill -9 $$", "sleep 1000", None])
    def test_no_runtime_is_needed_to_remove(
        self, lab: Lab, script: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = lab.container("sleep", "1000")
        made = lab.running(config)
        broken = lab.root / "broken"
        if script is not None:
            broken.write_text(f"#!/bin/sh\nexec 0<&-; {script}\n".replace("sleep", "exec sleep"))
            broken.chmod(0o755)
        lab.port = lab.ports(runtime=broken)
        monkeypatch.setattr(lab.port._command, "_patience", 0.2)  # pyright: ignore
        lab.deleted(config, made)
        assert not alive(made.process)

    def test_a_monitor_that_will_not_go_is_made_to(
        self, lab: Lab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(removal, "MONITOR_PATIENCE", 0.1)
        config = lab.container("sleep", "1000")
        made = lab.running(config)
        assert made.monitor is not None
        os.kill(made.monitor.pid, signal.SIGSTOP)
        lab.deleted(config, made)
        assert not alive(made.monitor)

    def test_the_number_of_the_dead_is_not_killed(self, lab: Lab) -> None:
        bystander = subprocess.Popen(("sleep", "1000"))
        try:
            found = identify(bystander.pid)
            assert found is not None
            former = msgspec.structs.replace(found, start=found.start - 1)
            config = lab.container("true")
            lab.port.delete(config, 1, force=True, process=former, monitor=former)
            lab.run(config).make()
            lab.run(config).monitor_pidfile.write_text(str(bystander.pid))
            lab.run(config).pidfile.write_text(str(bystander.pid))
            lab.deleted(config)
            assert bystander.poll() is None
        finally:
            bystander.kill()
            bystander.wait()

    def test_waiting_ends_when_somebody_else_removes_it(self, lab: Lab) -> None:
        config = lab.container("sleep", "1000")
        made = lab.running(config)
        told: list[Exited | PortError | None] = []

        def wait() -> None:
            try:
                told.append(lab.port.await_exit(config, 1, made.process, made.monitor, None))
            except PortError as problem:
                told.append(problem)

        waiter = threading.Thread(target=wait)
        waiter.start()
        lab.deleted(config, made)
        waiter.join(SOON)
        (answer,) = told
        # it was told of the end, or came too late to be
        assert isinstance(answer, PortError) or (answer is not None and answer.code in (137, -1))


class TestFilesOfTheMonitor:
    def test_a_pid_from_a_file_is_only_believed_of_a_monitor(self, lab: Lab) -> None:
        config = lab.container("sleep", "1000")
        made = lab.created(config)
        run = lab.run(config)
        assert run.monitor() == made.monitor
        for wrong in (os.getpid(), 1, made.process.pid):
            run.monitor_pidfile.write_text(str(wrong))
            assert run.monitor() is None
            assert run.monitor(search=True) == made.monitor
        lab.deleted(config, made)

    def test_descendants_of_the_monitor_are_the_container(self, lab: Lab) -> None:
        config = lab.container("sh", "-c", "sleep 1000; true")
        made = lab.running(config)
        assert isinstance(made.monitor, Process)
        assert made.process in descendants(made.monitor)
        lab.deleted(config, made)

    def test_only_we_can_look_into_a_run(self, lab: Lab) -> None:
        config = lab.container("sleep", "1000")
        made = lab.created(config)
        assert lab.run(config).directory.stat().st_mode & 0o777 == 0o700
        lab.deleted(config, made)

    def test_leftovers_of_a_dead_monitor_do_not_stop_the_next(self, lab: Lab) -> None:
        config = lab.container("sh", "-c", "exit 4")
        bundle = lab.root / "containers" / "web"
        (bundle / "attach").write_text("")
        (bundle / "ctl").symlink_to("/etc/passwd")
        os.mkfifo(bundle / "winsz")
        made = lab.running(config)
        assert lab.ended(config, made).code == 4
        lab.deleted(config, made)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(RUNTIME != "runc", reason="this is the run with the other runtime already")
@pytest.mark.skipif(find("crun") is None, reason="crun is not installed")
def test_crun_does_the_same() -> None:
    """Where cgroups are hybrid, in a private mount namespace without version 2 (HOST §0)."""
    again = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    if CGROUPS.layout == "hybrid":
        unified = next(str(each.mountpoint) for each in CGROUPS.hierarchies if each.unified)
        again = ["unshare", "-m", "sh", "-c", 'umount "$0" && exec "$@"', unified, *again]
    ran = subprocess.run(
        again,
        env=os.environ | {"LOCKGATE_TEST_RUNTIME": "crun"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    assert " passed" in ran.stdout and " skipped" in ran.stdout
