"""`mount` and `unmount`."""

import json

from lockgate.cli.exits import ILLEGAL, USAGE

from .conftest import Shell


def test_where_it_is_and_who_holds_it(shell: Shell, web: str) -> None:
    place = shell.ok("mount", "web").strip()
    assert place == f"/simulated/{web}"
    shell.ok("start", "web")
    assert shell.ok("mount", "web").strip() == place
    listed = shell.ok("mount").splitlines()
    assert listed[0].split() == ["ID", "NAME", "MOUNTS", "MOUNTPOINT"]
    assert listed[1].split() == [web[:12], "web", "2", place]
    expected = {"id": web, "name": "web", "mountpoint": place, "mount_count": 2}
    assert json.loads(shell.ok("mount", "--json")) == [expected]
    assert json.loads(shell.ok("inspect", "web"))[0]["mount_count"] == 2


def test_given_back(shell: Shell, web: str) -> None:
    shell.ok("mount", "web", "web")
    assert shell.ok("unmount", "web") == "web\n"
    assert shell.ok("unmount", "--force", "web") == "web\n"
    assert "has not mounted it" in shell.no(ILLEGAL, "unmount", "web")


def test_all_that_users_have_mounted(shell: Shell, web: str) -> None:
    shell.ok("create", "--name", "other", "--image", "busybox", "sh")
    shell.ok("start", "other")
    shell.ok("mount", "web")
    assert shell.ok("unmount", "--all") == "web\n"
    assert [line.split()[1] for line in shell.ok("mount").splitlines()] == ["NAME", "other"]


def test_which_ones_must_be_said(shell: Shell) -> None:
    for words in (("unmount",), ("unmount", "-a", "web")):
        assert "name containers, or say --all" in shell.no(USAGE, *words)


def test_what_is_mounted_is_not_removed(shell: Shell, web: str) -> None:
    shell.ok("mount", "web")
    assert "unmount it first" in shell.no(ILLEGAL, "rm", "web")
    shell.ok("rm", "--force", "web")
