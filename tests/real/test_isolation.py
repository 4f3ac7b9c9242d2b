"""Each wish of how a container is shut in has its effect inside a real one."""

import os
from pathlib import Path
from typing import Any

import pytest

from lockgate import (
    Bind,
    Device,
    Dns,
    Engine,
    InvalidArgument,
    Limits,
    Namespaces,
    OperationFailed,
    Record,
    Secret,
    Security,
    Tmpfs,
    Ulimit,
)
from lockgate.statemachine.history import encode_entry

pytestmark = pytest.mark.real

NET_RAW, NET_BIND_SERVICE = 1 << 13, 1 << 10


def create(engine: Engine, script: str, **wishes: Any) -> Record:
    return engine.create(name="web", image="busybox", command=["sh", "-c", script], **wishes)


def said(engine: Engine, script: str, **wishes: Any) -> list[str]:
    """What a script says in a container of its own, standard error included."""
    create(engine, script, **wishes)
    written = (line.text + ("" if line.partial else "\n") for line in engine.run_to_end("web"))
    return "".join(written).splitlines()


def status(engine: Engine, **wishes: Any) -> dict[str, str]:
    lines = said(engine, "cat /proc/self/status", **wishes)
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def capabilities(engine: Engine, kind: str = "CapEff", **wishes: Any) -> int:
    return int(status(engine, **wishes)[kind], 16)


class TestPrivileges:
    def test_by_default(self, engine: Engine) -> None:
        seen = status(engine)
        assert seen["Seccomp"] == "2"
        assert seen["NoNewPrivs"] == "0"
        assert seen["CapEff"] == seen["CapBnd"] == "00000000800405fb"
        assert seen["CapInh"] == seen["CapAmb"] == "0" * 16

    def test_no_new_ones(self, engine: Engine) -> None:
        assert status(engine, security=Security(no_new_privileges=True))["NoNewPrivs"] == "1"

    def test_a_capability_more(self, engine: Engine) -> None:
        assert capabilities(engine, security=Security(cap_add=("net_raw",))) & NET_RAW

    def test_none_but_one(self, engine: Engine) -> None:
        security = Security(cap_drop=("ALL",), cap_add=("NET_RAW",))
        assert capabilities(engine, "CapBnd", security=security) == NET_RAW

    def test_another_user_has_none_in_effect_but_those_named(self, engine: Engine) -> None:
        assert capabilities(engine, user="web") == 0
        engine.remove("web")
        security = Security(cap_add=("NET_BIND_SERVICE",))
        assert capabilities(engine, user="web", security=security) == NET_BIND_SERVICE

    def test_one_this_host_cannot_give_is_refused_in_words(self, engine: Engine) -> None:
        if int(_of_this_process("CapPrm"), 16) & 1 << 24:
            pytest.skip("this host can give every capability")
        create(engine, "true", security=Security(cap_add=("SYS_RESOURCE",)))
        with pytest.raises(OperationFailed, match="cannot give CAP_SYS_RESOURCE"):
            engine.start("web")

    def test_all_of_them(self, engine: Engine) -> None:
        seen = status(engine, security=Security(privileged=True))
        assert seen["CapEff"] == _of_this_process("CapPrm")
        assert seen["Seccomp"] == "0"

    def test_the_privileged_use_devices_they_make(self, engine: Engine) -> None:
        """Others cannot under runc; crun 1.8 takes `nodev` from every root, and leaves it to cgroups."""
        script = "mknod /zero c 1 5 && head -c 1 /zero | wc -c"
        assert said(engine, script, security=Security(privileged=True)) == ["1"]


