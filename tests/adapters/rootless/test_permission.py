"""What keeps an ordinary user from having containers, each told with what removes it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lockgate.adapters.rootless import permission
from lockgate.adapters.rootless.permission import Obstacle, Switch, obstacles


@pytest.fixture(autouse=True)
def fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host on which user 1000 may have all he needs."""
    for name in ("newuidmap", "newgidmap", "unshare"):
        program = tmp_path / name
        program.touch()
        program.chmod(0o4755)
    ids = tmp_path / "ids"
    ids.write_text("1000:100000:65536\n")
    monkeypatch.setattr(permission, "find", lambda name: tmp_path / name)
    monkeypatch.setattr(permission, "_privileged", lambda path: path.stat().st_mode & 0o4000)
    monkeypatch.setattr(permission, "_kernel", lambda switches: ())
    monkeypatch.setattr(permission, "_privileges", lambda: ())
    monkeypatch.setattr(permission, "SUBUID", ids)
    monkeypatch.setattr(permission, "SUBGID", ids)
    monkeypatch.setattr(permission, "user_name", lambda uid: "")


def test_none() -> None:
    assert obstacles(1000) == ()


def test_no_ids_or_not_enough(tmp_path: Path) -> None:
    (tmp_path / "ids").write_text("1000:100000:1000\n")
    users, groups = obstacles(1000)
    assert "1000 has only 1000 subordinate uids" in users.found
    assert "usermod --add-subuids FIRST-LAST 1000" in users.advice
    assert "--add-subgids" in groups.advice
    users, _ = obstacles(1001)
    assert "1001 has no subordinate uids" in users.found


def test_tools_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permission, "find", lambda name: None)
    assert [one.advice for one in obstacles(1000)] == [
        "apt install util-linux",
        "apt install uidmap",
        "apt install uidmap",
    ]


def test_a_tool_that_has_lost_its_rights(tmp_path: Path) -> None:
    (tmp_path / "newgidmap").chmod(0o755)
    (one,) = obstacles(1000)
    assert "neither setuid root" in one.found
    assert one.advice == f"chmod u+s {tmp_path / 'newgidmap'}, as root"


class TestTheKernel:
    @pytest.fixture
    def ask(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[[str], tuple[Obstacle, ...]]:
        monkeypatch.undo()
        switch = Switch(tmp_path / "switch", "0", "sysctl switch=1")

        def ask(value: str) -> tuple[Obstacle, ...]:
            (tmp_path / "switch").write_text(value)
            return tuple(permission._kernel((switch, Switch(tmp_path / "none", "0", ""))))

        return ask

    def test_that_forbids_them(
        self, ask: Callable[[str], tuple[Obstacle, ...]], tmp_path: Path
    ) -> None:
        (one,) = ask("0\n")
        assert str(one) == f"user namespaces are off ({tmp_path / 'switch'} is 0): sysctl switch=1"

    def test_that_allows_them_or_knows_no_such_setting(
        self, ask: Callable[[str], tuple[Obstacle, ...]]
    ) -> None:
        assert ask("1\n") == ()


def test_setuid_root_or_with_capabilities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    tool = tmp_path / "newuidmap"
    tool.chmod(0o755)
    assert not permission._privileged(tool)
    monkeypatch.setattr(os, "listxattr", lambda path: ["security.capability"])
    assert permission._privileged(tool)
