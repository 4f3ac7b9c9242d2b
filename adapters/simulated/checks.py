"""Health checks, in memory: nobody runs them but by asking the engine to."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Lock

from lockgate.effects.config import Config
from lockgate.effects.health import CheckResult
from lockgate.effects.model import AnyEffect, Watch


class SimulatedChecks:
    """Implements `Checks`; `do` carries out what is an effect on a container's world."""

    def __init__(self, do: Callable[[AnyEffect], object]) -> None:
        self._do = do
        self._results: dict[tuple[str, int], tuple[CheckResult, ...]] = {}
        self._lock = Lock()

    def watch(self, config: Config, epoch: int) -> None:
        self._do(Watch(config.id, epoch))

    @contextmanager
    def alone(self, container: str, epoch: int, timeout: float) -> Generator[bool]:
        mine = self._lock.acquire(timeout=timeout)
        try:
            yield mine
        finally:
            if mine:
                self._lock.release()

    def note(self, container: str, epoch: int, result: CheckResult, keep: int) -> None:
        self._results[container, epoch] = (*self.noted(container, epoch), result)[-keep:]

    def noted(self, container: str, epoch: int) -> tuple[CheckResult, ...]:
        return self._results.get((container, epoch), ())
