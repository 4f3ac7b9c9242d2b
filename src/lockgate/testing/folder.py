"""An exploration on disk: every level as it was when it became known, and a head that says how far.

The head is written last, and put in its place at once: what was interrupted goes on from the last level
that was known whole. A folder belongs to one model of one version of this package.
"""

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import msgspec
from msgspec import Struct

HEAD = "exploration.json"


class State(Struct, frozen=True, kw_only=True):
    """How far an exploration is: as in its `Report`; `ahead`: how many nodes the level has that is
    to be visited next."""

    nodes: int = 0
    steps: int = 0
    depth: int = 0
    ahead: int = 0
    seconds: float = 0.0
    reached: frozenset[str] = frozenset()
    used: frozenset[str] = frozenset()


class Head(Struct, frozen=True):
    """Whose exploration this is, and how far it is."""

    model: str
    version: str
    state: State


class Mismatch(Exception):
    """What lies in a folder is of another model, or of another version of the machine."""


class Folder:
    """`model`: its name. Made if need be."""

    def __init__(self, path: Path, model: str) -> None:
        self._path, self._model = path, model
        path.mkdir(parents=True, exist_ok=True)

    def begun(self) -> State | None:
        """How far it was; None: nothing is there. Raises `Mismatch`."""
        try:
            head = msgspec.json.decode((self._path / HEAD).read_bytes(), type=Head)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as nonsense:
            raise Mismatch(f"{self._path / HEAD} is no exploration: {nonsense}") from None
        if head.model != self._model:
            raise Mismatch(f"{self._path} holds {head.model!r}, not {self._model!r}")
        if head.version != version():
            raise Mismatch(f"{self._path} was begun by another version: begin anew elsewhere")
        return head.state

    def level(self, state: State) -> Path:
        """Where the level is kept that is to be visited next; each worker adds a suffix."""
        return self._path / f"level-{state.depth:05}.kept"

    def levels(self, state: State) -> Sequence[Sequence[Path]]:
        """The files of every level up to that one."""
        every = (self._path / f"level-{depth:05}" for depth in range(state.depth + 1))
        return [sorted(self._path.glob(f"{one.name}.*")) for one in every]

    def save(self, state: State) -> None:
        new = self._path / f"{HEAD}.new"
        new.write_bytes(msgspec.json.encode(Head(self._model, version(), state)))
        new.replace(self._path / HEAD)


def version() -> str:
    """A digest of all code that a report could depend on."""
    root = Path(__file__).parent.parent
    digest = blake2b(digest_size=8)
    for path in sorted(_sources(root)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources(root: Path) -> list[Path]:
    """`rglob` does not follow links to folders, of which ours has three in a checkout."""
    found: list[Path] = []
    for path in root.iterdir():
        if path.is_dir():
            found += _sources(path)
        elif path.suffix == ".py":
            found.append(path)
    return found
