"""What is mounted where: the kernel's file systems, the engine's files, the user's wishes.

One rule: a destination is mounted once, and what the user wants there wins.
"""

from collections.abc import Iterator, Mapping
from typing import Any, assert_never

from lockgate.effects.config import Bind, Config, Mount, Tmpfs, VolumeMount, cgroup
from lockgate.effects.idmaps import host_id
from lockgate.effects.ports import Facts
from lockgate.statemachine.spec.files import Written
from lockgate.statemachine.spec.resources import seen

NOTHING = ("nosuid", "noexec", "nodev")
SECRETS = "/run/secrets"
SYSTEMD = "name=systemd"
"""The hierarchy of version 1 that limits nothing and is systemd's."""


def mounts(
    config: Config, facts: Facts, written: Written, lodging: Mapping[str, str]
) -> list[dict[str, Any]]:
    """All mounts, parents before children, otherwise in the order given. `lodging`: where its /dev/shm
    is, if it is neither its own nor the host's, and parts of volumes by their destinations."""
    chosen = [_wished(one, facts, lodging) for one in config.mounts]
    taken = {one.destination for one in config.mounts}
    ours = [
        *_kernel(config, facts, lodging.get("shm")),
        *_machine(config, facts),
        *_devices(config, facts),
        *_files(config, facts, written),
    ]
    found = [*(one for one in ours if one["destination"] not in taken), *chosen]
    return sorted(found, key=lambda one: one["destination"].count("/"))


def root_propagation(config: Config) -> str:
    """What the root must be for the mounts in it to be shared, or slaves; empty for no matter."""
    kinds = {one.propagation.removeprefix("r") for one in config.mounts if isinstance(one, Bind)}
    return next((kind for kind in ("shared", "slave") if kind in kinds), "")


def _mount(destination: str, kind: str, source: str, *options: str) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}


def _kernel(config: Config, facts: Facts, shm: str | None) -> Iterator[dict[str, Any]]:
    mode = "rw" if config.security.privileged else "ro"
    yield _mount("/proc", "proc", "proc", *NOTHING)
    yield _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k")
    # sysfs belongs to the network namespace, and may be mounted by the user namespace that owns it
    lent = config.uid_maps and config.network != "none" and not config.deferred_network
    if config.network == "host" or lent:
        yield _mount("/sys", "bind", "/sys", "rbind", *NOTHING, mode)
    else:
        yield _mount("/sys", "sysfs", "sysfs", *NOTHING, mode)
    pts = ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620")
    terminals = ("gid=5",) if host_id(config.gid_maps, 5) is not None else ()
    yield _mount("/dev/pts", "devpts", "devpts", *pts, *terminals)
    yield _mount("/dev/mqueue", "mqueue", "mqueue", *NOTHING)
    if config.namespaces.ipc == "host" or shm:
        yield _mount("/dev/shm", "bind", shm or "/dev/shm", "bind", "rprivate", *NOTHING)
    else:
        size = f"size={config.limits.shm}"
        yield _mount("/dev/shm", "tmpfs", "shm", *NOTHING, "mode=1777", size)
    if config.systemd and SYSTEMD not in facts.controllers:  # it makes groups below its own
        mode = "rw"
    yield _mount("/sys/fs/cgroup", "cgroup", "cgroup", *NOTHING, "relatime", mode)


def _machine(config: Config, facts: Facts) -> Iterator[dict[str, Any]]:
    """What systemd looks for before it starts anything (MAP §3.5, 11): memory to write to, and where
    version 1 of cgroups is, its own hierarchy."""
    if not config.systemd:
        return
    memory = ("rw", "rprivate", *NOTHING, "tmpcopyup")
    yield _mount("/run", "tmpfs", "tmpfs", *memory, "mode=755", "size=65536k")
    yield _mount("/tmp", "tmpfs", "tmpfs", *memory, "mode=1777")
    yield _mount("/var/log/journal", "tmpfs", "tmpfs", *memory, "mode=755")
    if SYSTEMD in facts.controllers and config.cgroup_parent:
        source = f"/sys/fs/cgroup/systemd{cgroup(config)}"
        yield _mount("/sys/fs/cgroup/systemd", "bind", source, "bind", "private", *NOTHING)


def _devices(config: Config, facts: Facts) -> Iterator[dict[str, Any]]:
    """Who has users of its own may not make devices: it is lent the host's."""
    if config.uid_maps:
        for destination, node in seen(config, facts).items():
            yield _mount(destination, "bind", node.path, "bind", "private", "nosuid", "noexec")


def _files(config: Config, facts: Facts, written: Written) -> Iterator[dict[str, Any]]:
    guarded = ("ro", *NOTHING)
    for destination, file in written.items():
        source = f"{facts.bundle}/files/{file.name}"
        options = guarded if config.read_only else ()
        yield _mount(destination, "bind", source, "bind", "private", *options)
    for secret in config.secrets:
        source = f"{facts.bundle}/secrets/{secret.name}"
        yield _mount(f"{SECRETS}/{secret.name}", "bind", source, "bind", "private", *guarded)


def _wished(one: Mount, facts: Facts, lodging: Mapping[str, str]) -> dict[str, Any]:
    barred = [name for name in NOTHING if getattr(one, name)]
    mode = "ro" if one.readonly else "rw"
    match one:
        case Bind():
            kind = "rbind" if one.recursive else "bind"
            return _mount(one.destination, "bind", one.source, kind, mode, one.propagation, *barred)
        case Tmpfs():
            target = dict(facts.targets).get(one.destination, one.destination)
            options = [mode, "rprivate", *barred, f"mode={one.mode:o}"]
            if one.size:
                options.append(f"size={one.size}")
            if one.copy_up:
                options.append("tmpcopyup")
            return _mount(target, "tmpfs", "tmpfs", *options)
        case VolumeMount():
            whole = dict(facts.volumes)[one.volume]
            source = lodging[one.destination] if one.subpath else whole
            return _mount(one.destination, "bind", source, "rbind", mode, "rprivate", *barred)
        case _:
            assert_never(one)
