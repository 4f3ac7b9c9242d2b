"""Hooks that the engine runs itself: once for each run, whoever dies."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lockgate.adapters.hooks import LocalHooks
from lockgate.adapters.hooks.run import KEY
from lockgate.effects.config import Config
from lockgate.effects.hooks import Hook
from lockgate.effects.outcome import PortError

CONFIG = Config(id="c0ffee", annotations=(("kind", "web"),))
ENV = ("PATH=/usr/bin:/bin",)


@pytest.fixture
def hooks(tmp_path: Path) -> LocalHooks:
    (tmp_path / "containers/c0ffee").mkdir(parents=True)
    return LocalHooks(tmp_path)


def script(text: str, *, timeout: int | None = None) -> Hook:
    return Hook("/bin/sh", ("sh", "-c", text), ENV, timeout)


class TestPoststop:
    def test_they_are_run_in_their_order_and_told_of_whom(
        self, hooks: LocalHooks, tmp_path: Path
    ) -> None:
        told = tmp_path / "told"
        hooks.poststop(
            CONFIG, 1, [script(f"cat > {tmp_path}/state; pwd > {told}"), script(f"env >> {told}")]
        )
        assert json.loads((tmp_path / "state").read_bytes()) == {
            "ociVersion": "1.0.2",
            "id": "c0ffee",
            "status": "stopped",
            "bundle": str(tmp_path / "containers/c0ffee"),
            "annotations": {"kind": "web"},
        }
        where, *environment = told.read_text().splitlines()
        assert where == str(tmp_path / "containers/c0ffee")
        shells = {"PWD", "OLDPWD", "SHLVL", "_"}
        assert {line for line in environment if line.split("=")[0] not in shells} == {
            *ENV,
            f"{KEY}=c0ffee:1:1",
        }

    def test_what_has_succeeded_is_not_run_again(self, hooks: LocalHooks, tmp_path: Path) -> None:
        told = tmp_path / "told"
        once = script(f"echo once >> {told}")
        twice_lame = script(f"echo try >> {told}; test $(grep -c try {told}) = 3")
        for _ in range(2):
            with pytest.raises(PortError, match=r"/bin/sh failed: it ended with 1; .* rm --force"):
                hooks.poststop(CONFIG, 1, [once, twice_lame])
        hooks.poststop(CONFIG, 1, [once, twice_lame])
        hooks.poststop(CONFIG, 1, [once, twice_lame])
        assert sorted(told.read_text().split()) == ["once", "try", "try", "try"]

    def test_those_after_one_that_failed_are_run_all_the_same(
        self, hooks: LocalHooks, tmp_path: Path
    ) -> None:
        with pytest.raises(PortError, match="ended with 3: no such device"):
            hooks.poststop(
                CONFIG,
                1,
                [script("echo no such device >&2; exit 3"), script(f"touch {tmp_path}/told")],
            )
        assert (tmp_path / "told").exists()

    def test_each_run_has_its_own(self, hooks: LocalHooks, tmp_path: Path) -> None:
        told = script(f"echo $${KEY} >> {tmp_path}/told".replace("$$", "$"))
        hooks.poststop(CONFIG, 1, [told])
        hooks.poststop(CONFIG, 2, [told])
        assert (tmp_path / "told").read_text() == "c0ffee:1:0\nc0ffee:2:0\n"
        assert [one.name for one in (tmp_path / "containers/c0ffee/hooks").iterdir()] == ["2"]

    def test_one_that_hangs_is_killed_with_its_children(
        self, hooks: LocalHooks, tmp_path: Path
    ) -> None:
        hanging = script(f"sleep 60 & echo $! > {tmp_path}/child; wait", timeout=1)
        with pytest.raises(PortError, match="ended with -9"):
            hooks.poststop(CONFIG, 1, [hanging])
        assert not Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/exe").exists()

    def test_a_daemon_it_leaves_behind_keeps_nobody_waiting(
        self, hooks: LocalHooks, tmp_path: Path
    ) -> None:
        leaving = script(f"sleep 60 </dev/null >/dev/null 2>&1 & echo $! > {tmp_path}/daemon")
        began = time.monotonic()
        hooks.poststop(CONFIG, 1, [leaving])
        hooks.poststop(CONFIG, 1, [leaving])
        os.kill(int((tmp_path / "daemon").read_text()), signal.SIGKILL)
        assert time.monotonic() - began < 30

    def test_a_program_that_is_not_there_is_named(self, hooks: LocalHooks) -> None:
        with pytest.raises(PortError, match=r"/no/such failed: it ended with 126: .*No such file"):
            hooks.poststop(CONFIG, 1, [Hook("/no/such")])

    def test_the_engine_may_die_while_it_is_run(self, hooks: LocalHooks, tmp_path: Path) -> None:
        text = f"echo run >> {tmp_path}/told; touch {tmp_path}/begun; sleep 0.7"
        program = (
            "import sys; from pathlib import Path\n"
            "from lockgate.adapters.hooks import LocalHooks\n"
            "from lockgate.effects.config import Config\n"
            "from lockgate.effects.hooks import Hook\n"
            f"hook = Hook('/bin/sh', ('sh', '-c', {text!r}), {ENV!r})\n"
            f"LocalHooks(Path({str(tmp_path)!r})).poststop(Config(id='c0ffee'), 1, [hook])\n"
        )
        engine = subprocess.Popen([sys.executable, "-c", program])
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        engine.kill()
        engine.wait()
        hooks.poststop(CONFIG, 1, [script(text)])
        assert (tmp_path / "told").read_text() == "run\n"


class TestPrecreate:
    def test_each_changes_what_the_one_before_it_left(self, hooks: LocalHooks) -> None:
        upper = script("tr a-c A-C")
        assert hooks.refine(CONFIG, b'{"a": 1}', [upper, script("sed s/1/2/")]) == b'{"A": 2}'

    def test_one_that_says_nothing_leaves_it_as_it_is(self, hooks: LocalHooks) -> None:
        assert hooks.refine(CONFIG, b"{}", [script("cat > /dev/null")]) == b"{}"

    @pytest.mark.parametrize(
        ("hook", "why"),
        [
            (script("echo no >&2; exit 4"), r"/bin/sh cannot be used: it ended with 4: no"),
            (script("echo nonsense"), "no config.json"),
            (script("echo '[1]'"), "no config.json"),
            (script("sleep 60", timeout=1), "did not end in 1 seconds"),
            (Hook("/no/such"), "No such file"),
        ],
    )
    def test_one_that_fails_is_refused_before_anything_is_made(
        self, hooks: LocalHooks, hook: Hook, why: str
    ) -> None:
        with pytest.raises(PortError, match=why) as refused:
            hooks.refine(CONFIG, b"{}", [hook])
        assert not refused.value.fault.dirty
