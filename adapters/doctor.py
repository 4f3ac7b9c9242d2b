"""What this host offers to containers, and what to do where it does not: `lockgate doctor`.

One rule: looking changes nothing. Everything is read from /proc or asked of `--version` and
`criu check`; no container is started, no file is made.
"""

import fcntl
import os
import resource
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Struct

from lockgate.adapters import rootless
from lockgate.adapters.flocks import UNSUPPORTED, without
from lockgate.adapters.network import bridge, bridges, firewall
from lockgate.adapters.network.netavark import located
from lockgate.adapters.network.plugins import Plugins
from lockgate.adapters.oci.cgroups import Cgroups
from lockgate.adapters.oci.choice import PREFERRED, conmon_obstacle, find, obstacle, version
from lockgate.adapters.oci.criu import look_for_criu
from lockgate.effects.config import PASTA, SLIRP

Verdict: TypeAlias = Literal["ok", "warn", "missing"]

KERNEL_MINIMUM = (5, 8)
"""openat2 came with 5.6, telling mount points by statx with 5.8."""

TUN, FUSE = Path("/dev/net/tun"), Path("/dev/fuse")

SQLITE_MINIMUM = (3, 35)
INOTIFY_PLENTY = 512
CAP_SYS_RESOURCE = 24


class Check(Struct, frozen=True):
    """One thing looked at. "missing": lockgate cannot run containers without it; "warn": it can,
    with the limits that `advice` tells and how to lift them."""

    name: str
    verdict: Verdict
    found: str
    advice: str = ""


class HostReport(Struct, frozen=True):
    """All checks, in the order in which one would go through them."""

    checks: tuple[Check, ...]

    @property
    def ready(self) -> bool:
        """Can containers be run here?"""
        return all(check.verdict != "missing" for check in self.checks)


def survey(root: Path) -> HostReport:
    """Look at everything, for containers in the folder `root`. Takes some milliseconds for each runtime installed."""
    cgroups = Cgroups.here()
    return HostReport(
        (
            _user(),
            _kernel(os.uname().release),
            _pidfd(),
            _cgroups(cgroups),
            *_runtimes(cgroups),
            _conmon(),
            _overlay(Path("/proc/filesystems").read_text()),
            *_limits(),
            _inotify(Path("/proc/sys/fs/inotify/max_user_instances")),
            _sqlite(),
            _locks(root.absolute()),
            _networks(bridge.missing(), firewall.barred(), Plugins(), located()),
            _criu(),
            *_rootless(os.geteuid()),
        )
    )


def _user() -> Check:
    if os.geteuid() == 0:
        return Check("user", "ok", "root")
    return Check("user", "ok", f"uid {os.geteuid()}, not root: in user namespaces")


def _kernel(release: str) -> Check:
    numbers = release.replace("-", ".").split(".")[:2]
    known = tuple(int(part) for part in numbers if part.isdecimal())
    if known >= KERNEL_MINIMUM:
        return Check("kernel", "ok", release)
    wanted = ".".join(str(part) for part in KERNEL_MINIMUM)
    return Check("kernel", "missing", release, f"Linux {wanted} or newer is needed")


def _pidfd() -> Check:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError as error:
        advice = "processes cannot be signalled safely without pidfd_open: use a newer kernel"
        return Check("pidfd", "missing", str(error), advice)
    return Check("pidfd", "ok", "pidfd_open works")


def _cgroups(cgroups: Cgroups) -> Check:
    mounted = ", ".join(
        sorted("+".join(sorted(each.controllers)) or "cgroup2" for each in cgroups.hierarchies)
    )
    found = f"{cgroups.layout} ({mounted})" if mounted else "none"
    match cgroups.layout:
        case "none":
            advice = "mount cgroups: mount -t cgroup2 cgroup2 /sys/fs/cgroup"
            return Check("cgroups", "missing", found, advice)
        case "hybrid":
            return Check("cgroups", "warn", found, "crun refuses hybrid cgroups; runc does not")
        case "v1" | "v2":
            return Check("cgroups", "ok", found)


def _runtimes(cgroups: Cgroups) -> tuple[Check, ...]:
    checks = tuple(_runtime(name, cgroups) for name in (*PREFERRED, "runsc"))
    if any(check.verdict == "ok" for check in checks):
        return checks
    advice = "no OCI runtime works here: apt install runc"
    return (*checks, Check("runtime", "missing", "none that works", advice))


def _runtime(name: str, cgroups: Cgroups) -> Check:
    path = find(name)
    if path is None:
        return Check(name, "warn", "not installed", "one runtime that works is enough")
    found = f"{path} {version(path) or '(version unknown)'}"
    why = obstacle(path, cgroups)
    return Check(name, "warn" if why else "ok", found, why)


def _conmon() -> Check:
    path = find("conmon")
    if path is None:
        return Check("conmon", "missing", "not installed", "apt install conmon")
    number = version(path)
    why = conmon_obstacle(number)
    return Check("conmon", "missing" if why else "ok", f"{path} {number}".strip(), why)


def _overlay(filesystems: str) -> Check:
    if "overlay" in filesystems.split():
        return Check("overlay", "ok", "the kernel has it")
    return Check("overlay", "warn", "not in /proc/filesystems", "images need it: modprobe overlay")


def _limits() -> tuple[Check, ...]:
    raising = _has_capability(CAP_SYS_RESOURCE)
    advice = "" if raising else "without CAP_SYS_RESOURCE no container can be given more"
    verdict: Verdict = "ok" if raising else "warn"
    kinds = (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC))
    return tuple(
        Check(name, verdict, f"at most {_limit(resource.getrlimit(kind)[1])}", advice)
        for name, kind in kinds
    )


