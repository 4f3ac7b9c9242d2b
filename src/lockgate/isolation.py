"""How a container is shut in, and what it is let have: each wish checked once, at the door.

What is checked here makes sense by itself and with the others. Whether this host can give it, is
judged when a run begins (`lockgate.statemachine.spec`). A wish for the defaults is no wish: records
do not repeat it.
"""

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypeVar, assert_never

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lockgate.effects.capabilities import CAPABILITIES
from lockgate.effects.config import (
    DNS,
    JOINABLE,
    LIMITS,
    NAMESPACES,
    SECURITY,
    SHAREABLE,
    SHARED,
    SLICE,
    UNLIMITED,
    UNPLUGGED,
    Bind,
    Config,
    Device,
    IdMap,
    Limits,
    Mount,
    Namespaces,
    Secret,
    Security,
    Tmpfs,
    Ulimit,
    VolumeMount,
    shares,
)
from lockgate.effects.idmaps import host_id
from lockgate.effects.network import Dns
from lockgate.errors import InvalidArgument
from lockgate.validation import USER, address, name

ALL = "ALL"
UNCONFINED = "unconfined"
MAX_ID = 2**32 - 2
MODES = 0o7777
OWN = {
    "pid": ("private", "host"),
    "ipc": ("private", "host", SHAREABLE),
    "uts": ("private", "host"),
    "cgroup": ("private", "host"),
    "user": ("",),
}
"""Words for namespaces that are no other container's."""

CPUS = re.compile(r"\d{1,6}(-\d{1,6})?(,\d{1,6}(-\d{1,6})?)*\Z", re.ASCII)
DOMAIN = re.compile(r"[a-zA-Z0-9_]([a-zA-Z0-9_.-]*[a-zA-Z0-9_.])?\Z|\.\Z")
WORD = re.compile(r"[!-~]+\Z")
CGROUP = re.compile(r"(/[^/\0\n:]+)+\Z")
SLICED = re.compile(r"(-|[a-zA-Z0-9_.@]+(-[a-zA-Z0-9_.@]+)*)\.slice\Z")
SYSCTL = re.compile(r"[a-zA-Z0-9_-]+([./][a-zA-Z0-9_-]+)+\Z")
RLIMITS = frozenset(
    [
        "as",
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
    ]
)
"""Of getrlimit(2), as users write them."""

IPC_SYSCTLS = re.compile(
    r"kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)\Z|fs\.mqueue\..+\Z"
)
PERIODS = range(1_000, 1_000_001)
"""Microseconds: what the kernel takes for a CPU period."""
SHARES = range(2, 262_145)
SCORES = range(-1000, 1001)

S = TypeVar("S", bound=Struct)


def mounts(value: Iterable[Mount]) -> tuple[Mount, ...]:
    """Absolute destinations in their shortest form; sources that are there; names of volumes."""
    return tuple(_mount(one) for one in value)


def _mount(one: Mount) -> Mount:
    match one:
        case Bind():
            return _bind(one)
        case Tmpfs():
            return _tmpfs(one)
        case VolumeMount():
            return _volume(one)
        case _:
            assert_never(one)


def _volume(one: VolumeMount) -> VolumeMount:
    one = _typed(one)
    if bool(one.volume) is one.anonymous:
        raise InvalidArgument("a volume has a name or is anonymous, and not both")
    if one.volume:
        name(one.volume)
    elif one.subpath or one.existing:
        raise InvalidArgument("of a volume that is made for this container there is nothing yet")
    part = one.subpath and posixpath.normpath(one.subpath.strip("/") or ".")
    if one.subpath and (part.split("/")[0] in (".", "..") or "\0" in part):
        raise InvalidArgument(f"{one.subpath!r} is no part of a volume: write a path inside it")
    return replace(one, subpath=part, destination=_destination(one.destination))


def with_volumes(
    chosen: tuple[Mount, ...], asked: Iterable[str], token: Callable[[], str]
) -> tuple[Mount, ...]:
    """With an anonymous volume for each directory the image asks one for and nothing else is
    mounted on; the anonymous ones are given their names."""
    taken = {one.destination for one in chosen}
    wanted = (VolumeMount(destination=one, anonymous=True) for one in map(_destination, asked))
    every = (*chosen, *(one for one in wanted if one.destination not in taken))
    return tuple(
        replace(one, volume=token()) if isinstance(one, VolumeMount) and one.anonymous else one
        for one in every
    )


