"""Who does what is owed after a run, in memory: nobody, but who was called is noted."""

from lockgate.effects.config import Config
from lockgate.effects.model import Process


class SimulatedSettlers:
    """Implements `Settlers`. `called`: container and run, in the order in which somebody was called;
    whoever plays him takes them off and lets an engine `settle` them."""

    def __init__(self) -> None:
        self.called: list[tuple[str, int]] = []

    def begin(self, config: Config, epoch: int, monitor: Process) -> None:
        if (config.id, epoch) not in self.called:
            self.called.append((config.id, epoch))
