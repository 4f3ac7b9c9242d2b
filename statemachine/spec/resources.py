"""Limits and devices (OCI runtime spec "Control groups", "Devices", "POSIX process")."""

from typing import Any

from lockgate.effects.config import UNLIMITED, Config, Limits, Ulimit
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Facts, Node

PIDS = 2048
"""Threads of a container that was given no limit of its own."""

INFINITY = 2**64 - 1
"""RLIM_INFINITY, as a config.json writes it."""


def resources(config: Config, facts: Facts) -> dict[str, Any]:
    """What was asked for, and a bound of threads where the host can count them.

    `PortError("refused")` for a limit whose cgroup controller the host has not: the runtime would
    fail with less to say (HOST §2).
    """
    limits = config.limits
    memory = {
        "limit": config.memory,
        "swap": (limits.memory_swap or config.memory) if config.memory else 0,
        "reservation": limits.memory_reservation,
    }
    cpu = {"shares": limits.cpu_shares, "quota": limits.cpu_quota, "period": limits.cpu_period}
    cpuset = {"cpus": limits.cpuset_cpus, "mems": limits.cpuset_mems}
    controllers = facts.controllers if config.cgroup_parent else ()
    pids = limits.pids
    if pids is None:
        pids = PIDS if "pids" in controllers else 0
    found: dict[str, Any] = {"devices": _access(config, facts)}
    for controller, name, values in (
        ("memory", "memory", memory),
        ("cpu", "cpu", cpu),
        ("cpuset", "cpu", cpuset),
        ("pids", "pids", {"limit": max(pids, 0)}),
    ):
        if asked := {key: value for key, value in values.items() if value}:
            if controller not in controllers:
                raise _unlimitable(config, controller)
            found[name] = {**found.get(name, {}), **asked}
    return found


def _unlimitable(config: Config, controller: str) -> PortError:
    reason = f"this host cannot limit {controller}: it has no such cgroup controller"
    if not config.cgroup_parent:
        reason = f"{controller} cannot be limited: the container has no cgroup"
    return PortError("refused", reason, dirty=False)


def oom_score_adj(wanted: int, facts: Facts) -> int:
    """`PortError("refused")` for less than the engine may give, which is what it was given."""
    if wanted < min(facts.oom_score_adj, 0) and not facts.unbounded:
        least = min(facts.oom_score_adj, 0)
        reason = f"the OOM score cannot be {wanted}: {least} is the least this host can give"
        raise PortError("refused", reason, dirty=False)
    return wanted


def rlimits(limits: Limits, facts: Facts) -> list[dict[str, Any]]:
    """`PortError("refused")` for more than the host's hard limit, which no runtime could set."""
    most = dict(facts.rlimits)
    return [_rlimit(one, most.get(one.name, UNLIMITED)) for one in limits.ulimits]


def _rlimit(limit: Ulimit, most: int) -> dict[str, Any]:
    if most != UNLIMITED and not 0 <= limit.hard <= most:
        wanted = "no limit" if limit.hard == UNLIMITED else str(limit.hard)
        raise PortError(
            "refused",
            f"the limit {limit.name} cannot be {wanted}: {most} is the most this host can give",
            dirty=False,
        )
    soft, hard = (INFINITY if one == UNLIMITED else one for one in (limit.soft, limit.hard))
    return {"type": f"RLIMIT_{limit.name.upper()}", "soft": soft, "hard": hard}


def devices(config: Config, facts: Facts) -> list[dict[str, Any]]:
    """What the runtime makes below /dev, besides what every container has there. Nothing where it
    may not make devices, in a user namespace: there they are bound (`mounts`)."""
    if config.uid_maps:
        return []
    return [_device(path, node) for path, node in seen(config, facts).items()]


def seen(config: Config, facts: Facts) -> dict[str, Node]:
    """The host's devices that are wished for, by where they are in the container."""
    nodes = dict(facts.nodes)
    found = {one.path: one for one in facts.host_nodes if config.security.privileged}
    return found | {one.destination: nodes[one.source] for one in config.devices}


def _device(path: str, node: Node) -> dict[str, Any]:
    return {
        "path": path,
        "type": node.kind,
        "major": node.major,
        "minor": node.minor,
        "fileMode": node.mode,
        "uid": node.uid,
        "gid": node.gid,
    }


def _access(config: Config, facts: Facts) -> list[dict[str, Any]]:
    """Nothing but the default devices, which every runtime adds, and what was asked for."""
    if config.security.privileged:
        return [{"allow": True, "access": "rwm"}]
    nodes = dict(facts.nodes)
    allowed = [
        {
            "allow": True,
            "type": nodes[one.source].kind,
            "major": nodes[one.source].major,
            "minor": nodes[one.source].minor,
            "access": one.access,
        }
        for one in config.devices
    ]
    return [{"allow": False, "access": "rwm"}, *allowed]
