"""Engine values as people and scripts are shown them: plain dictionaries, and words.

Pure. The keys of the dictionaries are what scripts rely on; they are added to, never renamed.
"""

import shlex
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import asdict

from lockgate.effects import config as wished
from lockgate.effects.config import Config, PortMapping, cgroup
from lockgate.effects.health import CheckResult
from lockgate.effects.model import Order
from lockgate.effects.outcome import Created, Done, Exited, Fact, Failed
from lockgate.effects.ports import Change, Event, Image, NetworkInfo, Sizes, Volume
from lockgate.effects.sessions import Session
from lockgate.effects.usage import Running, Usage
from lockgate.statemachine.health import current
from lockgate.statemachine.history import Entry
from lockgate.statemachine.inputs import (
    Booted,
    Checked,
    Command,
    Died,
    Input,
    Kill,
    Remove,
    Renamed,
    Restart,
    Resumed,
    Salvaged,
    SessionBegan,
    SessionEnded,
    Stop,
)
from lockgate.statemachine.law import RESTING
from lockgate.statemachine.pods import PodRecord
from lockgate.statemachine.record import RESOURCES, Record
from lockgate.statemachine.status import LIVE, Presence
from lockgate.statemachine.step import admissible

SHORT = 12
"""Hex digits of an id that are shown where it need not be whole."""

AGES = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def rfc3339(at: int) -> str | None:
    """Nanoseconds since the Unix epoch as RFC 3339 in UTC, none of them lost; None for never."""
    if not at:
        return None
    seconds, nanoseconds = divmod(at, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09}Z"


def ago(at: int, now: int) -> str | None:
    """How long it has been, in the largest unit that fits; None for never."""
    if not at:
        return None
    past = max(0, now - at) // 10**9
    for length, unit in AGES:
        if past >= length:
            count = past // length
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


# ---- containers --------------------------------------------------------------------------


def container(record: Record, busy: str = "") -> dict[str, Any]:
    """All there is to know of it, and who has its lock (`busy`). Times are RFC 3339 or null, sizes bytes, timeouts seconds."""
    config = record.config
    return {
        "id": record.id,
        "name": config.name,
        "state": record.status,
        "exit_code": record.exit_code,
        "pid": pid(record),
        "mounted": record.mount is Presence.PRESENT,
        "mountpoint": record.mountpoint or None,
        "mount_count": record.mounts,
        "created_at": rfc3339(config.created_at),
        "started_at": rfc3339(record.started_at),
        "finished_at": rfc3339(record.finished_at),
        "sessions": list(record.sessions),
        "oom_killed": record.oom_killed,
        "checkpoint": record.checkpoint is not Presence.ABSENT,
        "checkpointed": record.checkpointed,
        "checkpointed_at": rfc3339(record.checkpointed_at),
        "restored": record.restored,
        "pending_hooks": [hook.path for hook in record.poststop],
        "operation": str(record.operation.verb) if record.operation else None,
        "busy": busy or None,
        "legal": [str(verb) for verb in admissible(record)],
        "epoch": record.epoch,
        "exit_reason": record.exit_reason or None,
        "stopped_by_user": record.stopped_by_user,
        "faults": record.faults,
        "presences": {name: getattr(record, name) for name in RESOURCES},
        "netns": record.netns or None,
        "links": record.links,
        "dns": record.dns,
        "image": config.image or None,
        "image_id": config.image_id or None,
        "rootfs": config.rootfs or None,
        "command": config.command,
        "env": config.env,
        "workdir": config.workdir,
        "user": config.user or None,
        "hostname": config.hostname or None,
        "network": config.network,
        "networks": config.networks,
        "ports": [port(one) for one in config.ports],
        "cgroup": cgroup(config) or None,
        "memory": config.memory or None,
        "systemd": config.systemd,
        "read_only": config.read_only,
        "mounts": config.mounts,
        "devices": config.devices,
        "secrets": config.secrets,
        "groups": config.groups,
        "sysctls": dict(config.sysctls),
        "limits": asdict(config.limits),
        "security": asdict(config.security),
        "namespaces": asdict(config.namespaces),
        "uid_maps": config.uid_maps,
        "gid_maps": config.gid_maps,
        "resolv_conf": asdict(config.dns),
        "hosts": config.hosts,
        "requires": config.requires,
        "stop_signal": signal_name(config.stop_signal),
        "stop_timeout": config.stop_timeout,
        "log_size": config.log_size,
        "labels": dict(config.labels),
        "annotations": dict(config.annotations),
        "auto_remove": config.auto_remove,
        "restart": config.restart,
        "restart_retries": config.restart_retries or None,
        "restarts": record.restarts,
        "health": stands.status if (stands := current(record)) else None,
        "health_failures": stands.failures if stands else None,
        "health_check": config.health,
        "pod": wished.pod_of(config) or None,
        "pod_role": _role(config),
    }


