"""What containers use, in memory: one process each that does nothing."""

from collections.abc import Callable

from lockgate.adapters.simulated.world import World, process
from lockgate.effects.config import Config
from lockgate.effects.usage import Running, Usage


class SimulatedMeters:
    """Implements `Meters`."""

    def __init__(self, world: Callable[[str], World]) -> None:
        self._world = world

    def measure(self, config: Config) -> Usage:
        world = self._world(config.id)
        if not world.alive:
            return Usage()
        limit = config.memory if world.memory is None else world.memory
        return Usage(cpu=0, memory=0, memory_limit=limit or None, pids=1)

    def processes(self, config: Config) -> tuple[Running, ...]:
        world = self._world(config.id)
        if not world.alive:
            return ()
        pid = process(world.epoch).pid
        first = Running(pid=pid, ppid=1, uid=0, state="S", cpu=0, memory=0, command=config.command)
        return (first,)
