"""`image`, `doctor`, `version`: what containers are made from, and on."""

import json
from pathlib import Path

import pytest

import lockgate
from lockgate.adapters import doctor
from lockgate.adapters.doctor import Check, HostReport
from lockgate.statemachine import LAW

from .conftest import Shell


def test_images_are_listed(shell: Shell) -> None:
    assert "busybox" in shell.ok("image", "ls")
    (found,) = json.loads(shell.ok("image", "ls", "--json"))
    assert (found["name"], found["command"]) == ("busybox", ["sh", "-c", "echo hi"])


def test_an_import_prints_the_id(shell: Shell, tmp_path: Path) -> None:
    image = shell.ok("image", "import", "other", str(tmp_path)).strip()
    assert {one.name: one.id for one in shell.engine.images()}["other"] == image


def test_what_cannot_be_imported(shell: Shell, tmp_path: Path) -> None:
    assert "there is no archive" in shell.no(2, "image", "import", "x", str(tmp_path / "nothing"))
    quoted = shell("image", "import", "x", str(tmp_path), "--command", "sh 'half")
    assert quoted.exit_code == 2 and "--command" in quoted.stderr


def test_all_there_is_to_know_of_an_image(shell: Shell) -> None:
    result = shell("image", "inspect", "busybox", "nope")
    (found,) = json.loads(result.stdout)
    assert (found["name"], found["entrypoint"]) == ("busybox", [])
    assert (result.exit_code, "no image 'nope'; there are: busybox" in result.stderr) == (3, True)


def test_an_image_goes_when_nobody_needs_it(shell: Shell, web: str) -> None:
    assert f"used by 1 container(s), remove them: {web[:12]}" in shell.no(
        1, "image", "rm", "busybox"
    )
    shell.ok("rm", "web")
    assert shell.ok("image", "rm", "busybox") == "busybox\n"
    assert "no image 'busybox'" in shell.no(3, "image", "rm", "busybox")


def test_by_force_with_all_that_need_it(shell: Shell, web: str) -> None:
    shell.ok("start", "web")
    shell.ok("image", "rm", "--force", "busybox")
    assert shell.engine.list() == shell.engine.images() == ()
    assert shell.host.world(web).empty


REPORT = HostReport((Check("kernel", "ok", "6.1"), Check("crun", "warn", "none", "install it")))


def test_the_doctor_tells_what_is_there_and_what_to_do(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "survey", lambda root: REPORT)
    opened = len(shell.opened)
    page = shell.ok("doctor")
    assert "install it" in page
    told = json.loads(shell.ok("doctor", "--json"))
    assert [one["verdict"] for one in told] == ["ok", "warn"]
    assert len(shell.opened) == opened  # it needs no engine


def test_the_doctor_fails_where_no_container_can_run(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        doctor,
        "survey",
        lambda root: HostReport((Check("conmon", "missing", "", "apt install it"),)),
    )
    assert shell("doctor").exit_code == 1


def test_the_versions(shell: Shell) -> None:
    assert f"lockgate {lockgate.__version__}, law {LAW}, Python 3" in shell.ok("version")
    assert shell.ok("--version").strip() == f"lockgate {lockgate.__version__}"
