"""What the monitor is called with."""

from pathlib import Path

import pytest

from lockgate.adapters.oci.command import RuntimeCommand
from lockgate.adapters.oci.launch import command_line
from lockgate.adapters.oci.run import Run
from lockgate.effects.config import Config

RUNTIME = RuntimeCommand(Path("/usr/bin/runc"), Path("/records"), {})


def line(config: Config) -> list[str]:
    return command_line(
        Run.of(Path("/root"), config.id, 1), config, Path("/usr/bin/conmon"), RUNTIME
    )


@pytest.mark.parametrize(
    ("parent", "said"), [("/lockgate", False), ("machine.slice", True), ("", False)]
)
def test_a_runtime_is_told_when_systemd_makes_the_cgroup(parent: str, said: bool) -> None:
    assert ("--systemd-cgroup" in line(Config(id="c", cgroup_parent=parent))) is said
