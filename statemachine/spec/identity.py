"""Whose ids a container has, and which labels: what ties it to users and policies of the host."""

from collections.abc import Sequence
from typing import Any

from lockgate.effects.config import Config, IdMap, Security
from lockgate.effects.idmaps import host_id
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Facts


def mappings(maps: Sequence[IdMap]) -> list[dict[str, int]]:
    """`uidMappings` or `gidMappings` (OCI runtime spec, "User namespace mappings")."""
    return [{"containerID": one.container, "hostID": one.host, "size": one.size} for one in maps]


def check_mapped(config: Config, uid: int, gid: int, groups: Sequence[int]) -> None:
    """Raises `PortError("refused")`, clean, for a user or group of the process without an id on
    the host: the runtime would only say "invalid argument"."""
    if host_id(config.uid_maps, uid) is None:
        raise _unmapped("user", uid, config.uid_maps)
    for group in (gid, *groups):
        if host_id(config.gid_maps, group) is None:
            raise _unmapped("group", group, config.gid_maps)


def labels(security: Security, facts: Facts) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `process` and `linux` say of AppArmor and SELinux. What this host has not is refused."""
    if security.apparmor and not facts.apparmor:
        raise _lacking("AppArmor", f"the profile {security.apparmor!r} cannot be given")
    if security.process_label and not facts.selinux:
        raise _lacking("SELinux", f"the label {security.process_label!r} cannot be given")
    process = {"apparmorProfile": security.apparmor, "selinuxLabel": security.process_label}
    linux = {"mountLabel": security.mount_label}
    return _given(process), _given(linux)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value}


def _unmapped(kind: str, number: int, maps: Sequence[IdMap]) -> PortError:
    known = ", ".join(f"{one.container} to {one.container + one.size - 1}" for one in maps)
    reason = f"the {kind} {number} is not among the ids this container has ({known})"
    return PortError("refused", reason, dirty=False)


def _lacking(what: str, so: str) -> PortError:
    return PortError("refused", f"this host has no {what}: {so}", dirty=False)
