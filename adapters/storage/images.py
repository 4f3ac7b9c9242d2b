"""Images: names for stacks of layers, and how they want to be run.

`<root>/images/<name>.json` is all there is to an image; the record is written after its layers
are in place, and a layer no record names is garbage, removed by the next import or removal.
Reading takes no lock and trusts no file: one damaged record hides no other image (P11).
"""

import hashlib
import os
import re
import time
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote

import msgspec
from msgspec.structs import replace

from lockgate.adapters.filesystem import ensure_directory, read_bounded, write_atomic
from lockgate.adapters.storage.archive import read_archive
from lockgate.adapters.storage.directory import read_directory
from lockgate.adapters.storage.entries import (
    AnyEntry,
    Limits,
    accepted,
    damaged,
    refused,
    survey,
)
from lockgate.adapters.storage.layers import Layers, LockedLayers
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Image

DEEPEST = 500
"""Layers overlayfs stacks (OVL_MAX_STACK)."""

_NAME = re.compile(
    r"[a-zA-Z0-9][a-zA-Z0-9_.-]*(/[a-zA-Z0-9][a-zA-Z0-9_.-]*)*(:[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127})?"
)
_FILE_MAX = 255  # bytes
_ID = re.compile(r"[0-9a-f]{64}")
_RECORD_LIMIT = 1 << 20  # bytes


