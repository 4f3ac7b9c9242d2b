"""The port `Network` whole: ports claimed, a namespace made, interfaces plugged in; and all of it
given back in the other order.

One rule: giving back tries every step, and a port is let go only when nothing leads to it any more.
"""

from typing import Protocol

from lockgate.adapters.network.claims import Claims
from lockgate.adapters.network.namespaces import Namespaces
from lockgate.effects.config import Config
from lockgate.effects.outcome import Dns, Joined, Link, PortError


class Plumbing(Protocol):
    """Who plugs namespaces into networks. Twice is once; both raise `PortError`."""

    def plug(self, config: Config, netns: str) -> tuple[tuple[Link, ...], Dns | None]:
        """The interfaces of this run in the namespace pinned at `netns`."""
        ...

    def unplug(self, container: str) -> None:
        """Every interface the container may have; neither its namespace nor the networks it was
        plugged into need to be there any more."""
        ...


class PluggedNetwork:
    """Implements `Network` for networks by name, and for the mode `private` by `namespaces` alone."""

    def __init__(self, namespaces: Namespaces, claims: Claims, plumbing: Plumbing) -> None:
        self._namespaces, self._claims, self._plumbing = namespaces, claims, plumbing

    def join(self, config: Config, epoch: int) -> Joined:
        self._claims.take(config)
        try:
            joined = self._namespaces.join(config, epoch)
            if not config.networks:
                return joined
            links, dns = self._plumbing.plug(config, joined.netns)
        except PortError as problem:  # clean for whoever raised it, but the claims are made
            raise PortError(problem.fault.kind, problem.fault.reason) from problem
        return Joined(joined.netns, links, dns)

    def leave(self, config: Config, epoch: int) -> None:
        faults: list[PortError | OSError] = []
        try:
            self._plumbing.unplug(config.id)
            self._claims.release(config.id)
        except (PortError, OSError) as problem:
            faults.append(problem)
        self._namespaces.leave(config, epoch)
        if faults:
            raise faults[0]
