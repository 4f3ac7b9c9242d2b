"""What `lockgate.cli.wishes` took down, made into the values `Engine.create` takes.

Loaded when a container is made, so that help and mistyped options need not wait for it. Whether a
wish makes sense is not asked here, only whether it can be read: `click.UsageError` where it cannot.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast, get_args

import click

from lockgate.cli.params import size
from lockgate.effects.config import (
    UNLIMITED,
    Bind,
    Device,
    IdMap,
    Limits,
    Mount,
    Namespaces,
    Propagation,
    Secret,
    Security,
    Tmpfs,
    Ulimit,
    VolumeMount,
)
from lockgate.effects.network import Dns

CPU_PERIOD = 100_000
"""Microseconds within which a quota is used up."""

PROPAGATIONS = get_args(Propagation)
FLAGS: dict[str, dict[str, Any]] = {
    "ro": {"readonly": True},
    "readonly": {"readonly": True},
    "rw": {"readonly": False},
    "nosuid": {"nosuid": True},
    "suid": {"nosuid": False},
    "nodev": {"nodev": True},
    "dev": {"nodev": False},
    "noexec": {"noexec": True},
    "exec": {"noexec": False},
}
BIND_FLAGS = FLAGS | {
    "rbind": {"recursive": True},
    "bind": {"recursive": False},
    "z": {"relabel": "shared"},
    "Z": {"relabel": "private"},
}
VOLUME_FLAGS = FLAGS | {
    "nocreate": {"existing": True},
    "z": {},  # labelled when it was made
    "Z": {},
}
TMPFS_FLAGS = FLAGS | {"tmpcopyup": {"copy_up": True}, "notmpcopyup": {"copy_up": False}}


class Kind(NamedTuple):
    make: Callable[..., Mount]
    flags: dict[str, dict[str, Any]]
    needs: str


KINDS = {
    "bind": Kind(Bind, BIND_FLAGS, "src=PATH and dst=PATH"),
    "volume": Kind(VolumeMount, VOLUME_FLAGS, "dst=PATH"),
    "tmpfs": Kind(Tmpfs, TMPFS_FLAGS, "dst=PATH"),
}
"""Of mounts, as `--mount` names them."""

T = TypeVar("T")


def grouped(asked: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `Engine.create` among `asked`, and those it has under other names."""
    take = asked.pop
    mounts: list[Mount] = [*_each("--volume", volume, take("volumes"))]
    mounts += _each("--mount", mount, take("mounts"))
    mounts += _each("--tmpfs", tmpfs, take("tmpfs"))
    return asked | {
        "env": environment(take("env_files"), asked["env"]),
        "mounts": mounts,
        "devices": [*_each("--device", device, take("devices"))],
        "secrets": [*_each("--secret", secret, take("secrets"))],
        "hosts": [*_each("--add-host", host, take("hosts"))],
        "limits": Limits(
            memory_swap=_one("--memory-swap", swap, take("memory_swap")),
            memory_reservation=take("memory_reservation"),
            cpu_shares=take("cpu_shares"),
            cpuset_cpus=take("cpuset_cpus"),
            cpuset_mems=take("cpuset_mems"),
            pids=take("pids"),
            shm=take("shm"),
            oom_score_adj=take("oom_score_adj"),
            ulimits=tuple(_each("--ulimit", ulimit, take("ulimits"))),
            **_one("--cpus", cpus, take("cpus")),
        ),
        "security": Security(
            cap_add=take("cap_add"),
            cap_drop=take("cap_drop"),
            privileged=take("privileged"),
            **_one("--security-opt", security, take("security_options")),
        ),
        "namespaces": Namespaces(
            pid=take("pid"),
            ipc=take("ipc"),
            uts=take("uts"),
            cgroup=take("cgroup"),
            user=take("userns"),
        ),
        "uid_maps": [*_each("--uidmap", id_map, take("uid_maps"))],
        "gid_maps": [*_each("--gidmap", id_map, take("gid_maps"))],
        "deferred_network": take("deferred_network"),
        "dns": Dns(take("dns_servers"), take("dns_search"), take("dns_options")),
    }


def _each(option: str, read: Callable[[str], T], texts: Iterable[str]) -> Iterator[T]:
    return (_one(option, read, text) for text in texts)


def _one(option: str, read: Callable[[Any], T], text: Any) -> T:
    try:
        return read(text)
    except ValueError as problem:
        context = click.get_current_context()
        raise click.BadParameter(str(problem), context, param_hint=option) from None


def id_map(text: str) -> IdMap:
    """`CONTAINER:HOST:SIZE`."""
    parts = text.split(":")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError(f"{text!r} is no map: write CONTAINER:HOST:SIZE, as in 0:100000:65536")
    container, host, size = (int(part[:12]) for part in parts)
    return IdMap(container=container, host=host, size=size)


# ---- mounts ------------------------------------------------------------------------------


