"""What a run lives in besides its network: namespaces of another container, its /dev/shm, and parts
of volumes.

Two rules. A namespace is pinned by a bind mount of its handle, one file a run, so that what the
runtime opens later is what was found now. And a process is believed only while its directory is held
open and it is known to live: then no later process of the same number can be meant (P15).
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from lockgate.adapters.network.namespaces import Namespaces, drop, pinned
from lockgate.adapters.oci.process import alive
from lockgate.adapters.parts import pin
from lockgate.adapters.syscalls import MountFlag, mount
from lockgate.effects.config import SHAREABLE, Config, borrowed, volume_parts
from lockgate.effects.model import Lodging, Process
from lockgate.effects.outcome import Home, PortError

FirstProcess: TypeAlias = Callable[[str], tuple[int, Process] | None]
"""Of a container: the newest run, and its first process; None for one that has none."""

Volume: TypeAlias = Callable[[str], Path]
"""Where the content of one is, by its name."""

SHM = "shm"
SHM_FLAGS = MountFlag.NOSUID | MountFlag.NODEV | MountFlag.NOEXEC


class Lodgings:
    """Pins them where `namespaces` are; whoever drops those drops these."""

    def __init__(self, namespaces: Namespaces, first: FirstProcess, volume: Volume) -> None:
        self._namespaces, self._first, self._volume = namespaces, first, volume

    def take(self, config: Config, epoch: int) -> tuple[Lodging, tuple[Home, ...]]:
        """All it wants of others, and what others may want of it. Raises `PortError("missing")`,
        clean, where an owner does not run, "refused" for a part of a volume that is none. Twice is
        once: what stands is made anew for a guest, and found by an owner."""
        places: list[tuple[str, str]] = []
        homes: dict[str, Home] = {}
        pins: list[Path] = []

        def pinned_anew(what: str) -> Path:
            pins.append(handle := self._handle(config.id, epoch, what))
            drop(handle)  # of another try, of which nobody knows whom it found
            return handle

        try:
            for number, one in enumerate(volume_parts(config)):
                pin(self._volume(one.volume), one.subpath, handle := pinned_anew(f"part{number}"))
                places.append((one.destination, str(handle)))
            for kind, owner in borrowed(config):
                found = self._first(owner)
                if found is None:
                    raise unlent(owner)
                run, process = found
                _pin(owner, process, kind, handle := pinned_anew(kind))
                places.append((kind, str(handle)))
                homes[owner] = Home(owner, run)
                if kind == "ipc" and _there(shm := self._handle(owner, run, SHM)):
                    places.append((SHM, str(shm)))
        except PortError:
            for handle in pins:
                drop(handle)
            raise
        if config.namespaces.ipc == SHAREABLE:
            places.append((SHM, str(self._memory(config, epoch))))
        return tuple(places), tuple(homes.values())

    def _memory(self, config: Config, epoch: int) -> Path:
        """What will be /dev/shm of whoever lives with it."""
        place = self._handle(config.id, epoch, SHM)
        if not _there(place):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            mount("shm", place, "tmpfs", SHM_FLAGS, f"mode=1777,size={config.limits.shm}")
        return place

    def _handle(self, container: str, epoch: int, kind: str) -> Path:
        return self._namespaces.handle(container, f"{epoch}-{kind}")


def _there(place: Path) -> bool:
    return place.exists() and pinned(place)


def unlent(owner: str) -> PortError:
    """The refusal to whoever wants to live with one that does not run."""
    reason = (
        f"container {owner[:12]}, in whose namespaces it is to live, does not run: start that first"
    )
    return PortError("missing", reason, dirty=False)


def _pin(owner: str, first: Process, kind: str, handle: Path) -> None:
    handle.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        process = os.open(f"/proc/{first.pid}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise unlent(owner) from None
    try:
        if not alive(first):  # it lives, so what was opened is its, whoever gets its number later
            raise unlent(owner)
        os.close(os.open(handle, os.O_CREAT | os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o400))
        mount(f"/proc/self/fd/{process}/ns/{kind}", handle, "", MountFlag.BIND)
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        drop(handle)
        raise unlent(owner) from None
    finally:
        os.close(process)
