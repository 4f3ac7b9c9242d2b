"""Artifacts: small files of the user's in a container's directory, out of the container's reach."""

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from lockgate.adapters.filesystem import bundle, read_bounded, write_atomic
from lockgate.effects.config import Config
from lockgate.effects.outcome import PortError

ARTIFACT_LIMIT = 1 << 20
"""Bytes of one artifact."""

_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PLACE = "artifacts"
_MODE = 0o600


class LocalArtifacts:
    """Port `Artifacts`: `<bundle>/artifacts/<name>` (0600), below `root`.

    Everything happens in a directory that was opened before: what is put into a container that is
    being removed goes with it.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, config: Config, name: str, content: bytes) -> None:
        if len(content) > ARTIFACT_LIMIT:
            reason = f"{len(content)} bytes are too much for an artifact: {ARTIFACT_LIMIT} at most"
            raise PortError("refused", reason, dirty=False)
        _check(name)
        with self._bundle(config) as above:
            with suppress(FileExistsError):
                os.mkdir(_PLACE, 0o700, dir_fd=above)
            with _entered(_PLACE, above) as place:
                write_atomic(place, name, content, _MODE)

    def get(self, config: Config, name: str) -> bytes:
        _check(name)
        with self._bundle(config) as above:
            with suppress(FileNotFoundError):
                with _entered(_PLACE, above) as place:
                    return read_bounded(name, ARTIFACT_LIMIT, dir_fd=place)
            raise _missing(name, _names(above))

    def list(self, config: Config) -> tuple[str, ...]:
        with self._bundle(config) as above:
            return _names(above)

    def remove(self, config: Config, name: str) -> None:
        _check(name)
        with self._bundle(config) as above:
            try:
                with _entered(_PLACE, above) as place:
                    os.unlink(name, dir_fd=place)
                    os.fsync(place)
            except FileNotFoundError:
                raise _missing(name, _names(above)) from None

    @contextmanager
    def _bundle(self, config: Config) -> Generator[int]:
        try:
            opened = os.open(bundle(self._root, config.id), _ENTER)
        except FileNotFoundError:
            reason = f"container {config.id[:12]} has no directory to keep anything in"
            raise PortError("missing", reason, dirty=False) from None
        try:
            yield opened
        finally:
            os.close(opened)


@contextmanager
def _entered(name: str, above: int) -> Generator[int]:
    fd = os.open(name, _ENTER, dir_fd=above)
    try:
        yield fd
    finally:
        os.close(fd)


def _names(above: int) -> tuple[str, ...]:
    with suppress(FileNotFoundError):
        with _entered(_PLACE, above) as place:
            with os.scandir(place) as entries:
                return tuple(sorted(one.name for one in entries if not one.name.startswith(".")))
    return ()


def _check(name: str) -> None:
    """One file name, and none of ours (drafts begin with a dot)."""
    if not name or name.startswith(".") or "/" in name or "\0" in name or len(name) > 128:
        reason = f"{name[:128]!r} cannot name an artifact"
        raise PortError("refused", reason, dirty=False)


def _missing(name: str, known: tuple[str, ...]) -> PortError:
    there = ", ".join(known) or "none"
    return PortError("missing", f"there is no artifact {name!r}; there are: {there}", dirty=False)
