"""What is looked up for a run: asked anew each time, never decided, never followed out of a root."""

import json
import os
import resource
import socket
import stat
from pathlib import Path
from unittest.mock import patch

import pytest
from msgspec.structs import replace

from lockgate.adapters import facts as looked_up
from lockgate.adapters import labels
from lockgate.adapters.facts import RLIMITS, LocalSurroundings, host_nodes, inside, node
from lockgate.adapters.filesystem import LocalFilesystem
from lockgate.effects.config import Config, Device, Security, Tmpfs, VolumeMount
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Facts, Node

CONFIG = Config(id="c1")


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    (tmp_path / "rootfs/etc").mkdir(parents=True)
    (tmp_path / "rootfs/etc/passwd").write_bytes(b"root:x:0:0::/:/bin/sh\n")
    return tmp_path / "rootfs"


def facts(rootfs: Path, config: Config = CONFIG) -> Facts:
    root = rootfs.parent
    return LocalSurroundings(root, LocalFilesystem(root)).facts(config, str(rootfs))


def test_where_the_files_are_and_whose(rootfs: Path) -> None:
    found = facts(rootfs)
    assert found.bundle == str(rootfs.parent / "containers/c1")
    assert found.accounts.passwd == b"root:x:0:0::/:/bin/sh\n"
    assert (found.hostname, found.machine) == (socket.gethostname(), os.uname().machine)


class TestCapabilities:
    def test_those_we_have(self, rootfs: Path) -> None:
        line = "CapPrm:\t{:016x}\n"
        with patch.object(Path, "read_text", return_value="Name:\tx\n" + line.format(0b100001)):
            assert facts(rootfs).capabilities == ("CAP_CHOWN", "CAP_KILL")

    def test_who_may_raise_limits_has_none(self, rootfs: Path) -> None:
        everything = f"CapPrm:\t{2**41 - 1:016x}\n"
        whole = patch.object(looked_up, "confined", return_value=False)
        with whole, patch.object(Path, "read_text", return_value=everything):
            assert {most for _, most in facts(rootfs).rlimits} == {-1}
        with patch.object(Path, "read_text", return_value="CapPrm:\t0000000000000000\n"):
            known = dict(facts(rootfs).rlimits)
        assert known["nofile"] == resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def test_what_can_be_limited_and_what_we_are_worth(rootfs: Path) -> None:
    found = facts(rootfs)
    assert set(found.controllers) >= {"memory", "pids"} or not Path("/sys/fs/cgroup").is_mount()
    assert found.oom_score_adj == int(Path("/proc/self/oom_score_adj").read_text())


@pytest.mark.parametrize(("said", "enforced"), [(b"Y\n", True), (b"N\n", False), (None, False)])
def test_whether_profiles_of_apparmor_are_enforced(
    rootfs: Path, tmp_path: Path, said: bytes | None, enforced: bool
) -> None:
    if said is not None:
        (tmp_path / "enabled").write_bytes(said)
    with patch.object(looked_up, "APPARMOR", tmp_path / "enabled"):
        assert facts(rootfs).apparmor is enforced


@pytest.mark.parametrize("there", [True, False])
def test_whether_it_has_labels_and_is_run_by_systemd(
    rootfs: Path, tmp_path: Path, there: bool
) -> None:
    place = tmp_path if there else tmp_path / "absent"
    with patch.object(labels, "SELINUX", place), patch.object(looked_up, "SYSTEMD", place):
        found = facts(rootfs)
    assert (found.selinux, found.systemd) == (there, there)


def test_where_its_volumes_are(rootfs: Path) -> None:
    config = replace(CONFIG, mounts=(VolumeMount(volume="v", destination="/v"),))
    assert facts(rootfs, config).volumes == (("v", str(rootfs.parent / "volumes/v/data")),)


def test_limits_are_named_as_users_name_them() -> None:
    assert {"nofile", "nproc", "core", "memlock", "stack", "rtprio", "msgqueue"} <= set(RLIMITS)
    assert "ofile" not in RLIMITS


class TestDevices:
    def test_a_device_is_what_its_file_stands_for(self) -> None:
        null = node("/dev/null")
        assert (null.kind, null.major, null.minor) == ("c", 1, 3)
        assert null.mode == stat.S_IMODE(os.stat("/dev/null").st_mode)  # noqa: PTH116

    def test_by_its_name_in_the_config(self, rootfs: Path) -> None:
        config = replace(CONFIG, devices=(Device(source="/dev/null", destination="/dev/x"),))
        assert facts(rootfs, config).nodes == (("/dev/null", node("/dev/null")),)

    def test_through_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "by-name").symlink_to("/dev/null")
        assert node(str(tmp_path / "by-name")).minor == 3

    @pytest.mark.parametrize(
        ("path", "said"),
        [
            ("/dev/no-such-thing", "there is no device /dev/no-such-thing"),
            ("/dev/null/below", "there is no device"),
            ("/etc/passwd", "/etc/passwd is no device"),
            ("/dev", "/dev is no device"),
        ],
    )
    def test_what_is_none_is_a_clean_fault(self, path: str, said: str) -> None:
        with pytest.raises(PortError, match=said) as caught:
            node(path)
        assert (caught.value.fault.kind, caught.value.fault.dirty) == ("refused", False)

    def test_all_of_them_for_the_privileged_only(self, rootfs: Path) -> None:
        assert facts(rootfs).host_nodes == ()
        found = facts(rootfs, replace(CONFIG, security=Security(privileged=True))).host_nodes
        assert Node("/dev/null", *_told("/dev/null")) in found
        assert not [one for one in found if one.path.startswith(("/dev/pts/", "/dev/shm/"))]
        assert "/dev/ptmx" not in {one.path for one in found}

    def test_one_that_is_unplugged_meanwhile_is_not_there(self, tmp_path: Path) -> None:
        (tmp_path / "null").symlink_to("/dev/null")  # a second name, and no device of its own
        with patch("os.walk", return_value=[(str(tmp_path), [], ["ghost", "null"])]):
            assert list(host_nodes(str(tmp_path))) == []


