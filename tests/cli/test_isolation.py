"""Wishes as words: each becomes the value that was meant, or a usage error that says how to write."""

import json
from pathlib import Path
from typing import Any

import pytest

from lockgate.cli.exits import USAGE
from lockgate.effects.config import (
    Bind,
    Config,
    Device,
    Limits,
    Namespaces,
    Secret,
    Security,
    Tmpfs,
    Ulimit,
    VolumeMount,
)
from lockgate.effects.network import Dns

from .conftest import Shell


def made(shell: Shell, *options: str) -> Config:
    shell.ok("create", "--name", "web", "--image", "busybox", *options)
    return shell.engine.inspect("web").config


def refused(shell: Shell, *options: str) -> str:
    line = shell.no(2, "create", "--name", "web", "--image", "busybox", *options)
    assert shell.engine.list() == ()
    return line


def test_run_says_so_too_and_with_the_same_code(shell: Shell) -> None:
    line = shell.no(2, "run", "--image", "busybox", "-v", "./data:/data")
    assert line.endswith("(see `lockgate run --help`)")


def test_nothing_asked_nothing_changed(shell: Shell) -> None:
    plain = made(shell)
    assert (plain.limits, plain.security, plain.dns) == (Limits(), Security(), Dns())


def test_inspect_tells_of_it_and_of_the_defaults(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hush")
    made(shell, "--tmpfs", "/tmp:ro", "--cpus", "1", "--secret", f"t,src={tmp_path}/token")
    told = shell.ok("inspect", "web")
    (shown,) = json.loads(told)
    assert shown["mounts"] == [{"type": "tmpfs", "destination": "/tmp", "readonly": True}]
    assert (shown["limits"]["cpu_quota"], shown["limits"]["shm"]) == (100_000, 64 << 20)
    own = ("pid", "ipc", "uts", "cgroup", "mount")
    assert shown["namespaces"] == {"user": "", **dict.fromkeys(own, "private")}
    assert shown["secrets"] == [{"name": "t", "source": f"{tmp_path}/token"}]
    assert "hush" not in told


class TestMounts:
    @pytest.mark.parametrize(
        ("options", "meant"),
        [
            ("", {}),
            (":ro", {"readonly": True}),
            (":rw,z", {"relabel": "shared"}),
            (":Z", {"relabel": "private"}),
            (":bind,rslave", {"recursive": False, "propagation": "rslave"}),
            (":nosuid,nodev,noexec", {"nosuid": True, "nodev": True, "noexec": True}),
            (":noexec,exec,rbind", {}),
        ],
    )
    def test_volumes(
        self, shell: Shell, tmp_path: Path, options: str, meant: dict[str, Any]
    ) -> None:
        config = made(shell, "-v", f"{tmp_path}:/data{options}")
        assert config.mounts == (Bind(source=str(tmp_path), destination="/data", **meant),)

    def test_volumes_by_name_and_of_its_own(self, shell: Shell) -> None:
        config = made(shell, "-v", "data:/data:ro,exec", "-v", "/own")
        named, own = config.mounts
        assert named == VolumeMount(volume="data", destination="/data", readonly=True)
        assert isinstance(own, VolumeMount)
        assert (own.destination, own.anonymous, len(own.volume)) == ("/own", True, 64)

    def test_volumes_as_mounts(self, shell: Shell) -> None:
        config = made(
            shell, "--mount", "type=volume,src=data,dst=/a,ro", "--mount", "type=volume,dst=/b"
        )
        named, own = config.mounts
        assert named == VolumeMount(volume="data", destination="/a", readonly=True)
        assert isinstance(own, VolumeMount) and own.anonymous

    def test_parts_of_volumes(self, shell: Shell) -> None:
        shell.ok("volume", "create", "data")
        words = ("--mount", "type=volume,src=data,dst=/a,subpath=/b//c/")
        there, part = made(shell, *words, "-v", "data:/there:nocreate").mounts
        assert part == VolumeMount(volume="data", destination="/a", subpath="b/c")
        assert there == VolumeMount(volume="data", destination="/there", existing=True)

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ("./data:/data", "'./data' is no absolute path"),
            ("data:/data:bind", "'bind' is no option here"),
            ("da ta:/data", "cannot be a name"),
            (":/data", "write SRC:DST"),
            ("/a:/b:ro:rw", "write SRC:DST"),
            ("/:/b:odd", "'odd' is no option here; there are ro"),
            ("/no/such:/b", "there is no /no/such to mount"),
        ],
    )
    def test_what_is_no_volume(self, shell: Shell, words: str, said: str) -> None:
        assert said in refused(shell, "-v", words)

    @pytest.mark.parametrize(
        ("words", "meant"),
        [
            ("type=bind,src=/,dst=/a", Bind(source="/", destination="/a")),
            ("source=/,target=/a,ro", Bind(source="/", destination="/a", readonly=True)),
            ("src=/,destination=/a,ro=false", Bind(source="/", destination="/a")),
            ("src=/,dst=/a,rw=false", Bind(source="/", destination="/a", readonly=True)),
            (
                "src=/,dst=/a,bind-propagation=shared,bind-nonrecursive",
                Bind(source="/", destination="/a", propagation="shared", recursive=False),
            ),
            ("type=tmpfs,dst=/a", Tmpfs(destination="/a")),
            (
                "type=tmpfs,dst=/a,tmpfs-size=1k,tmpfs-mode=0700,tmpcopyup,exec",
                Tmpfs(destination="/a", size=1024, mode=0o700, copy_up=True, noexec=False),
            ),
        ],
    )
    def test_mounts(self, shell: Shell, words: str, meant: Bind | Tmpfs) -> None:
        assert made(shell, "--mount", words).mounts == (meant,)

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ("type=odd,dst=/a", "'odd' is no type of mount there is"),
            ("type=bind,dst=/a", "a bind needs src=PATH and dst=PATH"),
            ("type=tmpfs", "a tmpfs needs dst=PATH"),
            ("type=tmpfs,src=/,dst=/a", "no option of another"),
            ("type=volume,dst=/a,subpath=b", "there is nothing yet"),
            ("type=volume,dst=/a,nocreate", "there is nothing yet"),
            ("type=volume,src=v,dst=/a,subpath=../b", "'../b' is no part of a volume"),
            ("type=volume,src=v,dst=/a,subpath=/", "'/' is no part of a volume"),
            ("src=/,dst=/a,tmpfs-size=1k", "no option of another"),
            ("src=/,dst=/a,bind-propagation=odd", "'bind-propagation=odd' is no option here"),
            ("src=/,dst=/a,ro=maybe", "'maybe' is neither true nor false"),
            ("src=/,dst=/a,ro=", "'' is neither true nor false"),
            ("type=tmpfs,dst=/a,tmpfs-mode=9", "'9' is no mode"),
            ("type=tmpfs,dst=/a,tmpfs-size=x", "'x' is no size"),
            ("type=tmpfs,dst=/a,rslave", "'rslave' is no option here"),
        ],
    )
    def test_what_is_no_mount(self, shell: Shell, words: str, said: str) -> None:
        assert said in refused(shell, "--mount", words)

    def test_tmpfs(self, shell: Shell) -> None:
        config = made(shell, "--tmpfs", "/a", "--tmpfs", "/b:size=64m,mode=700,ro,exec,tmpcopyup")
        assert config.mounts == (
            Tmpfs(destination="/a"),
            Tmpfs(
                destination="/b",
                size=64 << 20,
                mode=0o700,
                readonly=True,
                noexec=False,
                copy_up=True,
            ),
        )

    @pytest.mark.parametrize("words", ["/a:size", "/a:mode", "/a:rbind", "/a:mode=-1", "/a:size="])
    def test_what_is_no_tmpfs(self, shell: Shell, words: str) -> None:
        assert "--tmpfs" in refused(shell, "--tmpfs", words)

    def test_a_root_that_cannot_be_written_to(self, shell: Shell) -> None:
        assert made(shell, "--read-only").read_only


