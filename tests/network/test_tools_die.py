"""A tool dies half way: it is killed at each command that it gives to the firewall. What it did is taken
away by whoever leaves next; what is left behind is looked for after every death."""

import stat
from collections.abc import Callable
from itertools import count
from pathlib import Path
from shutil import which

import pytest
from tests.network.laboratory import Lab
from tests.network.test_killed import cleanup, start
from tests.soak import DONE, step
from tests.victims import Operation

from lockgate import OperationFailed, Status
from lockgate.adapters.network import namespaces, plugins

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.sampled, pytest.mark.timeout(600)]

FIREWALL = "iptables"
KILLING = """#!/bin/sh
echo "$@" >> {told}
[ $(wc -l < {told}) = {at} ] && kill -KILL $PPID && exit 1
exec {real} "$@"
"""


@pytest.fixture
def killing(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Path]:
    """From now on whoever gives the n-th command is killed; in the file there is a line for each given."""
    places, told = tmp_path / "tools", tmp_path / "told"
    places.mkdir()
    monkeypatch.setitem(namespaces.TOOLS, "PATH", f"{places}:{namespaces.TOOLS['PATH']}")
    monkeypatch.setattr(plugins, "_SYSTEM", f"{places}:{plugins._SYSTEM}")

    def killing(at: int) -> Path:
        told.write_text("")
        stand_in = places / FIREWALL
        stand_in.write_text(KILLING.format(told=told, at=at, real=which(FIREWALL)))
        stand_in.chmod(stat.S_IRWXU)
        return told

    return killing


@pytest.mark.only("cni", "netavark")
@pytest.mark.parametrize("operation", [start, cleanup])
def test_it_is_killed_at_each_of_its_commands(
    lab: Lab, operation: Operation, killing: Callable[[int], Path]
) -> None:
    engine, before = lab.engine, lab.footprint()
    for at in count(1, step(5)):
        lab.sleeper("web", ports=["8080:80"])
        if operation is cleanup:
            engine.start("web")
            engine.kill("web")
        told = killing(at)
        try:
            operation(engine)
        except OperationFailed:
            pass
        given = len(told.read_text().splitlines())
        killing(0)
        if engine.inspect("web").status is Status.RUNNING:
            engine.kill("web")
        engine.cleanup("web")
        assert lab.footprint() == before, f"killed at command {at}"
        assert engine.start("web").status is Status.RUNNING
        engine.remove("web", force=True, timeout=0)
        if given < at:
            assert at > 1, "it never gave a command"
            return
        DONE["network tools killed"] += 1
