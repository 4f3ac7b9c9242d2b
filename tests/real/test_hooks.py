"""Hooks that a real runtime runs, found in the engine's directory."""

import json
from pathlib import Path

import pytest

from lockgate import Engine, OperationFailed

pytestmark = pytest.mark.real


def hook(engine_root: Path, name: str, script: str, *stages: str, **when: object) -> None:
    folder = engine_root / "hooks.d"
    folder.mkdir(exist_ok=True)
    written = {
        "version": "1.0.0",
        "hook": {"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/usr/bin:/bin"]},
        "when": when or {"always": True},
        "stages": list(stages),
    }
    (folder / name).write_text(json.dumps(written))


def test_they_are_run_in_their_order_and_told_of_whom(engine: Engine, tmp_path: Path) -> None:
    told = tmp_path / "told"
    hook(tmp_path / "root", "b.json", f"echo b >> {told}", "createRuntime")
    hook(tmp_path / "root", "a.json", f"cat > {tmp_path}/state; echo a >> {told}", "createRuntime")
    hook(tmp_path / "root", "never.json", f"echo no >> {told}", "createRuntime", commands=["^web$"])
    hook(tmp_path / "root", "z.json", f"echo gone >> {told}", "poststop")
    web = engine.create(name="web", image="busybox", command=["true"])
    engine.start("web")
    assert engine.wait("web", 20) == 0
    assert told.read_text() == "a\nb\n"
    state = json.loads((tmp_path / "state").read_text())
    assert (state["id"], state["bundle"]) == (web.id, str(tmp_path / "root/containers" / web.id))
    engine.remove("web")
    assert told.read_text() == "a\nb\ngone\n"


def test_one_that_fails_keeps_it_from_starting(engine: Engine, tmp_path: Path) -> None:
    hook(tmp_path / "root", "no.json", "echo not here >&2; exit 3", "createRuntime")
    engine.create(name="web", image="busybox", command=["true"])
    with pytest.raises(OperationFailed, match="hook"):
        engine.start("web")
    assert engine.inspect("web").status == "configured"


def test_one_that_cannot_be_read_is_named_before_anything_is_begun(
    engine: Engine, tmp_path: Path
) -> None:
    hook(tmp_path / "root", "wrong.json", "true", "sometimes")
    engine.create(name="web", image="busybox", command=["true"])
    with pytest.raises(
        OperationFailed, match=r"wrong\.json cannot be used: 'sometimes' is no stage"
    ):
        engine.start("web")
    (tmp_path / "root/hooks.d/wrong.json").unlink()
    engine.start("web")
    assert engine.wait("web", 20) == 0


def test_poststop_is_tried_until_it_has_succeeded_once(engine: Engine, tmp_path: Path) -> None:
    tries = tmp_path / "tries"
    hook(tmp_path / "root", "z.json", f"echo x >> {tries}; test $(wc -l < {tries}) = 4", "poststop")
    engine.create(name="web", image="busybox", command=["true"])
    engine.start("web")
    assert engine.wait("web", 20) == 0
    assert not tries.exists()  # the runtime does not run it
    for refused in (engine.cleanup, engine.start, engine.remove):
        with pytest.raises(OperationFailed, match="/bin/sh failed: it ended with 1"):
            refused("web")
        record = engine.inspect("web")
        assert [one.path for one in record.poststop] == ["/bin/sh"]
        assert (record.status, record.runtime) == ("exited", "absent")
    engine.remove("web")
    assert tries.read_text() == "x\n" * 4


def test_a_removal_by_force_leaves_without_it(engine: Engine, tmp_path: Path) -> None:
    hook(tmp_path / "root", "z.json", "exit 9", "poststop")
    engine.create(name="web", image="busybox", command=["sleep", "60"])
    engine.start("web")
    engine.remove("web", force=True, timeout=0)
    assert engine.list() == ()


def test_precreate_changes_what_the_runtime_is_given(engine: Engine, tmp_path: Path) -> None:
    hook(tmp_path / "root", "p.json", 'sed s/"exit 3"/"exit 5"/', "precreate")
    engine.create(name="web", image="busybox", command=["sh", "-c", "exit 3"])
    engine.start("web")
    assert engine.wait("web", 20) == 5
