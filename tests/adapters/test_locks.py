"""Locks: one holder among all threads and processes, and no lock outlives its holder."""

import errno
import fcntl
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Barrier, Event, Thread

import pytest

from lockgate.adapters.flocks import locked
from lockgate.adapters.locks import FileLocks, MemoryLocks
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Locks, StoreError

AnyLocks = FileLocks | MemoryLocks

HOLDER = """
import sys
from pathlib import Path
from lockgate.adapters.locks import FileLocks
with FileLocks(Path(sys.argv[1])).hold("web"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(params=["file", "memory"])
def locks(request: pytest.FixtureRequest, tmp_path: Path) -> AnyLocks:
    return FileLocks(tmp_path / "locks") if request.param == "file" else MemoryLocks()


@pytest.fixture
def files(tmp_path: Path) -> FileLocks:
    return FileLocks(tmp_path)


def elsewhere(act: Callable[[], object]) -> object:
    """Do it in another thread, and answer (or raise) as it does."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(act).result()


def is_free(locks: Locks, scope: str = "web") -> bool:
    def attempt() -> bool:
        try:
            with locks.hold(scope, timeout=0):
                return True
        except TimeoutError:
            return False

    return bool(elsewhere(attempt))


@contextmanager
def process(*arguments: str | Path, code: str = HOLDER) -> Iterator["subprocess.Popen[str]"]:
    """Python in another process, which has said one line when we come back."""
    with subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == "held\n"
            yield child
        finally:
            child.kill()


# ---- what both kinds promise -------------------------------------------------------------


def test_a_lock_is_held_inside_and_free_outside(locks: AnyLocks) -> None:
    with locks.hold("web"):
        assert not is_free(locks)
    assert is_free(locks)


def test_it_is_given_back_when_the_holder_fails(locks: AnyLocks) -> None:
    with pytest.raises(ZeroDivisionError), locks.hold("web"):
        _ = 1 // 0
    assert is_free(locks)


def test_different_scopes_do_not_meet(locks: AnyLocks) -> None:
    with locks.hold("web"), locks.hold("web.2"):
        assert is_free(locks, "db")


def test_whoever_waits_is_next(locks: AnyLocks) -> None:
    waiting, entered = Event(), Event()

    def wait() -> None:
        waiting.set()
        with locks.hold("web"):
            entered.set()

    with locks.hold("web"):
        other = Thread(target=wait, daemon=True)
        other.start()
        assert waiting.wait(5)
        assert not entered.wait(0.05)
    assert entered.wait(5)
    other.join()


def test_who_holds_it_is_told_without_waiting(locks: AnyLocks) -> None:
    assert locks.holder("web") == ""
    with locks.hold("web"):
        assert locks.holder("web") in ("another thread", "another thread of this process")
    assert locks.holder("web") == ""
    assert is_free(locks)


def test_what_is_kept_is_known_until_it_is_forgotten(locks: AnyLocks) -> None:
    locks.forget("web")  # nothing is made in order to be forgotten
    assert locks.known() == ()
    with locks.hold("web"):
        elsewhere(lambda: locks.forget("web"))
        assert locks.known() == ("web",)
    assert locks.known() == ("web",)
    locks.forget("web")
    assert locks.known() == ()


@pytest.mark.parametrize("timeout", [0, 0.05, -1])
def test_patience_ends(locks: AnyLocks, timeout: float) -> None:
    def attempt() -> float:
        began = time.monotonic()
        with pytest.raises(TimeoutError, match=r"'web' is held by another thread"):
            locks.hold("web", timeout).__enter__()
        return time.monotonic() - began

    with locks.hold("web"):
        took = elsewhere(attempt)
    assert isinstance(took, float)
    assert max(timeout, 0) <= took < timeout + 5


def test_a_thread_cannot_wait_for_itself(locks: AnyLocks) -> None:
    with locks.hold("web"):
        with pytest.raises(RuntimeError, match="holds the lock 'web' already"):
            locks.hold("web", timeout=5).__enter__()
        assert not is_free(locks), "the first hold must not suffer"
    assert is_free(locks)


@pytest.mark.parametrize("scope", ["", ".", "..", "../web", "a/b", "-x", "a b", "a\n", "ä", "a\0"])
def test_a_scope_is_a_plain_word(locks: AnyLocks, scope: str) -> None:
    with pytest.raises(ValueError, match="cannot be the scope of a lock"):
        locks.hold(scope).__enter__()


