"""Root file systems with nothing in them."""

import tarfile
from collections.abc import Callable
from typing import IO, BinaryIO, cast

from lockgate.adapters.simulated.world import World
from lockgate.effects.config import Config
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Change, Sizes


class SimulatedContents:
    """Implements `Contents` for containers whose layer there is."""

    def __init__(self, world: Callable[[str], World]) -> None:
        self._world = world

    def export(self, config: Config, out: BinaryIO) -> None:
        self._check(config)
        top = tarfile.TarInfo(".")
        top.type, top.mode = tarfile.DIRTYPE, 0o755
        with tarfile.open(fileobj=cast(IO[bytes], out), mode="w|") as tar:
            tar.addfile(top)

    def changes(self, config: Config) -> tuple[Change, ...]:
        self._check(config)
        if config.rootfs:
            raise PortError("refused", "it has no image that could be compared with", dirty=False)
        return ()

    def sizes(self, config: Config) -> Sizes:
        self._check(config)
        return Sizes(0, 0)

    def _check(self, config: Config) -> None:
        if not self._world(config.id).layer:
            reason = f"container {config.id[:12]} has no layer to look into"
            raise PortError("missing", reason, dirty=False)