class TestSeccomp:
    OWN_USERS = "busybox unshare -U true && echo done"  # needs no capability, only the system call

    def test_the_default_profile_refuses_what_few_need(self, engine: Engine) -> None:
        (refused,) = said(engine, self.OWN_USERS)
        assert "not permitted" in refused

    def test_a_capability_brings_its_system_calls(self, engine: Engine) -> None:
        security = Security(cap_add=("SYS_ADMIN",))
        assert said(engine, self.OWN_USERS, security=security) == ["done"]

    def test_unconfined(self, engine: Engine) -> None:
        security = Security(seccomp="unconfined")
        assert said(engine, f"{self.OWN_USERS}", security=security)[0] == "done"

    def test_a_profile_of_ones_own(self, engine: Engine, tmp_path: Path) -> None:
        own = tmp_path / "own.json"
        own.write_text(
            '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"],'
            ' "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}'
        )
        lines = said(engine, "mkdir /x", security=Security(seccomp=str(own)))
        assert "No space left" in lines[0]


def test_what_systemd_needs(engine: Engine) -> None:
    """Memory at its places, and groups it may make where it looks for its own."""
    script = (
        "for d in /run /tmp /var/log/journal; do touch $d/x && stat -f -c %T $d; done;"
        "cd /sys/fs/cgroup/systemd 2>/dev/null || cd /sys/fs/cgroup; mkdir unit && rmdir unit && echo mine"
    )
    assert said(engine, script, systemd=True, read_only=True) == ["tmpfs"] * 3 + ["mine"]


class TestPaths:
    def test_hidden_and_shown(self, engine: Engine) -> None:
        script = "cat /proc/interrupts | wc -l; echo 1 2>&1 > /proc/sys/kernel/panic"
        count, refused = said(engine, script)
        assert count == "0"
        assert "Read-only file system" in refused
        engine.remove("web")
        shown = said(engine, "cat /proc/interrupts | wc -l", security=Security(unmask=("ALL",)))
        assert int(shown[0]) > 0

    def test_more_hidden(self, engine: Engine) -> None:
        security = Security(mask=("/proc/uptime",))
        assert said(engine, "cat /proc/uptime", security=security) == []


class TestRoot:
    def test_read_only(self, engine: Engine) -> None:
        script = "touch /x 2>&1; touch /etc/hosts 2>&1; touch /dev/shm/x && echo written"
        *refused, last = said(engine, script, read_only=True)
        assert ["Read-only" in line for line in refused] == [True, True]
        assert last == "written"

    def test_read_only_but_for_a_tmpfs(self, engine: Engine) -> None:
        script = "touch /new/x && stat -c %a /new && cat /proc/mounts"
        mode, *mounts = said(
            engine,
            script,
            read_only=True,
            mounts=[Tmpfs(destination="/new", size=1 << 20, mode=0o700)],
        )
        assert mode == "700"
        (line,) = [one for one in mounts if " /new " in one]
        assert {"rw", "nosuid", "nodev", "noexec", "size=1024k"} <= set(line.split()[3].split(","))


