"""OCI image layouts and docker archives, read into one language: layers and wishes.

Nothing is believed: what a descriptor promises is checked against what comes, documents are
bounded in size and number, and each is read at most once, so that indexes in a circle end.
"""

import hashlib
import os
import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from lockgate.adapters.storage.archive import read_archive
from lockgate.adapters.storage.blobs import Blobs
from lockgate.adapters.storage.documents import (
    LIMIT,
    Archived,
    Configuration,
    Descriptor,
    Index,
    Layout,
    Manifest,
    Platform,
    Wishes,
)
from lockgate.adapters.storage.entries import AnyEntry, damaged, refused
from lockgate.effects.outcome import PortError

_DOCUMENTS = 256  # indexes and manifests looked at in search of one image
_NAMES = ("org.opencontainers.image.ref.name", "io.containerd.image.name")
_LAYER = re.compile(
    r"application/vnd\.(oci\.image\.layer(\.nondistributable)?\.v1\.tar(\+(gzip|zstd))?"
    r"|docker\.image\.rootfs(\.foreign)?\.diff\.tar(\.(gzip|zstd))?)"
)
_INDEXES = frozenset(
    {
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    }
)
_MANIFESTS = frozenset(
    {
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    }
)
_MACHINES = {
    "x86_64": Platform("linux", "amd64"),
    "i686": Platform("linux", "386"),
    "aarch64": Platform("linux", "arm64"),
    "armv7l": Platform("linux", "arm", "v7"),
    "armv6l": Platform("linux", "arm", "v6"),
    "loongarch64": Platform("linux", "loong64"),
}
"""Where the kernel's name of an architecture is not Go's."""

T = TypeVar("T", Archived, Configuration, Index, Layout, Manifest, tuple[Archived, ...])
Chosen: TypeAlias = "tuple[Manifest, Configuration]"


class Layer(Struct, frozen=True):
    """One layer as it lies somewhere: its blob, and what the documents promise of it.

    `diff_id` is the digest without compression; `digest` (empty: not told) that of the blob.
    """

    blobs: Blobs
    blob: str
    diff_id: str
    digest: str = ""
    size: int = -1  # bytes of the blob; -1: not told

    def entries(self) -> Generator[AnyEntry]:
        """All there are. Raises `PortError("damaged")` after the last one if these are not the
        bytes that were promised: whoever uses entries before that must be ready to undo it."""
        with self.blobs.open(self.blob) as section:
            _check_size(self.blob, section.size, self.size)
            plain = _hash(self.diff_id)
            packed = _hash(self.digest) if self.digest else None
            yield from read_archive(section, packed=packed, plain=plain)
        _check(self.blob, self.diff_id, plain.hexdigest())
        if packed is not None:
            _check(self.blob, self.digest, packed.hexdigest())


class Found(Struct, frozen=True):
    """An image as its documents describe it, lowest layer first."""

    layers: tuple[Layer, ...]
    wishes: Wishes


def find_image(blobs: Blobs, reference: str = "", platform: str = "") -> Found:
    """The one image meant among those in `blobs`.

    `reference` is a name an image has there, needed where there are several; `platform` is
    `os/architecture[/variant]`, left out: this machine's. Raises `PortError`: "missing" when there
    is no such image, "refused" when several may be meant or what is there is none we take,
    "damaged" for documents that are not what they must be.
    """
    wanted = wanted_platform(platform)
    if blobs.has("oci-layout"):
        return _in_layout(blobs, reference, wanted)
    return _in_docker_archive(blobs, reference, wanted)


# ---- OCI image layouts ---------------------------------------------------------------


def _in_layout(blobs: Blobs, reference: str, wanted: Platform) -> Found:
    version = _decoded(_read(blobs, "oci-layout"), Layout, "oci-layout").image_layout_version
    if not version.startswith("1."):
        raise refused(f"its image layout is of version {version!r}, not 1")
    top = _decoded(_read(blobs, "index.json"), Index, "index.json")
    _check_one_meaning(top, "index.json")
    manifest, configuration = _Search(blobs, wanted).among(_named(top.manifests, reference))
    diff_ids = configuration.rootfs.diff_ids
    _check_count(len(manifest.layers), len(diff_ids))
    for layer in manifest.layers:
        if not _LAYER.fullmatch(layer.media_type):
            raise refused(f"{layer.digest} is of the type {layer.media_type!r}: no layer we read")
    return Found(
        tuple(
            Layer(blobs, _path(layer.digest), diff_id, layer.digest, layer.size)
            for layer, diff_id in zip(manifest.layers, diff_ids)
        ),
        configuration.config or Wishes(),
    )


