"""Health checks on disk: what they found, who runs one, and who sees to them."""

import fcntl
import os
import threading
from pathlib import Path

import pytest

from lockgate.adapters import checks
from lockgate.adapters.checks import LocalChecks, watching
from lockgate.adapters.flocks import locked
from lockgate.effects.config import Config
from lockgate.effects.health import CheckResult
from lockgate.effects.outcome import PortError

CONFIG = Config(id="c0ffee")
RESULT = CheckResult(began=1, ended=2, code=0, output="well")
SOON = 20.0


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The directory of the first run."""
    made = tmp_path / "run" / CONFIG.id / "1"
    made.mkdir(parents=True)
    return made


class TestResults:
    @pytest.mark.parametrize(
        "content", [b"", b"{", b"[1]", b'[{"began": "1"}]', b"\xff", b"[" * 100_000]
    )
    def test_what_cannot_be_read_has_not_been_noted(
        self, tmp_path: Path, run: Path, content: bytes
    ) -> None:
        (run / "checks.json").write_bytes(content)
        local = LocalChecks(tmp_path)
        assert local.noted(CONFIG.id, 1) == ()
        local.note(CONFIG.id, 1, RESULT, 5)
        assert local.noted(CONFIG.id, 1) == (RESULT,)

    @pytest.mark.parametrize("size", [(1 << 20) // 1000, 1 << 20])
    def test_as_much_as_may_be_kept_can_be_read(self, tmp_path: Path, run: Path, size: int) -> None:
        local, keep = LocalChecks(tmp_path), (1 << 20) // size
        long = CheckResult(began=1, ended=2, code=0, output="\0" * size)
        for _ in range(3):
            local.note(CONFIG.id, 1, long, keep)
        assert len(local.noted(CONFIG.id, 1)) == min(3, keep)

    @pytest.mark.parametrize("name", ["checks.lock", "watcher.lock"])
    def test_no_link_is_followed(self, tmp_path: Path, run: Path, name: str) -> None:
        (run / name).symlink_to(tmp_path / "elsewhere")
        with pytest.raises(OSError):
            with LocalChecks(tmp_path).alone(CONFIG.id, 1, 0), watching(tmp_path, CONFIG.id, 1):
                pass
        assert not (tmp_path / "elsewhere").exists()


class TestWatchers:
    """The one here is a shell that says so, waits, and holds no lock."""

    def told(self, tmp_path: Path) -> tuple[Path, tuple[str, ...]]:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        return pipe, ("/bin/sh", "-c", f'echo "$@" >{pipe}', "sh")

    def test_one_begins_with_the_run_and_its_number(self, tmp_path: Path, run: Path) -> None:
        pipe, words = self.told(tmp_path)
        LocalChecks(tmp_path, words).watch(CONFIG, 1)
        assert pipe.read_text() == f"{CONFIG.id} 1\n"

    def test_not_while_another_lives(
        self, tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(checks, "begin", _none_may_begin)
        with watching(tmp_path, CONFIG.id, 1) as free:
            assert free
            LocalChecks(tmp_path, ("watcher",)).watch(CONFIG, 1)
        with pytest.raises(AssertionError, match="begun"):
            LocalChecks(tmp_path, ("watcher",)).watch(CONFIG, 1)

    def test_nor_where_somebody_else_sees_to_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(checks, "begin", _none_may_begin)
        LocalChecks(tmp_path).watch(CONFIG, 1)

    def test_there_is_none_for_a_run_that_is_over(self, tmp_path: Path) -> None:
        with pytest.raises(PortError, match="the run is over"):
            LocalChecks(tmp_path, ("watcher",)).watch(CONFIG, 1)


class TestLocks:
    def test_whoever_waits_has_it_when_the_other_is_gone(self, tmp_path: Path) -> None:
        path = tmp_path / "lock"
        held, mine = (os.open(path, os.O_RDWR | os.O_CREAT) for _ in "ab")
        fcntl.flock(held, fcntl.LOCK_EX)
        assert not locked(mine, 0)
        threading.Timer(0.05, os.close, (held,)).start()
        assert locked(mine, SOON)
        os.close(mine)


def _none_may_begin(*words: object, **wishes: object) -> None:
    raise AssertionError("begun")
