"""How a run ended: from what a monitor left, whatever became of that (FAULTS P02, P03, P11)."""

import errno
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lockgate.adapters.oci import exits
from lockgate.adapters.oci.exits import await_exit, look
from lockgate.adapters.oci.process import identify
from lockgate.adapters.oci.run import Run
from lockgate.effects.model import Process
from lockgate.effects.outcome import Exited, PortError

SOON = 20.0


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "containers" / "web").mkdir(parents=True)
    run = Run.of(tmp_path, "web", 1)
    run.make()
    return run


class Actor:
    """A process to stand for the monitor, or for the container's first process."""

    def __init__(self) -> None:
        self._child = subprocess.Popen(("sleep", "1000"))
        found = identify(self._child.pid)
        assert found is not None
        self.process: Process = found

    def end(self) -> None:
        self._child.kill()
        self._child.wait()


@pytest.fixture
def monitor() -> Iterator[Actor]:
    actor = Actor()
    yield actor
    actor.end()


@pytest.fixture
def first() -> Iterator[Actor]:
    """The container's first process."""
    actor = Actor()
    yield actor
    actor.end()


GONE = Process(2**22 + 1, 1, Path("/proc/sys/kernel/random/boot_id").read_text().strip())


def report(run: Run, text: bytes) -> None:
    """As conmon does: under another name, then renamed; first here, then there."""
    for path in run.exit_files:
        draft = path.with_name(f"{path.name}.ABC123")
        draft.write_bytes(text)
        draft.rename(path)


