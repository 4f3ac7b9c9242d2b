"""Volumes: directories that outlive containers."""

from collections.abc import Mapping
from contextlib import suppress
from secrets import token_hex

from lockgate import validation
from lockgate.effects.config import volume_mounts
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Volume
from lockgate.engine.core import faults_raised
from lockgate.engine.life import Life
from lockgate.errors import NoSuchContainer, NoSuchVolume, OperationFailed, VolumeInUse
from lockgate.statemachine.record import Record
from lockgate.statemachine.status import Status


class Volumes(Life):
    """Making, listing and removing volumes."""

    def create_volume(self, name: str = "", *, labels: Mapping[str, str] | None = None) -> Volume:
        """A directory that outlives containers; without a name it is given one of 64 hex digits.
        Raises `InvalidArgument`, `OperationFailed` for a name in use."""
        chosen = validation.name(name) if name else token_hex(32)
        with faults_raised("create", chosen, "volume"):
            return self.host.volumes.create(chosen, labels=validation.pairs(labels or {}, "label"))

    def volumes(self) -> tuple[Volume, ...]:
        return self.host.volumes.list()

    def volume(self, name: str) -> Volume:
        """Raises `NoSuchVolume`."""
        try:
            return self.host.volumes.lookup(name)
        except PortError as problem:
            raise NoSuchVolume(problem.fault.reason) from None

    def volume_users(self, name: str) -> tuple[Record, ...]:
        """The containers made to use this volume, running or not."""
        return tuple(record for record in self._records() if _mounts(record, name))

    def remove_volume(self, name: str, *, force: bool = False) -> None:
        """Remove a volume and all that is in it; with `force`, first the containers that use it
        and do not run. Raises `NoSuchVolume`, `VolumeInUse`; then the volume is as it was. What a
        container uses whose record was lost nobody can tell: while there is one, it may be this."""
        if force:
            for record in self.volume_users(name):
                with suppress(NoSuchContainer):
                    self.remove(record.id)

        def used_by(volume: Volume) -> tuple[str, ...]:
            users = tuple(
                record.config.name for record in self._records() if self._may_use(record, name)
            )
            if users:
                raise VolumeInUse(name, users)
            return ()

        try:
            self.host.volumes.remove(name, used_by)
        except PortError as problem:
            if problem.fault.kind == "missing":
                raise NoSuchVolume(problem.fault.reason) from None
            raise OperationFailed("remove", name, problem.fault, "volume") from problem

    def _may_use(self, record: Record, name: str) -> bool:
        return record.status is Status.UNKNOWN or _mounts(record, name)


def _mounts(record: Record, name: str) -> bool:
    return any(one.volume == name for one in volume_mounts(record.config))
