"""Health checks, in memory: nobody runs them but by asking the engine to."""

from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Lock

from lockgate.effects.config import Config
from lockgate.effects.health import CheckResult
from lockgate.effects.model import AnyEffect, Watch
from lockgate.effects.outcome import PortError


class SimulatedChecks:
    """Implements `Checks`; `do` carries out what is an effect on a container's world, `epoch` says
    whose run the runtime has, 0 for none."""

    def __init__(self, do: Callable[[AnyEffect], object], epoch: Callable[[str], int]) -> None:
        self._do, self._epoch = do, epoch
        self._results: dict[tuple[str, int], tuple[CheckResult, ...]] = {}
        self._locks: defaultdict[tuple[str, int], Lock] = defaultdict(Lock)

    def watch(self, config: Config, epoch: int) -> None:
        self._do(Watch(config.id, epoch))

    @contextmanager
    def alone(self, container: str, epoch: int, timeout: float) -> Generator[bool]:
        self._there(container, epoch)
        lock = self._locks[container, epoch]
        mine = lock.acquire(timeout=timeout)
        try:
            yield mine
        finally:
            if mine:
                lock.release()

    def note(self, container: str, epoch: int, result: CheckResult, keep: int) -> None:
        self._there(container, epoch)
        self._results[container, epoch] = (*self.noted(container, epoch), result)[-keep:]

    def noted(self, container: str, epoch: int) -> tuple[CheckResult, ...]:
        there = self._epoch(container) == epoch
        return self._results.get((container, epoch), ()) if there else ()

    def _there(self, container: str, epoch: int) -> None:
        if self._epoch(container) != epoch:
            raise PortError("missing", "the run is over", dirty=False)
