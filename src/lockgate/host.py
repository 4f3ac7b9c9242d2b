"""What an engine acts on, as one value: the ports, the books, and who we are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lockgate.effects.config import CGROUPS
from lockgate.effects.ports import (
    Artifacts,
    Checks,
    Contents,
    Executor,
    Images,
    Locks,
    Logs,
    Meters,
    Networks,
    Ports,
    Sessions,
    Settlers,
    Store,
    Volumes,
)

if TYPE_CHECKING:  # only for its name: a real host needs none of it
    from lockgate.adapters.simulated.host import SimulatedHost


@dataclass(frozen=True)
class Host:
    """A world an engine can act on: the ports, and what it keeps its books with.

    `cgroups` is the cgroup below which new containers get theirs, empty where they get none.
    `lives` says whether an executor of a waiting operation still can finish it; `pause` has the root
    filesystem of a program that waits, `pause_command`, for what holds a pod together; `close` gives
    back what the host itself holds open. `names_kept` says why names cannot be changed; empty where
    they can.
    """

    ports: Ports
    store: Store
    locks: Locks
    images: Images
    contents: Contents
    volumes: Volumes
    artifacts: Artifacts
    networks: Networks
    logs: Logs
    sessions: Sessions
    checks: Checks
    settlers: Settlers
    meters: Meters
    me: Executor
    lives: Callable[[Executor], bool]
    pause: Callable[[], str]
    close: Callable[[], None]
    description: str
    cgroups: str = CGROUPS
    pause_command: tuple[str, ...] = ("/pause",)
    names_kept: str = ""
    simulation: "SimulatedHost | None" = None