@pytest.mark.parametrize("forgetful", [False, True])
def test_never_two_at_once(locks: AnyLocks, forgetful: bool) -> None:
    """Not even when the lock is forgotten and made anew all the time."""
    together, inside, most = Barrier(4), 0, 0

    def work() -> None:
        nonlocal inside, most
        together.wait()
        for _ in range(50):
            with locks.hold("web"):
                inside += 1
                most = max(most, inside)
                time.sleep(0)  # let somebody else in, if anything does
                inside -= 1
            if forgetful:
                locks.forget("web")

    threads = [Thread(target=work, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    assert (inside, most) == (0, 1)


def test_what_is_held_is_not_forgotten(locks: AnyLocks) -> None:
    with locks.hold("web"):
        elsewhere(lambda: locks.forget("web"))
        assert not is_free(locks)


def test_a_hold_may_end_in_another_thread(locks: AnyLocks) -> None:
    held: AbstractContextManager[None] = locks.hold("web")
    held.__enter__()
    elsewhere(lambda: held.__exit__(None, None, None))
    with locks.hold("web", timeout=0):
        pass


# ---- what only files must promise --------------------------------------------------------


def test_the_file_is_private_and_stays(files: FileLocks, tmp_path: Path) -> None:
    with files.hold("web"):
        pass
    assert stat.S_IMODE((tmp_path / "web.lock").stat().st_mode) == 0o600


def test_one_that_cannot_be_removed_is_forgotten_later(
    files: FileLocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    with files.hold("web"):
        pass

    def refused(self: Path) -> None:
        raise OSError(errno.EROFS, "read-only")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refused)
        files.forget("web")
    assert files.known() == ("web",)
    files.forget("web")
    assert files.known() == ()


def test_no_descriptor_is_left_open(files: FileLocks) -> None:
    before = sorted(Path("/proc/self/fd").iterdir())
    with files.hold("web"):
        assert not is_free(files)
    files.forget("web")
    assert sorted(Path("/proc/self/fd").iterdir()) == before


def test_a_forgotten_lock_leaves_no_file(files: FileLocks, tmp_path: Path) -> None:
    with files.hold("web"):
        pass
    files.forget("web")
    files.forget("web")
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_its_place_is_refused(files: FileLocks, tmp_path: Path) -> None:
    (tmp_path / "target").write_text("precious")
    (tmp_path / "web.lock").symlink_to(tmp_path / "target")
    with pytest.raises(StoreError, match="symbolic links"):
        files.hold("web").__enter__()
    assert (tmp_path / "target").read_text() == "precious"


def test_a_file_that_was_replaced_meanwhile_does_not_count(
    files: FileLocks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened, then renamed away and made anew before we had it: the new file is the lock."""
    lock, real_open = tmp_path / "web.lock", os.open
    lock.touch()

    def slow_open(path: Path, flags: int, mode: int = 0o777) -> int:
        descriptor = real_open(path, flags, mode)
        if not (tmp_path / "old").exists():
            lock.rename(tmp_path / "old")
            lock.touch()
        return descriptor

    monkeypatch.setattr("lockgate.adapters.locks.os.open", slow_open)
    with files.hold("web"):
        monkeypatch.undo()
        assert not is_free(files)


def test_processes_exclude_each_other_and_are_named(files: FileLocks, tmp_path: Path) -> None:
    with process(tmp_path) as other:
        assert files.holder("web") == f"process {other.pid}"
        with pytest.raises(TimeoutError, match=rf"'web' is held by process {other.pid} .*0.01 s"):
            files.hold("web", timeout=0.01).__enter__()
    assert is_free(files)


def test_the_next_holder_does_not_wait_for_the_dead(files: FileLocks, tmp_path: Path) -> None:
    with process(tmp_path) as other:
        other.kill()
        began = time.monotonic()
        with files.hold("web", timeout=10):
            assert time.monotonic() - began < 1


def test_a_child_that_outlives_the_holder_does_not_keep_the_lock(
    files: FileLocks, tmp_path: Path
) -> None:
    """A monitor is started under the lock, and must not inherit it; not even with all other
    descriptors left open (FAULTS §3.5)."""
    code = """
import subprocess, sys
from pathlib import Path
from lockgate.adapters.locks import FileLocks
with FileLocks(Path(sys.argv[1])).hold("web"):
    child = subprocess.Popen(["sleep", "60"], close_fds=False, stdin=subprocess.DEVNULL)
    Path(sys.argv[2]).write_text(str(child.pid))
    print("held", flush=True)
    sys.stdin.read()
"""
    with process(tmp_path, tmp_path / "pid", code=code) as other:
        monitor = int((tmp_path / "pid").read_text())
        try:
            other.kill()
            with files.hold("web", timeout=5):
                os.kill(monitor, 0)  # it is still there
        finally:
            os.kill(monitor, 9)


def test_a_fork_of_the_holder_does_not_hold(files: FileLocks, tmp_path: Path) -> None:
    """It neither keeps the lock alive nor, leaving the block, gives away its parent's."""
    code = """
import os, sys
from pathlib import Path
from lockgate.adapters.locks import FileLocks
locks = FileLocks(Path(sys.argv[1]))
with locks.hold("web"):
    if os.fork():
        sys.stdin.readline()
        os.kill(os.getpid(), 9)
try:
    locks.hold("web", timeout=0).__enter__()
except TimeoutError:
    print("held", flush=True)
locks.hold("web").__enter__()
sys.stdin.readline()
"""
    with process(tmp_path, code=code) as parent:
        assert parent.stdin is not None
        assert not is_free(files), "the child left the block, its parent did not"
        parent.stdin.write("die\n")
        parent.stdin.flush()
        parent.wait()
        with files.hold("web", timeout=5):
            pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_that_has_none_is_named(
    number: int, files: FileLocks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(fd: int, how: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refused)
    with pytest.raises(StoreError, match=rf"lock {tmp_path}/web.lock: .* no locks .*--root"):
        files.forget("other")
        with files.hold("web"):
            raise AssertionError
    assert files.holder("web") == "", "where there are none nobody holds one"
    with (tmp_path / "file").open("w") as file, pytest.raises(PortError, match="no locks"):
        locked(file.fileno(), 0)
