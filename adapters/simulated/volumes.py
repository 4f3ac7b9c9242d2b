"""Volumes that are names only."""

from collections.abc import Callable, Collection

from msgspec.structs import replace

from lockgate.effects.config import Config, volume_mounts
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Volume


class SimulatedVolumes:
    """Implements `Volumes`; there is nothing to fill them with."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._volumes: dict[str, Volume] = {}
        self._now = now

    def provide(self, config: Config) -> None:
        for one in volume_mounts(config):
            if one.existing or one.subpath:
                self.lookup(one.volume)
            if one.subpath:
                continue
            if one.volume not in self._volumes:
                self.create(one.volume, container=config.id if one.anonymous else "")
            self.fill(one.volume, config, one.destination)

    def path(self, name: str) -> str:
        return f"/simulated/volumes/{name}"

    def create(
        self, name: str, *, container: str = "", labels: tuple[tuple[str, str], ...] = ()
    ) -> Volume:
        if name in self._volumes:
            raise PortError("refused", f"there is a volume {name!r} already", dirty=False)
        self._volumes[name] = Volume(
            name=name,
            path=self.path(name),
            container=container,
            labels=labels,
            created_at=self._now(),
        )
        return self._volumes[name]

    def fill(self, name: str, config: Config, path: str) -> Volume:
        self._volumes[name] = replace(self.lookup(name), fresh=False)
        return self._volumes[name]

    def lookup(self, name: str) -> Volume:
        if name not in self._volumes:
            known = ", ".join(sorted(self._volumes)) or "none"
            raise PortError("missing", f"no volume {name!r}; there are: {known}", dirty=False)
        return self._volumes[name]

    def list(self) -> tuple[Volume, ...]:
        return tuple(self._volumes[name] for name in sorted(self._volumes))

    def remove(self, name: str, used_by: Callable[[Volume], Collection[str]]) -> None:
        if containers := used_by(self.lookup(name)):
            some = ", ".join(container[:12] for container in sorted(containers)[:3])
            reason = f"{name} is used by {len(containers)} container(s): {some}"
            raise PortError("refused", reason, dirty=False)
        del self._volumes[name]

    def release(self, container: str) -> None:
        for volume in self.list():
            if container and volume.container == container:
                del self._volumes[volume.name]
