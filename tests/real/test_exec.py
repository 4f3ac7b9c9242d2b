"""Processes that join a real container, under the runtime and a monitor of their own."""

import os
import pty
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.waiting import until

from lockgate import Engine, OperationFailed
from lockgate.effects.sessions import Standing

pytestmark = pytest.mark.real


@pytest.fixture
def web(engine: Engine) -> str:
    made = engine.create(name="web", image="busybox", command=["sleep", "60"], env=["A=1"])
    engine.start("web")
    return made.id


def said(engine: Engine, tmp_path: Path, *command: str, **wishes: object) -> tuple[int, str, str]:
    """The exit code, and what it wrote to either stream."""
    with open(os.devnull, "rb") as stdin:  # noqa: PTH123
        with (tmp_path / "out").open("w+b") as out, (tmp_path / "err").open("w+b") as err:
            streams = (stdin.fileno(), out.fileno(), err.fileno())
            code = engine.call("web", command, streams, **wishes)  # type: ignore[arg-type]
    return code, (tmp_path / "out").read_text(), (tmp_path / "err").read_text()


@pytest.mark.usefixtures("web")
class TestCall:
    def test_it_is_told_of_and_forgotten(self, engine: Engine, tmp_path: Path) -> None:
        assert said(engine, tmp_path, "sh", "-c", "exit 5")[0] == 5
        began, died = [one for one in engine.events() if one.session]
        assert (began.event, died.event, died.exit_code) == ("exec", "exec_died", 5)
        assert began.session == died.session
        assert engine.sessions("web") == ()

    def test_others_see_it_while_it_runs(self, engine: Engine, tmp_path: Path) -> None:
        begun = ("sh", "-c", "while [ ! -e /over ]; do sleep 0.02; done; exit 4")
        codes: list[int] = []
        caller = threading.Thread(target=lambda: codes.append(said(engine, tmp_path, *begun)[0]))
        caller.start()
        until(lambda: any(one.event == "exec" for one in engine.events()))
        (one,) = engine.sessions("web")
        assert (one.standing, one.attached) == (Standing.RUNNING, True)
        assert engine.inspect("web").sessions == (one.id,)
        engine.exec("web", ["touch", "/over"])
        assert engine.exec_wait("web", one.id, 20) == 4
        caller.join()
        assert codes == [4]

    def test_streams_and_code_are_its_own(self, engine: Engine, tmp_path: Path) -> None:
        script = "echo out; echo err >&2; exit 5"
        assert said(engine, tmp_path, "sh", "-c", script) == (5, "out\n", "err\n")
        assert said(engine, tmp_path, "sh", "-c", "kill -9 $$")[0] == 137

    def test_it_lives_where_the_container_does(self, engine: Engine, tmp_path: Path) -> None:
        script = "hostname; echo $A; cat /proc/1/cmdline"
        _, out, _ = said(engine, tmp_path, "sh", "-c", script)
        assert out.splitlines() == [engine.inspect("web").id[:12], "1", "sleep\00060\0"]

    def test_wishes(self, engine: Engine, tmp_path: Path) -> None:
        wishes = {"user": "33:34", "workdir": "/tmp", "env": {"A": "2"}}
        _, out, _ = said(engine, tmp_path, "sh", "-c", "id -u; id -g; pwd; echo $A", **wishes)
        assert out.split() == ["33", "34", "/tmp", "2"]

    def test_what_cannot_be_run(self, engine: Engine, tmp_path: Path) -> None:
        for command, kind in ((("nope",), "missing"), (("/etc/passwd",), "denied")):
            with pytest.raises(OperationFailed) as no:
                said(engine, tmp_path, *command)
            assert no.value.fault.kind == kind
        assert engine.sessions("web") == ()

    def test_with_a_terminal(self, engine: Engine) -> None:
        ours, theirs = pty.openpty()
        try:
            script = "test -t 0 && test -t 1 && read line && echo got $line"
            lockgate = (sys.executable, "-c", "from lockgate.cli import main; main()")
            words = ("--root", _root(engine), "--runtime", engine.description.split(" ")[0])
            child = subprocess.Popen(
                [*lockgate, *words, "exec", "-it", "web", "sh", "-c", script],
                stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            )  # fmt: skip
            os.write(ours, b"hello\n")
            heard = b""
            while b"got hello" not in heard:
                heard += os.read(ours, 1024)
            assert child.wait(20) == 0
        finally:
            os.close(ours)
            os.close(theirs)


def _root(engine: Engine) -> str:
    return str(Path(engine.inspect("web").mountpoint).parents[2])


@pytest.mark.usefixtures("web")
class TestExec:
    def test_it_outlives_whoever_began_it(self, engine: Engine) -> None:
        begin = (
            "import sys; from lockgate import Engine\n"
            "with Engine.open(sys.argv[1], runtime=sys.argv[2]) as engine:\n"
            "    print(engine.exec('web', ['sh', '-c', 'echo ready; sleep 0.3; exit 9']).id)\n"
        )
        runtime = engine.description.split(" ")[0]
        words = [sys.executable, "-c", begin, _root(engine), runtime]
        session = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
        assert engine.session("web", session).standing is Standing.RUNNING
        assert engine.exec_wait("web", session, 20) == 9
        assert [line.text for line in engine.exec_output("web", session)] == ["ready"]

    def test_only_its_own_process_is_killed(self, engine: Engine) -> None:
        one, other = (engine.exec("web", ["sleep", "50"]) for _ in "ab")
        engine.exec_kill("web", one.id)
        assert engine.exec_wait("web", one.id, 20) == 137
        assert engine.session("web", other.id).standing is Standing.RUNNING
        assert engine.inspect("web").status == "running"

    def test_what_cannot_be_run_leaves_nothing(self, engine: Engine) -> None:
        with pytest.raises(OperationFailed, match="not found"):
            engine.exec("web", ["nope"])
        assert engine.sessions("web") == ()

    def test_it_ends_with_the_run_and_keeps_nobody_waiting(self, engine: Engine) -> None:
        engine.exec("web", ["sleep", "50"])
        waited = time.monotonic()
        engine.remove("web", force=True, timeout=0)
        assert time.monotonic() - waited < 20

    def test_a_monitor_that_dies_leaves_an_end_nobody_saw(self, engine: Engine) -> None:
        session = engine.exec("web", ["sleep", "50"])
        assert session.process is not None
        status = Path(f"/proc/{session.process.pid}/status").read_text()
        (monitor,) = [line.split()[1] for line in status.splitlines() if line.startswith("PPid")]
        os.kill(int(monitor), 9)
        until(lambda: not Path(f"/proc/{monitor}/exe").exists())
        assert engine.session("web", session.id) == session  # it lives on
        engine.exec_kill("web", session.id)
        assert engine.exec_wait("web", session.id, 20) == -1
        assert "monitor" in engine.session("web", session.id).exit_reason


def test_what_it_uses_and_by_whom(engine: Engine, web: str) -> None:
    session = engine.exec("web", ["sleep", "50"])
    first, second = engine.top("web")
    assert (first.inside, first.tty) == (1, False)
    assert second.inside > 1
    assert (first.command, second.command) == (("sleep", "60"), ("sleep", "50"))
    its_own = engine.inspect("web").process
    assert its_own and session.process
    assert {first.pid, second.pid} == {its_own.pid, session.process.pid}
    used = engine.usage("web")
    assert used.pids == 2
    assert used.memory and used.cpu
