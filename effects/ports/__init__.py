"""The ports: what the interpreter needs from the world, as few small Protocols.

Every method keeps one promise, checked by the contract suite (`lockgate.testing.contracts`):
**twice is once**. Acquiring what is there finds it; releasing what is gone succeeds. A method
raises `PortError` (or `OSError`) and then says through `dirty` whether it may have left something
behind. No method takes the container's lock, and none may be called without it, except those
marked *lock free*.
"""

from typing import Protocol

from msgspec import Struct

from lockgate.effects.ports.logs import LogLine, Logs, Mark
from lockgate.effects.ports.network import Network, NetworkInfo, Networks
from lockgate.effects.ports.runtime import Checkpoints, Meters, Monitor, Runtime, Settlers
from lockgate.effects.ports.sessions import Attached, Checks, Sessions
from lockgate.effects.ports.storage import (
    Artifacts,
    Change,
    Contents,
    Digest,
    Image,
    Images,
    Sizes,
    Storage,
    Volume,
    Volumes,
)
from lockgate.effects.ports.store import (
    Commit,
    Event,
    Executor,
    Leaving,
    Locks,
    NameTakenError,
    NeededError,
    NoPodError,
    PodRow,
    Row,
    StaleError,
    Store,
    StoreError,
    UnmetError,
)
from lockgate.effects.ports.surroundings import (
    Accounts,
    Facts,
    File,
    Filesystem,
    Hooks,
    Node,
    Specified,
    Specify,
    Surroundings,
)

__all__ = [
    "Accounts",
    "Artifacts",
    "Attached",
    "Change",
    "Checkpoints",
    "Checks",
    "Clock",
    "Commit",
    "Contents",
    "Digest",
    "Event",
    "Executor",
    "Facts",
    "File",
    "Filesystem",
    "Hooks",
    "Image",
    "Images",
    "Leaving",
    "Locks",
    "LogLine",
    "Logs",
    "Mark",
    "Meters",
    "Monitor",
    "NameTakenError",
    "NeededError",
    "Network",
    "NetworkInfo",
    "Networks",
    "NoPodError",
    "Node",
    "PodRow",
    "Ports",
    "Row",
    "Runtime",
    "Sessions",
    "Settlers",
    "Sizes",
    "Specified",
    "Specify",
    "StaleError",
    "Storage",
    "Store",
    "StoreError",
    "Surroundings",
    "UnmetError",
    "Volume",
    "Volumes",
]


class Clock(Protocol):
    def now(self) -> int:
        """Nanoseconds since the Unix epoch. *Lock free.*"""
        ...

    def boot(self) -> str:
        """The host's name for this boot: another one after each. *Lock free.*"""
        ...

    def sleep(self, nanoseconds: int) -> None:
        """Until so much time has passed. *Lock free.*"""
        ...


class Ports(Struct, frozen=True):
    """The world, wired: what `perform` needs to carry out any order."""

    runtime: Runtime
    monitor: Monitor
    storage: Storage
    network: Network
    filesystem: Filesystem
    hooks: Hooks
    checks: Checks
    checkpoints: Checkpoints
    surroundings: Surroundings
    clock: Clock
    specify: Specify