class TestMounts:
    @pytest.fixture
    def shared(self, tmp_path: Path) -> Path:
        (tmp_path / "shared").mkdir()
        (tmp_path / "shared/here").write_text("from outside\n")
        return tmp_path / "shared"

    def test_a_bind_goes_both_ways(self, engine: Engine, shared: Path) -> None:
        mounts = [Bind(source=str(shared), destination="/data/deep")]
        assert said(engine, "cat /data/deep/here; echo in > /data/deep/there", mounts=mounts) == [
            "from outside"
        ]
        assert (shared / "there").read_text() == "in\n"

    def test_read_only_it_goes_one_way(self, engine: Engine, shared: Path) -> None:
        mounts = [Bind(source=str(shared), destination="/data", readonly=True, noexec=True)]
        script = "touch /data/x 2>&1; cat /proc/mounts"
        refused, *lines = said(engine, script, mounts=mounts)
        assert "Read-only" in refused
        (line,) = [one for one in lines if " /data " in one]
        assert {"ro", "noexec"} <= set(line.split()[3].split(","))
        assert list(shared.iterdir()) == [shared / "here"]

    def test_a_child_within_its_parent(self, engine: Engine, shared: Path) -> None:
        mounts = [
            Bind(source=str(shared / "here"), destination="/data/file"),
            Tmpfs(destination="/data"),
        ]
        assert said(engine, "cat /data/file", mounts=mounts) == ["from outside"]

    def test_a_link_of_the_image_leads_nowhere_outside(
        self, engine: Engine, tmp_path: Path
    ) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        rootfs = tmp_path / "rootfs"
        _unpacked(tmp_path / "busybox.tar", rootfs)
        (rootfs / "trap").symlink_to(f"/../../../..{outside}")
        engine.create(
            name="web",
            rootfs=rootfs,
            command=["sh", "-c", "touch /trap/x; cat /proc/mounts"],
            mounts=[Tmpfs(destination="/trap/in")],
        )
        lines = [line.text for line in engine.run_to_end("web")]
        assert any(line.split()[1] == f"{outside}/in" for line in lines if " tmpfs " in line)
        assert list(outside.iterdir()) == []

    def test_nor_do_links_where_the_engines_files_are_to_be(
        self, engine: Engine, tmp_path: Path
    ) -> None:
        """MAP L-41's kind: whoever made the image chose where our files would land."""
        outside, rootfs = tmp_path / "outside", tmp_path / "rootfs"
        outside.mkdir()
        (outside / "hosts").write_text("precious")
        _unpacked(tmp_path / "busybox.tar", rootfs)
        up = "/../../../.."
        (rootfs / "etc/hosts").symlink_to(f"{up}{outside}/hosts")
        (rootfs / "etc/hostname").symlink_to(f"{up}{outside}/hostname")
        (rootfs / "run").rmdir()
        (rootfs / "run").symlink_to(f"{up}{outside}")
        secret = Secret(name="t", source=str(outside / "hosts"))
        engine.create(name="web", rootfs=rootfs, command=["true"], secrets=[secret])
        for _ in engine.run_to_end("web"):
            pass
        assert [path.name for path in outside.iterdir()] == ["hosts"]
        assert (outside / "hosts").read_text() == "precious"

    def test_what_the_host_mounts_later_is_seen_by_a_slave_only(
        self, engine: Engine, shared: Path
    ) -> None:
        from lockgate.adapters.syscalls import MountFlag, mount, unmount

        (shared / "below").mkdir()
        mount(str(shared), shared, "", MountFlag.BIND)
        try:
            mount("", shared, "", MountFlag(1 << 20))  # MS_SHARED
            wait = "while [ ! -e /slave/go ]; do sleep 0.02; done; cat /slave/below/x /own/below/x"
            create(
                engine,
                wait,
                mounts=[
                    Bind(source=str(shared), destination="/slave", propagation="rslave"),
                    Bind(source=str(shared), destination="/own"),
                ],
            )
            engine.start("web")
            mount("tmpfs", shared / "below", "tmpfs", MountFlag(0))
            try:
                (shared / "below/x").write_text("later\n")
                (shared / "go").touch()
                engine.wait("web", timeout=60)
            finally:
                unmount(shared / "below")
            seen, missing = sorted((line.stream, line.text) for line in engine.logs("web"))[::-1]
            assert seen == ("stdout", "later")
            assert missing[0] == "stderr" and "/own/below/x" in missing[1]
        finally:
            unmount(shared)

    def test_shared_memory(self, engine: Engine) -> None:
        lines = said(engine, "cat /proc/mounts", limits=Limits(shm=1 << 20))
        (line,) = [one for one in lines if " /dev/shm " in one]
        assert "size=1024k" in line


