"""Records of images: `<root>/images/<name>.json`, one file each, written whole or not at all.

Reading takes no lock and trusts no file: one damaged record hides no other image (P11).
"""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote

import msgspec
from msgspec.structs import replace

from lockgate.adapters.filesystem import ensure_directory, read_bounded, write_atomic
from lockgate.adapters.nonsense import NONSENSE
from lockgate.adapters.storage.entries import damaged, refused
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Image

_NAME = re.compile(
    r"[a-zA-Z0-9][a-zA-Z0-9_.-]*(/[a-zA-Z0-9][a-zA-Z0-9_.-]*)*(:[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127})?"
)
_FILE_MAX = 255  # bytes
_ID = re.compile(r"[0-9a-f]{64}")
_RECORD_LIMIT = 1 << 20  # bytes


class Records:
    """Raises `PortError` ("missing", "refused", "damaged"; never dirty) and `OSError`."""

    def __init__(self, root: Path) -> None:
        self._place = root / "images"

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

    def put(self, image: Image) -> Image:
        """Give a name this meaning; returns what is on record, older if it is the same image.

        What the name meant before is kept under its id, unless another name has it.
        """
        with suppress(FileNotFoundError, PortError):
            older = self._read(_file_of(image.name))
            if older.id == image.id:
                return older
            if not any(i.id == older.id and i.name != older.name for i in self.list()):
                self._write(replace(older, name=older.id))
        self._write(image)
        return image

    def forget(self, name: str) -> None:
        """Remove the record of this name, readable or not, or else of this id, durably."""
        record = self._place / _file_of(name)
        if not os.path.lexists(record):
            record = self._place / _file_of(self.lookup(name).name)
        record.unlink()
        fd = os.open(self._place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def layers(self) -> set[str] | None:
        """The layers some record names. Nobody knows while one is damaged: None."""
        images = self.list()
        if not all(image.id for image in images):
            return None
        return {layer for image in images for layer in image.layers}

    def _all(self) -> Iterator[Image]:
        try:
            files = sorted(file.name for file in self._place.iterdir())
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
            image = msgspec.json.decode(read_bounded(self._place / file, _RECORD_LIMIT), type=Image)
            if file == _file_of(image.name) and image == identified(image):
                return image
        except (*NONSENSE, UnicodeError) as error:
            why = str(error)
        except PortError as error:
            why = error.fault.reason
        raise damaged(f"the record of image {_name_of(file)!r} is damaged, import it again: {why}")

    def _write(self, image: Image) -> None:
        data = msgspec.json.encode(image)
        if len(data) > _RECORD_LIMIT:
            raise refused(f"the settings of {image.name} take more than {_RECORD_LIMIT} bytes")
        ensure_directory(self._place, 0o700)
        write_atomic(self._place, _file_of(image.name), data, 0o600)


def identified(image: Image) -> Image:
    """The image with the id that follows from it. What is hashed here is fixed for ever: what
    came later is hashed only where it is there."""
    essence: tuple[object, ...] = (
        image.layers,
        image.command,
        image.env,
        image.workdir,
        image.user,
        image.stop_signal,
    )
    if image.entrypoint or image.labels or image.volumes:
        essence += (image.entrypoint, image.labels, image.volumes)
    if image.health:
        essence += (image.health,)
    return replace(image, id=hashlib.sha256(msgspec.json.encode(essence)).hexdigest())


def check_new(name: str) -> None:
    """Raises `PortError("refused")` for what no image can be named."""
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