def _bind(one: Bind) -> Bind:
    one = _typed(one)
    source = path(one.source, "the source of a mount")
    if not Path(source).exists():
        raise InvalidArgument(f"there is no {source} to mount: make it first")
    return replace(one, source=source, destination=_destination(one.destination))


def _tmpfs(one: Tmpfs) -> Tmpfs:
    one = _typed(one)
    _within(one.size, range(2**63), "size of a tmpfs")
    _within(one.mode, range(MODES + 1), "mode of a tmpfs", octal=True)
    return replace(one, destination=_destination(one.destination))


def devices(value: Iterable[Device]) -> tuple[Device, ...]:
    found: list[Device] = []
    for one in map(_typed, value):
        source = path(one.source, "a device")
        if not Path(source).exists():
            raise InvalidArgument(f"there is no device {source}")
        if not one.access or sorted(one.access) != sorted(set(one.access) & set("rwm")):
            raise InvalidArgument(
                f"{one.access!r} is no access to a device: write some of r (read), w (write), m (mknod)"
            )
        found.append(replace(one, source=source, destination=_destination(one.destination)))
    return tuple(found)


def secrets(value: Iterable[Secret]) -> tuple[Secret, ...]:
    """Each with a name of its own, and a source that is a file."""
    found: dict[str, Secret] = {}
    for one in map(_typed, value):
        source = Path(one.source).resolve()
        if not source.is_file():
            raise InvalidArgument(f"the secret {one.name!r} is to come from {source}: no such file")
        if one.name in found:
            raise InvalidArgument(f"the secret {one.name!r} is given twice")
        for number, what in ((one.uid, "uid"), (one.gid, "gid")):
            _within(number, range(MAX_ID + 1), f"{what} of a secret")
        _within(one.mode, range(0o1000), "mode of a secret", octal=True)
        found[name(one.name)] = replace(one, source=str(source))
    return tuple(found.values())


def groups(value: Sequence[str]) -> tuple[str, ...]:
    for one in value:
        if not USER.match(one) or ":" in one:
            raise InvalidArgument(f"{one!r} is no group: write a name or a number")
    return tuple(value)