class Images:
    """The images below `root`, for any number of threads and processes.

    Raises `PortError` ("missing", "refused", "damaged"; never dirty) and `OSError`.
    """

    def __init__(self, root: Path, *, now: Callable[[], int] = time.time_ns) -> None:
        self.layers = Layers(root)
        self._root, self._records, self._now = root, root / "images", now

    def lookup(self, name: str) -> Image:
        """The image of this name, or else of this id (64 hex digits)."""
        with suppress(FileNotFoundError):
            return self._read(_file_of(name))
        images = self.list()
        for image in images:
            if image.id == name:
                return image
        there = ", ".join(image.name for image in images) or "none"
        raise PortError("missing", f"there is no image {name!r}; there are: {there}", dirty=False)

    def pinned(self, name: str, image_id: str) -> Image:
        """The image that `name` meant when its id was `image_id` (empty: what it means now)."""
        if not image_id:
            return self.lookup(name)
        with suppress(FileNotFoundError, PortError):
            if (image := self._read(_file_of(name))).id == image_id:
                return image
        for image in self.list():
            if image.id == image_id:
                return image
        reason = f"the image {name!r} of id {image_id[:12]} is not here (any more): import it again"
        raise PortError("missing", reason, dirty=False)

    def list(self) -> tuple[Image, ...]:
        """All images by name; one whose record is damaged has a name and nothing else (P11)."""
        return tuple(self._all())

    def import_image(
        self,
        name: str,
        source: Path,
        *,
        base: str = "",
        command: Sequence[str] | None = None,
        env: Sequence[str] | None = None,
        workdir: str | None = None,
        user: str | None = None,
        stop_signal: int | None = None,
        limits: Limits | None = None,
    ) -> Image:
        """Make an image of a directory or a tar archive (plain, gzip, bzip2, xz, zstd).

        With `base` the content becomes a layer above those of that image, whose settings hold
        where none is given. All or nothing, and durable: the content is read once to judge it
        and once to unpack it, and what is already here is not unpacked again. An older image of
        this name is kept under its id.
        """
        _check_new(name)
        lower = self.lookup(base) if base else Image(name=name)
        if len(lower.layers) >= DEEPEST:
            raise refused(f"{base} has {len(lower.layers)} layers; the kernel stacks no more")
        bounds = limits or Limits()
        with self._entries(source) as entries:
            content = survey(accepted(entries(), bounds))
            image = _identified(
                Image(
                    name=name,
                    layers=(*lower.layers, content.digest),
                    command=lower.command if command is None else tuple(command),
                    env=lower.env if env is None else tuple(env),
                    workdir=lower.workdir if workdir is None else workdir,
                    user=lower.user if user is None else user,
                    stop_signal=lower.stop_signal if stop_signal is None else stop_signal,
                    size=lower.size + content.size,
                    created_at=self._now(),
                )
            )
            with self.layers.exclusive() as layers:
                with suppress(OSError, PortError):
                    layers.reclaim(self._named())
                if layers.has(content.digest):
                    return self._record(image, layers)
                draft = layers.draft()
            with draft:
                draft.fill(accepted(entries(), bounds), content.digest, bounds.entries)
                with self.layers.exclusive() as layers:
                    layers.adopt(draft, content.digest)
                    return self._record(image, layers)

    def remove(self, name: str, used_by: Collection[str] = ()) -> None:
        """Forget an image, readable or not, and remove the layers that no other image has.

        `name` may be an id. `used_by` are the containers that still need it: any, and it is
        refused. When an error leaves layers behind, the next import or removal takes them.
        """
        if used_by:
            some = ", ".join(container[:12] for container in sorted(used_by)[:3])
            raise refused(f"{name} is used by {len(used_by)} container(s), remove them: {some}")
        with self.layers.exclusive() as layers:
            record = self._records / _file_of(name)
            if not os.path.lexists(record):
                record = self._records / _file_of(self.lookup(name).name)
            record.unlink()
            _sync(self._records)
            layers.reclaim(self._named())

    # ---- records ---------------------------------------------------------------------

    def _all(self) -> Iterator[Image]:
        try:
            files = sorted(file.name for file in self._records.iterdir())
        except FileNotFoundError:
            return
        for file in files:
            if not _is_record(file):
                continue  # being written, or none of ours
            try:
                yield self._read(file)
            except FileNotFoundError:
                pass  # removed just now
            except PortError:
                yield Image(name=_name_of(file))

    def _read(self, file: str) -> Image:
        why = "it is no record of this image"
        try:
            image = msgspec.json.decode(
                read_bounded(self._records / file, _RECORD_LIMIT), type=Image
            )
            if file == _file_of(image.name) and image == _identified(image):
                return image
        except (msgspec.DecodeError, UnicodeError) as error:
            why = str(error)
        except PortError as error:
            why = error.fault.reason
        raise damaged(f"the record of image {_name_of(file)!r} is damaged, import it again: {why}")

    def _record(self, image: Image, layers: LockedLayers) -> Image:
        """Write the record of an image whose layers are in place."""
        if not all(layers.has(layer) for layer in image.layers):
            raise PortError("missing", "the image below was removed meanwhile", dirty=False)
        with suppress(FileNotFoundError, PortError):
            older = self._read(_file_of(image.name))
            if older.id == image.id:
                return older
            if not any(i.id == older.id and i.name != older.name for i in self.list()):
                self._write(replace(older, name=older.id))
        self._write(image)
        return image

    def _write(self, image: Image) -> None:
        ensure_directory(self._records, 0o700)
        write_atomic(self._records, _file_of(image.name), msgspec.json.encode(image), 0o600)

    def _named(self) -> set[str] | None:
        """The layers some record names. Nobody knows while one is damaged: None."""
        images = self.list()
        if not all(image.id for image in images):
            return None
        return {layer for image in images for layer in image.layers}

    # ---- sources ---------------------------------------------------------------------

    @contextmanager
    def _entries(self, source: Path) -> Generator[Callable[[], Iterator[AnyEntry]]]:
        """A way to read the source from its start, as often as need be."""
        try:
            if source.is_dir():
                with self._directory(source) as top:
                    yield lambda: read_directory(top)
            elif source.is_file():
                with source.open("rb", buffering=0) as file:
                    yield lambda: read_archive(file)
            elif os.path.lexists(source):
                raise refused("it is neither a directory nor a regular file")
            else:
                raise PortError("missing", "it does not exist", dirty=False)
        except PortError as error:
            fault = error.fault
            raise PortError(
                fault.kind, f"cannot import {source}: {fault.reason}", dirty=False
            ) from None

    @contextmanager
    def _directory(self, source: Path) -> Generator[int]:
        top = os.open(source, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            ours = self._root.resolve()
            for place in (ours, *ours.parents):
                if place.exists() and os.path.samestat(os.fstat(top), place.stat()):
                    raise refused("it contains the images themselves")
            yield top
        finally:
            os.close(top)


def _identified(image: Image) -> Image:
    """The image with the id that follows from it. What is hashed here is fixed for ever."""
    essence = (
        image.layers,
        image.command,
        image.env,
        image.workdir,
        image.user,
        image.stop_signal,
    )
    return replace(image, id=hashlib.sha256(msgspec.json.encode(essence)).hexdigest())


def _check_new(name: str) -> None:
    _file_of(name)
    if _ID.fullmatch(name):
        raise refused(f"{name} looks like the id of an image; choose another name")


def _file_of(name: str) -> str:
    file = f"{quote(name, safe='')}.json" if _NAME.fullmatch(name) else ""
    if not 0 < len(file) <= _FILE_MAX:
        raise refused(
            f"{name[:_FILE_MAX]!r} is no image name: letters, digits and ._- in components divided "
            "by /, then perhaps a :tag, no longer than a file name can be"
        )
    return file


def _name_of(file: str) -> str:
    return unquote(file.removesuffix(".json"))


def _is_record(file: str) -> bool:
    name = _name_of(file)
    return _NAME.fullmatch(name) is not None and _file_of(name) == file


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
