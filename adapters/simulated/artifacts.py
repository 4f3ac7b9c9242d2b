"""Artifacts in memory."""

from collections.abc import Callable

from lockgate.adapters.simulated.world import World
from lockgate.effects.config import Config
from lockgate.effects.outcome import PortError


class SimulatedArtifacts:
    """Implements `Artifacts` for containers whose layer there is."""

    def __init__(self, world: Callable[[str], World]) -> None:
        self._world = world
        self._kept: dict[str, dict[str, bytes]] = {}

    def put(self, config: Config, name: str, content: bytes) -> None:
        self._of(config)[name] = content

    def get(self, config: Config, name: str) -> bytes:
        self._check(config, name)
        return self._of(config)[name]

    def list(self, config: Config) -> tuple[str, ...]:
        return tuple(sorted(self._of(config)))

    def remove(self, config: Config, name: str) -> None:
        self._check(config, name)
        del self._of(config)[name]

    def release(self, container: str) -> None:
        self._kept.pop(container, None)

    def _of(self, config: Config) -> dict[str, bytes]:
        if not self._world(config.id).layer:
            reason = f"container {config.id[:12]} has no directory to keep anything in"
            raise PortError("missing", reason, dirty=False)
        return self._kept.setdefault(config.id, {})

    def _check(self, config: Config, name: str) -> None:
        known = self._of(config)
        if name not in known:
            there = ", ".join(sorted(known)) or "none"
            reason = f"there is no artifact {name!r}; there are: {there}"
            raise PortError("missing", reason, dirty=False)
