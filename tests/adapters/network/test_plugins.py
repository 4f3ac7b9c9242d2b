"""Plugins are called by the protocol of CNI 1.0, and believed only when they keep it."""

from pathlib import Path

import msgspec
import pytest

from lockgate.adapters.network.plugins import Plugins
from lockgate.adapters.network.plumbing import Subject
from lockgate.effects.outcome import Fault, PortError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "cni"
    made.mkdir()
    return made


def plugin(folder: Path, script: str) -> Plugins:
    program = folder / "fake"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return Plugins((folder / "nowhere", folder), patience=20)


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    return Subject("c0ffee", "/run/netns/x", "eth0", 2)


def fault(plugins: Plugins, subject: Subject, kind: str = "fake") -> Fault:
    with pytest.raises(PortError) as problem:
        plugins.call("ADD", kind, {}, subject)
    return problem.value.fault


def test_it_is_told_whom_and_what_it_is_about(folder: Path, subject: Subject) -> None:
    script = f"cat >{folder}/in; env >{folder}/env; echo '{{\"ips\": []}}'"
    answer = plugin(folder, script).call("ADD", "fake", {"name": "web"}, subject)
    assert answer == {"ips": []}
    assert msgspec.json.decode((folder / "in").read_bytes()) == {"name": "web"}
    told = dict(line.split("=", 1) for line in (folder / "env").read_text().splitlines())
    told = {name: value for name, value in told.items() if name.startswith("CNI_")}
    assert told == {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": "c0ffee",
        "CNI_NETNS": "/run/netns/x",
        "CNI_IFNAME": "eth0",
        "CNI_PATH": f"{folder}/nowhere:{folder}",
    }


def test_only_add_has_to_answer(folder: Path, subject: Subject) -> None:
    plugins = plugin(folder, "exit 0")
    assert plugins.call("DEL", "fake", {}, subject) is None
    assert plugins.call("CHECK", "fake", {}, subject) is None
    assert fault(plugins, subject).kind == "damaged"


@pytest.mark.parametrize(
    ("code", "kind"), [(1, "refused"), (7, "refused"), (11, "timeout"), (999, "failed")]
)
def test_its_error_is_told_by_code_and_words(
    folder: Path, subject: Subject, code: int, kind: str
) -> None:
    said = f'echo \'{{"code": {code}, "msg": "no", "details": "more"}}\'; exit 1'
    found = fault(plugin(folder, said), subject)
    assert (found.kind, found.dirty) == (kind, True)
    assert found.reason == "the network plugin fake failed to ADD: no: more"


def test_one_that_says_nothing_proper(folder: Path, subject: Subject) -> None:
    found = fault(plugin(folder, "printf 'pan\\033ic' >&2; exit 2"), subject)
    assert found.reason.endswith("failed to ADD: pan ic")
    assert "said nothing" in fault(plugin(folder, "exit 2"), subject).reason


def test_one_that_is_not_there(folder: Path, subject: Subject) -> None:
    found = fault(plugin(folder, ""), subject, "bridge")
    assert found.kind == "missing"
    assert f"no network plugin 'bridge' (looked in {folder}/nowhere, {folder})" in found.reason


def test_one_that_does_not_end(folder: Path, subject: Subject) -> None:
    plugin(folder, "exec sleep 600")
    found = fault(Plugins((folder,), patience=0.2), subject)
    assert (found.kind, found.dirty) == ("timeout", True)