def sysctls(value: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Dots between the parts; slashes are taken for dots."""
    found: dict[str, str] = {}
    for key, text in value.items():
        if not SYSCTL.match(key) or "\0" in text or "\n" in text:
            raise InvalidArgument(f"{f'{key}={text}'!r} is no sysctl: write NAME.NAME=VALUE")
        found[key.replace("/", ".")] = text
    return tuple(sorted(found.items()))


def limits(value: Limits, memory: int) -> Limits:
    if _typed(value) == LIMITS:
        return LIMITS
    swap = value.memory_swap
    if swap and not memory:
        raise InvalidArgument("a limit of memory and swap together needs a limit of memory")
    if swap != UNLIMITED and swap and swap < memory:
        raise InvalidArgument(
            f"memory and swap together ({swap} bytes) cannot be less than memory ({memory})"
        )
    _within(value.memory_reservation, range(2**63), "memory reservation")
    if value.cpu_period:
        _within(value.cpu_period, PERIODS, "CPU period in microseconds")
    if value.cpu_quota:
        _within(value.cpu_quota, range(PERIODS.start, 2**63), "CPU quota in microseconds")
    if value.cpu_shares:
        _within(value.cpu_shares, SHARES, "number of CPU shares")
    for cpus in filter(None, (value.cpuset_cpus, value.cpuset_mems)):
        if not CPUS.match(cpus):
            raise InvalidArgument(f"{cpus!r} is no set of processors or nodes: write 0-2,7")
    if value.pids is not None:
        _within(value.pids, range(-1, 2**31), "limit of threads")
    _within(value.shm, range(1, 2**63), "size of /dev/shm")
    if value.oom_score_adj is not None:
        _within(value.oom_score_adj, SCORES, "OOM score")
    named = [one.name for one in value.ulimits]
    if twice := next((one for one in named if named.count(one) > 1), ""):
        raise InvalidArgument(f"the limit {twice} is given twice")
    for one in value.ulimits:
        _ulimit(one)
    return value


def _ulimit(one: Ulimit) -> None:
    if one.name not in RLIMITS:
        raise InvalidArgument(f"{one.name!r} is no limit; there are {', '.join(sorted(RLIMITS))}")
    for number in (one.soft, one.hard):
        _within(number, range(UNLIMITED, 2**64 - 1), f"limit {one.name}")
    soft, hard = (2**64 if number == UNLIMITED else number for number in (one.soft, one.hard))
    if soft > hard:
        raise InvalidArgument(f"the limit {one.name} cannot be softly above its hard value")


def security(value: Security) -> Security:
    """Capabilities by their full names, paths in their shortest form."""
    if _typed(value) == SECURITY:
        return SECURITY
    add, drop = (tuple(map(capability, one)) for one in (value.cap_add, value.cap_drop))
    if both := sorted(set(add) & set(drop)):
        raise InvalidArgument(f"{both[0]} cannot be both added and dropped")
    profile = value.seccomp
    if profile not in ("", UNCONFINED):
        profile = path(profile, "a seccomp profile")
        if not Path(profile).is_file():
            raise InvalidArgument(f"there is no seccomp profile {profile}")
    if bool(value.process_label) != bool(value.mount_label):
        raise InvalidArgument("a process label and a mount label go together: give both or none")
    unmask = (ALL if one.upper() == ALL else path(one, "what to unmask") for one in value.unmask)
    return replace(
        value,
        cap_add=add,
        cap_drop=drop,
        seccomp=profile,
        mask=tuple(path(one, "what to mask") for one in value.mask),
        unmask=tuple(unmask),
    )


def capability(text: str) -> str:
    """`ALL`, or a capability with or without CAP_, in any case."""
    upper = text.upper()
    full = upper if upper == ALL or upper.startswith("CAP_") else f"CAP_{upper}"
    if full != ALL and full not in CAPABILITIES:
        raise InvalidArgument(
            f"{text!r} is no capability: write ALL, or a name such as NET_ADMIN (capabilities(7))"
        )
    return full


def cgroup_parent(value: str) -> str:
    """An absolute path, or the name of a slice; empty for neither."""
    if value.startswith("/"):
        found = path(value, "a cgroup")
        if not found.endswith(SLICE) and CGROUP.match(found):
            return found
    elif not value or SLICED.match(value):
        return value
    raise InvalidArgument(
        f"{value!r} is no parent of a cgroup: write an absolute path, or the name of a slice of "
        "systemd's, as in machine.slice"
    )


def namespaces(value: Namespaces, resolve: Callable[[str], str]) -> Namespaces:
    """`container:NAME` becomes `container:ID` by `resolve`."""
    if _typed(value) == NAMESPACES:
        return NAMESPACES
    if value.mount != "private":
        raise InvalidArgument(
            "a mount namespace is nobody's but the container's own: where others live, a runtime cannot "
            "make a root filesystem; mount a volume in both"
        )
    found: dict[str, str] = {}
    for kind in JOINABLE:
        whose: str = getattr(value, kind)
        if whose.startswith(SHARED):
            found[kind] = f"{SHARED}{resolve(whose.removeprefix(SHARED))}"
        elif whose not in (known := OWN[kind]):
            words = ", ".join((*filter(None, known), f"{SHARED}NAME"))
            raise InvalidArgument(f"{whose!r} is no {kind} namespace; there are {words}")
    return replace(value, **found)


def id_maps(value: Iterable[IdMap], what: str) -> tuple[IdMap, ...]:
    """Maps of users or groups (`what`): the container's root is among them, no id is there twice."""
    maps = tuple(_typed(one) for one in value)
    for one in maps:
        if one.size < 1 or not all(
            0 <= at <= MAX_ID + 1 - one.size for at in (one.container, one.host)
        ):
            raise InvalidArgument(
                f"a map of {what} leads from ids to as many ids below 2^32: {one}"
            )
    for side in ("container", "host"):
        spans = sorted((getattr(one, side), one.size) for one in maps)
        for (first, size), (second, _) in pairwise(spans):
            if first + size > second:
                raise InvalidArgument(f"{what} {second} of the {side} is in two of the maps")
    if maps and not any(one.container == 0 for one in maps):
        raise InvalidArgument(f"the maps of {what} leave out 0, the container's root")
    return maps


def deferred(wish: bool | None, mode: str, *, users: bool) -> bool:
    """Is its network to be set up after create? `mode`: that of its network, empty for some by name;
    `users`: it has others than the host's."""
    own = mode not in UNPLUGGED and not mode.startswith(SHARED)
    if wish and not own:
        raise InvalidArgument(
            f"the network `{mode}` is not set up, before create or after: leave out one of the two"
        )
    return own and users if wish is None else wish


def dns(value: Dns) -> Dns:
    if _typed(value) == DNS:
        return DNS
    for one in value.search:
        if not DOMAIN.match(one):
            raise InvalidArgument(f"{one!r} is no domain to search")
    for one in value.options:
        if not WORD.match(one):
            raise InvalidArgument(f"{one!r} is no option of resolv.conf(5)")
    return replace(value, servers=tuple(map(address, value.servers)))


def hosts(value: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """(name, address) each."""
    return tuple((name(host), address(at)) for host, at in value)


def consistent(config: Config) -> Config:
    """What makes sense alone must make sense together; returns the config."""
    places = [one.destination for one in (*config.mounts, *config.devices)]
    places += [f"/run/secrets/{one.name}" for one in config.secrets]
    if twice := next((one for one in places if places.count(one) > 1), ""):
        raise InvalidArgument(f"two things cannot both be at {twice} in the container")
    if config.namespaces.uts == "host" and config.hostname:
        raise InvalidArgument("with the host's UTS namespace the hostname is the host's")
    if config.uid_maps or config.gid_maps:
        _consistent_maps(config)
    if not config.cgroup_parent:
        _consistent_without_cgroups(config)
    for key, _ in config.sysctls:
        if reason := _not_its_own(key, config):
            raise InvalidArgument(f"the sysctl {key} cannot be set: {reason}")
    return config


def _consistent_without_cgroups(config: Config) -> None:
    limits = config.limits
    asked = {
        "memory": config.memory or limits.memory_swap or limits.memory_reservation,
        "cpu": limits.cpu_quota or limits.cpu_period or limits.cpu_shares,
        "cpuset": limits.cpuset_cpus or limits.cpuset_mems,
        "pids": limits.pids is not None and limits.pids > 0,
    }
    if wanted := [name for name, wish in asked.items() if wish]:
        raise InvalidArgument(
            f"{' and '.join(wanted)} cannot be limited: that takes a cgroup, and none is delegated to "
            "this user here; `lockgate doctor` says what would help"
        )
    if config.namespaces.pid != "private":
        raise InvalidArgument(
            "without a cgroup, its pid namespace is how a container's processes are found and "
            "ended: it cannot have the host's"
        )


def _consistent_maps(config: Config) -> None:
    if not config.uid_maps:
        raise InvalidArgument("maps of groups go with maps of users: give both, or those of users")
    own = config.namespaces
    held = [("pid", own.pid), ("ipc", own.ipc), ("cgroup", own.cgroup)]
    if own.user:  # it is entered before the others are
        held.append(("uts", own.uts))
    for kind, whose in held:
        if whose in ("private", SHAREABLE, own.user):
            continue
        if whose == "host" and kind in ("cgroup", "uts"):
            continue
        others = "the host's" if whose == "host" else "another's"
        raise InvalidArgument(
            f"who has users of its own has no power over {others} {kind} namespace: leave one "
            "of the two out"
        )
    for one in config.secrets:
        ids = (host_id(config.uid_maps, one.uid), host_id(config.gid_maps, one.gid))
        if None in ids:
            raise InvalidArgument(
                f"the secret {one.name} is for {one.uid}:{one.gid}, whom the container does not have"
            )


def _not_its_own(key: str, config: Config) -> str:
    """Why a sysctl would change the host; empty when it is the container's alone."""
    if key.startswith("net."):
        if shares(config):
            return "the network is another container's"
        return "the network is the host's" if config.network == "host" else ""
    if IPC_SYSCTLS.match(key):
        return _whose("IPC", config.namespaces.ipc)
    if key == "kernel.domainname":
        return _whose("UTS", config.namespaces.uts)
    return "it is the whole host's"


def _whose(kind: str, whose: str) -> str:
    if whose.startswith(SHARED):
        return f"the {kind} namespace is another container's"
    return f"the {kind} namespace is the host's" if whose == "host" else ""


def path(value: str, what: str) -> str:
    """Absolute, in its shortest form."""
    if not value.startswith("/") or "\0" in value:
        raise InvalidArgument(f"{what} is an absolute path, not {value!r}")
    return posixpath.normpath("/" + value.lstrip("/"))


def _destination(value: str) -> str:
    found = path(value, "where something is mounted")
    if found == "/":
        raise InvalidArgument("nothing can be mounted over the root of a container")
    return found


def _within(value: int, allowed: range, what: str, *, octal: bool = False) -> None:
    if value not in allowed:
        low, high, said = (
            f"{number:#o}" if octal else number for number in (allowed[0], allowed[-1], value)
        )
        raise InvalidArgument(f"a {what} of {said} makes no sense: give {low} to {high}")


def _typed(value: S) -> S:
    """The same, once each field is known to be what it is declared as."""
    try:
        msgspec.convert(msgspec.to_builtins(value), type(value))
    except msgspec.ValidationError as problem:
        raise InvalidArgument(f"{value!r}: {problem}") from None
    return value