def volume(text: str) -> Mount:
    """`SRC:DST[:OPTION,…]`, SRC a path of the host or the name of a volume; `DST` alone for a
    volume of its own."""
    match text.split(":"):
        case [destination] if destination:
            return VolumeMount(destination=destination, anonymous=True)
        case [source, destination] if source and destination:
            options = ""
        case [source, destination, options] if source and destination:
            pass
        case _:
            raise ValueError(f"{text!r}: write SRC:DST, or SRC:DST:OPTION,…")
    named = not source.startswith(("/", "."))
    wishes: dict[str, Any] = {}
    for option in filter(None, options.split(",")):
        wishes |= _flag(option, VOLUME_FLAGS if named else BIND_FLAGS)
    if named:
        return VolumeMount(volume=source, destination=destination, **wishes)
    if not source.startswith("/"):
        raise ValueError(f"{source!r} is no absolute path, nor the name of a volume")
    return Bind(source=source, destination=destination, **wishes)


def tmpfs(text: str) -> Tmpfs:
    """`DST[:OPTION,…]`."""
    destination, _, options = text.partition(":")
    wishes: dict[str, Any] = {}
    for option in filter(None, options.split(",")):
        key, equals, value = option.partition("=")
        match key:
            case "size" if equals:
                wishes["size"] = size(value)
            case "mode" if equals:
                wishes["mode"] = octal(value)
            case _:
                wishes |= _flag(option, TMPFS_FLAGS)
    return Tmpfs(destination=destination, **wishes)


def mount(text: str) -> Mount:
    """`type=bind|volume|tmpfs,KEY=VALUE,…`, with the keys of the field."""
    wishes: dict[str, Any] = {}
    kind = "bind"
    for part in text.split(","):
        key, equals, value = part.partition("=")
        match key:
            case "type":
                kind = value
            case "src" | "source":
                wishes["source"] = value
            case "dst" | "destination" | "target":
                wishes["destination"] = value
            case "bind-propagation" if value in PROPAGATIONS:
                wishes["propagation"] = value
            case "bind-nonrecursive":
                wishes["recursive"] = not _truth(value, equals)
            case "subpath" | "volume-subpath":
                wishes["subpath"] = value
            case "tmpfs-size":
                wishes["size"] = size(value)
            case "tmpfs-mode":
                wishes["mode"] = octal(value)
            case "ro" | "readonly" | "rw" if equals:
                wishes["readonly"] = _truth(value, equals) is (key != "rw")
            case _:
                wishes |= _flag(part, KINDS[kind].flags if kind in KINDS else BIND_FLAGS)
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no type of mount there is: write type=bind, volume or tmpfs")
    if kind == "volume":
        source = wishes.pop("source", "")
        wishes |= {"volume": source, "anonymous": not source}
    try:
        return KINDS[kind].make(**wishes)
    except TypeError:
        needs = KINDS[kind].needs
        raise ValueError(f"{text!r}: a {kind} needs {needs}, and no option of another") from None


def _flag(option: str, flags: dict[str, dict[str, Any]]) -> dict[str, Any]:
    if option in PROPAGATIONS and flags is BIND_FLAGS:
        return {"propagation": option}
    if option not in flags:
        raise ValueError(f"{option!r} is no option here; there are {', '.join(flags)}")
    return flags[option]


def _truth(value: str, given: str) -> bool:
    if value.lower() not in ("", "true", "false", "1", "0") or (given and not value):
        raise ValueError(f"{value!r} is neither true nor false")
    return value.lower() not in ("false", "0")


def octal(text: str) -> int:
    if not (text and len(text) < 8 and set(text) <= set("01234567")):
        raise ValueError(f"{text!r} is no mode: write octal digits, as in 0755")
    return int(text, 8)


# ---- devices, secrets, hosts, environment ------------------------------------------------


def device(text: str) -> Device:
    """`PATH[:PATH][:rwm]`: left out, the second path is the first."""
    match text.split(":"):
        case [source]:
            return Device(source=source, destination=source)
        case [source, access] if access and set(access) <= set("rwm"):
            return Device(source=source, destination=source, access=access)
        case [source, destination]:
            return Device(source=source, destination=destination)
        case [source, destination, access]:
            return Device(source=source, destination=destination, access=access)
        case _:
            raise ValueError(f"{text!r}: write DEVICE[:DEVICE INSIDE][:rwm]")


def secret(text: str) -> Secret:
    """`NAME,src=FILE[,uid=N,gid=N,mode=0400]`."""
    name, *options = text.split(",")
    wishes: dict[str, Any] = {}
    for option in options:
        key, _, value = option.partition("=")
        match key:
            case "src" | "source":
                wishes["source"] = value
            case "uid" | "gid" if value.isascii() and value.isdecimal():
                wishes[key] = int(value[:11])
            case "mode":
                wishes["mode"] = octal(value)
            case _:
                raise ValueError(f"{option!r}: write src=FILE, uid=N, gid=N or mode=0400")
    if not wishes.get("source"):
        raise ValueError(f"where is the secret {name!r} to come from? write {name},src=FILE")
    return Secret(name=name, **wishes)


