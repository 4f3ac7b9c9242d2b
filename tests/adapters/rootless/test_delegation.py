"""Which cgroup is ours to make others in."""

import os
from pathlib import Path

import pytest

from lockgate.adapters.oci.cgroups import Cgroups, Hierarchy
from lockgate.adapters.rootless.delegation import delegated


class Host:
    """Hierarchies made of directories; `given` are the cgroups that a user may write to."""

    def __init__(self, top: Path, *controllers: str) -> None:
        self.top, self.given = top, set[str]()
        names = [frozenset({name} if name else set[str]()) for name in controllers]
        self.cgroups = Cgroups(
            tuple(Hierarchy(top / f"h{number}", one) for number, one in enumerate(names))
        )
        self.make("")

    def make(self, path: str, *, given: bool = False, procs: str = "") -> None:
        for hierarchy in self.cgroups.hierarchies:
            place = hierarchy.mountpoint / path.lstrip("/")
            place.mkdir(parents=True)
            (place / "cgroup.procs").write_text(procs)
            if path:
                (place / "cgroup.type").touch()
            if given:
                self.given |= {str(place), str(place / "cgroup.procs")}


@pytest.fixture(autouse=True)
def ordinary(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    given = set[str]()
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) in given)
    return given


USER = "/user.slice/user-1000.slice/user@1000.service"


@pytest.fixture
def v2(tmp_path: Path, ordinary: set[str]) -> Host:
    host = Host(tmp_path, "")
    host.given = ordinary
    return host


def test_the_highest_that_is_ours_along_the_way_we_are_in(v2: Host) -> None:
    v2.make(USER, given=True)
    v2.make(f"{USER}/app.slice/run.scope", given=True, procs="1\n")
    assert delegated(v2.cgroups, f"0::{USER}/app.slice/run.scope\n") == f"{USER}/lockgate"
    assert delegated(v2.cgroups, "0::/user.slice/user-1000.slice/session-3.scope\n") == ""


def test_where_processes_are_no_controllers_are_handed_down(v2: Host) -> None:
    v2.make("/mine", given=True, procs="1\n")
    assert delegated(v2.cgroups, "0::/mine\n") == ""


def test_root_of_a_container_has_the_top(v2: Host, ordinary: set[str]) -> None:
    ordinary |= {str(v2.top / "h0"), str(v2.top / "h0/cgroup.procs")}
    assert delegated(v2.cgroups, "0::/\n") == "/lockgate"


def test_of_version_one_it_must_be_ours_in_every_hierarchy(
    tmp_path: Path, ordinary: set[str]
) -> None:
    host = Host(tmp_path, "memory", "pids")
    host.given = ordinary
    host.make("/boats", given=True, procs="1\n")
    own = "2:memory:/\n1:pids:/boats\n"
    assert delegated(host.cgroups, own) == "/boats/lockgate"
    ordinary.discard(str(tmp_path / "h0/boats"))
    assert delegated(host.cgroups, own) == ""


def test_what_lies_outside_of_our_view_is_not_ours(v2: Host) -> None:
    assert delegated(v2.cgroups, "0::/../outside\nnonsense\n") == ""


def test_a_host_without_cgroups() -> None:
    assert delegated(Cgroups(()), "") == ""


def test_by_default_our_own_cgroups_are_looked_at(v2: Host) -> None:
    assert delegated(v2.cgroups) == ""