class TestThings:
    @pytest.mark.parametrize(
        ("words", "destination", "access"),
        [
            ("/dev/null", "/dev/null", "rwm"),
            ("/dev/null:rw", "/dev/null", "rw"),
            ("/dev/null:/dev/x", "/dev/x", "rwm"),
            ("/dev/null:/dev/x:r", "/dev/x", "r"),
        ],
    )
    def test_devices(self, shell: Shell, words: str, destination: str, access: str) -> None:
        (found,) = made(shell, "--device", words).devices
        assert found == Device(source="/dev/null", destination=destination, access=access)

    def test_what_is_no_device(self, shell: Shell) -> None:
        assert "write DEVICE[:DEVICE INSIDE][:rwm]" in refused(shell, "--device", "/a:/b:r:w")
        assert "'x' is no access" in refused(shell, "--device", "/dev/null:/dev/x:x")

    def test_secrets(self, shell: Shell, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text("hush")
        config = made(
            shell,
            *("--secret", f"one,src={file}"),
            *("--secret", f"two,source={file},uid=33,gid=34,mode=440"),
        )
        assert config.secrets == (
            Secret(name="one", source=str(file)),
            Secret(name="two", source=str(file), uid=33, gid=34, mode=0o440),
        )

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ("one", "where is the secret 'one' to come from? write one,src=FILE"),
            ("one,src=", "where is the secret 'one' to come from?"),
            ("one,uid=root", "'uid=root': write src=FILE, uid=N"),
            ("one,src=/no/such", "no such file"),
        ],
    )
    def test_what_is_no_secret(self, shell: Shell, words: str, said: str) -> None:
        assert said in refused(shell, "--secret", words)

    def test_names(self, shell: Shell) -> None:
        config = made(
            shell,
            *("--add-host", "db:192.0.2.1"),
            *("--add-host", "db:[2001:db8::1]"),
            *("--add-host", "db:2001:db8::2"),
            *("--dns", "192.0.2.53", "--dns-search", "a.example", "--dns-option", "ndots:2"),
            *("--group-add", "log", "--group-add", "7"),
            *("--sysctl", "net.core.somaxconn=9"),
        )
        addresses = ("192.0.2.1", "2001:db8::1", "2001:db8::2")
        assert config.hosts == tuple(("db", one) for one in addresses)
        assert config.dns == Dns(("192.0.2.53",), ("a.example",), ("ndots:2",))
        assert config.groups == ("log", "7")
        assert config.sysctls == (("net.core.somaxconn", "9"),)

    @pytest.mark.parametrize("words", ["db", "db:", ":192.0.2.1"])
    def test_what_is_no_host(self, shell: Shell, words: str) -> None:
        assert "write NAME:ADDRESS" in refused(shell, "--add-host", words)