def host(text: str) -> tuple[str, str]:
    """`NAME:ADDRESS`; an address of IPv6 may stand in brackets."""
    name, colon, at = text.partition(":")
    if not (name and colon and at):
        raise ValueError(f"{text!r}: write NAME:ADDRESS")
    return name, at.removeprefix("[").removesuffix("]")


def environment(paths: Iterable[str], given: Iterable[str]) -> tuple[str, ...]:
    """What stands in the files, in their order, then what was given; the last of a name wins."""
    entries = {
        pair.partition("=")[0]: pair
        for path in paths
        for pair in _one("--env-file", _env_file, path)
    }
    entries |= {pair.partition("=")[0]: pair for pair in given}
    return tuple(entries.values())


def _env_file(path: str) -> list[str]:
    """`NAME=VALUE` on each line, taken as it stands; `NAME` alone is the caller's own, if set."""
    try:
        text = Path(path).read_text("utf-8")
    except OSError as problem:
        raise ValueError(f"cannot read {path}: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8; only UTF-8 can be kept") from None
    found: list[str] = []
    for line in text.split("\n"):
        entry = line.removesuffix("\r").lstrip()
        name, equals, _ = entry.partition("=")
        if not entry or entry.startswith("#"):
            continue
        if equals:
            found.append(entry)
        elif name in os.environ:
            found.append(f"{name}={os.environ[name]}")
    return found


# ---- limits and security -----------------------------------------------------------------


def cpus(text: str) -> dict[str, int]:
    """Processors as a quota of time: `1.5` is 150 ms in each 100 ms."""
    if not text:
        return {}
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal(-1)
    if not (number.is_finite() and 0 <= number <= 2**20):
        raise ValueError(f"{text!r} is no number of processors")
    if not number:
        return {}
    return {"cpu_quota": int(number * CPU_PERIOD), "cpu_period": CPU_PERIOD}


def swap(text: str) -> int:
    return UNLIMITED if text.strip() == "-1" else size(text)


def ulimit(text: str) -> Ulimit:
    """`NAME=SOFT[:HARD]`; one number is both, -1 or `unlimited` is no limit."""
    name, equals, numbers = text.partition("=")
    soft, colon, hard = numbers.partition(":")
    if not (name and equals):
        raise ValueError(f"{text!r}: write NAME=SOFT or NAME=SOFT:HARD")
    low = _limit(soft)
    return Ulimit(name=name, soft=low, hard=_limit(hard) if colon else low)


def _limit(text: str) -> int:
    if text in ("-1", "unlimited"):
        return UNLIMITED
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise ValueError(f"{text!r} is no limit: write a number, or unlimited")
    return int(text)


def security(options: Iterable[str]) -> dict[str, Any]:
    """`no-new-privileges`, `seccomp=FILE|unconfined`, `apparmor=NAME`, `label=PART:VALUE|disable`,
    `mask=PATH:…`, `unmask=ALL|PATH:…`."""
    found: dict[str, Any] = {"mask": (), "unmask": ()}
    parts: dict[str, str] = {}
    for option in options:
        key, equals, value = option.partition("=")
        match key, bool(equals):
            case ("seccomp", True) if value:
                found["seccomp"] = value if value == "unconfined" else str(Path(value).absolute())
            case ("apparmor", True) if value:
                found["apparmor"] = value
            case ("label", True) if value == "disable":
                parts.clear()
            case ("label", True) if value.partition(":")[0] in LABEL and value.partition(":")[2]:
                part, _, name = value.partition(":")
                parts[part] = name
            case ("mask" | "unmask", True) if value:
                found[key] = (*cast(tuple[str, ...], found[key]), *value.split(":"))
            case ("no-new-privileges", _):
                found["no_new_privileges"] = _truth(value, equals)
            case _:
                raise ValueError(
                    f"{option!r}: write no-new-privileges, seccomp=FILE or seccomp=unconfined, "
                    "apparmor=NAME, label=disable or label=type:TYPE (or user, role, level, "
                    "filetype), mask=PATH:… or unmask=ALL or unmask=PATH:…"
                )
    return found | labels(parts)


LABEL = {
    "user": "system_u",
    "role": "system_r",
    "type": "container_t",
    "level": "s0",
    "filetype": "container_file_t",
}
"""The parts of labels, and what the policy of the field (container-selinux) has for containers."""


def labels(parts: Mapping[str, str]) -> dict[str, str]:
    """SELinux contexts of processes and files, both or none (MAP L-45)."""
    if not parts:
        return {}
    whole = LABEL | dict(parts)
    user, level = whole["user"], whole["level"]
    return {
        "process_label": f"{user}:{whole['role']}:{whole['type']}:{level}",
        "mount_label": f"{user}:object_r:{whole['filetype']}:{level}",
    }
