"""Volumes that are names only.

Those with a name of their own are kept here. Those of a container are in its world, with which they
come and go; here they are only seen.
"""

from collections.abc import Callable, Collection, Iterator, Mapping

from msgspec.structs import replace

from lockgate.adapters.simulated.world import World
from lockgate.adapters.storage.volumes import of_another
from lockgate.effects.config import Config, volume_mounts
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Volume


class SimulatedVolumes:
    """Implements `Volumes`; there is nothing to fill them with."""

    def __init__(
        self,
        now: Callable[[], int],
        worlds: Callable[[], Mapping[str, World]],
        change: Callable[[str, Callable[[World], World]], None],
    ) -> None:
        self._named: dict[str, Volume] = {}
        self._now, self._worlds, self._change = now, worlds, change

    def provide(self, config: Config, *, filled: bool = True) -> None:
        """Those a container mounts that are not its own, once it has its layer: made, unless they must
        be there, and `filled`. What is refused is no longer clean."""
        for one in volume_mounts(config):
            if one.anonymous:
                continue
            there = any(found.name == one.volume for found in self._all())
            if not (there or one.existing or one.subpath):
                self.create(one.volume)
            try:
                found = self.lookup(one.volume)
                if found.container:
                    raise of_another(found)
            except PortError as refusal:
                raise PortError(refusal.fault.kind, refusal.fault.reason) from None
            if filled and not one.subpath:
                self._named[one.volume] = replace(found, fresh=False)

    def path(self, name: str) -> str:
        return f"/simulated/volumes/{name}"

    def create(self, name: str, *, labels: tuple[tuple[str, str], ...] = ()) -> Volume:
        if any(one.name == name for one in self._all()):
            raise PortError("refused", f"there is a volume {name!r} already", dirty=False)
        self._named[name] = Volume(
            name=name, path=self.path(name), labels=labels, created_at=self._now()
        )
        return self._named[name]

    def lookup(self, name: str) -> Volume:
        for one in self._all():
            if one.name == name:
                return one
        known = ", ".join(one.name for one in self.list()) or "none"
        raise PortError("missing", f"no volume {name!r}; there are: {known}", dirty=False)

    def list(self) -> tuple[Volume, ...]:
        return tuple(sorted(self._all(), key=lambda one: one.name))

    def remove(self, name: str, used_by: Callable[[Volume], Collection[str]]) -> None:
        found = self.lookup(name)
        if containers := used_by(found):
            some = ", ".join(container[:12] for container in sorted(containers)[:3])
            reason = f"{name} is used by {len(containers)} container(s): {some}"
            raise PortError("refused", reason, dirty=False)
        if found.container:
            self._change(found.container, lambda world: without(world, name))
        else:
            del self._named[name]

    # ---- for the host --------------------------------------------------------------------

    def named(self) -> tuple[Volume, ...]:
        """All but those of containers."""
        return tuple(self._named.values())

    def restore(self, named: Collection[Volume]) -> None:
        self._named = {one.name: one for one in named}

    def _all(self) -> Iterator[Volume]:
        yield from self._named.values()
        for container, world in self._worlds().items():
            for name in world.volumes:
                path = self.path(name)
                yield Volume(name=name, path=path, container=container, fresh=False)


def without(world: World, name: str) -> World:
    """The world of a container that has lost this volume."""
    return replace(world, volumes=tuple(one for one in world.volumes if one != name))