class TestEnvironment:
    def test_files_come_first_and_the_last_wins(
        self, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MINE", "own")
        monkeypatch.delenv("UNSET", raising=False)
        (tmp_path / "one").write_bytes(b"# remark\n\n A=1\r\nB=x=y \nMINE\nUNSET\n")
        (tmp_path / "two").write_text("B=2\nC=3")
        files = ("--env-file", str(tmp_path / "one"), "--env-file", str(tmp_path / "two"))
        assert made(shell, *files, "-e", "C=4").env == ("A=1", "B=2", "MINE=own", "C=4")

    def test_a_file_is_taken_as_it_stands(self, shell: Shell, tmp_path: Path) -> None:
        (tmp_path / "one").write_text('A="q" # no remark \n')
        assert made(shell, "--env-file", str(tmp_path / "one")).env == ('A="q" # no remark ',)

    def test_a_file_that_cannot_be_read(self, shell: Shell, tmp_path: Path) -> None:
        assert "No such file" in refused(shell, "--env-file", str(tmp_path / "none"))
        (tmp_path / "odd").write_bytes(b"A=\xff")
        assert "is not UTF-8" in refused(shell, "--env-file", str(tmp_path / "odd"))
        (tmp_path / "odd").write_text("=x")
        assert "write NAME=VALUE" in refused(shell, "--env-file", str(tmp_path / "odd"))


class TestLimits:
    def test_all_of_them(self, shell: Shell) -> None:
        config = made(
            shell,
            *("--memory", "64m", "--memory-swap", "-1", "--memory-reservation", "32m"),
            *("--cpus", "1.5", "--cpu-shares", "512", "--cpuset-cpus", "0-1", "--cpuset-mems", "0"),
            *("--pids-limit", "-1", "--shm-size", "1m", "--oom-score-adj", "-5"),
            *("--ulimit", "nofile=10:20", "--ulimit", "core=unlimited", "--ulimit", "nproc=-1:-1"),
        )
        assert config.limits == Limits(
            memory_swap=-1,
            memory_reservation=32 << 20,
            cpu_quota=150_000,
            cpu_period=100_000,
            cpu_shares=512,
            cpuset_cpus="0-1",
            cpuset_mems="0",
            pids=-1,
            shm=1 << 20,
            oom_score_adj=-5,
            ulimits=(
                Ulimit(name="nofile", soft=10, hard=20),
                Ulimit(name="core", soft=-1, hard=-1),
                Ulimit(name="nproc", soft=-1, hard=-1),
            ),
        )

    def test_no_processors_is_no_limit(self, shell: Shell) -> None:
        assert made(shell, "--cpus", "0").limits == Limits()

    @pytest.mark.parametrize(
        ("option", "words", "said"),
        [
            ("--cpus", "many", "'many' is no number of processors"),
            ("--cpus", "nan", "'nan' is no number of processors"),
            ("--cpus", "-1", "'-1' is no number of processors"),
            ("--cpus", "1e99", "'1e99' is no number of processors"),
            ("--cpus", "0.001", "CPU quota in microseconds of 100"),
            ("--memory-swap", "-2", "'-2' is no size"),
            ("--ulimit", "nofile", "write NAME=SOFT or NAME=SOFT:HARD"),
            ("--ulimit", "nofile=many", "'many' is no limit: write a number, or unlimited"),
            ("--ulimit", "nofile=1:", "'' is no limit"),
            ("--ulimit", "files=1", "'files' is no limit; there are"),
        ],
    )
    def test_what_is_no_limit(self, shell: Shell, option: str, words: str, said: str) -> None:
        assert said in refused(shell, option, words)


class TestSecurity:
    def test_all_of_it(self, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "profile.json").touch()
        monkeypatch.chdir(tmp_path)
        options = (
            "no-new-privileges",
            "seccomp=profile.json",
            "mask=/a:/b",
            "mask=/c",
            "unmask=ALL",
        )
        config = made(
            shell,
            *("--cap-add", "net_admin", "--cap-drop", "ALL", "--privileged"),
            *(word for option in options for word in ("--security-opt", option)),
        )
        assert config.security == Security(
            cap_add=("CAP_NET_ADMIN",),
            cap_drop=("ALL",),
            seccomp=str(tmp_path / "profile.json"),
            no_new_privileges=True,
            mask=("/a", "/b", "/c"),
            unmask=("ALL",),
            privileged=True,
        )

    @pytest.mark.parametrize(
        ("words", "meant"),
        [
            ("seccomp=unconfined", Security(seccomp="unconfined")),
            ("no-new-privileges=true", Security(no_new_privileges=True)),
            ("no-new-privileges=false", Security()),
        ],
    )
    def test_in_other_words(self, shell: Shell, words: str, meant: Security) -> None:
        assert made(shell, "--security-opt", words).security == meant

    @pytest.mark.parametrize(
        "words", ["seccomp", "seccomp=", "selinux=x", "mask", "unmask=", "no-new-privileges=so"]
    )
    def test_what_is_none_of_it(self, shell: Shell, words: str) -> None:
        assert "--security-opt" in refused(shell, "--security-opt", words)

    def test_whose_namespaces(self, shell: Shell) -> None:
        config = made(
            shell, "--pid", "host", "--ipc", "host", "--uts", "host", "--cgroupns", "host"
        )
        host = Namespaces(pid="host", ipc="host", uts="host", cgroup="host")
        assert config.namespaces == host
        assert "'theirs' is no pid namespace" in _no(shell)

    def test_users_of_another(self, shell: Shell) -> None:
        owner = shell.ok("create", "--image", "busybox", "--uidmap", "0:100000:65536").strip()
        config = made(shell, "--userns", f"container:{owner}", "--cgroupns", f"container:{owner}")
        whole = f"container:{shell.engine.inspect(owner).id}"
        assert config.namespaces == Namespaces(user=whole, cgroup=whole)


def _no(shell: Shell) -> str:
    return shell.no(2, "create", "--image", "busybox", "--pid", "theirs")


class TestIdentity:
    def test_maps_of_users_and_groups(self, shell: Shell) -> None:
        words = ("--uidmap", "0:100000:65536", "--gidmap", "0:7:1", "--gidmap", "1:100000:9")
        web = shell.ok("create", *words, "--image", "busybox").strip()
        config = shell.engine.inspect(web).config
        assert [(one.container, one.host, one.size) for one in config.uid_maps] == [
            (0, 100_000, 65_536)
        ]
        assert [one.host for one in config.gid_maps] == [7, 100_000]

    @pytest.mark.parametrize("text", ["0:1", "a:b:c", "0:1:-1", "0:1:2:3"])
    def test_what_is_no_map(self, shell: Shell, text: str) -> None:
        complaint = shell.no(USAGE, "create", "--uidmap", text, "--image", "busybox")
        assert f"{text!r} is no map: write CONTAINER:HOST:SIZE" in complaint

    def test_a_profile_of_apparmor(self, shell: Shell) -> None:
        words = ("--security-opt", "apparmor=docker-default")
        web = shell.ok("create", *words, "--image", "busybox").strip()
        assert shell.engine.inspect(web).config.security.apparmor == "docker-default"

    @pytest.mark.parametrize(
        ("options", "process", "files"),
        [
            (
                ["type:spc_t", "level:s0:c1,c2"],
                "system_u:system_r:spc_t:s0:c1,c2",
                "system_u:object_r:container_file_t:s0:c1,c2",
            ),
            (
                ["user:u", "role:r", "filetype:f"],
                "u:r:container_t:s0",
                "u:object_r:f:s0",
            ),
            (["type:spc_t", "disable"], "", ""),
        ],
    )
    def test_labels(self, shell: Shell, options: list[str], process: str, files: str) -> None:
        words = [word for one in options for word in ("--security-opt", f"label={one}")]
        web = shell.ok("create", *words, "--image", "busybox").strip()
        security = shell.engine.inspect(web).config.security
        assert (security.process_label, security.mount_label) == (process, files)

    @pytest.mark.parametrize("text", ["label", "label=", "label=type", "label=type:", "label=x:y"])
    def test_what_is_no_label(self, shell: Shell, text: str) -> None:
        complaint = shell.no(USAGE, "create", "--security-opt", text, "--image", "busybox")
        assert "label=disable or label=type:TYPE" in complaint
