"""The layers directory: trees nobody changes, each named by the SHA-256 of its listing.

A layer comes to be by one rename of a finished, synced draft. Names with a leading dot are
drafts, or layers on their way out; whoever makes one holds a lock on it, so what a crash leaves
behind is known by nobody holding it.
"""

import fcntl
import os
import re
from collections.abc import Collection, Generator, Iterable
from contextlib import ExitStack, contextmanager
from pathlib import Path
from secrets import token_hex
from types import TracebackType
from typing import TypeAlias

from lockgate.adapters.filesystem import ensure_directory
from lockgate.adapters.flocks import flock
from lockgate.adapters.storage.entries import Allowance, AnyEntry, Listing, Parts, damaged
from lockgate.adapters.storage.removal import remove_tree
from lockgate.adapters.storage.unpack import unpack
from lockgate.adapters.syscalls import syncfs
from lockgate.effects.outcome import PortError

Poured: TypeAlias = tuple[Listing, tuple[Parts, ...]]
"""What was unpacked, and the directories no entry describes."""

_LAYER = re.compile(r"[0-9a-f]{64}")
_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Vanished(PortError):
    """A layer that was here a moment ago is not here now."""


class Layers:
    """`<root>/layers`, open to its owner alone (0700): setuid programs lie in it."""

    def __init__(self, root: Path) -> None:
        self._place = root / "layers"

    def path(self, layer: str) -> Path:
        return self._place / layer

    def open(self, layer: str) -> int:
        """A descriptor of its top directory. Raises `Vanished`. Without the lock it may be on its
        way out: `LockedLayers.check` tells, afterwards."""
        try:
            return os.open(self.path(layer), _ENTER)
        except FileNotFoundError:
            raise _vanished() from None

    @contextmanager
    def exclusive(self) -> Generator["LockedLayers"]:
        """Nobody else, thread or process, changes which layers there are. Not re-entrant."""
        with self._locked(fcntl.LOCK_EX) as fd:
            yield LockedLayers(fd)

    @contextmanager
    def steady(self) -> Generator[None]:
        """No layer goes, as long as the block lasts; any number may be in such blocks at once."""
        with self._locked(fcntl.LOCK_SH):
            yield

    @contextmanager
    def _locked(self, how: int) -> Generator[int]:
        ensure_directory(self._place, 0o700)
        fd = os.open(self._place, _ENTER)
        try:
            flock(fd, how)
            yield fd
        finally:
            os.close(fd)


class Draft:
    """A layer being made; gone at the end of the `with` unless it was adopted."""

    def __init__(self, layers: int) -> None:
        self.name = f".importing-{token_hex(8)}"
        with ExitStack() as undo:
            above = os.open(".", _ENTER, dir_fd=layers)  # a dup would keep the lock
            undo.callback(os.close, above)
            os.mkdir(self.name, 0o700, dir_fd=above)
            self._top = os.open(self.name, _ENTER, dir_fd=above)
            undo.callback(os.close, self._top)  # and with it the lock
            undo.callback(remove_tree, above, self.name)
            flock(self._top, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._undo = undo.pop_all()

    def __enter__(self) -> "Draft":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._undo.close()

    @property
    def top(self) -> int:
        """A descriptor of its top directory."""
        return self._top

    def pour(self, entries: Iterable[AnyEntry], allowance: Allowance) -> Poured:
        """Unpack, not yet to disk."""
        listing = Listing()
        undescribed = unpack(listing.over(entries), self._top, allowance)
        return listing, undescribed

    def fill(self, entries: Iterable[AnyEntry], layer: str, allowance: Allowance) -> None:
        """Unpack and sync; what was promised must be what comes."""
        listing, _ = self.pour(entries, allowance)
        if listing.digest != layer:
            raise damaged("it changed while it was being imported; import it again")
        self.sync()

    def sync(self) -> None:
        """To disk, with everything else on its file system."""
        syncfs(self._top)


class LockedLayers:
    """The layers, as long as we hold the lock."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def has(self, layer: str) -> bool:
        return os.access(layer, os.F_OK, dir_fd=self._fd, follow_symlinks=False)

    def check(self, layers: Iterable[str]) -> None:
        """Raises `Vanished` unless all these are here."""
        if not all(self.has(layer) for layer in layers):
            raise _vanished()

    def draft(self) -> Draft:
        """A new one. The lock need not be held while it is filled."""
        return Draft(self._fd)

    def adopt(self, draft: Draft, layer: str) -> None:
        """Make the draft a layer, durably; another may have been quicker."""
        if not self.has(layer):
            os.rename(draft.name, layer, src_dir_fd=self._fd, dst_dir_fd=self._fd)
            os.fsync(self._fd)

    def reclaim(self, keep: Collection[str] | None) -> None:
        """Remove abandoned drafts, and all layers but those to `keep` (None: all of them).

        One that resists does not save the others; the first error is raised at the end.
        """
        first: Exception | None = None
        with os.scandir(self._fd) as entries:
            names = [entry.name for entry in entries]
        for name in names:
            try:
                if name.startswith("."):
                    self._remove_abandoned(name)
                elif keep is not None and name not in keep and _LAYER.fullmatch(name):
                    self._remove_layer(name)
            except (OSError, PortError) as error:
                first = first or error
        if first is not None:
            raise first

    def _remove_layer(self, layer: str) -> None:
        """It must never be seen half removed under its own name: others would share it."""
        doomed = f".removing-{layer}"
        os.rename(layer, doomed, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        remove_tree(self._fd, doomed)

    def _remove_abandoned(self, name: str) -> None:
        try:
            fd = os.open(name, _ENTER, dir_fd=self._fd)
        except FileNotFoundError:
            return  # its maker was about to remove it, and has
        except NotADirectoryError:
            return remove_tree(self._fd, name)
        try:
            flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # its maker lives
        finally:
            os.close(fd)
        remove_tree(self._fd, name)


def _vanished() -> Vanished:
    return Vanished("missing", "the image below was removed meanwhile", dirty=False)
