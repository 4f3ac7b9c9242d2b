"""The store of containers/storage: asked by reading its books, changed by its command only.

The books are JSON files that the command replaces whole (HOST §3), so that a reader never meets
half of one. Whatever changes something is one call of `containers-storage`, under its own locks.
Only the driver `overlay` is known here.
"""

import os
import re
import shutil
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct, field

from lockgate.adapters.commands import Finished, finished
from lockgate.adapters.filesystem import read_bounded
from lockgate.adapters.nonsense import NONSENSE
from lockgate.adapters.userns import confined
from lockgate.effects.outcome import PortError

COMMAND = "containers-storage"
GRAPH, RUN = "/var/lib/containers/storage", "/run/containers/storage"
"""Where root's store is unless its users say otherwise (containers-storage.conf(5))."""

_PLACE = re.compile(
    r"containers-storage(:\[(?P<driver>\w+)@(?P<graph>/[^\]+]+)\+(?P<run>/[^\]+]+)\])?"
)
_PATIENCE = 120.0  # seconds; it may have to wait for another's unpacking
_BOOK_LIMIT = 1 << 28  # bytes
_Line = TypeVar("_Line")


class StoredLayer(Struct, frozen=True, rename="kebab"):
    """A line of layers.json; `diff_size` bytes as an archive, -1 for unknown. `maps`: what it
    contains is owned by the users of somebody's namespace."""

    id: str
    parent: str = ""
    diff_digest: str = ""
    diff_size: int = -1
    maps: tuple[dict[str, int], ...] = field(default=(), name="uidmap")


class StoredImage(Struct, frozen=True):
    """A line of images.json; `layer` is the topmost."""

    id: str
    layer: str = ""
    names: tuple[str, ...] = ()
    created: str = ""


class StoredContainer(Struct, frozen=True):
    """A line of containers.json; `layer` is its own."""

    id: str
    layer: str = ""
    names: tuple[str, ...] = ()
    image: str = ""


class MountPoint(Struct, frozen=True):
    """A line of mountpoints.json: where a layer is mounted, and how often."""

    id: str
    path: str = ""
    count: int = 0


class SharedStore:
    """`place` is `containers-storage`, for the host's own store, or as skopeo writes it
    `containers-storage:[overlay@/graph/root+/run/root]`."""

    def __init__(self, place: str) -> None:
        found = _PLACE.fullmatch(place)
        if found is None or (found["driver"] or "overlay") != "overlay":
            raise PortError(
                "refused",
                f"{place!r} is no store: write {COMMAND}, or {COMMAND}:[overlay@/GRAPH+/RUN]",
                dirty=False,
            )
        if shutil.which(COMMAND) is None:
            reason = f"a shared store needs the command {COMMAND}: install it"
            raise PortError("missing", reason, dirty=False)
        if confined() and found["graph"] is None:
            reason = (
                f"without root there is no store of the host's: write {COMMAND}:[overlay@/GRAPH+/RUN]; "
                "`podman info` tells where yours is"
            )
            raise PortError("refused", reason, dirty=False)
        self.graph, self.run = Path(found["graph"] or GRAPH), Path(found["run"] or RUN)

    @property
    def place(self) -> str:
        """As skopeo writes it."""
        return f"{COMMAND}:[overlay@{self.graph}+{self.run}]"

    # ---- books -----------------------------------------------------------------------------

    def layers(self) -> dict[str, StoredLayer]:
        found = _read(self.graph / "overlay-layers/layers.json", StoredLayer)
        return {one.id: one for one in found}

    def images(self) -> tuple[StoredImage, ...]:
        return _read(self.graph / "overlay-images/images.json", StoredImage)

    def containers(self) -> tuple[StoredContainer, ...]:
        return _read(self.graph / "overlay-containers/containers.json", StoredContainer)

    def container(self, id: str) -> StoredContainer | None:
        return next((one for one in self.containers() if one.id == id), None)

    def mounts(self, layer: str) -> int:
        """How often a layer is mounted, by the books."""
        found = _read(self.run / "overlay-layers/mountpoints.json", MountPoint)
        return sum(one.count for one in found if one.id == layer)

    def directory(self, layer: str) -> Path:
        """Where the driver keeps a layer: `diff` is its content, `merged` where it is mounted."""
        return self.graph / "overlay" / layer

    def below(self, layer: str) -> list[Path]:
        """The directories of the layers under this one, topmost first."""
        top = self.graph / "overlay"
        try:
            listed = read_bounded(top / layer / "lower", _BOOK_LIMIT)
        except FileNotFoundError:
            return []
        return [(top / os.fsdecode(link)).resolve() for link in listed.strip().split(b":") if link]

    # ---- changes ---------------------------------------------------------------------------

    def call(self, command: str, *words: str) -> Finished:
        """Run the command on this store. Raises `TimeoutError`."""
        options = ("-s", "overlay", "-g", str(self.graph), "-R", str(self.run))
        line = (COMMAND, command, *options, *words)
        return finished(line, environment=os.environ, patience=_PATIENCE)

    def done(self, what: str, command: str, *words: str) -> bytes:
        """The output of a call that must succeed; `what` was to be done, in words."""
        end = self.call(command, *words)
        if end.code:
            raise PortError("failed", f"cannot {what}: {complaint(end)}")
        return end.output


def complaint(end: Finished) -> str:
    """What a command said when it failed."""
    said = (end.complaints or end.output).decode(errors="replace").strip()
    return said.splitlines()[-1][:1000] if said else f"it ended with {end.code} and said nothing"


def _read(path: Path, line: type[_Line]) -> tuple[_Line, ...]:
    try:
        data = read_bounded(path, _BOOK_LIMIT)
    except FileNotFoundError:
        return ()
    try:
        return msgspec.json.decode(data or b"[]", type=tuple[line, ...])  # type: ignore[valid-type]
    except NONSENSE as nonsense:
        raise PortError("damaged", f"{path} cannot be read: {nonsense}", dirty=False) from None
