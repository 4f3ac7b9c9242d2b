"""What the doctor says of hosts: this one, and such as lack something."""

import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from lockgate.adapters import doctor, rootless
from lockgate.adapters.doctor import Check, HostReport, survey
from lockgate.adapters.network import bridges
from lockgate.adapters.network.plugins import Plugins
from lockgate.adapters.oci import choose
from lockgate.adapters.oci.cgroups import Cgroups, Hierarchy
from lockgate.adapters.rootless import Obstacle
from lockgate.effects.outcome import PortError

V1 = Hierarchy(Path("/sys/fs/cgroup/memory"), frozenset({"memory"}))
V2 = Hierarchy(Path("/sys/fs/cgroup/unified"), frozenset())


def found(name: str, report: HostReport) -> Check:
    (check,) = (each for each in report.checks if each.name == name)
    return check


def test_this_host_is_ready_exactly_where_a_runtime_can_be_chosen() -> None:
    report = survey(Path.cwd())
    try:
        choose()
        works = True
    except PortError:
        works = False
    assert report.ready == works
    for name in ("user", "kernel", "cgroups", "runc", "crun", "conmon", "overlay", "nofile"):
        assert found(name, report).found
    assert all(each.advice for each in report.checks if each.verdict == "missing")


def test_one_thing_missing_is_enough() -> None:
    fine = Check("kernel", "ok", "6.1")
    assert HostReport((fine, Check("crun", "warn", "not installed"))).ready
    assert not HostReport((fine, Check("conmon", "missing", "not installed"))).ready


@pytest.mark.parametrize(
    ("hierarchies", "verdict", "advice"),
    [
        ((V1, V2), "warn", "crun refuses"),
        ((V1,), "ok", ""),
        ((V2,), "ok", ""),
        ((), "missing", "mount -t cgroup2"),
    ],
)
def test_cgroups(hierarchies: tuple[Hierarchy, ...], verdict: str, advice: str) -> None:
    check = doctor._cgroups(Cgroups(hierarchies))
    assert check.verdict == verdict
    assert advice in check.advice


@pytest.mark.parametrize(
    ("release", "verdict"),
    [("6.18.44-vm", "ok"), ("5.8", "ok"), ("5.4.0-150-generic", "missing"), ("odd", "missing")],
)
def test_kernels(release: str, verdict: str) -> None:
    assert doctor._kernel(release).verdict == verdict


def test_without_any_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find", lambda name: None)
    report = survey(Path.cwd())
    assert not report.ready
    assert found("conmon", report) == Check(
        "conmon", "missing", "not installed", "apt install conmon"
    )
    assert found("runtime", report).advice == "no OCI runtime works here: apt install runc"
    assert found("criu", report).verdict == "warn"


def test_an_ordinary_user_and_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(doctor, "_has_capability", lambda number: False)
    report = survey(Path.cwd())
    assert "not root" in found("user", report).found
    assert "CAP_SYS_RESOURCE" in found("nproc", report).advice


def test_few_queues_and_no_overlay(tmp_path: Path) -> None:
    (tmp_path / "instances").write_text("128\n")
    assert "max_user_instances=512" in doctor._inotify(tmp_path / "instances").advice
    assert doctor._overlay("nodev tmpfs\n").verdict == "warn"


def test_an_old_sqlite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 26, 0))
    assert doctor._sqlite().verdict == "missing"


