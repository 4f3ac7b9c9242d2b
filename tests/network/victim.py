"""An engine that is killed: `python -m tests.network.victim ROOT OPERATION PLACE`.

It dies at the n-th boundary: before and after every commit, effect and call of a plugin.
"""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest import mock

from lockgate import Engine
from lockgate.adapters.network import bridge, firewall
from lockgate.adapters.network.leases import Leases
from lockgate.adapters.network.netavark import Netavark
from lockgate.adapters.network.plugins import Plugins
from lockgate.adapters.network.usermode import Slirp

TOOLS: tuple[tuple[Any, str], ...] = (
    (bridge, "ip"),
    (bridge, "ip_within"),
    (firewall, "nft"),
    (Leases, "take"),
    (Leases, "release"),
    (Plugins, "call"),
    (Netavark, "_call"),
    (Slirp, "add"),
    (Slirp, "delete"),
)

OPERATIONS: dict[str, Callable[[Engine], object]] = {
    "start": lambda engine: engine.start("web"),
    "restart": lambda engine: engine.restart("web", timeout=0),
    "cleanup": lambda engine: engine.cleanup("web"),
    "remove": lambda engine: engine.remove("web"),
}


def main(root: str, operation: str, place: str) -> None:
    passed = 0

    def fuse(_: str) -> None:
        nonlocal passed
        passed += 1
        if passed == int(place):
            os.kill(os.getpid(), signal.SIGKILL)

    def fused(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*words: Any, **more: Any) -> Any:
            fuse("before")
            result = call(*words, **more)
            fuse("after")
            return result

        return called

    with ExitStack() as patches:
        for tool, method in TOOLS:
            patches.enter_context(mock.patch.object(tool, method, fused(getattr(tool, method))))
        with Engine.open(root, runtime="runc", probe=fuse) as engine:
            OPERATIONS[operation](engine)


if __name__ == "__main__":
    main(*sys.argv[1:])
