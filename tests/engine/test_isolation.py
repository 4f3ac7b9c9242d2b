"""The door: what makes no sense is refused in words before anything is made."""

from collections.abc import Iterator
from dataclasses import replace
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
    Secret,
    Security,
    Tmpfs,
    Ulimit,
)
from lockgate.effects.config import Config, Mount, cgroup
from lockgate.statemachine.history import encode_record


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine.simulated() as made:
        made.import_image("busybox", tmp_path)
        yield made


@pytest.fixture
def token(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("hush")
    return tmp_path / "token"


def made(engine: Engine, **wishes: Any) -> Config:
    return engine.create(image="busybox", command=["true"], **wishes).config


def refused(engine: Engine, **wishes: Any) -> str:
    with pytest.raises(InvalidArgument) as caught:
        made(engine, **wishes)
    assert engine.list() == ()
    return str(caught.value)


def test_defaults_are_not_repeated_in_every_record(engine: Engine) -> None:
    record = engine.create(
        image="busybox",
        command=["true"],
        limits=Limits(),
        security=Security(),
        namespaces=Namespaces(),
        dns=Dns(),
    )
    for word in (b"limits", b"security", b"namespaces", b"dns", b"mounts"):
        assert word not in encode_record(record)


class TestMounts:
    def test_paths_are_in_their_shortest_form(self, engine: Engine, tmp_path: Path) -> None:
        mounts = [
            Bind(source=f"{tmp_path}//.", destination="/a/./b/../c/"),
            Tmpfs(destination="//tmp"),
        ]
        assert made(engine, mounts=mounts).mounts == (
            Bind(source=str(tmp_path), destination="/a/c"),
            Tmpfs(destination="/tmp"),
        )

    @pytest.mark.parametrize(
        ("one", "said"),
        [
            (Tmpfs(destination="tmp"), "is an absolute path, not 'tmp'"),
            (Tmpfs(destination="/a\0b"), "is an absolute path"),
            (Tmpfs(destination="/a/.."), "nothing can be mounted over the root"),
            (Tmpfs(destination="/tmp", size=-1), "size of a tmpfs of -1 makes no sense: give 0"),
            (Tmpfs(destination="/tmp", mode=0o10000), "mode of a tmpfs of 0o10000"),
            (Bind(source="here", destination="/a"), "source of a mount is an absolute path"),
            (Bind(source="/no/such", destination="/a"), "there is no /no/such to mount"),
            (
                Bind(source="/", destination="/a", propagation="odd"),  # type: ignore[arg-type]
                "Invalid enum value 'odd'",
            ),
        ],
    )
    def test_what_makes_no_sense(self, engine: Engine, one: Mount, said: str) -> None:
        assert said in refused(engine, mounts=[one])

    def test_one_place_is_for_one_thing(self, engine: Engine, token: Path) -> None:
        both = [Tmpfs(destination="/a"), Bind(source="/", destination="/a/")]
        assert "two things cannot both be at /a" in refused(engine, mounts=both)
        one = Tmpfs(destination="/run/secrets/t")
        secret = Secret(name="t", source=str(token))
        assert "/run/secrets/t" in refused(engine, mounts=[one], secrets=[secret])
        device = Device(source="/dev/null", destination="/a")
        assert "both be at /a" in refused(engine, mounts=both[:1], devices=[device])


class TestDevices:
    @pytest.mark.parametrize(
        ("one", "said"),
        [
            (Device(source="null", destination="/dev/x"), "a device is an absolute path"),
            (Device(source="/dev/nope", destination="/dev/x"), "there is no device /dev/nope"),
            (Device(source="/dev/null", destination="/dev/x", access=""), "'' is no access"),
            (Device(source="/dev/null", destination="/dev/x", access="rr"), "'rr' is no access"),
            (Device(source="/dev/null", destination="/dev/x", access="rx"), "'rx' is no access"),
        ],
    )
    def test_what_makes_no_sense(self, engine: Engine, one: Device, said: str) -> None:
        assert said in refused(engine, devices=[one])

    def test_any_of_the_three(self, engine: Engine) -> None:
        one = Device(source="/dev/null", destination="/dev/x", access="mr")
        assert made(engine, devices=[one]).devices == (one,)


class TestSecrets:
    def test_the_record_knows_whence_and_never_what(self, engine: Engine, token: Path) -> None:
        link = token.with_name("link")
        link.symlink_to(token)
        record = engine.create(
            image="busybox", command=["true"], secrets=[Secret(name="t", source=str(link))]
        )
        assert record.config.secrets == (Secret(name="t", source=str(token)),)
        assert b"hush" not in encode_record(record)

    @pytest.mark.parametrize(
        ("wishes", "said"),
        [
            ({"name": "a/b"}, "'a/b' cannot be a name"),
            ({"name": ".."}, "'..' cannot be a name"),
            ({"uid": -1}, "uid of a secret of -1"),
            ({"gid": 2**32 - 1}, "gid of a secret"),
            ({"mode": 0o4400}, "mode of a secret of 0o4400 makes no sense: give 0o0 to 0o777"),
            ({"source": "/no/such"}, "'t' is to come from /no/such: no such file"),
            ({"source": "/"}, "no such file"),
        ],
    )
    def test_what_makes_no_sense(
        self, engine: Engine, token: Path, wishes: dict[str, Any], said: str
    ) -> None:
        secret = Secret(**({"name": "t", "source": str(token)} | wishes))
        assert said in refused(engine, secrets=[secret])

    def test_the_bounds_themselves_are_allowed(self, engine: Engine, token: Path) -> None:
        last = 2**32 - 2
        secret = Secret(name="t", source=str(token), uid=last, gid=last, mode=0o777)
        assert made(engine, secrets=[secret]).secrets == (secret,)

    def test_a_name_is_for_one(self, engine: Engine, token: Path) -> None:
        twice = [Secret(name="t", source=str(token))] * 2
        assert "'t' is given twice" in refused(engine, secrets=twice)


class TestLimits:
    @pytest.mark.parametrize(
        ("wishes", "said"),
        [
            ({"memory_swap": 1}, "needs a limit of memory"),
            ({"memory_reservation": -1}, "memory reservation of -1"),
            ({"cpu_period": 999}, "CPU period in microseconds of 999"),
            ({"cpu_period": 1_000_001}, "CPU period in microseconds of 1000001"),
            ({"cpu_quota": 999}, "CPU quota in microseconds of 999"),
            ({"cpu_shares": 1}, "number of CPU shares of 1 makes no sense: give 2 to 262144"),
            ({"cpu_shares": 262_145}, "number of CPU shares of 262145"),
            ({"cpuset_cpus": "0-"}, "'0-' is no set"),
            ({"cpuset_mems": "x"}, "'x' is no set"),
            ({"pids": -2}, "limit of threads of -2"),
            ({"shm": 0}, "size of /dev/shm of 0"),
            ({"oom_score_adj": 1001}, "OOM score of 1001"),
            ({"oom_score_adj": -1001}, "OOM score of -1001"),
            ({"cpu_shares": "many"}, "Expected `int`, got `str`"),
        ],
    )
    def test_what_makes_no_sense(self, engine: Engine, wishes: dict[str, Any], said: str) -> None:
        assert said in refused(engine, limits=Limits(**wishes))

    def test_memory_and_swap_are_more_than_memory(self, engine: Engine) -> None:
        said = refused(engine, memory=64 << 20, limits=Limits(memory_swap=32 << 20))
        assert "cannot be less than memory" in said
        for swap in (-1, 64 << 20):
            assert made(engine, memory=64 << 20, limits=Limits(memory_swap=swap))

    def test_the_bounds_themselves_are_allowed(self, engine: Engine) -> None:
        least = Limits(
            cpu_period=1000, cpu_quota=1000, cpu_shares=2, cpuset_cpus="0-2,7", oom_score_adj=-1000
        )
        most = Limits(cpu_period=1_000_000, cpu_shares=262_144, pids=-1, shm=1, oom_score_adj=1000)
        for limits in (least, most):
            assert made(engine, limits=limits).limits == limits

    @pytest.mark.parametrize(
        ("one", "said"),
        [
            (("files", 1, 1), "'files' is no limit; there are as, core, cpu"),
            (("nofile", 2, 1), "nofile cannot be softly above"),
            (("nofile", -1, 1), "nofile cannot be softly above"),
            (("nofile", -2, 1), "limit nofile of -2"),
        ],
    )
    def test_of_processes(self, engine: Engine, one: tuple[str, int, int], said: str) -> None:
        limit = Ulimit(name=one[0], soft=one[1], hard=one[2])
        assert said in refused(engine, limits=Limits(ulimits=(limit,)))

    def test_one_is_given_once(self, engine: Engine) -> None:
        core = Ulimit(name="core", soft=0, hard=-1)
        assert made(engine, limits=Limits(ulimits=(core,))).limits.ulimits == (core,)
        assert "core is given twice" in _second(engine, core)


def _second(engine: Engine, one: Ulimit) -> str:
    with pytest.raises(InvalidArgument) as caught:
        made(engine, limits=Limits(ulimits=(one, one)))
    return str(caught.value)


class TestSecurity:
    def test_names_are_made_whole(self, engine: Engine, tmp_path: Path) -> None:
        profile = tmp_path / "profile.json"
        profile.touch()
        security = Security(
            cap_add=("net_admin", "CAP_BPF"),
            cap_drop=("all",),
            seccomp=f"{tmp_path}/./profile.json",
            unmask=("all", "/proc//acpi"),
            mask=("/proc/uptime/",),
        )
        assert made(engine, security=security).security == Security(
            cap_add=("CAP_NET_ADMIN", "CAP_BPF"),
            cap_drop=("ALL",),
            seccomp=str(profile),
            unmask=("ALL", "/proc/acpi"),
            mask=("/proc/uptime",),
        )

    @pytest.mark.parametrize(
        ("wishes", "said"),
        [
            ({"cap_add": ("FLY",)}, "'FLY' is no capability: write ALL, or a name"),
            ({"cap_add": ("kill",), "cap_drop": ("CAP_KILL",)}, "CAP_KILL cannot be both"),
            ({"seccomp": "profile.json"}, "a seccomp profile is an absolute path"),
            ({"seccomp": "/no/such"}, "there is no seccomp profile /no/such"),
            ({"mask": ("proc",)}, "what to mask is an absolute path"),
            ({"unmask": ("some",)}, "what to unmask is an absolute path"),
            ({"privileged": "yes"}, "Expected `bool`"),
        ],
    )
    def test_what_makes_no_sense(self, engine: Engine, wishes: dict[str, Any], said: str) -> None:
        assert said in refused(engine, security=Security(**wishes))


class TestNames:
    def test_what_is_kept(self, engine: Engine) -> None:
        config = made(
            engine,
            hosts=[("db", "2001:DB8::0001"), ("db", "192.0.2.1")],
            dns=Dns(("192.0.2.53",), (".", "a.example"), ("ndots:2",)),
            groups=["log", "7"],
        )
        assert config.hosts == (("db", "2001:db8::1"), ("db", "192.0.2.1"))
        assert config.dns == Dns(("192.0.2.53",), (".", "a.example"), ("ndots:2",))
        assert config.groups == ("log", "7")

    @pytest.mark.parametrize(
        ("wishes", "said"),
        [
            ({"hosts": [("a b", "192.0.2.1")]}, "'a b' cannot be a name"),
            ({"hosts": [("db", "nowhere")]}, "'nowhere' is no IP address"),
            ({"dns": Dns(servers=("one",))}, "'one' is no IP address"),
            ({"dns": Dns(search=("a b",))}, "'a b' is no domain"),
            ({"dns": Dns(options=("a\nb",))}, "is no option of resolv.conf"),
            ({"groups": ["a:b"]}, "'a:b' is no group"),
            ({"groups": [""]}, "'' is no group"),
            ({"groups": "log"}, "is a list of words"),
        ],
    )
    def test_what_makes_no_sense(self, engine: Engine, wishes: dict[str, Any], said: str) -> None:
        assert said in refused(engine, **wishes)


class TestTogether:
    def test_the_hosts_name_cannot_be_chosen(self, engine: Engine) -> None:
        said = refused(engine, hostname="web", namespaces=Namespaces(uts="host"))
        assert "the hostname is the host's" in said

    def test_a_namespace_is_ours_or_the_hosts(self, engine: Engine) -> None:
        odd = Namespaces(pid="theirs")
        assert "'theirs' is no pid namespace; there are private, host" in refused(
            engine, namespaces=odd
        )

    @pytest.mark.parametrize(
        "key",
        [
            "net.ipv4.ip_forward",
            "net/core/somaxconn",
            "kernel.shmmax",
            "kernel.sem",
            "fs.mqueue.msg_max",
            "kernel.domainname",
        ],
    )
    def test_a_sysctl_of_the_containers_own(self, engine: Engine, key: str) -> None:
        assert made(engine, sysctls={key: "1"}).sysctls == ((key.replace("/", "."), "1"),)

    @pytest.mark.parametrize(
        ("key", "wishes", "said"),
        [
            ("vm.swappiness", {}, "it is the whole host's"),
            ("kernel.hostname", {}, "it is the whole host's"),
            ("kernel.shmmax_all", {}, "it is the whole host's"),
            ("net.ipv4.ip_forward", {"network": "host"}, "the network is the host's"),
            ("kernel.sem", {"namespaces": Namespaces(ipc="host")}, "the IPC namespace"),
            ("kernel.domainname", {"namespaces": Namespaces(uts="host")}, "the UTS namespace"),
            ("net", {}, "'net=1' is no sysctl"),
            ("net..x", {}, "is no sysctl"),
            ("../x", {}, "is no sysctl"),
        ],
    )
    def test_one_of_the_hosts(
        self, engine: Engine, key: str, wishes: dict[str, Any], said: str
    ) -> None:
        assert said in refused(engine, sysctls={key: "1"}, **wishes)

    def test_one_of_another_container(self, engine: Engine) -> None:
        engine.create(name="owner", image="busybox", command=["true"], network="private")
        with pytest.raises(InvalidArgument, match="the network is another container's"):
            made(engine, network="container:owner", sysctls={"net.x.y": "1"})

    def test_what_a_sysctl_is_set_to_is_one_line(self, engine: Engine) -> None:
        for text in ("1\n2", "1\0"):
            assert "is no sysctl" in refused(engine, sysctls={"net.x": text})


class TestWithoutCgroups:
    """On a host that gives its user none (MAP L-63)."""

    @pytest.fixture
    def engine(self, engine: Engine) -> Engine:
        return Engine(replace(engine.host, cgroups=""))

    def test_a_container_is_made_so_for_good(self, engine: Engine) -> None:
        config = made(engine, limits=Limits(pids=0))
        assert (config.cgroup_parent, cgroup(config)) == ("", "")

    @pytest.mark.parametrize(
        ("wishes", "named"),
        [
            ({"memory": 64 << 20}, "memory cannot"),
            ({"limits": Limits(memory_reservation=1 << 30)}, "memory cannot"),
            ({"limits": Limits(cpu_shares=5)}, "cpu cannot"),
            ({"limits": Limits(cpu_quota=5000)}, "cpu cannot"),
            ({"limits": Limits(cpu_period=5000)}, "cpu cannot"),
            ({"limits": Limits(cpuset_cpus="0")}, "cpuset cannot"),
            ({"limits": Limits(pids=5, cpuset_mems="0")}, "cpuset and pids cannot"),
        ],
    )
    def test_what_cannot_be_limited_is_named(
        self, engine: Engine, wishes: dict[str, Any], named: str
    ) -> None:
        with pytest.raises(InvalidArgument, match=f"{named} be limited: that takes a cgroup"):
            made(engine, **wishes)

    def test_its_processes_are_found_by_its_pid_namespace(self, engine: Engine) -> None:
        with pytest.raises(InvalidArgument, match="it cannot have the host's"):
            made(engine, namespaces=Namespaces(pid="host"))

    def test_elsewhere_it_has_one(self) -> None:
        assert cgroup(Config(id="c0ffee")) == "/lockgate/c0ffee"


@pytest.mark.parametrize(
    ("wishes", "signal"),
    [
        ({}, 15),
        ({"systemd": True}, 37),
        ({"systemd": True, "stop_signal": "INT"}, 2),
        ({"stop_signal": "rtmax-1"}, 63),
        ({"stop_signal": "SIGRTMIN+3"}, 37),
    ],
)
def test_systemd_is_halted_in_its_own_way(
    engine: Engine, wishes: dict[str, Any], signal: int
) -> None:
    web = engine.create(image="busybox", command=["sh"], **wishes)
    assert web.config.stop_signal == signal


@pytest.mark.parametrize("text", ["RTMIN+40", "RTMIN-4", "TERM+1", "RTMIN+", "RTMIN+1x"])
def test_what_is_no_signal(engine: Engine, text: str) -> None:
    with pytest.raises(InvalidArgument, match="is no signal"):
        engine.create(image="busybox", command=["sh"], stop_signal=text)


@pytest.mark.parametrize(
    ("wished", "kept"),
    [("", "/lockgate"), ("/a//b/", "/a/b"), ("machine.slice", "machine.slice"), ("-.slice",) * 2],
)
def test_where_its_cgroup_is(engine: Engine, wished: str, kept: str) -> None:
    web = engine.create(image="busybox", command=["sh"], cgroup_parent=wished)
    assert web.config.cgroup_parent == kept


@pytest.mark.parametrize("wished", ["machine.slice", "a", "/a/b.slice"])
def test_an_engine_is_told_a_path(tmp_path: Path, wished: str) -> None:
    with pytest.raises(InvalidArgument, match="absolute path"):
        Engine.open(tmp_path / "root", cgroup_parent=wished)
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize(
    "wished", ["/", "a", "/a/b.slice", ".slice", "a/b.slice", "a--b.slice", "a-.slice", "/a:b"]
)
def test_where_none_can_be(engine: Engine, wished: str) -> None:
    with pytest.raises(InvalidArgument, match="is no parent of a cgroup"):
        engine.create(image="busybox", command=["sh"], cgroup_parent=wished)