def _named(manifests: Sequence[Descriptor], reference: str) -> tuple[Descriptor, ...]:
    """Those of one name: the name asked for, or the only one there is."""
    names = sorted({name for one in manifests for name in _names(one)})
    if reference:
        if found := tuple(one for one in manifests if reference in _names(one)):
            return found
        there = ", ".join(names) or "none that has a name"
        raise PortError("missing", f"it has no image {reference!r}; it has: {there}", dirty=False)
    if len({_names(one)[:1] for one in manifests}) > 1:
        raise refused(f"it has several images, say which: {', '.join(names)}")
    return tuple(manifests)


def _names(descriptor: Descriptor) -> tuple[str, ...]:
    annotations = descriptor.annotations or {}
    return tuple(annotations[key] for key in _NAMES if key in annotations)


class _Search:
    """For the image of one platform, through indexes of indexes."""

    def __init__(self, blobs: Blobs, wanted: Platform) -> None:
        self._blobs, self._wanted = blobs, wanted
        self._seen: set[str] = set()
        self._others: list[str] = []

    def among(self, manifests: Iterable[Descriptor]) -> Chosen:
        """The one that fits best; of equals the first (OCI image spec, "Image Index")."""
        images = list(self._images(manifests))
        fitting = [
            (likeness, image)
            for platform, image in images
            if (likeness := _likeness(platform, self._wanted)) is not None
        ]
        if fitting:
            return max(fitting, key=lambda pair: pair[0])[1]
        others = ", ".join(sorted({_shown(platform) for platform, _ in images})) or "no image"
        raise PortError(
            "missing", f"it has no image for {_shown(self._wanted)}; it has: {others}", dirty=False
        )

    def _images(self, manifests: Iterable[Descriptor]) -> Iterator[tuple[Platform, Chosen]]:
        for descriptor in manifests:
            if descriptor.digest in self._seen:
                continue
            self._seen.add(descriptor.digest)
            if len(self._seen) > _DOCUMENTS:
                raise refused(f"more than {_DOCUMENTS} manifests would have to be looked at")
            if descriptor.media_type in _INDEXES:
                index = _blob(self._blobs, descriptor, Index)
                _check_one_meaning(index, descriptor.digest)
                yield from self._images(index.manifests)
            elif descriptor.media_type in _MANIFESTS and not _attests(descriptor):
                manifest = _blob(self._blobs, descriptor, Manifest)
                _check_one_meaning(manifest, descriptor.digest)
                configuration = _blob(self._blobs, manifest.config, Configuration)
                yield _platform_of(configuration, descriptor), (manifest, configuration)


def _attests(descriptor: Descriptor) -> bool:
    """Whether it is not an image but says something about one, as builders mark these."""
    return descriptor.platform is not None and descriptor.platform.os == "unknown"


# ---- docker archives -----------------------------------------------------------------


def _in_docker_archive(blobs: Blobs, reference: str, wanted: Platform) -> Found:
    images = _decoded(_read(blobs, "manifest.json"), tuple[Archived, ...], "manifest.json")
    tags = sorted({tag for image in images for tag in image.repo_tags or ()})
    if reference:
        images = tuple(image for image in images if reference in (image.repo_tags or ()))
    if len(images) > 1:
        raise refused(f"it has several images, say which: {', '.join(tags)}")
    if not images:
        there = ", ".join(tags) or "none that has a name"
        raise PortError("missing", f"it has no image {reference!r}; it has: {there}", dirty=False)
    (image,) = images
    configuration = _decoded(_read(blobs, image.config), Configuration, image.config)
    platform = _platform_of(configuration)
    if _likeness(platform, wanted) is None:
        reason = f"it is for {_shown(platform)}, not for {_shown(wanted)}"
        raise PortError("missing", reason, dirty=False)
    diff_ids = configuration.rootfs.diff_ids
    _check_count(len(image.layers), len(diff_ids))
    return Found(
        tuple(Layer(blobs, blob, diff_id) for blob, diff_id in zip(image.layers, diff_ids)),
        configuration.config or Wishes(),
    )


