"""Changed limits in the words of the OCI runtime spec ("Control groups"), for a runtime's `update`.

Only what differs is said (MAP L-93): a runtime takes what is not for "as it was", and so no word for
"none" is left but the one that each limit has of its own; for some there is none.
"""

from typing import TypeAlias

from lockgate.effects.config import Config, Limits
from lockgate.effects.outcome import PortError

Changes: TypeAlias = dict[str, dict[str, int | str]]

NONE = -1
SHARES, PERIOD = 1024, 100_000
"""What the kernel gives to whom nothing is given."""

ALL_PIDS = 1 << 22
"""PID_MAX_LIMIT of the kernel."""

PIDS = 2048
"""As the spec has it where nothing was asked for (`statemachine.spec.resources`)."""


def changes(config: Config, memory: int, limits: Limits) -> Changes:
    """From the limits of `config` to these, as far as there is a way back."""
    was = config.limits
    return _differing(
        ("memory", "limit", config.memory or NONE, memory or NONE),
        ("memory", "swap", _swap(config.memory, was), _swap(memory, limits)),
        ("cpu", "shares", was.cpu_shares or SHARES, limits.cpu_shares or SHARES),
        ("cpu", "quota", was.cpu_quota or NONE, limits.cpu_quota or NONE),
        ("cpu", "period", was.cpu_period or PERIOD, limits.cpu_period or PERIOD),
        ("pids", "limit", _pids(was), _pids(limits)),
    )


def lasting(config: Config, limits: Limits) -> Changes:
    """The others, of which a cgroup in use cannot be relieved: to lift one raises
    `PortError("refused")`, clean."""
    was = config.limits
    wanted = (
        ("memory", "reservation", was.memory_reservation, limits.memory_reservation),
        ("cpu", "cpus", was.cpuset_cpus, limits.cpuset_cpus),
        ("cpu", "mems", was.cpuset_mems, limits.cpuset_mems),
    )
    for name, key, before, after in wanted:
        if before and not after:
            reason = f"the limit of {name} {key} cannot be lifted while it runs: stop it first"
            raise PortError("refused", reason, dirty=False)
    return _differing(*wanted)


def in_words_of(runtime: str, wanted: Changes) -> Changes:
    """crun (1.8) writes down a number of processes as it is told it, and -1 is none to the kernel:
    it is told as many as there can be."""
    if runtime != "crun" or wanted.get("pids") != {"limit": NONE}:
        return wanted
    return {**wanted, "pids": {"limit": ALL_PIDS}}


def _differing(*wanted: tuple[str, str, int | str, int | str]) -> Changes:
    found = Changes()
    for name, key, before, after in wanted:
        if before != after:
            found.setdefault(name, {})[key] = after
    return found


def _swap(memory: int, limits: Limits) -> int:
    """Bytes of memory and swap together, as a new run would be given them."""
    return (limits.memory_swap or memory) if memory else NONE


def _pids(limits: Limits) -> int:
    return PIDS if limits.pids is None else max(limits.pids, 0) or NONE