def _told(path: str) -> tuple[str, int, int, int, int, int]:
    one = node(path)
    return one.kind, one.major, one.minor, one.mode, one.uid, one.gid


class TestInside:
    """Destinations of a tmpfs: links lead nowhere but inside (MAP §3.5, generateSpec 19)."""

    @pytest.mark.parametrize(
        ("link", "to", "path", "found"),
        [
            ("run", "/var/run", "/run/x", "/var/run/x"),
            ("run", "../../../../var", "/run", "/var"),
            ("run", "/", "/run/etc", "/etc"),
            ("run", "/", "/run", "/"),
            ("run", "/etc/passwd", "/run/below", "/etc/passwd/below"),
            ("run", "nowhere", "/run/x", "/nowhere/x"),
            ("run", "./var/./run", "/run/../x", "/var/x"),
            ("var/spool", "/etc", "/var/spool/x", "/etc/x"),
            ("var/spool", "run", "/var/spool/x", "/var/run/x"),
            ("other", "/etc", "/a/b/c", "/a/b/c"),
            ("other", "/etc", "/etc", "/etc"),
        ],
    )
    def test_links(self, rootfs: Path, link: str, to: str, path: str, found: str) -> None:
        (rootfs / "var/run").mkdir(parents=True)
        (rootfs / link).symlink_to(to)
        assert inside(str(rootfs), path) == found

    def test_as_many_as_the_kernel_follows(self, rootfs: Path) -> None:
        for number in range(41):
            (rootfs / f"l{number}").symlink_to(f"l{number + 1}")
        assert inside(str(rootfs), "/l1") == "/l41"
        with pytest.raises(PortError, match="leads nowhere"):
            inside(str(rootfs), "/l0")

    def test_a_loop_is_a_clean_fault(self, rootfs: Path) -> None:
        (rootfs / "a").symlink_to("/b")
        (rootfs / "b").symlink_to("/a")
        with pytest.raises(PortError, match="/a/x of the container leads nowhere") as caught:
            inside(str(rootfs), "/a/x")
        assert (caught.value.fault.kind, caught.value.fault.dirty) == ("damaged", False)

    def test_of_every_tmpfs_wanted(self, rootfs: Path) -> None:
        (rootfs / "tmp").symlink_to("/etc")
        config = replace(CONFIG, mounts=(Tmpfs(destination="/tmp"),))
        assert facts(rootfs, config).targets == (("/tmp", "/etc"),)


class TestFilesOfTheHost:
    def test_only_for_who_is_on_a_network(self, rootfs: Path) -> None:
        with patch.object(looked_up, "_host_file", side_effect=lambda path: str(path).encode()):
            none, host, web = (
                facts(rootfs, replace(CONFIG, network=network))
                for network in ("none", "host", "web")
            )
        assert (none.resolv_conf, none.hosts) == (b"", b"")
        assert (host.resolv_conf, host.hosts) == (b"/etc/resolv.conf", b"/etc/hosts")
        assert (web.resolv_conf, web.hosts) == (b"/etc/resolv.conf", b"")

    @pytest.mark.parametrize(
        ("listed", "behind", "found"),
        [
            (b"nameserver 127.0.0.53\n", b"nameserver 192.0.2.1\n", b"nameserver 192.0.2.1\n"),
            (b"nameserver 127.0.0.53\n", b"", b"nameserver 127.0.0.53\n"),
            (b"nameserver 192.0.2.2\n", b"nameserver 192.0.2.1\n", b"nameserver 192.0.2.2\n"),
        ],
    )
    def test_behind_a_stub_are_the_servers(
        self, rootfs: Path, listed: bytes, behind: bytes, found: bytes
    ) -> None:
        kept = {Path("/etc/resolv.conf"): listed, looked_up.RESOLVED: behind}
        with patch.object(looked_up, "_host_file", side_effect=kept.get):
            assert facts(rootfs, replace(CONFIG, network="web")).resolv_conf == found

    def test_one_that_is_not_there_is_empty(self, rootfs: Path, tmp_path: Path) -> None:
        """MAP L-161."""
        with patch.object(looked_up, "RESOLVED", tmp_path / "absent"):
            assert looked_up._host_file(looked_up.RESOLVED) == b""


class TestProfiles:
    def test_the_default_one_names_its_source(self, rootfs: Path) -> None:
        profile = json.loads(facts(rootfs).seccomp)
        assert profile["source"].startswith("Generated from the system call tables of Linux")
        named = [
            name for rule in profile["syscalls"] if "args" not in rule for name in rule["names"]
        ]
        assert {"read", "mount", "clone"} <= set(named)

    def test_one_of_ones_own(self, rootfs: Path, tmp_path: Path) -> None:
        (tmp_path / "own.json").write_bytes(b"{}")
        security = Security(seccomp=str(tmp_path / "own.json"))
        assert facts(rootfs, replace(CONFIG, security=security)).seccomp == b"{}"

    def test_none(self, rootfs: Path) -> None:
        security = Security(seccomp="unconfined")
        assert facts(rootfs, replace(CONFIG, security=security)).seccomp == b""

    def test_one_that_is_not_there(self, rootfs: Path) -> None:
        security = Security(seccomp="/no/such/profile")
        with pytest.raises(PortError, match="no seccomp profile /no/such/profile") as caught:
            facts(rootfs, replace(CONFIG, security=security))
        assert (caught.value.fault.kind, caught.value.fault.dirty) == ("refused", False)
