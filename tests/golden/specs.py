"""Containers whose specs are kept in `specs/`: `python tests/golden/specs.py` writes them anew.

A change there is a change of what containers get: it is looked at in review, never by accident.
"""

from pathlib import Path

from msgspec.structs import replace

from lockgate.effects.capabilities import CAPABILITIES
from lockgate.effects.config import (
    Bind,
    Config,
    Device,
    IdMap,
    Limits,
    Namespaces,
    Secret,
    Security,
    Tmpfs,
    Ulimit,
)
from lockgate.effects.model import WriteSpec
from lockgate.effects.network import Dns, Link
from lockgate.effects.ports import Accounts, Facts, Node
from lockgate.statemachine.spec import generate

HERE = Path(__file__).parent
FOLDER = HERE / "specs"

ID = "0123456789abcdef"
CONFIG = Config(id=ID, name="web", image="busybox", command=("sh", "-c", "true"), created_at=5)
EFFECT = WriteSpec(ID, 1, "/merged", "")
NETNS = replace(
    EFFECT,
    netns="/run/netns/1",
    links=(Link("web", "eth0", "", ("192.0.2.20/24",), ("192.0.2.1",), ("www",)),),
    dns=Dns(("192.0.2.1",), ("dns.lockgate",)),
)
FACTS = Facts(
    bundle="/containers/web",
    accounts=Accounts(
        passwd=b"root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/:/bin/sh\nbad:x:y:z::/:\n::1:1::/:\n",
        group=b"root:x:0:\nweb:x:34:\nlog:x:4:web,other\nvideo:x:44:web\nbad:x:q:web\nshort:x\n",
    ),
    nodes=(("/dev/fuse", Node("/dev/fuse", "c", 10, 229, 0o666, 0, 0)),),
    host_nodes=(Node("/dev/loop0", "b", 7, 0, 0o660, 0, 6),),
    capabilities=tuple(name for name in CAPABILITIES if name != "CAP_SYS_RESOURCE"),
    rlimits=(("nofile", 20000), ("core", -1)),
    controllers=("cpu", "cpuset", "memory", "pids"),
    machine="x86_64",
    hostname="keeper",
    resolv_conf=b"nameserver 127.0.0.1\nnameserver 192.0.2.1\nsearch example.org\noptions rotate\n",
    hosts=b"127.0.0.1 localhost keeper\n",
    seccomp=b"""{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["reboot"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1,
         "excludes": {"caps": ["CAP_SYS_BOOT"]}}]}""",
)

PROFILE = (HERE.parents[1] / "adapters" / "seccomp.json").read_bytes()

CASES: dict[str, tuple[Config, WriteSpec, Facts]] = {
    "plain": (CONFIG, EFFECT, FACTS),
    "default-profile": (CONFIG, EFFECT, replace(FACTS, seccomp=PROFILE)),
    "user": (replace(CONFIG, user="web", groups=("44", "log"), workdir="/srv"), EFFECT, FACTS),
    "stranger": (replace(CONFIG, user="1000:1000"), EFFECT, FACTS),
    "host": (
        replace(
            CONFIG,
            network="host",
            namespaces=Namespaces(pid="host", ipc="host", uts="host", cgroup="host"),
        ),
        EFFECT,
        FACTS,
    ),
    "network": (
        replace(CONFIG, network="private", hostname="lock", hosts=(("db", "192.0.2.7"),)),
        NETNS,
        FACTS,
    ),
    "read-only": (
        replace(
            CONFIG,
            read_only=True,
            mounts=(
                Tmpfs(destination="/tmp"),
                Tmpfs(destination="/var/cache", size=1 << 20, mode=0o700, copy_up=True),
            ),
            secrets=(Secret(name="token", source="/etc/token"),),
        ),
        EFFECT,
        replace(FACTS, targets=(("/var/cache", "/srv/cache"),)),
    ),
    "binds": (
        replace(
            CONFIG,
            mounts=(
                Bind(source="/a", destination="/data/inner/most"),
                Bind(source="/b", destination="/data", readonly=True, propagation="rslave"),
                Bind(
                    source="/c",
                    destination="/etc/hosts",
                    recursive=False,
                    propagation="shared",
                    nosuid=True,
                    nodev=True,
                    noexec=True,
                ),
                Tmpfs(destination="/dev/shm", size=1 << 20, readonly=True, noexec=False),
            ),
        ),
        EFFECT,
        FACTS,
    ),
    "limits": (
        replace(
            CONFIG,
            memory=64 << 20,
            limits=Limits(
                memory_swap=128 << 20,
                memory_reservation=32 << 20,
                cpu_quota=150_000,
                cpu_period=100_000,
                cpu_shares=512,
                cpuset_cpus="0",
                cpuset_mems="0",
                pids=0,
                shm=1 << 20,
                oom_score_adj=500,
                ulimits=(
                    Ulimit(name="nofile", soft=1024, hard=20000),
                    Ulimit(name="core", soft=0, hard=-1),
                ),
            ),
        ),
        EFFECT,
        FACTS,
    ),
    "locked-down": (
        replace(
            CONFIG,
            user="web",
            security=Security(
                cap_drop=("ALL",),
                cap_add=("CAP_NET_BIND_SERVICE",),
                no_new_privileges=True,
                mask=("/proc/cpuinfo",),
                unmask=("/sys/firmware", "/proc/a*"),
            ),
            sysctls=(("net.ipv4.ip_forward", "1"),),
        ),
        EFFECT,
        FACTS,
    ),
    "opened-up": (
        replace(
            CONFIG,
            devices=(Device(source="/dev/fuse", destination="/dev/fuse", access="rw"),),
            security=Security(
                cap_add=("ALL",), cap_drop=("CAP_MKNOD",), seccomp="unconfined", unmask=("ALL",)
            ),
            dns=Dns(servers=("192.0.2.53",), search=("lock.example",), options=("ndots:2",)),
        ),
        EFFECT,
        FACTS,
    ),
    "users-of-its-own": (
        replace(
            CONFIG,
            user="web",
            network="web",
            uid_maps=(IdMap(container=0, host=200_000, size=65_536),),
            gid_maps=(
                IdMap(container=0, host=200_000, size=5),
                IdMap(container=33, host=300_000, size=100),
            ),
            groups=("video",),
            devices=(Device(source="/dev/fuse", destination="/dev/lent"),),
            secrets=(Secret(name="token", source="/token"),),
            security=Security(apparmor="docker-default"),
        ),
        NETNS,
        replace(FACTS, apparmor=True),
    ),
    "labelled": (
        replace(
            CONFIG,
            security=Security(
                process_label="system_u:system_r:container_t:s0:c1,c2",
                mount_label="system_u:object_r:container_file_t:s0:c1,c2",
            ),
        ),
        EFFECT,
        replace(FACTS, selinux=True),
    ),
    "in-a-slice": (
        replace(CONFIG, cgroup_parent="web-inner.slice", systemd=True),
        EFFECT,
        replace(FACTS, systemd=True, controllers=("name=systemd", "pids")),
    ),
    "systemd": (replace(CONFIG, systemd=True), EFFECT, FACTS),
    "systemd-beside-version-1": (
        replace(CONFIG, systemd=True, read_only=True),
        EFFECT,
        replace(FACTS, controllers=("cpu", "memory", "name=systemd", "pids")),
    ),
    "privileged": (replace(CONFIG, security=Security(privileged=True)), EFFECT, FACTS),
}

if __name__ == "__main__":
    for name, case in CASES.items():
        (FOLDER / f"{name}.json").write_bytes(generate(*case).spec + b"\n")