class TestLooking:
    def test_while_the_monitor_lives_silence_means_nothing(
        self, run: Run, monitor: Actor, first: Actor
    ) -> None:
        assert look(run, first.process, monitor.process) is None
        first.end()  # its code is about to be written
        assert look(run, first.process, monitor.process) is None

    def test_while_the_first_process_lives_the_run_does(self, run: Run, first: Actor) -> None:
        assert look(run, first.process, GONE) is None
        report(run, b"0")  # forged, or from somewhere else
        assert look(run, first.process, GONE) is None

    @pytest.mark.parametrize("code", [-1, 0, 1, 7, 137, 255])
    def test_what_the_monitor_wrote_is_the_code(self, run: Run, monitor: Actor, code: int) -> None:
        report(run, str(code).encode())
        ended = look(run, GONE, monitor.process)
        assert ended is not None and ended.code == code
        assert ended.at == run.exit_files[0].stat().st_ctime_ns
        assert not ended.oom
        assert bool(ended.reason) == (code == -1)

    def test_an_out_of_memory_mark_is_told(self, run: Run) -> None:
        report(run, b"137")
        run.oom.touch()
        ended = look(run, GONE, GONE)
        assert ended is not None and ended.oom

    @pytest.mark.parametrize("processes", [(GONE, GONE), (GONE, None), (None, GONE), (None, None)])
    def test_without_anybody_left_nobody_knows(
        self, run: Run, processes: tuple[Process | None, Process | None]
    ) -> None:
        before = time.time_ns()
        ended = look(run, *processes)
        assert ended is not None and ended.code == -1
        assert "without reporting" in ended.reason
        assert before <= ended.at <= time.time_ns()

    def test_another_boot_ended_it(self, run: Run, monitor: Actor, first: Actor) -> None:
        former = [replace(each.process, boot="former") for each in (first, monitor)]
        ended = look(run, former[0], former[1])
        assert ended is not None and ended.code == -1
        assert "restarted" in ended.reason

    def test_what_was_reported_before_the_host_went_down_stands(self, run: Run) -> None:
        report(run, b"7")
        former = replace(GONE, boot="former")
        ended = look(run, former, former)
        assert ended is not None and (ended.code, ended.reason) == (7, "")

    def test_of_two_files_one_is_enough(self, run: Run) -> None:
        report(run, b"7")
        run.exit_files[0].unlink()
        ended = look(run, GONE, GONE)
        assert ended is not None and (ended.code, ended.reason) == (7, "")
        run.exit_files[0].write_bytes(b"")
        ended = look(run, GONE, GONE)
        assert ended is not None and (ended.code, ended.reason) == (7, "")

    def test_the_first_file_is_the_whole_truth(self, run: Run) -> None:
        run.exit_files[0].write_bytes(b"7")
        early = look(run, GONE, GONE)
        time.sleep(0.01)  # a coarse clock stamps files
        run.exit_files[1].write_bytes(b"7")
        assert look(run, GONE, GONE) == early

    def test_without_any_directory_nothing_is_known(self, run: Run) -> None:
        run.remove()
        ended = look(run, GONE, GONE)
        assert ended is not None and ended.code == -1

    def test_not_being_able_to_tell_is_not_an_end(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def exhausted(path: Path, limit: int) -> bytes:
            raise OSError(errno.EMFILE, "too many open files")

        monkeypatch.setattr(exits, "read_bounded", exhausted)
        with pytest.raises(OSError, match="too many"):
            look(run, GONE, GONE)


def _link(path: Path) -> None:
    target = path.with_name("target")
    target.write_bytes(b"0")
    path.symlink_to(target)


SHAPES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "words": lambda path: path.write_bytes(b"zero"),
    "too large a code": lambda path: path.write_bytes(b"256"),
    "too small a code": lambda path: path.write_bytes(b"-2"),
    "a blank": lambda path: path.write_bytes(b" 0"),
    "other digits": lambda path: path.write_bytes("٠".encode()),
    "NUL": lambda path: path.write_bytes(b"0\0"),
    "a line": lambda path: path.write_bytes(b"0\n"),
    "huge": lambda path: path.write_bytes(b"0" * 10**7),
    "a link": _link,
    "a dangling link": lambda path: path.symlink_to("nowhere"),
    "a FIFO": os.mkfifo,
    "a directory": lambda path: path.mkdir(),
    "a device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("shape", SHAPES)
class TestDamage:
    def test_it_ends_the_run_with_a_reason_once_the_monitor_is_gone(
        self, run: Run, monitor: Actor, shape: str
    ) -> None:
        for path in run.exit_files:
            SHAPES[shape](path)
        assert look(run, GONE, monitor.process) is None  # it may be put right
        ended = look(run, GONE, GONE)
        assert ended is not None and ended.code == -1
        assert "exit file" in ended.reason and len(ended.reason) < 500
        assert ended.at == run.exit_files[0].lstat().st_ctime_ns

    def test_it_does_not_end_a_run_that_lives(self, run: Run, first: Actor, shape: str) -> None:
        SHAPES[shape](run.exit_files[0])
        assert look(run, first.process, GONE) is None

    def test_it_does_not_hide_the_other_file(self, run: Run, shape: str) -> None:
        report(run, b"7")
        run.exit_files[0].unlink()
        SHAPES[shape](run.exit_files[0])
        ended = look(run, GONE, GONE)
        assert ended is not None and (ended.code, ended.reason) == (7, "")


@pytest.mark.parametrize("place", ["exits", "persist"])
@pytest.mark.parametrize("shape", ["words", "a dangling link"])
def test_a_directory_that_is_none_is_damage_too(run: Run, place: str, shape: str) -> None:
    (run.directory / place).rmdir()
    SHAPES[shape](run.directory / place)
    ended = look(run, GONE, GONE)
    assert ended is not None and ended.code == -1


@given(text=st.binary(max_size=20) | st.integers(-3, 300).map(lambda code: str(code).encode()))
def test_a_code_is_only_what_a_monitor_writes(
    tmp_path_factory: pytest.TempPathFactory, text: bytes
) -> None:
    root = tmp_path_factory.mktemp("run")
    (root / "containers" / "web").mkdir(parents=True)
    run = Run.of(root, "web", 1)
    run.make()
    report(run, text)
    ended = look(run, GONE, GONE)
    assert ended is not None
    sound = text in {str(code).encode() for code in range(-1, 256)}
    assert ended.code == (int(text) if sound else -1)
    assert bool(ended.reason) == (ended.code == -1)


class Waiter:
    """Waits for the end of a run in a thread of its own."""

    def __init__(
        self, run: Run, process: Process | None, monitor: Process | None, timeout: float | None
    ) -> None:
        self.answer: Exited | PortError | None = None
        self._thread = threading.Thread(target=self._wait, args=(run, process, monitor, timeout))
        self._thread.start()

    def _wait(
        self, run: Run, process: Process | None, monitor: Process | None, timeout: float | None
    ) -> None:
        try:
            self.answer = await_exit(run, process, monitor, timeout)
        except PortError as problem:
            self.answer = problem

    @property
    def waiting(self) -> bool:
        """Give it a moment to be wrong in."""
        self._thread.join(0.05)
        return self._thread.is_alive()

    def result(self) -> Exited | PortError | None:
        self._thread.join(SOON)
        assert not self._thread.is_alive(), "it waits for what has happened"
        return self.answer


class TestWaiting:
    def test_a_report_is_told_at_once_though_the_monitor_lives(
        self, run: Run, monitor: Actor, first: Actor
    ) -> None:
        waiter = Waiter(run, first.process, monitor.process, None)
        assert waiter.waiting
        first.end()
        assert waiter.waiting  # dead, and not yet reported
        report(run, b"7")
        answer = waiter.result()
        assert isinstance(answer, Exited) and answer.code == 7

    def test_the_end_of_the_monitor_is_the_end_of_hope(
        self, run: Run, monitor: Actor, first: Actor
    ) -> None:
        waiter = Waiter(run, first.process, monitor.process, None)
        first.end()
        assert waiter.waiting
        monitor.end()
        answer = waiter.result()
        assert isinstance(answer, Exited) and answer.code == -1

    def test_who_outlives_the_monitor_is_waited_for(
        self, run: Run, monitor: Actor, first: Actor
    ) -> None:
        waiter = Waiter(run, first.process, monitor.process, None)
        monitor.end()
        assert waiter.waiting
        first.end()
        answer = waiter.result()
        assert isinstance(answer, Exited) and answer.code == -1

    def test_a_monitor_nobody_knows_is_not_waited_for(self, run: Run, first: Actor) -> None:
        waiter = Waiter(run, first.process, None, None)
        assert waiter.waiting
        first.end()
        answer = waiter.result()
        assert isinstance(answer, Exited) and answer.code == -1

    def test_patience_ends(self, run: Run, monitor: Actor, first: Actor) -> None:
        began = time.monotonic()
        assert await_exit(run, first.process, monitor.process, 0.05) is None
        assert 0.05 <= time.monotonic() - began < SOON
        assert await_exit(run, first.process, monitor.process, 0) is None
        assert await_exit(run, first.process, monitor.process, -1) is None

    def test_what_is_known_needs_no_patience(self, run: Run) -> None:
        report(run, b"3")
        ended = await_exit(run, GONE, GONE, 0)
        assert ended is not None and ended.code == 3
        assert ended == look(run, GONE, GONE)

    def test_a_run_removed_meanwhile_is_missing(
        self, run: Run, monitor: Actor, first: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def too_late(run: Run) -> None:
            """Between our beginning to wait and our first look, somebody else is quick."""
            first.end()
            monitor.end()
            run.remove()

        monkeypatch.setattr(exits, "reported", too_late)
        with pytest.raises(PortError) as missing:
            await_exit(run, first.process, monitor.process, None)
        assert (missing.value.fault.kind, missing.value.fault.dirty) == ("missing", False)

    def test_a_run_whose_files_are_lost_goes_on(
        self, run: Run, monitor: Actor, first: Actor
    ) -> None:
        waiter = Waiter(run, first.process, monitor.process, None)
        assert waiter.waiting
        run.remove()
        assert waiter.waiting
        monitor.end()
        assert waiter.waiting
        first.end()
        answer = waiter.result()
        assert isinstance(answer, Exited) and answer.code == -1

    def test_a_run_that_left_no_files_is_over(self, run: Run) -> None:
        run.remove()
        ended = await_exit(run, GONE, GONE, None)
        assert ended is not None and ended.code == -1

    @pytest.mark.parametrize("code", [errno.EMFILE, errno.ENOSPC])
    def test_it_waits_without_inotify_as_well(
        self,
        run: Run,
        monitor: Actor,
        first: Actor,
        monkeypatch: pytest.MonkeyPatch,
        code: int,
    ) -> None:
        def none_left() -> None:
            raise OSError(code, "no queue left")

        monkeypatch.setattr(exits, "Inotify", none_left)
        waiter = Waiter(run, first.process, monitor.process, None)
        assert waiter.waiting
        first.end()
        report(run, b"9")
        monitor.end()
        answer = waiter.result()
        assert isinstance(answer, Exited) and answer.code == 9

    def test_many_wait_and_hear_the_same(self, run: Run, monitor: Actor, first: Actor) -> None:
        waiters = [Waiter(run, first.process, monitor.process, None) for _ in range(8)]
        first.end()
        report(run, b"42")
        monitor.end()
        assert len({waiter.result() for waiter in waiters}) == 1

    def test_nothing_is_held_afterwards(self, run: Run, monitor: Actor, first: Actor) -> None:
        before = len(list(Path("/proc/self/fd").iterdir()))
        for timeout in (0, 0.01):
            await_exit(run, first.process, monitor.process, timeout)
        with suppress(PortError):
            run.remove()
            await_exit(run, GONE, GONE, 0)
        assert len(list(Path("/proc/self/fd").iterdir())) == before
