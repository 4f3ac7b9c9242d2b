"""What a container was asked to be.

Fixed when the container is created and handed to every port beside the effect: an effect says
what is to be done, the config says to what. Nothing here changes during a run.
"""

from typing import Literal, TypeAlias

from msgspec import Struct

from lockgate.effects.health import HealthCheck
from lockgate.effects.network import Dns

USER, SLIRP, PASTA = "user", "slirp4netns", "pasta"
USERMODES = (USER, SLIRP, PASTA)
"""The network every host has, a process that passes on what the container sends: whichever of the
two programs works, or the one that is named."""

NETWORK_MODES = ("none", "host", "private")
"""Words that name no network. `none`: a fresh namespace made by the runtime; `host`: the host's;
`private`: one of our making, with nothing but a loopback interface."""

UNPLUGGED = ("none", "host")
"""Those of them that need nobody to see to them."""

SHARED = "container:"
"""Followed by a container's id: the mode of whoever has no namespace but that container's."""

Transport = Literal["tcp", "udp", "sctp"]


class Attachment(Struct, frozen=True, omit_defaults=True, cache_hash=True):
    """One network a container is plugged into, and who it wants to be there.

    `ip` and `mac` left empty are chosen by the network. `aliases` are further names of the
    container on this network.
    """

    network: str
    ip: str = ""
    mac: str = ""
    aliases: tuple[str, ...] = ()


class PortMapping(Struct, frozen=True, omit_defaults=True, cache_hash=True):
    """A port of the host that leads to one of the container; no `host_ip`: on all its addresses."""

    host_port: int
    container_port: int
    host_ip: str = ""
    protocol: Transport = "tcp"


RestartPolicy = Literal["no", "on-failure", "always", "unless-stopped"]
"""Whether a run that ended by itself is followed by another; `always` and `unless-stopped` differ
after a reboot: the first starts again also what its user had stopped."""

SHAREABLE = "shareable"
"""Of the IPC namespace: the container's own, made so that others can live in it."""

Propagation = Literal["private", "rprivate", "shared", "rshared", "slave", "rslave"]
"""Mount propagation (mount_namespaces(7)); with `r`, of the mounts below it, too."""

UNLIMITED = -1
"""Of limits for which none is not the same as the default."""


class Bind(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="bind"):
    """A file or directory of the host at `destination`; both absolute. `recursive`: with what is
    mounted below it. `relabel`, where SELinux is: its files get the container's mount label, its own
    (`private`) or one that it shares with all others of its kind; once, when it is made."""

    source: str
    destination: str
    readonly: bool = False
    recursive: bool = True
    propagation: Propagation = "rprivate"
    nosuid: bool = False
    nodev: bool = False
    noexec: bool = False
    relabel: Literal["", "shared", "private"] = ""


class Tmpfs(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="tmpfs"):
    """Memory that looks like a directory, empty at each start and gone at each end.

    `size` is bytes, 0 for the kernel's default (half of the memory); `mode` permission bits,
    which some runtimes leave as they are where the image has a directory (runc 1.1). `copy_up`: it
    begins with what the image has there.
    """

    destination: str
    size: int = 0
    mode: int = 0o1777
    readonly: bool = False
    nosuid: bool = True
    nodev: bool = True
    noexec: bool = True
    copy_up: bool = False


class VolumeMount(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="volume"):
    """A volume by name at `destination`, made if need be, and then given what the image has there.

    Empty `volume`: one of its own, `anonymous`; it goes with the container. `existing`: it is not made
    but must be there. `subpath` is a directory or file inside one that is there, relative to its
    top: only that is mounted, as it is.
    """

    destination: str
    volume: str = ""
    subpath: str = ""
    existing: bool = False
    anonymous: bool = False
    readonly: bool = False
    nosuid: bool = True
    nodev: bool = True
    noexec: bool = False


Mount: TypeAlias = Bind | Tmpfs | VolumeMount