class TestFiles:
    def test_a_container_knows_its_name_and_friends(self, engine: Engine) -> None:
        lines = said(
            engine,
            "cat /etc/hostname /etc/hosts; hostname; echo $HOSTNAME",
            hostname="lock",
            hosts=[("db", "192.0.2.7")],
        )
        assert lines == [
            "lock",
            "192.0.2.7\tdb",
            "127.0.0.1\tlocalhost",
            "::1\tlocalhost ip6-localhost ip6-loopback",
            "127.0.0.1\tlock web",
            "lock",
            "lock",
        ]

    def test_who_answers_for_names(self, engine: Engine) -> None:
        dns = Dns(("192.0.2.53",), ("lock.example",), ("ndots:2",))
        assert said(engine, "cat /etc/resolv.conf", dns=dns) == [
            "nameserver 192.0.2.53",
            "search lock.example",
            "options ndots:2",
        ]

    def test_on_the_hosts_network_what_the_host_has(self, engine: Engine) -> None:
        script = "cat /etc/hosts; echo --; cat /etc/resolv.conf; echo --; hostname"
        text = "\n".join(said(engine, script, network="host"))
        hosts, _, name = text.split("--")
        assert Path("/etc/hosts").read_text().split() == hosts.split()
        assert name.strip() == os.uname().nodename

    def test_programs_can_tell_that_they_are_contained(self, engine: Engine) -> None:
        lines = said(engine, "cat /run/.containerenv; echo $container")
        assert 'engine="lockgate"' in lines and lines[-1] == "lockgate"

    def test_the_image_is_not_changed_by_them(self, engine: Engine) -> None:
        said(engine, "echo mine >> /etc/hosts; cat /etc/hosts")
        engine.start("web")
        engine.wait("web")
        lines = [line.text for line in engine.logs("web")]
        assert lines.count("mine") == 2 and lines.count("127.0.0.1\tlocalhost") == 2

    def test_a_stranger_has_a_line_of_its_own(self, engine: Engine) -> None:
        assert said(engine, "whoami; id -G", user="1234") == ["1234", "0"]


class TestSecrets:
    @pytest.fixture
    def token(self, tmp_path: Path) -> Path:
        path = tmp_path / "token"
        path.write_text("hush-hush")
        return path

    def test_it_is_there_and_nowhere_else(
        self, engine: Engine, tmp_path: Path, token: Path
    ) -> None:
        secret = Secret(name="token", source=str(token), uid=33, gid=34, mode=0o440)
        script = "stat -c '%a %u %g' $S; echo $(cat $S); { echo x > $S; } 2>&1"
        told = said(engine, script, secrets=[secret], env={"S": "/run/secrets/token"})
        assert told[:2] == ["440 33 34", "hush-hush"]
        assert "Read-only" in told[2]
        history = b"".join(encode_entry(entry) for entry in engine.history("web"))
        assert b"hush-hush" not in history
        held = {
            path
            for path in (tmp_path / "root").rglob("*")
            if path.is_file() and b"hush-hush" in path.read_bytes()
        }
        web = engine.inspect("web").id
        bundle = tmp_path / "root/containers" / web
        assert held == {bundle / "secrets/token", bundle / "ctr.log"}  # it was told to say it

    def test_it_stays_as_it_was_when_the_container_was_made(
        self, engine: Engine, token: Path
    ) -> None:
        create(engine, "cat /run/secrets/t", secrets=[Secret(name="t", source=str(token))])
        token.write_text("other")
        assert [line.text for line in engine.run_to_end("web")] == ["hush-hush"]

    def test_it_goes_with_the_container(self, engine: Engine, tmp_path: Path, token: Path) -> None:
        said(engine, "true", secrets=[Secret(name="t", source=str(token))])
        engine.remove("web")
        assert not [*(tmp_path / "root").rglob("secrets")]


