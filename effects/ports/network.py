"""What a container is plugged into."""

from typing import Protocol

from msgspec import Struct

from lockgate.effects.config import Config
from lockgate.effects.model import Process
from lockgate.effects.outcome import Connected, Joined


class Network(Protocol):
    """Namespaces and what is plugged into them. Never asked for modes `none` and `host`."""

    def join(self, config: Config, epoch: int) -> Joined:
        """The namespace of this run, plugged into the config's networks, its ports claimed.

        Claims come before anything is made (P19): a port that is taken raises
        `PortError("refused")`, clean, and says by whom. Joining again finds what stands, and makes
        anew what does not. Who shares another container's namespace is told of that one's, or
        `PortError("missing")`, clean, where it has none now.
        """
        ...

    def connect(self, config: Config, epoch: int, process: Process) -> Connected:
        """The namespace of this run's first process, kept and plugged into the config's networks; of
        a run that has joined without one, because its runtime makes it. Twice is once.
        `PortError("missing")`, clean, where that process has ended."""
        ...

    def leave(self, config: Config, epoch: int) -> None:
        """Everything of the container's runs goes, whatever part of it is gone already; every step
        is tried, then the first fault is raised (MAP L-29)."""
        ...


class NetworkInfo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A network containers can be plugged into.

    `subnets` are in CIDR notation, each with the gateway of the same place in `gateways` (empty:
    none). Containers on an `internal` one reach each other and nothing else. `dns` are servers its
    containers shall ask. `ours`: made by `create`, and removable.
    """

    name: str
    subnets: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    bridge: str = ""
    internal: bool = False
    dns: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    ours: bool = True


class Networks(Protocol):
    """Networks by name. No method but these makes or removes one; those that do are called under
    one lock of the engine's."""

    def create(
        self,
        name: str,
        *,
        subnet: str = "",
        gateway: str = "",
        internal: bool = False,
        dns: tuple[str, ...] = (),
    ) -> NetworkInfo:
        """Define a network; nothing is made on the host before a container joins it. Without a
        `subnet` a free one is chosen. Raises `PortError("refused")` for a name or subnet in use."""
        ...

    def lookup(self, name: str) -> NetworkInfo:
        """Raises `PortError("missing")` that names the networks there are."""
        ...

    def list(self) -> tuple[NetworkInfo, ...]: ...

    def remove(self, name: str) -> None:
        """The definition and what stands on the host for it; the caller knows that nobody is
        plugged in. Raises `PortError`: "missing", "refused" for one that is not ours."""
        ...
