"""The cgroup of a pod with limits: what is written where, and when it goes."""

import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from lockgate.adapters.oci.cgroups import Cgroups, Hierarchy
from lockgate.adapters.oci.pods import PodCgroup
from lockgate.effects.config import Config, Membership, Pod
from lockgate.effects.outcome import PortError

POD = Pod(id="p", name="web", memory=1 << 26, pids=9, cpu_quota=50_000, cgroup="/ours/pod-p")
INFRA = Config(id="i", cgroup_parent=POD.cgroup, holds=POD)
MEMBER = Config(
    id="m", cgroup_parent=POD.cgroup, pod=Membership(pod="p", infra="i", cgroup=POD.cgroup)
)
FIRST = {"memory": "memory.limit_in_bytes", "pids": "pids.max", "cpu": "cpu.cfs_quota_us"}


class Host:
    """Hierarchies made of directories, in which the files of a pod's cgroup are already."""

    def __init__(self, top: Path, *controllers: str, files: tuple[str, ...]) -> None:
        names = [frozenset({name} if name else set[str]()) for name in controllers]
        self.cgroups = Cgroups(
            tuple(Hierarchy(top / f"h{number}", one) for number, one in enumerate(names))
        )
        self.places = [one.mountpoint / POD.cgroup[1:] for one in self.cgroups.hierarchies]
        for place in self.places:
            place.mkdir(parents=True)
            for name in files:
                (place / name).touch()

    def of(self, config: Config) -> PodCgroup:
        return PodCgroup(self.cgroups, config)


def written(place: Path) -> dict[str, str]:
    return {one.name: one.read_text() for one in place.iterdir() if one.read_text()}


def test_version_one_a_file_a_number(tmp_path: Path) -> None:
    files = (*FIRST.values(), "cpu.cfs_period_us")
    host = Host(tmp_path, "cpu", files=files)
    pod = replace(POD, memory=0, pids=0)
    with host.of(replace(INFRA, holds=pod)).made():
        assert written(host.places[0]) == {
            "cpu.cfs_quota_us": "50000",
            "cpu.cfs_period_us": "100000",
        }


def test_version_two_after_those_above_have_handed_it_down(tmp_path: Path) -> None:
    host = Host(tmp_path, "", files=("memory.max", "pids.max", "cpu.max"))
    for above in ("", "ours", "ours/pod-p"):
        (tmp_path / "h0" / above / "cgroup.subtree_control").touch()
    with host.of(INFRA).made():
        assert written(host.places[0]) == {
            "memory.max": str(1 << 26),
            "pids.max": "9",
            "cpu.max": "50000 100000",
        }
    for above in ("", "ours"):
        assert (tmp_path / "h0" / above / "cgroup.subtree_control").read_text()[0] == "+"


def test_what_the_host_cannot_limit_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    host = Host(tmp_path, "", files=())
    with pytest.raises(PortError, match="cannot limit cpu and memory and pids of a pod") as refused:
        with host.of(INFRA).made():
            raise AssertionError("it was made")
    assert (refused.value.fault.kind, refused.value.fault.dirty) == ("refused", False)
    assert not host.places[0].exists()


def test_a_limit_that_is_refused_is_told(tmp_path: Path) -> None:
    host = Host(tmp_path, "", files=())
    (host.places[0] / "memory.max").mkdir()
    with pytest.raises(PortError, match=r"cannot be limited: .*memory\.max"):
        with host.of(INFRA).made():
            raise AssertionError("it was made")


def test_it_goes_with_the_last_that_is_in_it(tmp_path: Path) -> None:
    host = Host(tmp_path, "memory", "pids", files=())
    (host.places[1] / "m").mkdir()
    host.of(INFRA).left()
    assert [place.exists() for place in host.places] == [False, True]
    host.places[0].mkdir()
    (host.places[1] / "m").rmdir()
    host.of(MEMBER).left()
    assert [place.exists() for place in host.places] == [False, False]
    host.of(MEMBER).left()


def test_a_pod_without_limits_has_none(tmp_path: Path) -> None:
    host = Host(tmp_path, "", files=())
    free = replace(INFRA, holds=replace(POD, cgroup="", memory=0))
    with host.of(free).made():
        pass
    host.of(replace(free, holds=None)).left()
    assert host.places[0].exists()


def test_members_make_nothing(tmp_path: Path) -> None:
    host = Host(tmp_path, "", files=("memory.max",))
    with host.of(MEMBER).made():
        assert written(host.places[0]) == {}


def test_nobody_takes_away_what_is_being_made(tmp_path: Path) -> None:
    host = Host(tmp_path, "", files=("memory.max",))
    only = replace(INFRA, holds=replace(POD, pids=0, cpu_quota=0))
    leaver = threading.Thread(target=host.of(MEMBER).left)
    with host.of(only).made():
        (host.places[0] / "memory.max").unlink()
        leaver.start()
        leaver.join(0.05)
        assert host.places[0].exists()
    leaver.join(10)
    assert not host.places[0].exists()


def test_a_path_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    host = Host(tmp_path, "", files=())
    wrong = replace(INFRA, holds=replace(POD, cgroup="/../other"))
    with pytest.raises(PortError, match="no absolute cgroup path"):
        with host.of(wrong).made():
            pass
