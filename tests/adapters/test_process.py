"""A pid is a number; a process is a number, a start and a boot (FAULTS P15)."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import IO

import pytest
from msgspec.structs import replace

from lockgate.adapters.inotify import readable
from lockgate.adapters.oci.process import (
    alive,
    boot_id,
    descendants,
    end,
    held,
    identify,
    send,
    stat_of,
    wait_gone,
)
from lockgate.effects.model import Process
from lockgate.effects.outcome import PortError

SOON = 20.0
Spawn = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Start a Python program; when it has said "ready" it is returned. Ended afterwards."""
    children: list[subprocess.Popen[bytes]] = []

    def start(program: str) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            (sys.executable, "-c", program), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        children.append(child)
        assert _pipe(child.stdout).readline() == b"ready\n"
        return child

    yield start
    for child in children:
        child.kill()
        child.communicate()


EXIT = 60 if os.uname().machine == "x86_64" else 93
"""The number of exit(2)."""

IDLE = "print('ready', flush=True); input()"


def _pipe(end: IO[bytes] | None) -> IO[bytes]:
    assert end is not None
    return end


def process_of(child: subprocess.Popen[bytes]) -> Process:
    found = identify(child.pid)
    assert found is not None
    return found


def dead(child: subprocess.Popen[bytes]) -> None:
    """Kill it and wait until it is a zombie; it is not reaped."""
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)


def test_we_are_alive_and_the_same_each_time() -> None:
    me = identify(os.getpid())
    assert me is not None and me == identify(os.getpid())
    assert me.boot == boot_id()
    assert alive(me)


@pytest.mark.parametrize("name", [")", "a) Z 1 1 1 (", "x\ny)", "( )"])
def test_no_name_a_process_gives_itself_confuses_us(spawn: Spawn, name: str) -> None:
    rename = f"open('/proc/self/comm', 'w').write({name!r});"
    process = process_of(spawn(rename + IDLE))
    assert alive(process)
    found = stat_of(process.pid)
    assert found is not None and found.parent == os.getpid()


def test_what_is_not_there_has_no_identity() -> None:
    assert identify(2**22 + 1) is None
    assert not alive(Process(2**22 + 1, 1, boot_id()))


def test_a_zombie_is_dead(spawn: Spawn) -> None:
    child = spawn(IDLE)
    process = process_of(child)
    dead(child)
    assert not alive(process)
    assert identify(child.pid) is None
    with held(process) as fd:
        assert fd is None


def test_a_process_whose_first_thread_has_left_lives_on(spawn: Spawn) -> None:
    leave = (
        "import ctypes, sys, threading;"
        "threading.Thread(target=sys.stdin.read).start();"
        "print('ready', flush=True);"
        f"ctypes.CDLL(None).syscall({EXIT}, 0)"  # this thread alone
    )
    child = spawn(leave)
    found = stat_of(child.pid)
    while found is not None and found.state != "Z":  # it has said ready, not gone yet
        found = stat_of(child.pid)
    process = process_of(child)
    assert alive(process)
    assert not wait_gone(process, 0)
    child.kill()
    assert wait_gone(process, SOON)
    assert not alive(process)


def test_the_same_pid_of_another_boot_is_somebody_else(spawn: Spawn) -> None:
    process = process_of(spawn(IDLE))
    assert not alive(replace(process, boot="00000000-0000-0000-0000-000000000000"))


@pytest.mark.parametrize("pid", [0, -1, -4711])
def test_no_number_below_one_is_anybody(pid: int) -> None:
    assert not alive(Process(pid, 1, boot_id()))
    assert wait_gone(Process(pid, 1, boot_id()), None)


class TestSending:
    def test_it_reaches_the_process(self, spawn: Spawn) -> None:
        child = spawn(IDLE)
        send(process_of(child), signal.SIGTERM)
        assert child.wait(SOON) == -signal.SIGTERM

    def test_whoever_has_the_number_now_is_not_touched(self, spawn: Spawn) -> None:
        child = spawn(IDLE)
        process = process_of(child)
        for former in (replace(process, start=process.start - 1), replace(process, boot="other")):
            with pytest.raises(PortError) as missing:
                send(former, signal.SIGKILL)
            assert (missing.value.fault.kind, missing.value.fault.dirty) == ("missing", False)
        assert alive(process)

    def test_the_dead_are_missing(self, spawn: Spawn) -> None:
        child = spawn(IDLE)
        process = process_of(child)
        dead(child)
        with pytest.raises(PortError) as missing:
            send(process, signal.SIGTERM)
        assert (missing.value.fault.kind, missing.value.fault.dirty) == ("missing", False)

    @pytest.mark.parametrize("pid", [1, 0, -1])
    def test_pid_one_and_groups_are_refused_whoever_they_are(self, pid: int) -> None:
        itself = identify(pid) if pid > 0 else None
        with pytest.raises(PortError) as refusal:
            send(itself or Process(pid, 1, boot_id()), 0)
        assert (refusal.value.fault.kind, refusal.value.fault.dirty) == ("refused", False)

    @pytest.mark.parametrize("number", [65, 4711, -9, 2**31])
    def test_what_is_no_signal_is_refused(self, spawn: Spawn, number: int) -> None:
        process = process_of(spawn(IDLE))
        with pytest.raises(PortError) as refusal:
            send(process, number)
        assert (refusal.value.fault.kind, refusal.value.fault.dirty) == ("refused", False)
        assert alive(process)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
    def test_what_is_not_permitted_is_denied(self) -> None:
        script = (
            "import os\n"
            "from lockgate.adapters.oci.process import identify, send\n"
            "from lockgate.effects.outcome import PortError\n"
            "os.setuid(65534)\n"
            "try: send(identify(os.getppid()), 0)\n"
            "except PortError as problem: print(problem.fault.kind, problem.fault.dirty)\n"
        )
        said = subprocess.run(
            (sys.executable, "-c", script), capture_output=True, text=True, check=True
        )
        assert said.stdout == "denied False\n"


class TestWaiting:
    def test_it_ends_when_the_process_does(self, spawn: Spawn) -> None:
        child = spawn(IDLE)
        process = process_of(child)
        assert not wait_gone(process, 0.01)
        with held(process) as fd:
            assert fd is not None
            child.kill()
            assert readable((fd,), SOON) == {fd}
        assert wait_gone(process, None)

    def test_ending_is_final(self, spawn: Spawn) -> None:
        process = process_of(spawn(IDLE))
        assert end(process, SOON)
        assert end(process, SOON)
        assert not alive(process)


def test_descendants_are_all_below_and_nobody_else(spawn: Spawn) -> None:
    child = spawn(
        "import subprocess, sys;"
        "below = subprocess.Popen([sys.executable, '-c',"
        ' \'import subprocess; subprocess.Popen(["sleep", "100"]); print(1, flush=True); input()\'],'
        " stdin=subprocess.PIPE, stdout=subprocess.PIPE);"
        "below.stdout.readline();" + IDLE
    )
    family = descendants(process_of(child))
    try:
        assert len(family) == 2
        assert child.pid not in {each.pid for each in family}
        parents = {each.pid: stat_of(each.pid) for each in family}
        assert any(found is not None and found.parent == child.pid for found in parents.values())
    finally:
        for each in family:
            end(each, SOON)
    dead(child)
    assert descendants(Process(child.pid, 0, boot_id())) == ()
