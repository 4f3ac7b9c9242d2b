"""Images: names for stacks of layers, and how they want to be run.

A record (`records`) is all there is to an image; it is written after its layers are in place, and
a layer no record names is garbage, removed by the next import or removal.
"""

import os
import time
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from msgspec.structs import replace

from lockgate.adapters.filesystem import ensure_directory
from lockgate.adapters.storage.archive import read_archive
from lockgate.adapters.storage.blobs import Blobs, blobs_of_archive, blobs_of_directory
from lockgate.adapters.storage.bringing import Brought, bring
from lockgate.adapters.storage.directory import read_directory
from lockgate.adapters.storage.entries import (
    Allowance,
    AnyEntry,
    Limits,
    accepted,
    refused,
    survey,
)
from lockgate.adapters.storage.layers import Layers, LockedLayers
from lockgate.adapters.storage.layouts import find_image
from lockgate.adapters.storage.records import Records, check_new, identified
from lockgate.adapters.storage.wishes import wished
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Image

DEEPEST = 500
"""Layers overlayfs stacks (OVL_MAX_STACK)."""

Tree: TypeAlias = Callable[[], Iterator[AnyEntry]]
"""A root file system to be read from its start, as often as need be."""


class Images:
    """Port `Images`, below `root`, for any number of threads and processes.

    Raises `PortError` ("missing", "refused", "damaged"; never dirty) and `OSError`.
    """

    def __init__(self, root: Path, *, now: Callable[[], int] = time.time_ns) -> None:
        self.layers = Layers(root)
        self._root, self._records, self._now = root, Records(root), now

    def lookup(self, name: str) -> Image:
        """The image of this name, or else of this id (64 hex digits)."""
        return self._records.lookup(name)

    def pinned(self, name: str, image_id: str) -> Image:
        """The image that `name` meant when its id was `image_id` (empty: what it means now)."""
        return self._records.pinned(name, image_id)

    def list(self) -> tuple[Image, ...]:
        """All images by name; one whose record is damaged has a name and nothing else (P11)."""
        return self._records.list()

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
        reference: str = "",
        platform: str = "",
        limits: Limits | None = None,
    ) -> Image:
        """Make an image of what `source` is found to be: an OCI image layout, as a directory or
        an archive; a docker archive; any other archive (plain, gzip, bzip2, xz, zstd) or
        directory, as one layer. With `base` that becomes a layer above those of that image, whose
        wishes hold where none is given.

        All or nothing, and durable; what is already here is not unpacked again. An older image of
        this name is kept under its id. `reference` and `platform` (`os/architecture[/variant]`;
        left out: this machine's) say which image of a layout or docker archive is meant.
        """
        check_new(name)
        bounds = limits or Limits()

        def given(image: Image) -> Image:
            return replace(
                image,
                name=name,
                entrypoint=image.entrypoint if command is None else (),
                command=image.command if command is None else tuple(command),
                env=image.env if env is None else tuple(env),
                workdir=image.workdir if workdir is None else workdir,
                user=image.user if user is None else user,
                stop_signal=image.stop_signal if stop_signal is None else stop_signal,
                created_at=self._now(),
            )

        with self._opened(source, bounds) as content:
            if not callable(content):
                if base:
                    raise refused("an image brings its own layers: it cannot have a base")
                return self._import_stack(content, reference, platform, bounds, given)
            if reference or platform:
                raise refused("it is one root file system, and no choice of images")
            return self._import_tree(content, base, bounds, given)

    def _import_stack(
        self,
        blobs: Blobs,
        reference: str,
        platform: str,
        limits: Limits,
        given: Callable[[Image], Image],
    ) -> Image:
        found = find_image(blobs, reference, platform)
        _check_depth(len(found.layers))
        image = given(wished(found.wishes))

        def settle(brought: Brought, layers: LockedLayers) -> Image:
            layers.check(brought.layers)
            whole = replace(
                image,
                layers=brought.layers,
                sizes=brought.sizes,
                size=sum(brought.sizes),
                diff_ids=tuple(layer.diff_id for layer in found.layers),
            )
            return self._records.put(identified(whole))

        return bring(found.layers, self.layers, self._records, limits, settle)

    def _import_tree(
        self, entries: Tree, base: str, limits: Limits, given: Callable[[Image], Image]
    ) -> Image:
        """The content is read once to judge it and once to unpack it."""
        lower = self.lookup(base) if base else Image(name="")
        _check_depth(len(lower.layers) + 1)
        content = survey(accepted(entries(), Allowance(limits)))
        image = identified(
            replace(
                given(lower),
                layers=(*lower.layers, content.digest),
                sizes=(*lower.sizes, content.size),
                size=lower.size + content.size,
                diff_ids=(),
            )
        )
        with self.layers.exclusive() as layers:
            with suppress(OSError, PortError):
                layers.reclaim(self._records.layers())
            if layers.has(content.digest):
                layers.check(image.layers)
                return self._records.put(image)
            draft = layers.draft()
        with draft:
            allowance = Allowance(limits)
            draft.fill(accepted(entries(), allowance), content.digest, allowance)
            with self.layers.exclusive() as layers:
                layers.adopt(draft, content.digest)
                layers.check(image.layers)
                return self._records.put(image)

    def remove(self, name: str, used_by: Callable[[Image], Collection[str]]) -> None:
        """Forget an image, readable or not, and remove the layers that no other image has.

        `name` may be an id. `used_by` tells the containers that still need it: any, and it is
        refused, unless the same image has another name. When an error leaves layers behind, the
        next import or removal takes them.
        """
        with self.layers.exclusive() as layers:
            for image in self.list():
                if name in (image.name, image.id):
                    self._check_unused(image, used_by(image))
                    break
            self._records.forget(name)
            layers.reclaim(self._records.layers())

    def _check_unused(self, image: Image, containers: Collection[str]) -> None:
        another_name = sum(other.id == image.id for other in self.list()) > 1
        if containers and not another_name:
            some = ", ".join(container[:12] for container in sorted(containers)[:3])
            raise refused(
                f"{image.name} is used by {len(containers)} container(s), remove them: {some}"
            )

    # ---- sources ---------------------------------------------------------------------

    @contextmanager
    def _opened(self, source: Path, limits: Limits) -> Generator[Blobs | Tree]:
        """What the source is, ready to be read."""
        try:
            if source.is_dir():
                with self._directory(source) as top:
                    yield blobs_of_directory(top) or (lambda: read_directory(top))
            elif source.is_file():
                ensure_directory(self._root, 0o700)
                with source.open("rb", buffering=0) as file:
                    with blobs_of_archive(file, self._root, limits.size) as blobs:
                        yield blobs or (lambda: read_archive(file))
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


def _check_depth(layers: int) -> None:
    if layers > DEEPEST:
        raise refused(f"it would have {layers} layers; the kernel stacks no more than {DEEPEST}")
