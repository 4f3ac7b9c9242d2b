"""Checkpoints, in memory: whether there is one is a property of the container's world."""

from collections.abc import Callable

from lockgate.effects.config import Config
from lockgate.effects.model import AnyEffect, DropCheckpoint, ExportCheckpoint, ImportCheckpoint


class SimulatedCheckpoints:
    """Implements `Checkpoints`; `do` carries out what is an effect on a container's world. Archives are
    not written, and any is taken."""

    def __init__(self, do: Callable[[AnyEffect], object]) -> None:
        self._do = do

    def export(self, config: Config, target: str) -> None:
        self._do(ExportCheckpoint(config.id, target))

    def take(self, config: Config, number: int, source: str) -> None:
        self._do(ImportCheckpoint(config.id, number, source))

    def drop(self, config: Config) -> None:
        self._do(DropCheckpoint(config.id))
