"""Checkpoints, in memory: whether there is one is a property of the container's world."""

from collections.abc import Callable

from lockgate.effects.config import Config
from lockgate.effects.model import AnyEffect, DropCheckpoint, ExportCheckpoint, ImportCheckpoint
from lockgate.effects.outcome import PortError


class SimulatedCheckpoints:
    """Implements `Checkpoints`; `do` carries out what is an effect on a container's world. Archives are
    not written, and any is taken; of which container one is, is remembered."""

    def __init__(self, do: Callable[[AnyEffect], object]) -> None:
        self._do = do
        self._archives: dict[str, Config] = {}

    def export(self, config: Config, target: str) -> None:
        self._do(ExportCheckpoint(config.id, target))
        self._archives[target] = config

    def take(self, config: Config, number: int, source: str) -> None:
        self._do(ImportCheckpoint(config.id, number, source))

    def wished(self, source: str) -> Config:
        if source not in self._archives:
            raise PortError("missing", f"there is no {source}", dirty=False)
        return self._archives[source]

    def drop(self, config: Config) -> None:
        self._do(DropCheckpoint(config.id))
