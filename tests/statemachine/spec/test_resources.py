"""Limits and devices: only what was asked for, and never more than the host has."""

from typing import Any

import pytest
from msgspec.structs import replace

from lockgate.effects.config import Device, IdMap, Limits, Security, Ulimit
from lockgate.effects.outcome import PortError

from .conftest import CONFIG, FACTS, destinations, spec


def resources(memory: int = 0, **limits: Any) -> Any:
    return spec(replace(CONFIG, memory=memory, limits=Limits(**limits)))["linux"]["resources"]


def test_what_was_not_asked_for_is_not_named() -> None:
    """A controller this host has not mounted would fail the container (HOST §2)."""
    assert set(resources()) == {"devices", "pids"}
    assert set(resources(pids=0)) == set(resources(pids=-1)) == {"devices"}


@pytest.mark.parametrize(
    ("wishes", "controller"),
    [
        ({"memory": 64 << 20}, "memory"),
        ({"limits": Limits(memory_reservation=1)}, "memory"),
        ({"limits": Limits(cpu_shares=2)}, "cpu"),
        ({"limits": Limits(cpuset_cpus="0")}, "cpuset"),
        ({"limits": Limits(pids=7)}, "pids"),
    ],
)
def test_what_the_host_cannot_limit_is_refused_when_named(
    wishes: dict[str, Any], controller: str
) -> None:
    config = replace(CONFIG, **wishes)
    facts = replace(FACTS, controllers=tuple({*FACTS.controllers} - {controller}))
    with pytest.raises(PortError) as caught:
        spec(config, facts=facts)
    assert caught.value.fault.reason == (
        f"this host cannot limit {controller}: it has no such cgroup controller"
    )
    assert (caught.value.fault.kind, caught.value.fault.dirty) == ("refused", False)


def test_memory_is_limited_only_when_asked_and_swap_with_it() -> None:
    assert resources(64 << 20)["memory"] == {"limit": 64 << 20, "swap": 64 << 20}
    assert resources(64, memory_swap=-1)["memory"] == {"limit": 64, "swap": -1}
    assert resources(64, memory_swap=99)["memory"] == {"limit": 64, "swap": 99}
    lifted = resources(memory_swap=99, memory_reservation=32)
    assert lifted["memory"] == {"reservation": 32}, (
        "an update took the limit away, and left the rest"
    )
    assert resources(memory_reservation=9)["memory"] == {"reservation": 9}


def test_processors() -> None:
    made = resources(cpu_quota=50_000, cpu_period=100_000, cpu_shares=2, cpuset_cpus="0-1")
    assert made["cpu"] == {"quota": 50_000, "period": 100_000, "shares": 2, "cpus": "0-1"}


def test_threads_are_limited_by_default() -> None:
    assert resources()["pids"] == {"limit": 2048}
    assert "pids" not in spec(facts=replace(FACTS, controllers=()))["linux"]["resources"]
    assert resources(pids=7)["pids"] == {"limit": 7}


def test_who_dies_first() -> None:
    assert "oomScoreAdj" not in spec()["process"]
    assert spec(replace(CONFIG, limits=Limits(oom_score_adj=0)))["process"]["oomScoreAdj"] == 0


class TestOomScore:
    """Lowering it takes CAP_SYS_RESOURCE in the host's own user namespace (HOST §2)."""

    @staticmethod
    def made(wanted: int, own: int, *, unbounded: bool = False) -> Any:
        facts = replace(FACTS, oom_score_adj=own, unbounded=unbounded)
        config = replace(CONFIG, limits=Limits(oom_score_adj=wanted))
        return spec(config, facts=facts)["process"]["oomScoreAdj"]

    @pytest.mark.parametrize(("wanted", "own"), [(-5, -5), (0, 0), (0, 500), (9, -5)])
    def test_what_may_be_given(self, wanted: int, own: int) -> None:
        assert self.made(wanted, own) == wanted

    def test_who_may_lower_it_lowers_it(self) -> None:
        assert self.made(-1000, 0, unbounded=True) == -1000

    @pytest.mark.parametrize(("wanted", "own", "least"), [(-6, -5, -5), (-1, 0, 0), (-1, 500, 0)])
    def test_others_are_refused(self, wanted: int, own: int, least: int) -> None:
        with pytest.raises(PortError, match=f"cannot be {wanted}: {least} is the least") as caught:
            self.made(wanted, own)
        assert (caught.value.fault.kind, caught.value.fault.dirty) == ("refused", False)


