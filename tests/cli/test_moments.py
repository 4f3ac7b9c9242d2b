"""`checkpoint`, `restore` and `update` as typed."""

from pathlib import Path

import pytest

from lockgate.effects.model import CheckpointRuntime, ExportCheckpoint, ImportCheckpoint
from lockgate.statemachine.status import Presence

from .conftest import Shell


@pytest.fixture
def running(shell: Shell) -> str:
    return shell.ok("run", "-d", "--name", "web", "--image", "busybox").strip()


class TestCheckpoint:
    def test_ends_it_and_prints_its_name(self, shell: Shell, running: str) -> None:
        assert shell.ok("checkpoint", "web") == "web\n"
        assert shell.state("web") == "exited"
        assert shell.ok("restore", "web") == "web\n"
        assert shell.state("web") == "running"

    def test_every_wish_reaches_the_runtime(
        self, shell: Shell, running: str, tmp_path: Path
    ) -> None:
        seen: list[object] = []
        shell.after[CheckpointRuntime] = seen.append
        shell.after[ExportCheckpoint] = seen.append
        target = tmp_path / "a.tar"
        shell.ok("checkpoint", "-R", "--tcp-established", "-k", "--export", str(target), "web")
        assert seen == [
            CheckpointRuntime(running, 1, 1, True, True, True),
            ExportCheckpoint(running, str(target)),
        ]
        assert shell.state("web") == "running"

    def test_one_archive_is_of_one_container(self, shell: Shell, running: str) -> None:
        result = shell("checkpoint", "--export", "a.tar", "web", "app")
        assert (result.exit_code, "one container, not 2" in result.stderr) == (2, True)

    def test_where_the_host_cannot_it_says_what_to_do(self, shell: Shell, running: str) -> None:
        shell.host.runtime.hindrance = "there is no criu: apt install criu"
        result = shell("checkpoint", "web")
        assert (result.exit_code, "apt install criu" in result.stderr) == (1, True)
        assert shell.state("web") == "running"

    def test_inspect_tells_of_it(self, shell: Shell, running: str) -> None:
        shell.ok("checkpoint", "web")
        told = shell.ok("inspect", "web")
        assert '"checkpoint": true' in told and '"checkpointed": true' in told
        assert '"exit_reason": "it was checkpointed"' in told


class TestRestore:
    def test_from_an_archive_and_kept(self, shell: Shell, tmp_path: Path) -> None:
        archive = tmp_path / "a.tar"
        archive.touch()
        made = shell.ok("create", "--name", "web", "--image", "busybox").strip()
        seen: list[object] = []
        shell.after[ImportCheckpoint] = seen.append
        shell.ok("restore", "--import", str(archive), "--keep", "web")
        assert seen == [ImportCheckpoint(made, 1, str(archive))]
        assert shell.engine.inspect("web").checkpoint is Presence.PRESENT

    def test_into_a_new_container(self, shell: Shell, running: str, tmp_path: Path) -> None:
        archive = tmp_path / "a.tar"
        shell.ok("checkpoint", "--export", str(archive), "web")
        archive.touch()
        made = shell.ok("restore", "--import", str(archive), "--name", "other").strip()
        assert (shell.engine.inspect("other").id, shell.state("other")) == (made, "running")

    def test_a_name_is_for_a_new_one(self, shell: Shell, running: str) -> None:
        for words in (("--name", "other", "web"), ()):
            assert shell("restore", *words).exit_code == 2

    def test_an_archive_that_is_not_there(self, shell: Shell) -> None:
        shell.ok("create", "--name", "web", "--image", "busybox")
        assert shell("restore", "--import", "/nowhere.tar", "web").exit_code == 2

    def test_without_a_checkpoint(self, shell: Shell) -> None:
        shell.ok("create", "--name", "web", "--image", "busybox")
        result = shell("restore", "web")
        assert (result.exit_code, "no checkpoint of it" in result.stderr) == (4, True)


class TestUpdate:
    def test_what_is_named_and_nothing_else(self, shell: Shell, running: str) -> None:
        shell.ok("update", "-m", "64m", "--cpus", "1.5", "--pids-limit", "7", "web")
        config = shell.engine.inspect("web").config
        assert (config.memory, config.limits.pids) == (64 << 20, 7)
        assert (config.limits.cpu_quota, config.limits.cpu_period) == (150_000, 100_000)
        shell.ok("update", "--memory-swap", "-1", "--cpu-shares", "512", "web")
        config = shell.engine.inspect("web").config
        assert (config.memory, config.limits.pids) == (64 << 20, 7)
        assert (config.limits.memory_swap, config.limits.cpu_shares) == (-1, 512)

    def test_limits_are_lifted(self, shell: Shell, running: str) -> None:
        shell.ok("update", "-m", "64m", "--memory-swap", "128m", "--cpus", "1", "web")
        shell.ok("update", "-m", "-1", "--memory-swap", "0", "--cpus", "0", "web")
        config = shell.engine.inspect("web").config
        assert (config.memory, config.limits.memory_swap, config.limits.cpu_quota) == (0, 0, 0)

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ((), "name a limit"),
            (("--memory", "much"), "is no size"),
            (("--cpus", "many"), "no number of processors"),
            (("--memory", "1k"), "1024 bytes makes no sense"),
        ],
    )
    def test_nonsense(self, shell: Shell, running: str, words: tuple[str, ...], said: str) -> None:
        result = shell("update", *words, "web")
        assert (result.exit_code, said in result.stderr) == (2, True), result.stderr
