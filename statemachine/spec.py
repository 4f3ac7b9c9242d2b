"""The OCI spec of one run, as a pure function of the config and what was looked up for it.

Facts come in (where the root filesystem is mounted, the container's own accounts), a spec goes
out; same facts, same bytes. Files of the container are read as hostile data: malformed lines are
passed over, never trusted (BEHAVIOUR §3 "Spec generation"; OCI runtime spec "Configuration").
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from lockgate.effects.config import Config
from lockgate.effects.model import WriteSpec
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Accounts

CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
)
MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/dev/block",
    "/sys/firmware",
)
READONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MAX_ID = 2**32 - 2
SHM_SIZE = 64 * 2**20


def generate(config: Config, effect: WriteSpec, accounts: Accounts) -> bytes:
    """config.json for this run. Raises `PortError("missing", dirty=False)` for an unknown user."""
    return msgspec.json.format(msgspec.json.encode(_spec(config, effect, accounts)), indent=1)


def _spec(config: Config, effect: WriteSpec, accounts: Accounts) -> dict[str, Any]:
    uid, gid, groups = resolve_user(config.user, accounts)
    user: dict[str, Any] = {"uid": uid, "gid": gid}
    if groups:
        user["additionalGids"] = list(groups)
    hostname = config.hostname or (config.id[:12] if config.network != "host" else "")
    spec: dict[str, Any] = {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": config.terminal,
            "user": user,
            "args": list(config.command),
            "env": list(environment(config, hostname)),
            "cwd": config.workdir or "/",
            "capabilities": {
                name: list(CAPABILITIES) for name in ("bounding", "effective", "permitted")
            },
            "noNewPrivileges": False,
        },
        "root": {"path": effect.mountpoint, "readonly": False},
        "mounts": _mounts(config),
        "annotations": dict(_annotations(config)),
        "linux": {
            "cgroupsPath": f"{config.cgroup_parent}/{config.id}",
            "namespaces": list(_namespaces(config, effect)),
            "maskedPaths": list(MASKED),
            "readonlyPaths": list(READONLY),
            "resources": _resources(config),
        },
    }
    if hostname:
        spec["hostname"] = hostname
    return spec


def environment(config: Config, hostname: str) -> Iterator[str]:
    """What the user gave wins; PATH, HOSTNAME, TERM and `container` are filled in."""
    given = {name for name, _, _ in (pair.partition("=") for pair in config.env)}
    defaults = [PATH, "container=lockgate"]
    if hostname:
        defaults.append(f"HOSTNAME={hostname}")
    if config.terminal:
        defaults.append("TERM=xterm")
    yield from (pair for pair in defaults if pair.partition("=")[0] not in given)
    yield from config.env


def _annotations(config: Config) -> Iterator[tuple[str, str]]:
    yield "org.opencontainers.image.stopSignal", str(config.stop_signal)
    yield "io.lockgate.created-at", str(config.created_at)
    yield from config.annotations


def _namespaces(config: Config, effect: WriteSpec) -> Iterator[dict[str, str]]:
    for kind in ("pid", "ipc", "mount", "cgroup"):
        yield {"type": kind}
    if config.network != "host":
        yield {"type": "uts"}
        yield {"type": "network", "path": effect.netns} if effect.netns else {"type": "network"}


def _resources(config: Config) -> dict[str, Any]:
    deny: dict[str, Any] = {"devices": [{"allow": False, "access": "rwm"}]}
    if config.memory:
        deny["memory"] = {"limit": config.memory, "swap": config.memory}
    return deny


def _mounts(config: Config) -> list[dict[str, Any]]:
    def mount(destination: str, kind: str, source: str, *options: str) -> dict[str, Any]:
        return {
            "destination": destination,
            "type": kind,
            "source": source,
            "options": list(options),
        }

    nothing = ("nosuid", "noexec", "nodev")
    sys = (
        mount("/sys", "bind", "/sys", "rbind", *nothing, "ro")
        if config.network == "host"  # sysfs belongs to the network namespace that mounts it
        else mount("/sys", "sysfs", "sysfs", *nothing, "ro")
    )
    mounts = [
        mount("/proc", "proc", "proc", *nothing),
        mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        sys,
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            "nosuid",
            "noexec",
            "newinstance",
            "ptmxmode=0666",
            "mode=0620",
            "gid=5",
        ),
        mount("/dev/mqueue", "mqueue", "mqueue", *nothing),
        mount("/dev/shm", "tmpfs", "shm", *nothing, "mode=1777", f"size={SHM_SIZE}"),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", *nothing, "relatime", "ro"),
    ]
    return sorted(mounts, key=lambda one: one["destination"].rstrip("/").count("/"))


# ---- users -------------------------------------------------------------------------------


def resolve_user(user: str, accounts: Accounts) -> tuple[int, int, tuple[int, ...]]:
    """`name|uid[:group|gid]` to (uid, gid, supplementary gids), by the container's own files.

    Empty is root. A numeric uid the files do not know gets gid 0, as OCI image spec `config.User`
    and the engines of the field do. A group given by hand means no supplementary groups.
    """
    name, _, group = user.partition(":")
    if not name:
        return 0, _gid(group, accounts) if group else 0, ()
    entry = next((line for line in _passwd(accounts) if line[0] == name), None)
    if entry is None and _number(name) is not None:
        uid = _number(name) or 0
        entry = next((line for line in _passwd(accounts) if line[1] == uid), (name, uid, 0))
    if entry is None:
        raise PortError(
            "missing",
            f"the user {name!r} is not in the container's /etc/passwd; name one that is, or a number",
            dirty=False,
        )
    if group:
        return entry[1], _gid(group, accounts), ()
    groups = (gid for _, gid, members in _groups(accounts) if entry[0] in members)
    return entry[1], entry[2], tuple(sorted(set(groups) - {entry[2]}))


def _gid(group: str, accounts: Accounts) -> int:
    for name, gid, _ in _groups(accounts):
        if name == group:
            return gid
    number = _number(group)
    if number is None:
        raise PortError(
            "missing",
            f"the group {group!r} is not in the container's /etc/group; name one that is, "
            "or a number",
            dirty=False,
        )
    return number


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return None
    number = int(text)
    return number if number <= MAX_ID else None


def _lines(data: bytes, fields: int) -> Iterator[list[str]]:
    for line in data.decode("utf-8", "replace").splitlines():
        parts = line.split(":")
        if len(parts) >= fields:
            yield parts


def _passwd(accounts: Accounts) -> Iterator[tuple[str, int, int]]:
    for parts in _lines(accounts.passwd, 4):
        uid, gid = _number(parts[2]), _number(parts[3])
        if parts[0] and uid is not None and gid is not None:
            yield parts[0], uid, gid


def _groups(accounts: Accounts) -> Iterator[tuple[str, int, list[str]]]:
    for parts in _lines(accounts.group, 4):
        gid = _number(parts[2])
        if parts[0] and gid is not None:
            yield parts[0], gid, parts[3].split(",")
