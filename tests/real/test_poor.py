"""Where the surroundings are poor, or odd (FAULTS §3.10): no variables, closed descriptors, a folder that is
gone, few descriptors, any umask; roots of any name; another binary of the runtime. One life each, by the
command line, with whom its monitor calls at the end."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.ground import Ground
from tests.waiting import until

from lockgate import Engine, Status
from lockgate.testing import busybox

pytestmark = [pytest.mark.real, pytest.mark.slow]

LOCKGATE = (sys.executable, "-c", "from lockgate.cli import main; main()")
WORD = "Grüße"


def closed() -> None:
    """Standard input, output and error."""
    for fd in range(3):
        os.close(fd)


def nowhere() -> None:
    """In a folder that is gone."""
    place = Path(f"/tmp/lockgate-gone-{os.getpid()}")
    place.mkdir()
    os.chdir(place)
    place.rmdir()


def few_descriptors() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))


def small_files() -> None:
    """No core, and no locked memory."""
    for kind in (resource.RLIMIT_CORE, resource.RLIMIT_MEMLOCK):
        resource.setrlimit(kind, (0, 0))


SURROUNDINGS: Mapping[str, dict[str, Any]] = {
    "no variables": {"env": {}},
    "only nonsense": {"env": {"PATH": "", "HOME": "/nowhere", "TMPDIR": "/nowhere", "LANG": "x"}},
    "ASCII": {"env": {"LC_ALL": "C"}},
    "closed descriptors": {"preexec_fn": closed},
    "nowhere": {"preexec_fn": nowhere},
    "umask 000": {"umask": 0o000},
    "umask 077": {"umask": 0o077},
    "few descriptors": {"preexec_fn": few_descriptors},
    "limits of nothing": {"preexec_fn": small_files},
}


def life(root: Path, runtime: str, surroundings: Mapping[str, Any]) -> None:
    """Made, started, failing and so begun anew, read, stopped, removed."""

    def told(*words: str) -> None:
        line = (*LOCKGATE, "--root", str(root), "--runtime", runtime, *words)
        ran = subprocess.run(
            line, capture_output=True, timeout=60, check=False, **dict(surroundings)
        )
        assert ran.returncode == 0, (words, ran.stdout, ran.stderr)

    script = f'echo {WORD} "$A"; [ -e /second ] && exec sleep 600; touch /second; exit 3'
    told(
        *("create", "--name", "web", "--image", "busybox", "--env", f"A={WORD}"),
        *("--network", "private", "--restart", "on-failure:1", "--", "sh", "-c", script),
    )
    told("start", "web")
    with Engine.open(root, runtime=runtime) as engine:
        until(lambda: engine.inspect("web").restarts == 1, "nobody was called at its end")
        until(lambda: engine.inspect("web").status is Status.RUNNING)
        until(lambda: len(list(engine.logs("web"))) == 2)
        assert {line.text for line in engine.logs("web")} == {f"{WORD} {WORD}"}
    told("exec", "web", "true")
    told("stop", "--timeout", "0", "web")
    with Engine.open(root, runtime=runtime) as engine:
        assert engine.inspect("web").exit_code == 137
    told("rm", "web")


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_a_life_in_poor_surroundings(name: str, engine: Engine, root: Path, runtime: str) -> None:
    before = Ground.of(root)
    life(root, runtime, SURROUNDINGS[name])
    before.still(root)


@pytest.mark.parametrize("name", ["a 'b\" $c", WORD, "l" * 100, "new\nline", "link"])
def test_a_root_of_any_name(name: str, tmp_path: Path, runtime: str) -> None:
    root = tmp_path / name
    if name == "link":
        (tmp_path / "behind").mkdir()
        root.symlink_to(tmp_path / "behind")
    with Engine.open(root, runtime=runtime) as engine:
        engine.import_image("busybox", busybox.rootfs_tar(tmp_path / "busybox.tar"))
    before = Ground.of(tmp_path)
    life(root, runtime, {})
    before.still(tmp_path)


def test_a_runtime_that_is_replaced_while_it_runs(
    engine: Engine, root: Path, runtime: str, tmp_path: Path
) -> None:
    """Another binary, in another place, from one command to the next; the old one is gone."""
    path = shutil.which(runtime)
    assert path is not None
    old, new = tmp_path / "old" / runtime, tmp_path / "new" / runtime
    for copy in (old, new):
        copy.parent.mkdir()
        shutil.copy(path, copy)
    before = Ground.of(root)
    with Engine.open(root, runtime=str(old)) as first:
        first.create(name="web", image="busybox", command=["sleep", "600"])
        first.start("web")
    old.unlink()
    with Engine.open(root, runtime=str(new)) as second:
        assert second.inspect("web").status is Status.RUNNING
        second.pause("web")
        second.unpause("web")
        assert second.exec_wait("web", second.exec("web", ["true"]).id) == 0
        assert second.stop("web", timeout=0).exit_code == 137
        assert second.start("web").epoch == 2
        second.remove("web", force=True, timeout=0)
    before.still(root)