def _limit(value: int) -> str:
    return "unlimited" if value == resource.RLIM_INFINITY else str(value)


def _has_capability(number: int) -> bool:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return False


def _inotify(setting: Path) -> Check:
    instances = int(setting.read_text())
    if instances >= INOTIFY_PLENTY:
        return Check("inotify", "ok", f"{instances} queues a user")
    advice = f"many at once may run out: sysctl fs.inotify.max_user_instances={INOTIFY_PLENTY}"
    return Check("inotify", "warn", f"{instances} queues a user", advice)


def _sqlite() -> Check:
    if sqlite3.sqlite_version_info >= SQLITE_MINIMUM:
        return Check("sqlite", "ok", sqlite3.sqlite_version)
    wanted = ".".join(str(part) for part in SQLITE_MINIMUM)
    return Check("sqlite", "missing", sqlite3.sqlite_version, f"SQLite {wanted} is needed")


def _locks(root: Path) -> Check:
    """Of the folder, or of where it is to be: one is taken, and given back at once."""
    try:
        folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_SH | fcntl.LOCK_NB)
        finally:
            os.close(folder)
    except FileNotFoundError:
        return _locks(root.parent)
    except BlockingIOError:
        pass
    except OSError as problem:
        if problem.errno in UNSUPPORTED:
            return Check("locks", "missing", str(root), without(problem))
        return Check("locks", "warn", f"{root}: {problem.strerror}", "it cannot be looked at")
    return Check("locks", "ok", f"{root} has them")


def _networks(lacking: str, barred: str, cni: Plugins, netavark: Path | None) -> Check:
    """Which driver plugs in where nobody has chosen one, and why it is not the fastest."""
    if not (lacking or barred):
        return Check("networks", "ok", "driver bridge: iproute2, nftables")
    quicker = f"the driver bridge is faster; {_let_through(barred) if barred else lacking}"
    plugins = [cni.find(name) for name in bridges.PLUGINS]
    tool = plugins[0].parent if all(plugins) and plugins[0] else netavark
    if tool is None:
        advice = _let_through(barred) if barred else "apt install iproute2 nftables"
        found = "no driver" if lacking else f"driver bridge, which {barred} bars"
        return Check("networks", "warn", found, f"for networks by name: {advice}")
    if find("iptables") is None:
        return Check("networks", "warn", f"{tool}, no iptables", "apt install iptables")
    name = "netavark" if tool == netavark else "cni"
    return Check("networks", "warn", f"driver {name}: {tool}", quicker)


def _let_through(chain: str) -> str:
    """What lets our bridges pass a chain that drops what it does not know."""
    ways = (f"nft insert rule {chain} {way} 'lg-*' accept" for way in ("iifname", "oifname"))
    return f"{'; '.join(ways)}; then choose --network-driver bridge"


def _criu() -> Check:
    criu = look_for_criu()
    if criu.path is None:
        return Check("criu", "warn", "not installed", "only checkpoints need it: apt install criu")
    found = f"{criu.path} {version(criu.path)}".strip()
    return Check(
        "criu", "warn" if criu.why else "ok", found, criu.why and f"no checkpoints: {criu.why}"
    )


def _rootless(uid: int) -> tuple[Check, ...]:
    """For an ordinary user what he needs himself, for root what others would need."""
    if uid == 0:
        obstacles = rootless.of_the_host()
        return (_namespaces(obstacles, "warn"),)
    return (
        _namespaces(rootless.obstacles(uid), "missing"),
        _delegation(rootless.delegated(Cgroups.here())),
        _usermode(TUN),
        _fuse(FUSE),
    )


def _namespaces(obstacles: Sequence[rootless.Obstacle], verdict: Verdict) -> Check:
    if not obstacles:
        return Check("rootless", "ok", "user namespaces, newuidmap and newgidmap")
    found = "; ".join(one.found for one in obstacles)
    advice = "; ".join(one.advice for one in obstacles)
    return Check("rootless", verdict, found, f"containers without root need them: {advice}")


def _delegation(cgroup: str) -> Check:
    if cgroup:
        return Check("delegation", "ok", cgroup)
    advice = (
        "no limits, no pause: begin it in a cgroup of your own, with systemd by "
        "`systemd-run --user --scope -p Delegate=yes` (cgroup v2)"
    )
    return Check("delegation", "warn", "no cgroup of this user's", advice)


def _usermode(device: Path) -> Check:
    programs = [path for name in (SLIRP, PASTA) if (path := find(name))]
    if not programs:
        advice = "published ports without root need one: apt install passt"
        return Check("usermode", "warn", "neither slirp4netns nor pasta", advice)
    if not os.access(device, os.R_OK | os.W_OK):
        advice = f"slirp4netns and pasta need it: chmod 666 {device}, as root"
        return Check("usermode", "warn", f"{device} may not be opened", advice)
    return Check("usermode", "ok", ", ".join(map(str, programs)))


def _fuse(device: Path) -> Check:
    path = find("fuse-overlayfs")
    if path is None:
        advice = "only needed where the kernel mounts no overlay for users (before Linux 5.11)"
        return Check("fuse-overlayfs", "warn", "not installed", advice)
    if not os.access(device, os.R_OK | os.W_OK):
        return Check("fuse-overlayfs", "warn", f"{device} may not be opened", f"chmod 666 {device}")
    return Check("fuse-overlayfs", "ok", str(path))
