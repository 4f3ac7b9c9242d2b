"""What comes back from the world: facts, and faults.

An outcome carries the ticket of its order and nothing else identifies it; late or repeated
outcomes are therefore harmless.
"""

from typing import Literal, TypeAlias

from msgspec import Struct

from lockgate.effects.hooks import Hook
from lockgate.effects.model import Lodging, Process
from lockgate.effects.network import Dns as Dns
from lockgate.effects.network import Link as Link

UNKNOWN_EXIT = -1
"""The exit code of a run whose end nobody saw (BEHAVIOUR §3, stop)."""

FaultKind: TypeAlias = Literal[
    "missing",  # a thing we need is not there: a binary, an image, a file
    "refused",  # the world understood and said no
    "timeout",  # no answer in time; the attempt may still take effect
    "scarce",  # no space, no inodes, no file descriptors, no memory
    "denied",  # not permitted
    "damaged",  # something that must be well formed is not
    "failed",  # anything else
]


class Fault(Struct, frozen=True, gc=False, omit_defaults=True):
    """Why something did not happen. `dirty`: the attempt may have left something behind."""

    kind: FaultKind
    reason: str
    dirty: bool = True


class Mounted(Struct, frozen=True, gc=False, tag="mounted"):
    mountpoint: str


class Home(Struct, frozen=True, gc=False):
    """A run in whose namespaces another lives (P18)."""

    container: str
    epoch: int


class Joined(Struct, frozen=True, gc=False, tag="joined", omit_defaults=True):
    """The namespace of a run, and what was plugged into it; nothing in the mode `private`.

    `netns` is empty where the runtime makes it, or it is the host's. `lodging` are the places of
    what else is lived in: namespaces by their kind, and `shm` for the directory that is /dev/shm.
    `homes` are the runs it is of.
    """

    netns: str
    links: tuple[Link, ...] = ()
    dns: Dns | None = None
    lodging: Lodging = ()
    homes: tuple[Home, ...] = ()


class Connected(Struct, frozen=True, gc=False, tag="connected", omit_defaults=True):
    """Where the namespace of a run is kept, and what was plugged into it, after the runtime made it."""

    netns: str
    links: tuple[Link, ...] = ()
    dns: Dns | None = None


class Saved(Struct, frozen=True, gc=False, tag="saved", omit_defaults=True):
    """Hex digest (SHA-256) of the bytes written to config.json; and the hooks that the engine will
    have to run when this run is over."""

    digest: str
    poststop: tuple[Hook, ...] = ()


class Settled(Struct, frozen=True, gc=False, tag="settled"):
    """Every hook of a run that is over has succeeded."""


class Created(Struct, frozen=True, gc=False, tag="created"):
    """The container's first process waits to be started; the monitor watches it."""

    process: Process
    monitor: Process | None


class Launched(Struct, frozen=True, gc=False, tag="launched"):
    """`at`: nanoseconds since the Unix epoch."""

    at: int


class Exited(Struct, frozen=True, gc=False, tag="exited", omit_defaults=True):
    """The end of a run. `code` is -1 when nobody saw it; `reason` then says why."""

    code: int
    at: int
    oom: bool = False
    reason: str = ""


class Dumped(Struct, frozen=True, gc=False, tag="dumped"):
    """The checkpoint is whole; `at`: nanoseconds since the Unix epoch."""

    at: int


class Restored(Struct, frozen=True, gc=False, tag="restored"):
    """Its processes run on, since `at` (nanoseconds since the Unix epoch)."""

    process: Process
    monitor: Process | None
    at: int


Fact: TypeAlias = (
    Mounted | Joined | Connected | Saved | Settled | Created | Launched | Exited | Dumped | Restored
)


class Done(Struct, frozen=True, gc=False, tag="done", omit_defaults=True):
    ticket: int
    fact: Fact | None = None


class Failed(Struct, frozen=True, gc=False, tag="failed"):
    ticket: int
    fault: Fault


Outcome: TypeAlias = Done | Failed


class PortError(Exception):
    """What an adapter raises: a fault on its way to becoming a value.

    Adapters raise this or `OSError`; anything else is a bug and is left to fly.
    """

    def __init__(self, kind: FaultKind, reason: str, *, dirty: bool = True) -> None:
        super().__init__(reason)
        self.fault = Fault(kind, reason, dirty)
