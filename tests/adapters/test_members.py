"""Whose processes are whose, with cgroups and without."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockgate.adapters.oci.cgroups import Cgroups, Hierarchy
from lockgate.adapters.oci.members import belonging
from lockgate.effects.config import Config

NOWHERE = Cgroups(())
WITHOUT = Config(id="c0ffee", cgroup_parent="")


def test_those_in_its_cgroup(tmp_path: Path) -> None:
    place = tmp_path / "lockgate" / "c0ffee"
    place.mkdir(parents=True)
    (place / "cgroup.procs").write_text("12\n34\n")
    cgroups = Cgroups((Hierarchy(tmp_path, frozenset()),))
    assert belonging(cgroups, Config(id="c0ffee"), 0) == {12, 34}


@pytest.mark.parametrize("first", [0, 1, 999_999_999, os.getpid()], ids=["0", "1", "nobody", "we"])
def test_a_number_that_is_nobodys_or_somebody_elses(first: int) -> None:
    assert belonging(NOWHERE, WITHOUT, first) == frozenset()


@pytest.fixture
def apart() -> Iterator[int]:
    """The first of two processes in a pid namespace of their own."""
    line = "sleep 600 & echo; exec sleep 600"
    child = subprocess.Popen(
        ["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", line], stdout=subprocess.PIPE
    )
    with child:
        assert child.stdout is not None
        child.stdout.readline()
        children = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text()
        yield int(children)
        child.kill()


@pytest.mark.real
def test_those_in_its_pid_namespace(apart: int) -> None:
    found = belonging(NOWHERE, WITHOUT, apart)
    assert apart in found
    assert os.getpid() not in found
    assert belonging(NOWHERE, WITHOUT, max(found)) == found
