"""`volume`: what outlives containers."""

import json

from .conftest import Shell


def test_made_listed_looked_at_and_removed(shell: Shell) -> None:
    assert shell.ok("volume", "create", "-l", "a=1", "data") == "data\n"
    unnamed = shell.ok("volume", "create").strip()
    assert len(unnamed) == 64
    assert set(shell.ok("volume", "ls", "-q").split()) == {"data", unnamed}
    assert "data" in shell.ok("volume", "ls")
    (found,) = json.loads(shell.ok("volume", "inspect", "data"))
    assert (found["name"], found["labels"], found["users"]) == ("data", {"a": "1"}, [])
    assert shell.ok("volume", "rm", "data", unnamed) == f"data\n{unnamed}\n"
    assert json.loads(shell.ok("volume", "ls", "--json")) == []


def test_what_cannot_be_made_or_found(shell: Shell) -> None:
    shell.ok("volume", "create", "data")
    assert "there is a volume 'data' already" in shell.no(1, "volume", "create", "data")
    assert "cannot be a name" in shell.no(2, "volume", "create", "a/b")
    assert "no volume 'other'; there are: data" in shell.no(3, "volume", "rm", "other")


def test_one_that_is_used_stays_until_its_users_go(shell: Shell) -> None:
    shell.ok("create", "--name", "web", "--image", "busybox", "-v", "data:/data", "sh")
    assert "containers use it (web)" in shell.no(1, "volume", "rm", "data")
    (found,) = json.loads(shell.ok("volume", "inspect", "data"))
    assert found["users"] == ["web"]
    shell.ok("start", "web")
    assert "cannot remove container web" in shell.no(4, "volume", "rm", "-f", "data")
    shell.ok("stop", "web")
    shell.ok("volume", "rm", "-f", "data")
    assert shell.engine.list() == shell.engine.volumes() == ()


def test_its_own_go_with_it(shell: Shell) -> None:
    shell.ok(
        "create", "--name", "web", "--image", "busybox", "-v", "/own", "-v", "data:/data", "sh"
    )
    assert len(shell.engine.volumes()) == 2
    shell.ok("rm", "web")
    assert [one.name for one in shell.engine.volumes()] == ["data"]
