"""The port `Network` whole: ports claimed, a namespace made, interfaces plugged in, what belongs to others
found; and all of it given back in the other order.

One rule: giving back tries every step, and a port is let go only when nothing leads to it any more.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from lockgate.adapters.network.claims import Claims
from lockgate.adapters.network.lodgings import Lodgings
from lockgate.adapters.network.namespaces import Namespaces
from lockgate.adapters.network.plumbing import Plugged, Plumbing
from lockgate.adapters.userns import confined
from lockgate.effects.config import PASTA, SLIRP, UNPLUGGED, USER, USERMODES, Config, shares
from lockgate.effects.model import Process
from lockgate.effects.outcome import Connected, Home, Joined, PortError


class PluggedNetwork:
    """Implements `Network` for networks by name, and for the mode `private` by `namespaces` alone.

    The `driver` plugs in, or where none was chosen the first of `drivers` that can; and into the
    network `user` the first of `usermodes`, which are known by the names of their programs.
    Whichever did takes out again.
    """

    def __init__(
        self,
        namespaces: Namespaces,
        lodgings: Lodgings,
        claims: Claims,
        drivers: Mapping[str, Plumbing],
        usermodes: Mapping[str, Plumbing],
        driver: str = "",
    ) -> None:
        self._namespaces, self._lodgings, self._claims = namespaces, lodgings, claims
        self._drivers, self._usermodes, self._driver = drivers, usermodes, driver
        self._plumbings = (*drivers.values(), *usermodes.values())

    def join(self, config: Config, epoch: int) -> Joined:
        if owner := shares(config):
            return self._lodged(self._shared(owner), config, epoch)
        self._claims.take(config)
        try:
            return self._lodged(self._own(config, epoch), config, epoch)
        except PortError as problem:  # clean for whoever raised it, but the claims are made
            raise PortError(problem.fault.kind, problem.fault.reason) from problem

    def connect(self, config: Config, epoch: int, process: Process) -> Connected:
        netns = self._namespaces.keep(config, epoch, process)
        links, dns = self._plugging(config, netns)
        return Connected(netns, links, dns)

    def leave(self, config: Config, epoch: int) -> None:
        faults: list[PortError | OSError] = []
        newest = self._namespaces.newest(config.id) if config.networks else None
        netns = str(newest[1]) if newest else ""
        for plumbing in self._plumbings:
            try:
                plumbing.unplug(config, netns)
            except (PortError, OSError) as problem:
                faults.append(problem)
        if not faults:
            self._claims.release(config.id)
        self._namespaces.leave(config, epoch)
        if faults:
            raise faults[0]

    def _own(self, config: Config, epoch: int) -> Joined:
        if config.network in UNPLUGGED or config.deferred_network:
            return Joined("")
        joined = self._namespaces.join(config, epoch)
        links, dns = self._plugging(config, joined.netns)
        return Joined(joined.netns, links, dns)

    def _plugging(self, config: Config, netns: str) -> Plugged:
        return self._plumbing(config).plug(config, netns) if config.networks else ((), None)

    def _shared(self, owner: str) -> Joined:
        found = self._namespaces.newest(owner)
        if found is None:
            raise unshared(owner)
        epoch, netns = found
        homes = (Home(owner, epoch),)
        for plumbing in self._plumbings:
            links, dns = plumbing.plugged(owner)
            if links:
                return Joined(str(netns), links, dns, homes=homes)
        return Joined(str(netns), homes=homes)

    def _lodged(self, joined: Joined, config: Config, epoch: int) -> Joined:
        """With what it lives in besides."""
        lodging, homes = self._lodgings.take(config, epoch)
        return replace(joined, lodging=lodging, homes=tuple(dict.fromkeys((*joined.homes, *homes))))

    def _plumbing(self, config: Config) -> Plumbing:
        """Raises `PortError("missing")` that says what to install."""
        if config.network in USERMODES:
            wanted = (SLIRP, PASTA) if config.network == USER else (config.network,)
            for name in wanted:
                if not self._usermodes[name].obstacle(config):
                    return self._usermodes[name]
            reason = f"the network `{config.network}` needs {' or '.join(wanted)}: install it"
            raise PortError("missing", reason)
        if confined():
            reason = (
                "bridges are the host's, and only its root can make them: without root there is the "
                "network `user`"
            )
            raise PortError("denied", reason)
        obstacles: dict[str, str] = {}
        for name in (self._driver,) if self._driver else self._drivers:
            obstacles[name] = self._drivers[name].obstacle(config)
            if not obstacles[name]:
                return self._drivers[name]
        found = "; ".join(f"driver {name}: {why}" for name, why in obstacles.items())
        raise PortError("missing", f"no network can be joined here ({found})")


def unshared(owner: str) -> PortError:
    """The refusal to whoever wants to share what is not there."""
    reason = f"container {owner[:12]}, whose network it shares, has none now: start that first"
    return PortError("missing", reason, dirty=False)