# ---- platforms -----------------------------------------------------------------------


def wanted_platform(text: str) -> Platform:
    if not text:
        machine = os.uname().machine
        return _MACHINES.get(machine) or Platform("linux", machine)
    match text.split("/"):
        case [system, architecture]:
            return Platform(system, architecture)
        case [system, architecture, variant]:
            return Platform(system, architecture, variant)
        case _:
            raise refused(f"{text!r} is no platform: write os/architecture[/variant]")


def _platform_of(configuration: Configuration, descriptor: Descriptor | None = None) -> Platform:
    """As the index tells it, or else the image itself."""
    told = descriptor.platform if descriptor else None
    if told is not None and told.os and told.architecture:
        return told
    return Platform(configuration.os, configuration.architecture, configuration.variant)


def _likeness(platform: Platform, wanted: Platform) -> int | None:
    """How well an image of `platform` suits a machine of the platform `wanted`; None: not at all.

    32-bit ARM runs what was made for earlier versions, the later the better. Elsewhere an image
    without variant suits every variant, and one with a variant those who ask for it, or for none
    and have no other.
    """
    if (platform.os, platform.architecture) != (wanted.os, wanted.architecture):
        return None
    variant, ours = platform.variant or "", wanted.variant or ""
    if variant == ours:
        return 100
    if platform.architecture == "arm" and ours:
        theirs = _version(variant) if variant else 7  # what Go takes an unnamed one for
        return theirs if theirs <= _version(ours) else None
    return 10 if not variant else (1 if not ours else None)


def _version(variant: str) -> int:
    digits = variant.removeprefix("v")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 3 else 99


def _shown(platform: Platform) -> str:
    parts = (platform.os, platform.architecture, platform.variant or "")
    return "/".join(part for part in parts if part) or "an unknown platform"


# ---- documents and digests -----------------------------------------------------------


def _path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _blob(blobs: Blobs, descriptor: Descriptor, kind: type[T]) -> T:
    """The document a descriptor leads to, checked to be that one."""
    path = _path(descriptor.digest)
    data = _read(blobs, path)
    _check_size(path, len(data), descriptor.size)
    total = _hash(descriptor.digest)
    total.update(data)
    _check(path, descriptor.digest, total.hexdigest())
    document = _decoded(data, kind, path)
    told = getattr(document, "media_type", "")
    if told and told != descriptor.media_type:
        raise refused(f"{path} says it is {told!r}, but was promised as {descriptor.media_type!r}")
    return document


def _read(blobs: Blobs, path: str) -> bytes:
    with blobs.open(path) as section:
        if section.size > LIMIT:
            raise refused(f"{path} is larger than {LIMIT} bytes, too large for a document")
        return section.read(section.size)


def _decoded(data: bytes, kind: type[T], path: str) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise damaged(f"{path} is not what it must be: {error}") from None


def _check_one_meaning(document: Index | Manifest, path: str) -> None:
    """CVE-2021-41190: what is a manifest and an index at once is one thing to whoever signs it
    and another to whoever runs it."""
    match document:
        case Index(config=msgspec.UNSET, layers=msgspec.UNSET):
            return
        case Manifest(manifests=msgspec.UNSET):
            return
        case _:
            raise refused(f"{path} is an index and a manifest at once")


def _check_count(layers: int, diff_ids: int) -> None:
    if layers != diff_ids:
        raise damaged(f"it has {layers} layers, but its configuration tells of {diff_ids}")


def _check_size(path: str, found: int, promised: int) -> None:
    if promised not in (-1, found):
        raise damaged(f"{path} has {found} bytes where {promised} were promised")


def _hash(digest: str) -> "hashlib._Hash":
    return hashlib.new(digest.partition(":")[0])


def _check(path: str, promised: str, found: str) -> None:
    if promised.partition(":")[2] != found:
        raise damaged(f"{path} is not what its digest promises ({promised[:19]}…)")
