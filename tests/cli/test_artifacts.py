"""`artifact`: small files kept with a container."""

from pathlib import Path

from lockgate.cli.exits import FAILURE, NO_SUCH, USAGE

from .conftest import Shell


def test_added_got_listed_removed(shell: Shell, web: str, tmp_path: Path) -> None:
    (tmp_path / "notes").write_bytes(b"\xff\0")
    assert shell.ok("artifact", "add", "web", "notes", str(tmp_path / "notes")) == "notes\n"
    assert shell("artifact", "get", "web", "notes").stdout_bytes == b"\xff\0"
    assert shell("artifact", "add", "web", "other", "-", input="hi").exit_code == 0
    assert shell.ok("artifact", "get", "web", "other") == "hi"
    assert shell.ok("artifact", "ls", "web") == "notes\nother\n"
    assert shell.ok("artifact", "ls", "--json", "web").split() == ["[", '"notes",', '"other"', "]"]
    assert shell.ok("artifact", "rm", "web", "notes") == "notes\n"
    assert "no artifact 'notes'" in shell.no(NO_SUCH, "artifact", "get", "web", "notes")
    assert "no artifact 'notes'" in shell.no(NO_SUCH, "artifact", "rm", "web", "notes")


def test_what_cannot_be_one(shell: Shell, web: str, tmp_path: Path) -> None:
    assert "cannot be a name" in shell.no(USAGE, "artifact", "get", "web", "../etc/passwd")
    missing = str(tmp_path / "missing")
    assert missing in shell.no(FAILURE, "artifact", "add", "web", "notes", missing)
