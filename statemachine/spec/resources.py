"""Limits and devices (OCI runtime spec "Control groups", "Devices", "POSIX process")."""

from typing import Any

from lockgate.effects.config import UNLIMITED, Config, Limits, Ulimit
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Facts, Node

INFINITY = 2**64 - 1
"""RLIM_INFINITY, as a config.json writes it."""


def resources(config: Config, facts: Facts) -> dict[str, Any]:
    """Only what was asked for: a controller that is not mounted must not fail who never named it."""
    limits = config.limits
    found: dict[str, Any] = {"devices": _access(config, facts)}
    memory: dict[str, int] = {}
    if config.memory:
        memory = {"limit": config.memory, "swap": limits.memory_swap or config.memory}
    if limits.memory_reservation:
        memory["reservation"] = limits.memory_reservation
    if memory:
        found["memory"] = memory
    cpu = {
        "shares": limits.cpu_shares,
        "quota": limits.cpu_quota,
        "period": limits.cpu_period,
        "cpus": limits.cpuset_cpus,
        "mems": limits.cpuset_mems,
    }
    if asked := {name: value for name, value in cpu.items() if value}:
        found["cpu"] = asked
    if limits.pids > 0:
        found["pids"] = {"limit": limits.pids}
    return found


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
    """What appears below /dev, besides what every container has there."""
    nodes = dict(facts.nodes)
    seen = {one.path: one for one in facts.host_nodes if config.security.privileged}
    seen |= {one.destination: nodes[one.source] for one in config.devices}
    return [_device(path, node) for path, node in seen.items()]


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
