"""What a run lives in besides its network: namespaces of another container, its /dev/shm, and parts
of volumes.

Two rules. A namespace is pinned by a bind mount of its handle, one file a run, so that what the
runtime opens later is what was found now. And a pid is believed only while the directory of its
process is held open and the kernel says that it is in that container's cgroup: then no later process of the
same number can be meant (P15).
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from lockgate.adapters.filesystem import read_bounded
from lockgate.adapters.network.namespaces import Namespaces, drop, pinned
from lockgate.adapters.parts import pin
from lockgate.adapters.syscalls import MountFlag, mount
from lockgate.effects.config import SHAREABLE, Config, borrowed, volume_parts
from lockgate.effects.model import Lodging
from lockgate.effects.outcome import Home, PortError

FirstProcess: TypeAlias = Callable[[str], tuple[int, int] | None]
"""Of a container: the newest run and the number its first process had; None for one that never
ran."""

Volume: TypeAlias = Callable[[str], Path]
"""Where the content of one is, by its name."""

SHM = "shm"
SHM_FLAGS = MountFlag.NOSUID | MountFlag.NODEV | MountFlag.NOEXEC
CGROUP_LIMIT = 1 << 16


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
                run, pid = self._first(owner) or (0, 0)
                _pin(owner, pid, kind, handle := pinned_anew(kind))
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


def _pin(owner: str, pid: int, kind: str, handle: Path) -> None:
    handle.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        process = os.open(f"/proc/{pid}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:  # there is no process 0
        raise unlent(owner) from None
    try:
        # from here on only that very process answers, whoever gets its number
        groups = read_bounded("cgroup", CGROUP_LIMIT, dir_fd=process)
        if not any(owner in line.split("/") for line in groups.decode().splitlines()):
            raise unlent(owner)
        os.close(os.open(handle, os.O_CREAT | os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o400))
        mount(f"/proc/self/fd/{process}/ns/{kind}", handle, "", MountFlag.BIND)
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        drop(handle)
        raise unlent(owner) from None
    finally:
        os.close(process)
