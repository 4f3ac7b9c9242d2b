"""The JSON documents of images, as the OCI image specification 1.1 and docker archives have them.

Structures only, with the bounds within which we take them. Fields nobody here needs are left out;
null stands for absent, as Go writes it.
"""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

LIMIT = 4 << 20
"""Bytes of one document; the OCI distribution specification asks for as much of manifests."""

Digest = Annotated[str, Meta(pattern=r"^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$")]
"""Algorithm and hex digits. The pattern is what keeps a digest from leading anywhere as a path."""

Size = Annotated[int, Meta(ge=0)]


class Layout(Struct, frozen=True, rename="camel"):
    """`oci-layout` (OCI image spec, "oci-layout file")."""

    image_layout_version: str


class Platform(Struct, frozen=True):
    """OCI image spec, "Image Index", `platform`."""

    os: str = ""
    architecture: str = ""
    variant: str | None = None


class Descriptor(Struct, frozen=True, rename="camel"):
    """OCI image spec, "Content Descriptors"."""

    digest: Digest
    size: Size
    media_type: str = ""
    platform: Platform | None = None
    annotations: dict[str, str] | None = None


class Index(Struct, frozen=True, rename="camel"):
    """OCI image spec, "Image Index", and Docker's manifest list. A document that is both this and
    a manifest means different things to different readers, and is refused."""

    manifests: Annotated[tuple[Descriptor, ...], Meta(max_length=4096)]
    media_type: str = ""
    config: Any | UnsetType = UNSET
    layers: Any | UnsetType = UNSET


class Manifest(Struct, frozen=True, rename="camel"):
    """OCI image spec, "Image Manifest", and Docker's, schema 2."""

    config: Descriptor
    layers: Annotated[tuple[Descriptor, ...], Meta(max_length=4096)]
    media_type: str = ""
    manifests: Any | UnsetType = UNSET


class Healthcheck(Struct, frozen=True, rename="pascal"):
    """Docker's addition to the image configuration: durations in nanoseconds, 0 for the default."""

    test: Annotated[tuple[str, ...], Meta(max_length=4096)] | None = None
    interval: int | None = None
    timeout: int | None = None
    start_period: int | None = None
    retries: int | None = None


class Wishes(Struct, frozen=True, rename="pascal"):
    """How an image wants to be run (OCI image spec, "Image Configuration", `config`)."""

    user: str | None = None
    env: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    working_dir: str | None = None
    stop_signal: str | None = None
    labels: dict[str, str] | None = None
    volumes: dict[str, Any] | None = None
    healthcheck: Healthcheck | None = None


class RootFS(Struct, frozen=True):
    type: str
    diff_ids: Annotated[tuple[Digest, ...], Meta(max_length=4096)]


class Configuration(Struct, frozen=True):
    """OCI image spec, "Image Configuration"."""

    rootfs: RootFS
    os: str = ""
    architecture: str = ""
    variant: str | None = None
    config: Wishes | None = None


class Archived(Struct, frozen=True, rename="pascal"):
    """One image in the `manifest.json` of a docker archive (Docker image specification 1.2)."""

    config: str
    layers: Annotated[tuple[str, ...], Meta(max_length=4096)]
    repo_tags: tuple[str, ...] | None = None