class TestLimits:
    def test_of_the_group(self, engine: Engine) -> None:
        limits = Limits(
            memory_swap=96 << 20,
            memory_reservation=32 << 20,
            cpu_quota=50_000,
            cpu_period=100_000,
            cpu_shares=512,
            cpuset_cpus="0",
            pids=33,
        )
        create(engine, "sleep 600", memory=64 << 20, limits=limits)
        engine.start("web")
        web = engine.inspect("web").id
        kept = {
            "memory/memory.limit_in_bytes": 64 << 20,
            "memory/memory.soft_limit_in_bytes": 32 << 20,
            "cpu/cpu.cfs_quota_us": 50_000,
            "cpu/cpu.shares": 512,
            "cpuset/cpuset.cpus": 0,
            "pids/pids.max": 33,
        }
        for name, number in kept.items():
            controller, file = name.split("/")
            path = Path("/sys/fs/cgroup", controller, "lockgate", web, file)
            assert int(path.read_text()) == number, name
        engine.kill("web")

    def test_of_each_process(self, engine: Engine) -> None:
        limits = Limits(
            ulimits=(Ulimit(name="nofile", soft=100, hard=200), Ulimit(name="core", soft=0, hard=0))
        )
        script = "ulimit -Sn; ulimit -Hn; ulimit -Hc"
        assert said(engine, script, limits=limits) == ["100", "200", "0"]

    def test_more_than_the_host_has_is_refused_in_words(self, engine: Engine) -> None:
        """HOST §2: the runtime says only that an operation is not permitted."""
        import resource

        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if int(_of_this_process("CapPrm"), 16) & 1 << 24:
            pytest.skip("this host lets limits be raised")
        create(
            engine, "true", limits=Limits(ulimits=(Ulimit(name="nofile", soft=1, hard=most + 1),))
        )
        with pytest.raises(OperationFailed, match=f"{most} is the most this host can give"):
            engine.start("web")

    def test_who_dies_first(self, engine: Engine) -> None:
        lines = said(engine, "cat /proc/self/oom_score_adj", limits=Limits(oom_score_adj=500))
        assert lines == ["500"]


class TestDevices:
    LOOP = Device(source="/dev/loop-control", destination="/dev/mine", access="r")

    @pytest.fixture(autouse=True)
    def there(self) -> None:
        if not Path("/dev/loop-control").exists():
            pytest.skip("this host has no /dev/loop-control")

    def test_one_is_there_and_may_be_used_as_said(self, engine: Engine) -> None:
        numbers = os.stat("/dev/loop-control").st_rdev  # noqa: PTH116
        script = "stat -c '%F %t %T' $D; : < $D && echo read; { : > $D; } 2>&1"
        kind, read, refused = said(engine, script, devices=[self.LOOP], env={"D": "/dev/mine"})
        assert kind == f"character special file {os.major(numbers):x} {os.minor(numbers):x}"
        assert read == "read"
        assert "not permitted" in refused

    def test_others_may_not_be_used_even_when_made(self, engine: Engine) -> None:
        number = os.stat("/dev/loop-control").st_rdev  # noqa: PTH116
        made = f"busybox mknod /new/x c {os.major(number)} {os.minor(number)}"
        lines = said(
            engine,
            f"{made} && {{ : < /new/x; }} 2>&1; ls /dev",
            security=Security(cap_add=("MKNOD",)),
            mounts=[Tmpfs(destination="/new", nodev=False)],
        )
        assert "not permitted" in lines[0]
        assert "loop-control" not in lines

    def test_the_privileged_have_them_all(self, engine: Engine) -> None:
        lines = said(engine, "ls /dev/loop-control", security=Security(privileged=True))
        assert lines == ["/dev/loop-control"]


class TestNamespaces:
    @pytest.mark.parametrize("kind", ["pid", "ipc", "uts", "cgroup"])
    def test_own_or_the_hosts(self, engine: Engine, kind: str) -> None:
        script = f"ls -l /proc/self/ns/{kind}"
        here = str(Path(f"/proc/self/ns/{kind}").readlink())
        assert not said(engine, script)[0].endswith(here)
        engine.remove("web")
        shared: dict[str, Any] = {kind: "host"}
        assert said(engine, script, namespaces=Namespaces(**shared))[0].endswith(here)

    def test_sysctls_of_its_own(self, engine: Engine) -> None:
        wishes = {"net.ipv4.ip_forward": "1", "kernel.shmmni": "99"}
        script = "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni"
        assert said(engine, script, sysctls=wishes) == ["1", "99"]
        with pytest.raises(InvalidArgument, match="it is the whole host's"):
            engine.create(image="busybox", command=["true"], sysctls={"vm.swappiness": "1"})


def test_groups(engine: Engine) -> None:
    assert said(engine, "id -G", user="web", groups=["4321"]) == ["34 4 4321"]


def _of_this_process(field: str) -> str:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{field}:"))


def _unpacked(archive: Path, rootfs: Path) -> None:
    import tarfile

    with tarfile.open(archive) as tar:
        tar.extractall(rootfs, filter="fully_trusted")
