"""Hooks of an engine: all of them, or an error that names the file."""

import json
from pathlib import Path
from typing import Any

import pytest

from lockgate.adapters.hooks import choose_directories, hook_directories, hook_files
from lockgate.effects.hooks import Hook, When
from lockgate.effects.outcome import PortError

GOOD: dict[str, Any] = {
    "version": "1.0.0",
    "hook": {"path": "/bin/sh", "args": ["sh", "-c", "true"], "env": ["A=1"], "timeout": 5},
    "when": {"annotations": {"^a$": "b"}, "commands": ["^/web"], "hasBindMounts": True},
    "stages": ["prestart", "poststop"],
}


def write(folder: Path, name: str, **changes: Any) -> None:
    (folder / name).write_text(json.dumps(GOOD | changes))


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    write(tmp_path, "one.json")
    (found,) = hook_files([tmp_path])
    assert found.hook == Hook("/bin/sh", ("sh", "-c", "true"), ("A=1",), 5)
    assert found.when == When(
        has_bind_mounts=True, annotations=(("^a$", "b"),), commands=("^/web",)
    )
    assert found.stages == ("prestart", "poststop")


def test_in_the_order_of_their_names_whatever_their_case(tmp_path: Path) -> None:
    for name in ("b.json", "A.json", "c.json", "readme.txt"):
        write(tmp_path, name)
    assert [one.name for one in hook_files([tmp_path])] == ["A.json", "b.json", "c.json"]


def test_where_there_is_no_directory_there_are_none(tmp_path: Path) -> None:
    assert hook_files([tmp_path / "hooks.d"]) == ()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"version": "0.1.0"}, "version '0.1.0' is not 1.0.0"),
        ({"stages": ["sometimes"]}, "'sometimes' is no stage: prestart"),
        ({"stages": []}, "names no stage"),
        ({"hook": {"path": "/no/such"}}, "no program '/no/such'"),
        ({"hook": {"path": "bin/sh"}}, "no program 'bin/sh'"),
        ({"hook": {"path": "/etc/passwd"}}, "no program '/etc/passwd'"),
        ({"hook": {"path": "/bin/sh", "timeout": 0}}, "timeout"),
        ({"when": {"commands": ["("]}}, "missing \\)"),
        ({"when": {"annotations": {"a": "["}}}, "unterminated"),
        ({"when": {"always": "yes"}}, "always"),
    ],
)
def test_one_that_cannot_be_used_is_named(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    write(tmp_path, "good.json")
    write(tmp_path, "wrong.json", **changes)
    with pytest.raises(PortError, match=rf"hook .*wrong\.json cannot be used: .*{why}") as refused:
        hook_files([tmp_path])
    assert not refused.value.fault.dirty


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"[" * 5000, b'{"when": ' * 5000])
def test_neither_can_garbage(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "wrong.json").write_bytes(data)
    with pytest.raises(PortError, match=r"wrong\.json cannot be used"):
        hook_files([tmp_path])


def test_a_later_directory_wins_and_one_that_is_not_there_has_none(tmp_path: Path) -> None:
    for name, files in (("usr", "ab"), ("etc", "bc")):
        (tmp_path / name).mkdir()
        for file in files:
            write(
                tmp_path / name,
                f"{file}.json",
                stages=["prestart" if name == "usr" else "poststop"],
            )
    found = hook_files([tmp_path / "usr", tmp_path / "gone", tmp_path / "etc"])
    assert [(one.name, *one.stages) for one in found] == [
        ("a.json", "prestart"),
        ("b.json", "poststop"),
        ("c.json", "poststop"),
    ]


def test_what_was_chosen_for_a_folder_holds_for_whoever_comes_later(tmp_path: Path) -> None:
    assert hook_directories(tmp_path) == (tmp_path / "hooks.d",)
    choose_directories(tmp_path, [Path("/usr/share/hooks"), Path("/etc/hooks")])
    assert hook_directories(tmp_path) == (
        Path("/usr/share/hooks"),
        Path("/etc/hooks"),
        tmp_path / "hooks.d",
    )
