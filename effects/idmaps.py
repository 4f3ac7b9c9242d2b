"""Which id of a container is which on this host, and back (user_namespaces(7))."""

from collections.abc import Sequence

from lockgate.effects.config import Config, IdMap

NOBODY = 65534
"""Who owns, to a container, what none of its ids own (/proc/sys/fs/overflowuid)."""


def host_id(maps: Sequence[IdMap], number: int) -> int | None:
    """The host's number for a container's; None for one that has none. Without maps they are one."""
    if not maps:
        return number
    for one in maps:
        if one.container <= number < one.container + one.size:
            return one.host + number - one.container
    return None


def container_id(maps: Sequence[IdMap], number: int) -> int:
    """The container's number for a host's; `NOBODY` for one that has none."""
    if not maps:
        return number
    for one in maps:
        if one.host <= number < one.host + one.size:
            return one.container + number - one.host
    return NOBODY


def owner(config: Config, uid: int = 0, gid: int = 0) -> tuple[int, int]:
    """Who this user of the container is on the host, its root where none is named. Ids that are not
    mapped (refused when a container is made) are the host's nobody."""
    mapped = host_id(config.uid_maps, uid), host_id(config.gid_maps, gid)
    return tuple(NOBODY if one is None else one for one in mapped)  # type: ignore[return-value]
