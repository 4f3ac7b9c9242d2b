"""Which processes are a container's: those in its cgroup, or, where it has none, in its pid namespace.

The second is a makeshift with a rule of its own (see `validation`): such a container always has a pid
namespace, so that nothing of it outlives its first process.
"""

import os
from contextlib import suppress
from pathlib import Path

from lockgate.adapters.oci.cgroups import Cgroups
from lockgate.adapters.oci.process import pids
from lockgate.effects.config import Config, cgroup


def belonging(cgroups: Cgroups, config: Config, first: int) -> frozenset[int]:
    """The pids of this container now; `first` is that of its first process, 0 for none."""
    if path := cgroup(config):
        return cgroups.members(path)
    theirs = _namespace(first) if first > 1 else 0
    if theirs in (0, _namespace(os.getpid())):  # a number that is somebody else's by now
        return frozenset()
    return frozenset(pid for pid in pids() if _namespace(pid) == theirs)


def _namespace(pid: int) -> int:
    """Which pid namespace; 0 for who has ended, or may not be looked at."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/ns/pid").stat().st_ino
    return 0