def checks(found: Sequence[CheckResult]) -> dict[str, Any]:
    """What its health checks have found in its newest run, oldest first."""
    return {
        "health_log": [
            {
                "began": rfc3339(one.began),
                "ended": rfc3339(one.ended),
                "code": one.code,
                "output": one.output,
            }
            for one in found
        ]
    }


def _role(config: Config) -> str | None:
    """What it is in its pod: the infra, an init container of a kind, or a member."""
    if config.holds is not None:
        return "infra"
    if config.pod is None:
        return None
    return f"init {config.pod.init}" if config.pod.init else "member"


def sizes(found: Sizes) -> dict[str, Any]:
    return {"size_written": found.written, "size_image": found.image}


def change(one: Change) -> dict[str, Any]:
    return {"kind": one.kind, "path": one.path}


def pid(record: Record) -> int | None:
    """Of its first process, while there is one."""
    return record.process.pid if record.process and record.status in LIVE else None


def busy_or_live(record: Record) -> bool:
    """Is it anything but at rest?"""
    return record.status not in RESTING or bool(record.todo)


CONTAINERS = ("ID", "NAME", "STATE", "EXIT", "PID", "CREATED", "IMAGE", "COMMAND")


def container_row(record: Record, now: int, busy: str = "") -> tuple[object, ...]:
    config = record.config
    state = str(record.status)
    if stands := current(record):
        state += f" ({stands.status})"
    if record.operation:
        state += f" ({record.operation.verb})"
    elif busy:
        state += " (busy)"
    return (
        record.id[:SHORT],
        config.name,
        state,
        record.exit_code,
        pid(record),
        ago(config.created_at, now),
        config.image or config.rootfs,
        shortened(shlex.join(config.command)),
    )


def shortened(text: str, most: int = 40) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


# ---- pods --------------------------------------------------------------------------------


def pod(one: PodRecord) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "state": one.status,
        "created_at": rfc3339(one.pod.created_at),
        "infra": one.infra.id,
        "shares": one.pod.shares,
        "exit_policy": one.pod.exit_policy,
        "limits": {
            "memory": one.pod.memory,
            "pids": one.pod.pids,
            "cpu_quota": one.pod.cpu_quota,
            "cpu_period": one.pod.cpu_period,
        },
        "cgroup": one.pod.cgroup or None,
        "labels": dict(one.pod.labels),
        "hostname": one.infra.config.hostname or None,
        "network": one.infra.config.network,
        "networks": one.infra.config.networks,
        "ports": [port(each) for each in one.infra.config.ports],
        "links": one.infra.links,
        "containers": [
            {
                "id": each.id,
                "name": each.config.name,
                "state": each.status,
                "exit_code": each.exit_code,
                "role": _role(each.config),
            }
            for each in (one.infra, *one.members)
        ],
    }


POD_OF = ("POD", "POD NAME")


def pod_of(record: Record, named: Mapping[str, str]) -> tuple[object, ...]:
    found = wished.pod_of(record.config)
    return found[:SHORT], named.get(found)


PODS = ("ID", "NAME", "STATE", "CREATED", "CONTAINERS", "INFRA")


def pod_row(one: PodRecord, now: int) -> tuple[object, ...]:
    count = len(one.members) + 1
    created = ago(one.pod.created_at, now)
    return one.id[:SHORT], one.name, one.status, created, count, one.infra.id[:SHORT]


# ---- images ------------------------------------------------------------------------------


def image(one: Image) -> dict[str, Any]:
    return {
        "name": one.name,
        "id": one.id,
        "layers": one.layers,
        "diff_ids": one.diff_ids,
        "entrypoint": one.entrypoint,
        "command": one.command,
        "env": one.env,
        "workdir": one.workdir,
        "user": one.user or None,
        "stop_signal": one.stop_signal or None,
        "labels": dict(one.labels),
        "volumes": one.volumes,
        "health_check": one.health,
        "size": one.size,
        "sizes": one.sizes,
        "created_at": rfc3339(one.created_at),
    }


IMAGES = ("NAME", "ID", "SIZE", "CREATED", "COMMAND")


