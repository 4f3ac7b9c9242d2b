"""The port `Network` whole: ports claimed, a namespace made, interfaces plugged in; and all of it
given back in the other order.

One rule: giving back tries every step, and a port is let go only when nothing leads to it any more.
"""

from collections.abc import Mapping, Sequence

from lockgate.adapters.network.claims import Claims
from lockgate.adapters.network.namespaces import Namespaces
from lockgate.adapters.network.plumbing import Plumbing
from lockgate.adapters.userns import confined
from lockgate.effects.config import PASTA, SLIRP, USER, USERMODES, Config, shares
from lockgate.effects.outcome import Joined, PortError


class PluggedNetwork:
    """Implements `Network` for networks by name, and for the mode `private` by `namespaces` alone.

    The first of `bridging` that works here plugs in, and into the network `user` the first of
    `usermodes`, which are known by the names of their programs; whichever did takes out again.
    """

    def __init__(
        self,
        namespaces: Namespaces,
        claims: Claims,
        bridging: Sequence[Plumbing],
        usermodes: Mapping[str, Plumbing],
    ) -> None:
        self._namespaces, self._claims = namespaces, claims
        self._bridging, self._usermodes = bridging, usermodes
        self._plumbings = (*bridging, *usermodes.values())

    def join(self, config: Config, epoch: int) -> Joined:
        if owner := shares(config):
            return self._shared(owner)
        self._claims.take(config)
        try:
            joined = self._namespaces.join(config, epoch)
            if not config.networks:
                return joined
            links, dns = self._plumbing(config).plug(config, joined.netns)
        except PortError as problem:  # clean for whoever raised it, but the claims are made
            raise PortError(problem.fault.kind, problem.fault.reason) from problem
        return Joined(joined.netns, links, dns)

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

    def _shared(self, owner: str) -> Joined:
        netns = self._namespaces.newest(owner)
        if netns is None:
            raise unshared(owner)
        for plumbing in self._plumbings:
            links, dns = plumbing.plugged(owner)
            if links:
                return Joined(str(netns), links, dns)
        return Joined(str(netns))

    def _plumbing(self, config: Config) -> Plumbing:
        """Raises `PortError("missing")` that says what to install."""
        if config.network in USERMODES:
            wanted = (SLIRP, PASTA) if config.network == USER else (config.network,)
            for name in wanted:
                if self._usermodes[name].works():
                    return self._usermodes[name]
            reason = f"the network `{config.network}` needs {' or '.join(wanted)}: install it"
            raise PortError("missing", reason)
        for plumbing in self._bridging:
            if plumbing.works():
                return plumbing
        if confined():
            reason = (
                "bridges are the host's, and only its root can make them: without root there is the "
                "network `user`"
            )
            raise PortError("denied", reason)
        reason = "no network can be joined here: install the CNI plugins (or netavark)"
        raise PortError("missing", reason)


def unshared(owner: str) -> PortError:
    """The refusal to whoever wants to share what is not there."""
    reason = f"container {owner[:12]}, whose network it shares, has none now: start that first"
    return PortError("missing", reason, dirty=False)
