"""Which cgroup this process may make others in, for containers to be limited: "delegated" (cgroups(7)).

Found by looking, from the top down along the cgroups we are in; root of a whole host finds the top.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from lockgate.adapters.oci.cgroups import Cgroups, Hierarchy
from lockgate.effects.config import CGROUPS

OWN = Path("/proc/self/cgroup")


def delegated(cgroups: Cgroups, own: str | None = None) -> str:
    """The cgroup below which containers get theirs; empty where there is none for us.

    One path, as everywhere, in all hierarchies. In version 2 nobody may be in it, for a cgroup with
    processes hands no controllers down. `own` is the text of /proc/self/cgroup.
    """
    if not cgroups.hierarchies:
        return ""
    text = OWN.read_text() if own is None else own
    for candidate in _candidates(text):
        if all(_ours(hierarchy, candidate) for hierarchy in cgroups.hierarchies) and (
            cgroups.layout != "v2" or _empty(cgroups.hierarchies, candidate)
        ):
            return candidate + CGROUPS
    return ""


def _candidates(own: str) -> Iterator[str]:
    """The cgroups we are in and those above, the highest first; the top is the empty path."""
    paths = {line.split(":", 2)[2] for line in own.splitlines() if line.count(":") >= 2}
    found = {""}
    for path in paths:
        parts = path.strip("/").split("/")
        if ".." not in parts:  # it lies outside of what is shown to us
            found |= {
                "".join(f"/{part}" for part in parts[:end]) for end in range(1, len(parts) + 1)
            }
    yield from sorted(found - {"/"}, key=lambda path: (path.count("/"), path))


def _ours(hierarchy: Hierarchy, path: str) -> bool:
    place = hierarchy.mountpoint / path.lstrip("/")
    return os.access(place, os.W_OK | os.X_OK) and os.access(place / "cgroup.procs", os.W_OK)


def _empty(hierarchies: Iterable[Hierarchy], path: str) -> bool:
    """The top of all, which only root may write to, may have processes and hand down all the same."""
    places = [one.mountpoint / path.lstrip("/") for one in hierarchies]
    return all(
        not (place / "cgroup.procs").read_text().strip() or not (place / "cgroup.type").exists()
        for place in places
    )