@pytest.mark.parametrize(
    ("script", "verdict", "told"),
    [
        ("exit 0", "ok", ""),
        ("echo 'Error: vdso' >&2; exit 1", "warn", "says: Error: vdso"),
        ("exec sleep 5", "warn", "timed out"),
    ],
)
def test_criu_is_asked_whether_it_works(
    script: str, verdict: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    criu = tmp_path / "criu"
    criu.write_text(f"#!/bin/sh\n{script}\n")
    criu.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr("lockgate.adapters.oci.criu.PATIENCE", 0.3)
    check = doctor._criu()
    assert check.verdict == verdict
    assert told in check.advice


class TestRootless:
    OFF = Obstacle("user namespaces are off", "sysctl user.max_user_namespaces=15000")

    def test_what_others_would_need_keeps_nothing_from_root(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rootless, "of_the_host", lambda: (self.OFF,))
        (check,) = doctor._rootless(0)
        assert (check.verdict, check.found) == ("warn", "user namespaces are off")
        monkeypatch.setattr(rootless, "of_the_host", lambda: ())
        assert doctor._rootless(0)[0].verdict == "ok"

    def test_without_namespaces_an_ordinary_user_has_no_containers(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rootless, "obstacles", lambda uid: (self.OFF, self.OFF))
        namespaces, *rest = doctor._rootless(1000)
        assert namespaces.verdict == "missing"
        assert namespaces.advice.count("sysctl user.max_user_namespaces=15000") == 2
        assert all(check.verdict in ("ok", "warn") for check in rest)

    def test_a_cgroup_of_ones_own(self) -> None:
        assert doctor._delegation("/user.slice/lockgate").verdict == "ok"
        assert "Delegate=yes" in doctor._delegation("").advice

    @pytest.mark.parametrize(
        ("check", "program"),
        [(doctor._usermode, "passt"), (doctor._fuse, "fuse-overlayfs")],
    )
    def test_programs_and_their_devices(
        self,
        check: Callable[[Path], Check],
        program: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        device = tmp_path / "device"
        monkeypatch.setattr(doctor, "find", lambda name: None)
        assert check(device).verdict == "warn"
        monkeypatch.setattr(doctor, "find", lambda name: Path("/usr/bin") / name)
        assert f"chmod 666 {device}" in check(device).advice
        device.touch()
        assert check(device).verdict == "ok"


class TestNetworks:
    @pytest.fixture(autouse=True)
    def programs(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        there = ["iptables"]
        monkeypatch.setattr(doctor, "find", lambda name: Path(name) if name in there else None)
        return there

    @pytest.fixture
    def plugins(self, tmp_path: Path) -> Plugins:
        for name in bridges.PLUGINS:
            (tmp_path / name).touch(0o755)
        return Plugins((tmp_path,))

    def test_the_driver_bridge_is_the_first(self, plugins: Plugins) -> None:
        assert doctor._networks("", "", plugins, None).found.startswith("driver bridge")

    def test_with_plugins(self, plugins: Plugins, tmp_path: Path) -> None:
        check = doctor._networks("it needs nftables", "", plugins, None)
        assert check.found == f"driver cni: {tmp_path}"
        assert check.advice == "the driver bridge is faster; it needs nftables"

    def test_a_chain_that_would_drop_what_containers_send(self, plugins: Plugins) -> None:
        check = doctor._networks("", "ip filter FORWARD", plugins, None)
        assert check.found.startswith("driver cni")
        assert "nft insert rule ip filter FORWARD iifname 'lg-*' accept" in check.advice
        alone = doctor._networks("", "ip filter FORWARD", Plugins(()), None)
        assert "--network-driver bridge" in alone.advice

    def test_with_netavark_for_want_of_one_plugin(self, plugins: Plugins, tmp_path: Path) -> None:
        (tmp_path / "portmap").unlink()
        lacking = "it needs nftables"
        found = doctor._networks(lacking, "", plugins, Path("/netavark")).found
        assert found == "driver netavark: /netavark"
        nothing = doctor._networks(lacking, "", plugins, None)
        assert nothing.verdict == "warn" and "apt install iproute2 nftables" in nothing.advice

    def test_without_iptables(self, plugins: Plugins, programs: list[str]) -> None:
        programs.clear()
        check = doctor._networks("it needs nftables", "", plugins, None)
        assert check.advice == "apt install iptables"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks(
    number: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refused(fd: int, how: int) -> None:
        raise OSError(number, os.strerror(number))

    assert doctor._locks(tmp_path) == Check("locks", "ok", f"{tmp_path} has them")
    monkeypatch.setattr(fcntl, "flock", refused)
    check = doctor._locks(tmp_path / "to" / "be")
    assert (check.verdict, check.found) == ("missing", str(tmp_path))
    assert os.strerror(number) in check.advice
    assert "--root" in check.advice