class Device(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A device of the host; which one `source` names is looked up anew for each run (MAP L-161).

    `access`: any of r (read), w (write), m (mknod).
    """

    source: str
    destination: str
    access: str = "rwm"


class Secret(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file at `/run/secrets/<name>` whose content no record, history or spec ever holds.

    `source` is the host's file it is copied from, once, when the container is made. `mode` is
    permission bits, `uid` and `gid` its owner.
    """

    name: str
    source: str
    uid: int = 0
    gid: int = 0
    mode: int = 0o400


class Ulimit(Struct, frozen=True, kw_only=True):
    """A resource limit of setrlimit(2), `name` as there without `RLIMIT_` and in lower case.

    -1 (`UNLIMITED`) means no limit. A container may be given no more than its host has.
    """

    name: str
    soft: int
    hard: int


class Limits(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a container may use. 0 leaves a limit unset, unless said otherwise.

    `memory_swap` is bytes of memory and swap together, 0 for as much as `memory` (so no swap),
    -1 for any. `cpu_quota` is microseconds of CPU time in each `cpu_period` microseconds.
    `cpuset_cpus` and `cpuset_mems` are lists such as `0-2,7` (cpuset(7)). `pids` counts threads: `None` is
    2048 where the host can count them, 0 or -1 no limit.
    `shm` is bytes of /dev/shm. `oom_score_adj`: -1000 to 1000, `None` for the engine's own.
    """

    memory_swap: int = 0
    memory_reservation: int = 0
    cpu_quota: int = 0
    cpu_period: int = 0
    cpu_shares: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    pids: int | None = None
    shm: int = 64 * 2**20
    oom_score_adj: int | None = None
    ulimits: tuple[Ulimit, ...] = ()


class Security(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a container's processes may do beyond the defaults, or no longer.

    Capabilities are named `CAP_…`, or are `ALL`: to drop all and add some leaves those, to add all
    and drop some leaves the others.

    `seccomp` is empty for the default profile, `unconfined`, or the absolute path of a profile.
    `unmask` holds paths to leave as the kernel shows them, or `ALL`; `mask` more to hide.
    `privileged`: all capabilities and devices of the host, nothing hidden, no seccomp.
    `apparmor` is the name of a profile the host has loaded; `process_label` and `mount_label` are
    SELinux contexts, both or none (MAP L-45).
    """

    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    seccomp: str = ""
    no_new_privileges: bool = False
    mask: tuple[str, ...] = ()
    unmask: tuple[str, ...] = ()
    privileged: bool = False
    apparmor: str = ""
    process_label: str = ""
    mount_label: str = ""


class IdMap(Struct, frozen=True, kw_only=True):
    """`size` ids from `container` on are, on this host, those from `host` on
    (user_namespaces(7))."""

    container: int
    host: int
    size: int


class Namespaces(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which namespaces are the container's own; the network's is `Config.network`.

    `pid`, `ipc`, `uts` and `cgroup` are `private`, `host`, or `container:ID` for that of another; an
    `ipc` others can live in is `shareable`: its /dev/shm, too, is then theirs. `user` is empty, for
    one of its own where it has maps of ids and the host's where not, or `container:ID`: then the maps
    are that one's. `mount` is always `private`.
    """

    pid: str = "private"
    ipc: str = "private"
    uts: str = "private"
    cgroup: str = "private"
    user: str = ""
    mount: str = "private"


JOINABLE = ("pid", "ipc", "uts", "cgroup", "user")
"""Kinds of namespaces, besides the network's, that may be another container's."""

Shared = Literal["net", "ipc", "uts", "pid"]
"""Kinds of namespaces a pod may have for all its members."""

ExitPolicy = Literal["continue", "stop"]
"""What becomes of a pod when the last of its members has ended."""

InitKind = Literal["", "always", "once"]
"""Whether a member runs to its end before others start: at each start of the pod, or until it has
succeeded, and is removed then."""


class Pod(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a pod was asked to be, in the config of the container that holds it together.

    Its networks and published ports are that container's. `shares` are the namespaces that members
    live in; `created_at` nanoseconds since the Unix epoch. Its containers together may use
    `memory` bytes, `pids` threads, and `cpu_quota` microseconds of CPU time in each `cpu_period`; 0: no
    limit. Where there is one their cgroups are in `cgroup`, an absolute path.
    """

    id: str
    name: str
    shares: tuple[Shared, ...] = ("net", "ipc", "uts")
    exit_policy: ExitPolicy = "continue"
    labels: tuple[tuple[str, str], ...] = ()
    created_at: int = 0
    memory: int = 0
    pids: int = 0
    cpu_quota: int = 0
    cpu_period: int = 0
    cgroup: str = ""


class Membership(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of a container in a pod: the pod's id, and that of the container that holds it together.

    `ends`: the pod is stopped when the last such member has ended. `cgroup`: the pod's.
    """

    pod: str
    infra: str
    init: InitKind = ""
    ends: bool = False
    cgroup: str = ""


LIMITS, SECURITY, NAMESPACES, DNS = Limits(), Security(), Namespaces(), Dns()
"""What a container is given when nothing else is asked for; records do not repeat it."""


CGROUPS = "/lockgate"
"""Below this cgroup are those of containers, unless the host has another place for them."""


class Config(Struct, frozen=True, kw_only=True, omit_defaults=True, cache_hash=True):
    """One container as its creator described it.

    Times are nanoseconds since the Unix epoch, timeouts seconds, sizes bytes. Exactly one of
    `image` and `rootfs` names where the root filesystem comes from; `image_id` pins what the
    name meant at creation. Labels and annotations are sorted pairs, so that equal wishes are
    equal values.

    `network` is a mode, or the name of the first of `networks`; the container's interfaces eth0,
    eth1, … are plugged into these in order. `ports` need a network. With `container:ID` it is in the
    namespace of another container, whatever that is plugged into. With `deferred_network` the
    namespace is made by the runtime, as one of the container's own users, and set up between
    create and start.
    """

    id: str
    name: str = ""
    image: str = ""
    image_id: str = ""
    rootfs: str = ""
    command: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    workdir: str = "/"
    user: str = ""
    hostname: str = ""
    network: str = "none"
    networks: tuple[Attachment, ...] = ()
    ports: tuple[PortMapping, ...] = ()
    memory: int = 0  # bytes; 0: no limit
    terminal: bool = False
    stdin: bool = False
    stop_signal: int = 15
    log_size: int = 0  # bytes of its log, after which it is begun anew; 0: no limit
    stop_timeout: int = 10  # seconds between the stop signal and SIGKILL; 0: SIGKILL at once
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    auto_remove: bool = False
    restart: RestartPolicy = "no"
    restart_retries: int = 0  # for on-failure: how often at most; 0: without end
    cgroup_parent: str = CGROUPS  # a path, or the name of a slice; empty: it has no cgroup
    created_at: int = 0

    systemd: bool = False  # it runs systemd, which wants a machine of its own
    read_only: bool = False  # the root filesystem
    mounts: tuple[Mount, ...] = ()
    devices: tuple[Device, ...] = ()
    secrets: tuple[Secret, ...] = ()
    groups: tuple[str, ...] = ()  # besides those of `user`: names or numbers
    sysctls: tuple[tuple[str, str], ...] = ()  # sorted pairs
    limits: Limits = LIMITS
    security: Security = SECURITY
    namespaces: Namespaces = NAMESPACES
    uid_maps: tuple[IdMap, ...] = ()  # none: it has the host's users, and no namespace of its own
    gid_maps: tuple[IdMap, ...] = ()
    dns: Dns = DNS  # each kind that is given replaces what the networks or the host say
    hosts: tuple[tuple[str, str], ...] = ()  # lines of /etc/hosts: (name, address)
    health: HealthCheck | None = None
    requires: tuple[str, ...] = ()  # ids of containers that run while this one does
    holds: Pod | None = None  # the pod it holds together: it is there as long as this container
    pod: Membership | None = None
    deferred_network: bool = False


SLICE = ".slice"
"""How the names of slices end: then systemd makes the cgroup, as a scope (systemd.slice(5))."""


def by_systemd(config: Config) -> bool:
    return config.cgroup_parent.endswith(SLICE)


def cgroup(config: Config) -> str:
    """The container's own, absolute, and no other container's (HOST §0, pitfall 1); empty where it
    has none (MAP L-63)."""
    if by_systemd(config):
        return f"{_below(config.cgroup_parent)}/lockgate-{config.id}.scope"
    return f"{config.cgroup_parent}/{config.id}" if config.cgroup_parent else ""


def cgroups_path(config: Config) -> str:
    """The same as runtimes are told of it (MAP §3.5, 18): systemd's as slice, prefix and name."""
    if by_systemd(config):
        return f"{config.cgroup_parent}:lockgate:{config.id}"
    return cgroup(config)


def _below(name: str) -> str:
    """Where a slice is: `a-b.slice` in `a.slice`, `-.slice` at the top."""
    parts = name.removesuffix(SLICE).split("-")
    above = ("-".join(parts[:depth]) for depth in range(1, len(parts) + 1))
    return "".join(f"/{one}{SLICE}" for one in above if one) if name != f"-{SLICE}" else ""


def shares(config: Config) -> str:
    """The id of the container whose network namespace this one is in; empty for one of its own."""
    return config.network.removeprefix(SHARED) if config.network.startswith(SHARED) else ""


def borrowed(config: Config) -> tuple[tuple[str, str], ...]:
    """Which kinds of namespaces, besides the network's, are of another container, and whose."""
    asked: list[tuple[str, str]] = [(kind, getattr(config.namespaces, kind)) for kind in JOINABLE]
    return tuple(
        (kind, whose.removeprefix(SHARED)) for kind, whose in asked if whose.startswith(SHARED)
    )


def owners(config: Config) -> tuple[str, ...]:
    """The ids of those in whose namespaces it lives."""
    net = (shares(config),) if shares(config) else ()
    return tuple(dict.fromkeys((*net, *(owner for _, owner in borrowed(config)))))


def needs(config: Config) -> tuple[str, ...]:
    """The ids of those it cannot run without, and which cannot go before it does."""
    infra = (config.pod.infra,) if config.pod else ()
    return tuple(dict.fromkeys((*owners(config), *infra, *config.requires)))


def pod_of(config: Config) -> str:
    """The id of the pod it is in, or holds together; empty for none."""
    if config.holds is not None:
        return config.holds.id
    return config.pod.pod if config.pod is not None else ""


def pod_cgroup(config: Config) -> str:
    """That of the pod it is in, or holds together; empty where there is none."""
    if config.holds is not None:
        return config.holds.cgroup
    return config.pod.cgroup if config.pod is not None else ""


def lodges(config: Config) -> bool:
    """Is there anything to see to in its namespaces before a run can begin in them? Not where the
    runtime makes them, or the host has them."""
    if config.network not in UNPLUGGED or (config.mounts and volume_parts(config)):
        return True
    own = config.namespaces
    # most have wished for nothing here, and every start asks
    return own is not NAMESPACES and (own.ipc == SHAREABLE or bool(borrowed(config)))


def volume_mounts(config: Config) -> tuple[VolumeMount, ...]:
    return tuple(one for one in config.mounts if isinstance(one, VolumeMount))


def volume_parts(config: Config) -> tuple[VolumeMount, ...]:
    """Those that mount no whole volume."""
    return tuple(one for one in volume_mounts(config) if one.subpath)
