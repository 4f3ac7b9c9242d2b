"""The port `Network` whole: ports claimed, a namespace made, interfaces plugged in, what belongs to others
found; and all of it given back in the other order.

One rule: giving back tries every step, and a port is let go only when nothing leads to it any more.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from lockgate.adapters.network.claims import Claims
from lockgate.adapters.network.lodgings import Lodgings
from lockgate.adapters.network.namespaces import Namespaces
from lockgate.adapters.network.plumbing import Plumbing
from lockgate.effects.config import UNPLUGGED, USER, Config, shares
from lockgate.effects.outcome import Home, Joined, PortError


class PluggedNetwork:
    """Implements `Network` for networks by name, and for the mode `private` by `namespaces` alone.

    The first of `plumbings` that works here plugs in, `usermode` into the network `user`; whichever
    did takes out again.
    """

    def __init__(
        self,
        namespaces: Namespaces,
        lodgings: Lodgings,
        claims: Claims,
        plumbings: Sequence[Plumbing],
        usermode: Plumbing,
    ) -> None:
        self._namespaces, self._lodgings = namespaces, lodgings
        self._claims, self._usermode = claims, usermode
        self._plumbings = (*plumbings, usermode)

    def join(self, config: Config, epoch: int) -> Joined:
        if owner := shares(config):
            return self._lodged(self._shared(owner), config, epoch)
        self._claims.take(config)
        try:
            return self._lodged(self._own(config, epoch), config, epoch)
        except PortError as problem:  # clean for whoever raised it, but the claims are made
            raise PortError(problem.fault.kind, problem.fault.reason) from problem

    def leave(self, config: Config, epoch: int) -> None:
        faults: list[PortError | OSError] = []
        for plumbing in self._plumbings:
            try:
                plumbing.unplug(config.id)
            except (PortError, OSError) as problem:
                faults.append(problem)
        if not faults:
            self._claims.release(config.id)
        self._namespaces.leave(config, epoch)
        if faults:
            raise faults[0]

    def _own(self, config: Config, epoch: int) -> Joined:
        if config.network in UNPLUGGED:
            return Joined("")
        joined = self._namespaces.join(config, epoch)
        if not config.networks:
            return joined
        links, dns = self._plumbing(config).plug(config, joined.netns)
        return Joined(joined.netns, links, dns)

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
        user = config.network == USER
        for plumbing in self._plumbings:
            if plumbing.works() and (plumbing is self._usermode) == user:
                return plumbing
        if user:
            raise PortError("missing", "the network `user` needs slirp4netns: install it")
        reason = "no network can be joined here: install the CNI plugins (or netavark)"
        raise PortError("missing", reason)


def unshared(owner: str) -> PortError:
    """The refusal to whoever wants to share what is not there."""
    reason = f"container {owner[:12]}, whose network it shares, has none now: start that first"
    return PortError("missing", reason, dirty=False)
