"""Links, addresses and routes by iproute2: requests of rtnetlink(7), many in one call of `ip -batch`."""

from collections.abc import Sequence

from lockgate.adapters.commands import finished, printable
from lockgate.adapters.elsewhere import elsewhere
from lockgate.adapters.network.namespaces import CLONE_NEWNET, PATIENCE, TOOLS
from lockgate.adapters.syscalls import setns
from lockgate.effects.outcome import PortError


def ip(*lines: str, keeping: Sequence[int] = ()) -> None:
    """What `ip` is to do, a line each, in the namespace of the caller; the first that fails is the last.

    Raises `PortError`: "missing" without the program, "timeout", "failed" with what it said.
    """
    try:
        done = finished(
            ["ip", "-batch", "-"],
            environment=TOOLS,
            patience=PATIENCE,
            stdin="\n".join((*lines, "")).encode(),
            keeping=keeping,
        )
    except FileNotFoundError:
        raise PortError("missing", "there is no ip; install iproute2") from None
    except TimeoutError as problem:
        raise PortError("timeout", f"ip: {problem}") from None
    if done.code != 0:
        said = printable(done.complaints.decode("utf-8", "replace"))
        raise PortError("failed", f"cannot `ip {'; '.join(lines)}`: {said or 'it said nothing'}")


def ip_within(netns: str, *lines: str, keeping: Sequence[int] = ()) -> None:
    """The same in another network namespace."""

    def act() -> None:
        setns(netns, CLONE_NEWNET)
        ip(*lines, keeping=keeping)

    elsewhere(act)
