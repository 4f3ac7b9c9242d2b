"""Port `Volumes`: directories with a name, `<root>/volumes/<name>/data`, beside a record each.

A volume comes to be, is filled and goes by one rename of its whole directory: it is there, and
complete, or it is not. Names with a leading dot are on their way in or out; whoever finds one
under the lock removes it.
"""

import errno
import fcntl
import os
import time
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from lockgate.adapters import labels
from lockgate.adapters.filesystem import ensure_directory, read_bounded, volume_data, write_atomic
from lockgate.adapters.flocks import flock
from lockgate.adapters.nonsense import NONSENSE
from lockgate.adapters.storage.directory import read_directory
from lockgate.adapters.storage.entries import Allowance, Limits, accepted, damaged, refused
from lockgate.adapters.storage.removal import remove_tree
from lockgate.adapters.storage.unpack import unpack
from lockgate.adapters.syscalls import Resolve, exchange, openat2, syncfs
from lockgate.effects.config import Config, volume_mounts
from lockgate.effects.idmaps import owner
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Volume

Seen: TypeAlias = Callable[[Config], AbstractContextManager[int]]
"""How the top of a container's root filesystem is come by, for as long as a block lasts."""

_RECORD, _DATA = "volume.json", "data"
_RECORD_LIMIT = 1 << 20  # bytes
_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class LocalVolumes:
    """The volumes below `root`, for any number of threads and processes.

    Raises `PortError` ("missing", "refused", "damaged"; never dirty) and `OSError`.
    """

    def __init__(
        self,
        root: Path,
        seen: Seen,
        *,
        limits: Limits | None = None,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self._root, self._place = root, root / "volumes"
        self._seen, self._limits, self._now = seen, limits or Limits(), now

    def provide(self, config: Config) -> None:
        """The volumes a container mounts: those that are not there are made, unless they must be, and
        those that never were are filled; and what it binds gets the label that was wished for. Twice
        is once."""
        labels.relabel(config)
        for one in volume_mounts(config):
            if one.existing or one.subpath:
                self._lent(one.volume, config)
            if one.subpath:
                continue
            if Path(self.path(one.volume)).exists():
                self.fill(one.volume, config, one.destination)
                continue
            made = self._new(one.volume, config.id if one.anonymous else "", fresh=False)
            with self._locked() as place, self._draft(place, made) as draft:
                self._copy(config, one.destination, place, draft)
                taken = not self._settled(place, draft, one.volume)
            if taken:  # somebody else made it just now
                self.fill(one.volume, config, one.destination)

    def create(
        self, name: str, *, container: str = "", labels: tuple[tuple[str, str], ...] = ()
    ) -> Volume:
        """Its directory is the root user's, 0755."""
        self.path(name)
        made = replace(self._new(name, container), labels=labels)
        with self._locked() as place, self._draft(place, made) as draft:
            if not self._settled(place, draft, name):
                raise refused(f"there is a volume {name!r} already")
        return self._located(made)

    def _new(self, name: str, container: str, *, fresh: bool = True) -> Volume:
        return Volume(name=name, container=container, fresh=fresh, created_at=self._now())

    @staticmethod
    def _settled(place: int, draft: str, name: str) -> bool:
        """Give a draft its name, durably; False where that is taken."""
        try:
            os.rename(draft, name, src_dir_fd=place, dst_dir_fd=place)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            return False
        os.fsync(place)
        return True

    def path(self, name: str) -> str:
        """Raises `PortError("refused")` for what no volume can be named."""
        return str(volume_data(self._root, name))

    def fill(self, name: str, config: Config, path: str) -> Volume:
        """As at the first mount of a volume (MAP L-40): by what the container would see there,
        its links followed inside its root filesystem only."""
        if not (volume := self._lent(name, config)).fresh:
            return volume
        with self._locked() as place:
            volume = self._lent(name, config)
            if not volume.fresh:
                return volume
            filled = replace(volume, fresh=False)
            with self._draft(place, filled) as draft:
                if not any(Path(volume.path).iterdir()):
                    self._copy(config, path, place, draft)
                    exchange(place, draft, name)
                    os.fsync(place)
                else:
                    self._write(place, name, filled)
            return filled

    def lookup(self, name: str) -> Volume:
        self.path(name)
        with suppress(FileNotFoundError):
            return self._read(name)
        there = ", ".join(volume.name for volume in self.list()) or "none"
        raise PortError("missing", f"there is no volume {name!r}; there are: {there}", dirty=False)

    def _lent(self, name: str, config: Config) -> Volume:
        """One that this container may mount."""
        volume = self.lookup(name)
        if volume.container not in ("", config.id):
            raise of_another(volume)
        return volume

    def list(self) -> tuple[Volume, ...]:
        return tuple(self._all())

    def remove(self, name: str, used_by: Callable[[Volume], Collection[str]]) -> None:
        self.path(name)
        with self._locked() as place:
            if not (self._place / name).is_dir():
                self.lookup(name)
            if containers := used_by(Volume(name=name)):
                some = ", ".join(container[:12] for container in sorted(containers)[:3])
                raise refused(f"{name} is used by {len(containers)} container(s): {some}")
            _discard(place, name)

    def release(self, container: str) -> None:
        """Remove the anonymous volumes of a container, all it has."""
        for volume in self.list():
            if container and volume.container == container:
                with self._locked() as place, suppress(FileNotFoundError):
                    _discard(place, volume.name)

    # ---- on their way ----------------------------------------------------------------

    @contextmanager
    def _locked(self) -> Generator[int]:
        """The directory of volumes, its names ours alone; what a crash left in it is removed."""
        ensure_directory(self._place, 0o700)
        place = os.open(self._place, _ENTER)
        try:
            flock(place, fcntl.LOCK_EX)
            with os.scandir(place) as entries:
                stale = [entry.name for entry in entries if entry.name.startswith(".")]
            for name in stale:
                remove_tree(place, name)
            yield place
        finally:
            os.close(place)

    @contextmanager
    def _draft(self, place: int, volume: Volume) -> Generator[str]:
        """A whole volume under a name of no meaning; whatever has that name at the end goes."""
        draft = f".making-{token_hex(8)}"
        os.mkdir(draft, 0o700, dir_fd=place)
        try:
            os.mkdir(f"{draft}/{_DATA}", 0o700, dir_fd=place)
            os.chmod(f"{draft}/{_DATA}", 0o755, dir_fd=place)
            self._write(place, draft, volume)
            yield draft
        finally:
            remove_tree(place, draft)

    def _copy(self, config: Config, path: str, place: int, draft: str) -> None:
        """With the label that all containers of its kind may use, where SELinux is (§3.15)."""
        self._copied(config, path, place, draft)
        if name := labels.of_shared(config):
            data = os.open(f"{draft}/{_DATA}", _ENTER, dir_fd=place)
            try:
                labels.label_below(data, name)
                syncfs(data)
            finally:
                os.close(data)

    def _copied(self, config: Config, path: str, place: int, draft: str) -> None:
        with self._seen(config) as top:
            try:
                source = openat2(
                    top, path, _ENTER & ~os.O_NOFOLLOW, Resolve.IN_ROOT | Resolve.NO_MAGICLINKS
                )
            except (FileNotFoundError, NotADirectoryError):
                if config.uid_maps:  # else its root could not write there (MAP L-41)
                    os.chown(f"{draft}/{_DATA}", *owner(config), dir_fd=place)
                return
            try:
                target = os.open(f"{draft}/{_DATA}", _ENTER, dir_fd=place)
                try:
                    allowance = Allowance(self._limits)
                    entries = accepted(read_directory(source, living=True), allowance)
                    unpack(entries, target, allowance)
                    syncfs(target)
                finally:
                    os.close(target)
            finally:
                os.close(source)

    # ---- records ---------------------------------------------------------------------

    def _all(self) -> Iterator[Volume]:
        try:
            names = sorted(path.name for path in self._place.iterdir())
        except FileNotFoundError:
            return
        for name in names:
            if not name.startswith("."):
                try:
                    yield self._read(name)
                except FileNotFoundError:
                    pass  # removed just now
                except PortError:
                    yield Volume(name=name)

    def _read(self, name: str) -> Volume:
        try:
            data = read_bounded(self._place / name / _RECORD, _RECORD_LIMIT)
            volume = msgspec.json.decode(data, type=Volume)
        except (*NONSENSE, UnicodeError, NotADirectoryError) as error:
            raise damaged(f"the record of volume {name!r} is damaged: {error}") from None
        return self._located(replace(volume, name=name))

    def _located(self, volume: Volume) -> Volume:
        return replace(volume, path=self.path(volume.name))

    def _write(self, place: int, name: str, volume: Volume) -> None:
        folder = os.open(name, _ENTER, dir_fd=place)
        try:
            record = msgspec.json.encode(replace(volume, path=""))
            write_atomic(folder, _RECORD, record, 0o600)
        finally:
            os.close(folder)


def of_another(volume: Volume) -> PortError:
    """The refusal to whoever wants to mount what goes with another container: it would be taken from
    under him."""
    return refused(
        f"volume {volume.name} goes with container {volume.container[:12]}: to share one, give it a name"
    )


def _discard(place: int, name: str) -> None:
    """First it is gone, then it is removed: what a crash leaves is no volume."""
    doomed = f".removing-{token_hex(8)}"
    os.rename(name, doomed, src_dir_fd=place, dst_dir_fd=place)
    os.fsync(place)
    remove_tree(place, doomed)