def image_row(one: Image, now: int) -> tuple[object, ...]:
    return (
        one.name,
        one.id[:SHORT],
        sized(one.size),
        ago(one.created_at, now),
        shortened(shlex.join((*one.entrypoint, *one.command))),
    )


def sized(count: int) -> str:
    """Bytes in decimal units, as disks are sold."""
    number, units = float(count), iter(("B", "kB", "MB", "GB"))
    unit = next(units)
    while number >= 1000 and (larger := next(units, "")):
        number, unit = number / 1000, larger
    return f"{number:.1f} {unit}" if unit != "B" else f"{count} B"


# ---- networks ----------------------------------------------------------------------------


def network(one: NetworkInfo) -> dict[str, Any]:
    return {
        "name": one.name,
        "subnets": one.subnets,
        "gateways": tuple(gateway or None for gateway in one.gateways),
        "bridge": one.bridge or None,
        "internal": one.internal,
        "dns": one.dns,
        "plugins": one.plugins,
        "ours": one.ours,
    }


def users(records: Iterable[Record], network: str) -> dict[str, Any]:
    """Who is made to use a network, and with which addresses, while plugged in."""
    return {
        "containers": [
            {
                "id": record.id,
                "name": record.config.name,
                "state": record.status,
                "addresses": [
                    address
                    for link in record.links
                    if link.network == network
                    for address in link.addresses
                ],
            }
            for record in records
        ]
    }


NETWORKS = ("NAME", "SUBNETS", "BRIDGE", "REACHES")


def network_row(one: NetworkInfo) -> tuple[object, ...]:
    reaches = "its own containers" if one.internal else "what the host reaches"
    return one.name, ", ".join(one.subnets), one.bridge, reaches


def port(one: PortMapping) -> str:
    """As it is written on the command line."""
    host = f"[{one.host_ip}]:" if ":" in one.host_ip else one.host_ip and f"{one.host_ip}:"
    return f"{host}{one.host_port}:{one.container_port}/{one.protocol}"


# ---- volumes -----------------------------------------------------------------------------


def volume(one: Volume) -> dict[str, Any]:
    return {
        "name": one.name,
        "path": one.path or None,
        "container": one.container or None,
        "labels": dict(one.labels),
        "fresh": one.fresh,
        "created_at": rfc3339(one.created_at),
    }


VOLUMES = ("NAME", "CREATED", "OF")


def volume_row(one: Volume, now: int) -> tuple[object, ...]:
    return one.name, ago(one.created_at, now), one.container[:SHORT]


# ---- mounts ------------------------------------------------------------------------------


def mount(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.config.name,
        "mountpoint": record.mountpoint,
        "mount_count": record.mounts,
    }


MOUNTS = ("ID", "NAME", "MOUNTS", "MOUNTPOINT")


def mount_row(record: Record) -> tuple[object, ...]:
    return record.id[:SHORT], record.config.name, record.mounts, record.mountpoint


# ---- events and histories ----------------------------------------------------------------


def event(one: Event) -> dict[str, Any]:
    return {
        "number": one.number,
        "at": rfc3339(one.at),
        "container": one.container,
        "name": one.name,
        "event": one.event,
        "exit_code": one.exit_code,
        "signal": signal_name(one.signal) if one.signal else None,
        "health": one.health or None,
        "session": one.session or None,
    }


EVENT_LINE = "{:>6}  {:<30}  {:<12}  {:<22}  {}"
"""Fixed columns: events are shown while they come in, so the widest is not known yet."""

EVENTS = EVENT_LINE.format("NUMBER", "TIME", "CONTAINER", "EVENT", "NAME")


def event_line(one: Event) -> str:
    what = one.event
    if one.session:
        what += f" {one.session[:SHORT]}"
    if one.health:
        what += f" {one.health}"
    if one.signal:
        what += f" {signal_name(one.signal)}"
    if one.exit_code is not None:
        what += f" (exit code {one.exit_code})"
    return EVENT_LINE.format(one.number, rfc3339(one.at), one.container[:SHORT], what, one.name)


