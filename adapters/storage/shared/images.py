"""Port `Images` on a shared store: what podman, buildah and skopeo have brought, and more.

Names are as these have them (`localhost/web:latest`); the short form is understood, too.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from lockgate.adapters.commands import finished
from lockgate.adapters.filesystem import ensure_directory
from lockgate.adapters.nonsense import NONSENSE
from lockgate.adapters.storage.archive import read_archive
from lockgate.adapters.storage.blobs import Blobs, blobs_of_archive, blobs_of_directory
from lockgate.adapters.storage.directory import read_directory
from lockgate.adapters.storage.documents import Configuration, Wishes
from lockgate.adapters.storage.entries import (
    Allowance,
    AnyEntry,
    Limits,
    accepted,
    refused,
    survey,
)
from lockgate.adapters.storage.layouts import find_image, wanted_platform
from lockgate.adapters.storage.packing import write_archive
from lockgate.adapters.storage.records import check_new
from lockgate.adapters.storage.shared.store import SharedStore, StoredImage, StoredLayer, complaint
from lockgate.adapters.storage.wishes import wished
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Image

OURS = "localhost"
"""Where names are that no registry has given."""

_PATIENCE = 600.0  # seconds for skopeo: it compresses and unpacks
_MEDIA = "application/vnd.oci.image"


class SharedImages:
    """Images are brought by skopeo, so that all of them read them alike."""

    def __init__(self, root: Path, store: SharedStore) -> None:
        self._root, self._store = root, store

    def lookup(self, name: str) -> Image:
        """By name, short name or id."""
        images = self._store.images()
        for wanted in (name, *_meant(name)):
            for image in images:
                if wanted in image.names:
                    return self._image(image, wanted)
        for image in images:
            if image.id == name:
                return self._image(image, next(iter(image.names), image.id))
        known = ", ".join(sorted(name for image in images for name in image.names)) or "none"
        raise PortError("missing", f"no image {name!r}; there are: {known}", dirty=False)

    def pinned(self, name: str, image_id: str) -> Image:
        """The image a container was made from."""
        return self.lookup(image_id or name)

    def list(self) -> tuple[Image, ...]:
        """By name; one whose configuration cannot be read has a name and nothing else."""
        found: list[Image] = []
        for image in self._store.images():
            for name in image.names or (image.id,):
                try:
                    found.append(self._image(image, name))
                except PortError:
                    found.append(Image(name=name))
        return tuple(sorted(found, key=lambda image: image.name))

    def import_image(
        self,
        name: str,
        source: Path,
        *,
        command: Sequence[str] | None = None,
        env: Sequence[str] | None = None,
        workdir: str | None = None,
        user: str | None = None,
        reference: str = "",
        platform: str = "",
    ) -> Image:
        """See the port. What a layout or docker archive wishes cannot be changed while it is
        brought: its digests would be others."""
        check_new(name)
        full = _full(name)
        given = {"Cmd": command, "Env": env, "WorkingDir": workdir, "User": user}
        wishes = {key: wish for key, wish in given.items() if wish is not None}
        ensure_directory(self._root, 0o700)
        with tempfile.TemporaryDirectory(dir=self._root, prefix=".importing-") as draft:
            with self._opened(source) as content:
                if isinstance(content, Packed):
                    if wishes:
                        raise refused("give its wishes when a container is made, not now")
                    _check(content.blobs, reference, platform)
                    origin = f"{content.transport}:{source}" + (
                        f":{reference}" if reference else ""
                    )
                else:
                    if reference or platform:
                        raise refused("it is one root file system, and no choice of images")
                    _layout(Path(draft), content, wishes)
                    origin = f"oci:{draft}"
                self._copied(origin, full, platform)
        return self.lookup(full)

    def remove(self, name: str, used_by: Callable[[Image], Collection[str]]) -> None:
        """Forget the name, and with the last one the image. One that containers are made from, ours
        or another's, keeps its last name."""
        image = self.lookup(name)
        (stored,) = (one for one in self._store.images() if one.id == image.id)
        rest = [other for other in stored.names if other != image.name]
        if rest and name != image.id:
            words = [word for other in rest for word in ("-n", other)]
            self._store.done("take its name away", "set-names", *words, image.id)
            return
        users = set(used_by(image))
        users |= {one.id for one in self._store.containers() if one.image == image.id}
        if users:
            some = ", ".join(sorted(user[:12] for user in users)[:3])
            raise refused(f"{image.name} is used by {len(users)} container(s), remove them: {some}")
        self._store.done("remove it", "delete-image", image.id)

    # ---- what there is -----------------------------------------------------------------------

    def _image(self, stored: StoredImage, name: str) -> Image:
        end = self._store.call("get-image-data", stored.id, f"sha256:{stored.id}")
        try:
            if end.code:
                raise ValueError(complaint(end))
            configuration = msgspec.json.decode(end.output, type=Configuration)
        except (ValueError, *NONSENSE) as problem:
            reason = f"the configuration of image {name} cannot be read: {problem}"
            raise PortError("damaged", reason, dirty=False) from None
        layers = self._store.layers()
        stack: list[StoredLayer] = []
        layer = layers.get(stored.layer)
        while layer is not None and len(stack) <= len(layers):
            stack.append(layer)
            layer = layers.get(layer.parent)
        stack.reverse()
        sizes = tuple(max(0, one.diff_size) for one in stack)
        return replace(
            wished(configuration.config or Wishes()),
            name=name,
            id=stored.id,
            layers=tuple(one.id for one in stack),
            sizes=sizes,
            size=sum(sizes),
            diff_ids=configuration.rootfs.diff_ids,
            created_at=_nanoseconds(stored.created),
        )

    # ---- bringing ----------------------------------------------------------------------------

    @contextmanager
    def _opened(self, source: Path) -> "Iterator[Packed | Iterable[AnyEntry]]":
        """Blobs of images, or the entries of a root file system."""
        if source.is_dir():
            top = os.open(source, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                yield _packed(blobs_of_directory(top), "oci") or read_directory(top)
            finally:
                os.close(top)
            return
        with source.open("rb", buffering=0) as file:
            with blobs_of_archive(file, self._root, Limits().size) as blobs:
                yield _packed(blobs, "oci-archive") or read_archive(file)

    def _copied(self, origin: str, name: str, platform: str) -> None:
        wanted = wanted_platform(platform)
        options = ["--override-os", wanted.os, "--override-arch", wanted.architecture]
        options += ["--override-variant", wanted.variant] if wanted.variant else []
        target = f"{self._store.place}{name}"
        line = ("skopeo", "--insecure-policy", *options, "copy", "--quiet", origin, target)
        try:
            end = finished(line, environment=os.environ, patience=_PATIENCE)
        except FileNotFoundError:
            reason = "images are brought into a shared store by skopeo: install it"
            raise PortError("missing", reason, dirty=False) from None
        if end.code:
            reason = f"cannot import {origin.partition(':')[2]}: {complaint(end)}"
            raise PortError("failed", reason, dirty=False)


def _full(name: str) -> str:
    """As the store has it: with where it is from, and a tag."""
    first, slash, last = name.partition("/")
    host = slash and ("." in first or ":" in first or first == OURS)
    tagged = name if ":" in (last or first) else f"{name}:latest"
    return tagged if host else f"{OURS}/{tagged}"


def _meant(name: str) -> tuple[str, ...]:
    """What a short name may stand for, in this order."""
    short = _full(name).removeprefix(f"{OURS}/")
    return (_full(name), f"docker.io/{short}", f"docker.io/library/{short}")


class Packed(NamedTuple):
    """Images as they lie somewhere, and what skopeo calls that."""

    transport: str
    blobs: Blobs


def _packed(blobs: Blobs | None, layout: str) -> Packed | None:
    if blobs is None:
        return None
    return Packed(layout if blobs.has("oci-layout") else "docker-archive", blobs)


def _check(blobs: Blobs, reference: str, platform: str) -> None:
    """Others' tools bound nothing and take any device: what is refused elsewhere is so here."""
    allowance = Allowance(Limits())
    for layer in find_image(blobs, reference, platform).layers:
        survey(accepted(layer.entries(), allowance))


def _nanoseconds(stamp: str) -> int:
    with suppress(ValueError):
        return round(datetime.fromisoformat(stamp).timestamp()) * 1_000_000_000
    return 0


def _layout(draft: Path, entries: Iterable[AnyEntry], wishes: dict[str, Any]) -> None:
    """An OCI image layout of one layer. Nothing in it depends on the time: the same content and
    wishes are the same image."""
    blobs = draft / "blobs/sha256"
    blobs.mkdir(parents=True)
    layer = draft / "layer.tar"
    with layer.open("wb") as out:
        write_archive(accepted(entries, Allowance(Limits())), out)
    with layer.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = layer.stat().st_size
    shutil.move(layer, blobs / digest)

    def blob(kind: str, document: dict[str, Any]) -> dict[str, Any]:
        data = json.dumps(document, sort_keys=True).encode()
        named = hashlib.sha256(data).hexdigest()
        (blobs / named).write_bytes(data)
        return {"mediaType": f"{_MEDIA}.{kind}", "digest": f"sha256:{named}", "size": len(data)}

    here = wanted_platform("")
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{digest}"]}
    platform = {"os": here.os, "architecture": here.architecture}
    config = blob("config.v1+json", {**platform, "config": wishes, "rootfs": rootfs})
    described = {"mediaType": f"{_MEDIA}.layer.v1.tar", "digest": f"sha256:{digest}", "size": size}
    document = {"schemaVersion": 2, "config": config, "layers": [described]}
    manifest = blob("manifest.v1+json", document)
    index = {"schemaVersion": 2, "manifests": [manifest]}
    (draft / "index.json").write_text(json.dumps(index))
    (draft / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