class TestRlimits:
    @staticmethod
    def made(name: str, soft: int, hard: int) -> Any:
        limits = Limits(ulimits=(Ulimit(name=name, soft=soft, hard=hard),))
        return spec(replace(CONFIG, limits=limits))["process"]["rlimits"]

    def test_left_out_they_are_the_engines(self) -> None:
        assert "rlimits" not in spec()["process"]

    def test_up_to_the_hosts(self) -> None:
        assert self.made("nofile", 1, 20000) == [
            {"type": "RLIMIT_NOFILE", "soft": 1, "hard": 20000}
        ]
        endless = 2**64 - 1
        assert self.made("core", 0, -1) == [{"type": "RLIMIT_CORE", "soft": 0, "hard": endless}]
        assert self.made("stack", -1, -1)[0]["soft"] == endless
        assert self.made("nofile", 0, 0) == [{"type": "RLIMIT_NOFILE", "soft": 0, "hard": 0}]

    @pytest.mark.parametrize(("hard", "said"), [(20001, "20001"), (-1, "no limit")])
    def test_more_than_the_hosts_is_refused(self, hard: int, said: str) -> None:
        with pytest.raises(
            PortError, match=f"nofile cannot be {said}: 20000 is the most this host can give"
        ) as caught:
            self.made("nofile", 1, hard)
        assert (caught.value.fault.kind, caught.value.fault.dirty) == ("refused", False)


class TestDevices:
    FUSE = Device(source="/dev/fuse", destination="/dev/my", access="rw")

    def test_nobody_may_touch_what_was_not_given(self) -> None:
        assert resources()["devices"] == [{"allow": False, "access": "rwm"}]
        assert "devices" not in spec()["linux"]

    def test_one_is_there_and_may_be_used(self) -> None:
        linux = spec(replace(CONFIG, devices=(self.FUSE,)))["linux"]
        assert linux["devices"] == [
            {"path": "/dev/my", "type": "c", "major": 10, "minor": 229, "fileMode": 0o666}
            | {"uid": 0, "gid": 0}
        ]
        assert linux["resources"]["devices"][1:] == [
            {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"}
        ]

    def test_who_has_users_of_its_own_is_lent_them(self) -> None:
        """In a user namespace nobody makes devices, nor is one found there that is opened."""
        users = (IdMap(container=0, host=100_000, size=65_536),)
        config = replace(CONFIG, devices=(self.FUSE,), uid_maps=users, gid_maps=users)
        made = spec(config)
        assert "devices" not in made["linux"]
        assert made["linux"]["resources"]["devices"][1]["access"] == "rw"
        assert destinations(made)["/dev/my"] == {
            "destination": "/dev/my",
            "type": "bind",
            "source": "/dev/fuse",
            "options": ["bind", "private", "nosuid", "noexec"],
        }
        privileged = destinations(spec(replace(config, security=Security(privileged=True))))
        assert privileged["/dev/loop0"]["source"] == "/dev/loop0"
        assert "/dev/my" not in destinations(spec(replace(CONFIG, devices=(self.FUSE,))))

    def test_the_privileged_have_all_and_what_they_named(self) -> None:
        config = replace(CONFIG, devices=(self.FUSE,), security=Security(privileged=True))
        linux = spec(config)["linux"]
        assert [one["path"] for one in linux["devices"]] == ["/dev/loop0", "/dev/my"]
        assert linux["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
        assert FACTS.host_nodes[0].path == "/dev/loop0"


def test_sysctls() -> None:
    assert "sysctl" not in spec()["linux"]
    made = spec(replace(CONFIG, sysctls=(("net.ipv4.ip_forward", "1"),)))
    assert made["linux"]["sysctl"] == {"net.ipv4.ip_forward": "1"}


class TestWithoutCgroups:
    """A container that was made without one, wherever it is started (MAP L-63)."""

    NONE = replace(CONFIG, cgroup_parent="")

    def test_nothing_is_said_of_cgroups(self) -> None:
        linux = spec(self.NONE)["linux"]
        assert "cgroupsPath" not in linux
        assert set(linux["resources"]) == {"devices"}

    @pytest.mark.parametrize(
        ("wishes", "controller"),
        [({"memory": 64 << 20}, "memory"), ({"limits": Limits(pids=7)}, "pids")],
    )
    def test_no_limit_can_be_kept(self, wishes: dict[str, Any], controller: str) -> None:
        with pytest.raises(
            PortError, match=f"{controller} cannot be limited: the container has no"
        ):
            spec(replace(self.NONE, **wishes))