def signal_name(number: int) -> str:
    """`SIGTERM`; a number where there is no name, as for most real-time signals."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def heard(given: Input, asked: Mapping[int, str]) -> str:
    """An input in words; `asked` says what was ordered under which ticket."""
    match given:
        case Done(ticket, fact):
            return f"{asked.get(ticket, 'an order')} done{_fact(fact)}"
        case Failed(ticket, fault):
            return f"{asked.get(ticket, 'an order')} failed: {fault.reason}"
        case Died(epoch, end):
            return f"died (run {epoch}, exit code {end.code})"
        case Checked(_, _, passed):
            return f"health check {'passed' if passed else 'failed'}"
        case SessionBegan(_, session):
            return f"exec (session {session[:12]})"
        case SessionEnded(_, session, end):
            return f"session {session[:12]} died (exit code {end.code})"
        case Resumed():
            return "resumed by another process"
        case Renamed(name):
            return f"rename to {name}"
        case Booted():
            return "the host was restarted"
        case Salvaged():
            return "record unreadable: nothing is known"
        case _:
            return _command(given)


def _fact(fact: Fact | None) -> str:
    match fact:
        case Created(process):
            return f" (pid {process.pid})"
        case Exited(code):
            return f" (exit code {code})"
        case _:
            return ""


def _command(command: Command) -> str:
    match command:
        case Kill(signal=number):
            return f"kill {signal_name(number)}"
        case Stop(timeout) | Restart(timeout) | Remove(timeout=timeout) if timeout is not None:
            return f"{command.verb} (timeout {timeout} s)"
        case _:
            return str(command.verb)


def kind(order: Order) -> str:
    """The effect's name, as histories spell it."""
    return str(type(order.effect).__struct_config__.tag)


def orders(asked: Sequence[Order]) -> str:
    return ", ".join(kind(order) + (" (again)" if order.again else "") for order in asked)


ENTRIES = ("SEQ", "TIME", "HEARD", "ASKED FOR", "DIGEST")


def entry_rows(entries: Iterable[Entry]) -> Iterator[tuple[object, ...]]:
    asked: dict[int, str] = {}
    for entry in entries:
        said = heard(entry.given, asked)
        asked |= {order.ticket: kind(order) for order in entry.orders}
        yield entry.seq, rfc3339(entry.at), said, orders(entry.orders), entry.digest


# ---- what has joined ---------------------------------------------------------------------

SESSIONS = ("SESSION", "STATUS", "PID", "CREATED", "EXIT", "COMMAND")


def session(one: Session) -> dict[str, Any]:
    """Without its environment, which may hold secrets."""
    return {
        "id": one.id,
        "container": one.container,
        "status": str(one.standing),
        "pid": one.process.pid if one.process else None,
        "attached": one.attached,
        "command": list(one.wish.command),
        "user": one.wish.user,
        "created_at": rfc3339(one.created_at),
        "finished_at": rfc3339(one.finished_at) if one.finished_at else None,
        "exit_code": one.exit_code,
        "exit_reason": one.exit_reason,
    }


def session_row(one: Session) -> tuple[object, ...]:
    pid = one.process.pid if one.process else None
    return (
        *(one.id[:SHORT], str(one.standing), pid, rfc3339(one.created_at), one.exit_code),
        shlex.join(one.wish.command),
    )


# ---- what is used ------------------------------------------------------------------------

PROCESSES: dict[str, Callable[[Running], object]] = {
    "pid": lambda one: one.pid,
    "ppid": lambda one: one.ppid,
    "uid": lambda one: one.uid,
    "state": lambda one: one.state,
    "cpu": lambda one: f"{one.cpu / 1e9:.2f}s",
    "memory": lambda one: sized(one.memory),
    "command": lambda one: shlex.join(one.command),
    "elapsed": lambda one: f"{one.age / 1e9:.0f}s",
    "inside": lambda one: one.inside or None,
    "tty": lambda one: "yes" if one.tty else "no",
}
"""What `top` can show of a process."""

USUAL = ("pid", "ppid", "uid", "state", "cpu", "memory", "command")
USAGE = ("ID", "NAME", "CPU", "MEMORY", "LIMIT", "PIDS", "READ", "WRITTEN")


def process_row(one: Running, fields: Sequence[str]) -> tuple[object, ...]:
    return tuple(PROCESSES[field](one) for field in fields)


def usage(record: Record, used: Usage) -> dict[str, Any]:
    """Bytes, and nanoseconds of processor time; null for what is not counted."""
    return {"id": record.id, "name": record.config.name, **asdict(used)}


def usage_row(record: Record, used: Usage) -> tuple[object, ...]:
    cpu = None if used.cpu is None else f"{used.cpu / 1e9:.2f}s"
    amounts = (used.memory, used.memory_limit, used.pids, used.read, used.written)
    memory, limit, pids, read, written = amounts
    bytes_ = [None if one is None else sized(one) for one in (memory, limit, read, written)]
    return (record.id[:12], record.config.name, cpu, *bytes_[:2], pids, *bytes_[2:])
