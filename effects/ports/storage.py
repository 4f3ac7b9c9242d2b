"""Where a container lives on disk: layers, images, volumes, and what is kept beside them."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Annotated, BinaryIO, Literal, Protocol

from msgspec import Meta, Struct

from lockgate.effects.config import Config
from lockgate.effects.health import HealthCheck
from lockgate.effects.outcome import Mounted


class Storage(Protocol):
    """Where root filesystems come from."""

    def create(self, config: Config) -> None:
        """The container's writable layer, its directories, and its volumes: those that are not
        there are made and filled, each the first time only and all or nothing. Missing image:
        `PortError("missing")`; a volume that goes with another container: "refused"."""
        ...

    def mount(self, config: Config) -> Mounted: ...

    def unmount(self, config: Config) -> None:
        """Not mounted is success. Busy is retried, then detached lazily."""
        ...

    def delete(self, config: Config) -> None:
        """Everything of the container on disk; refuses (clean) while it is mounted."""
        ...


class Change(Struct, frozen=True):
    """A path of the container that is not as its image has it: added, changed, deleted."""

    kind: Literal["A", "C", "D"]
    path: str


class Sizes(Struct, frozen=True):
    """Bytes of file content, each file once however many names it has: what the container has
    written, and what its image brought. For a root file system somebody else keeps, all of it is
    `written` and nothing `image`."""

    written: int
    image: int


class Contents(Protocol):
    """Looks into the root file system of a container, mounted or not, running or not. All methods
    are *lock free* and change nothing; what changes meanwhile is seen before or after."""

    def export(self, config: Config, out: BinaryIO) -> None:
        """Write it to `out` as a tar archive (POSIX.1-2001): owners, modes, times, extended
        attributes and hard links are kept, links not followed, mounts not entered, sockets left
        out. Missing: `PortError("missing")`."""
        ...

    def changes(self, config: Config) -> tuple[Change, ...]:
        """By path. Raises `PortError("refused")` for a container that has no image."""
        ...

    def sizes(self, config: Config) -> Sizes: ...


Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
"""SHA-256 in hex."""


class Image(Struct, frozen=True, kw_only=True):
    """A root file system and how it wants to be run.

    `id` is the SHA-256 of the layers and the wishes: equal ids make equal containers. It is empty
    for an image whose record cannot be read. `layers` are the SHA-256 of their listings, lowest
    first, `sizes` the bytes of file content in each, `size` in all; `diff_ids` the digests of the
    archives they came as, without compression, where they came as such. `volumes` are directories
    for which the image asks a volume; `health` the check it comes with; `created_at` nanoseconds since the epoch. An image that
    lost its name to a newer one is named by its id.
    """

    name: str
    id: str = ""
    layers: tuple[Digest, ...] = ()
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    workdir: str = "/"
    user: str = ""
    stop_signal: int = 15
    labels: tuple[tuple[str, str], ...] = ()
    volumes: tuple[str, ...] = ()
    health: HealthCheck | None = None
    size: int = 0
    sizes: tuple[int, ...] = ()
    diff_ids: tuple[str, ...] = ()
    created_at: int = 0


class Images(Protocol):
    """Images by name. All methods are *lock free*."""

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
        """From an OCI image layout (directory or archive), a docker archive, a tar archive of a
        root file system, or a directory: told by what is in it. What is `None` is as the source
        wishes. `reference` and `platform` choose among the images of a layout or docker archive.

        All or nothing; hostile content is refused and leaves nothing.
        """
        ...

    def lookup(self, name: str) -> Image:
        """By name or id. Raises `PortError("missing")` that names the images there are."""
        ...

    def list(self) -> tuple[Image, ...]: ...

    def remove(self, name: str, used_by: Callable[[Image], Collection[str]]) -> None:
        """Forget the image of this name or id, and the layers nobody else has.

        `used_by` tells the containers made from it: any, and it is refused, unless the image has
        another name still. It is asked when no container can be given its layers any more: who is
        not told by then, is told that the image is missing. Removing what is not there raises
        `PortError("missing")`, as looking it up does.
        """
        ...


class Volume(Struct, frozen=True, kw_only=True):
    """A directory that outlives containers, or goes with the one it was made for.

    `path` is the directory on this host; `container` the id of the container an anonymous volume
    goes with, empty for all others. A `fresh` one was never filled from an image.
    """

    name: str
    path: str = ""
    container: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    fresh: bool = True
    created_at: int = 0


class Volumes(Protocol):
    """Volumes by name. All methods are *lock free*."""

    def create(self, name: str, *, labels: tuple[tuple[str, str], ...] = ()) -> Volume:
        """A new one, empty. A name that exists is `PortError("refused")`, clean."""
        ...

    def path(self, name: str) -> str:
        """Where the directory of a volume of this name is, or would be."""
        ...

    def lookup(self, name: str) -> Volume:
        """Raises `PortError("missing")` that names the volumes there are."""
        ...

    def list(self) -> tuple[Volume, ...]:
        """By name. One whose record cannot be read has a name and nothing else."""
        ...

    def remove(self, name: str, used_by: Callable[[Volume], Collection[str]]) -> None:
        """`used_by` tells the containers that use it: any, and it is `PortError("refused")`,
        clean. Removing what is not there raises as looking it up does."""
        ...


class Artifacts(Protocol):
    """Small named files kept with a container and removed with it: what its user wants to find
    there again. The container never sees them. All methods are *lock free*."""

    def put(self, config: Config, name: str, content: bytes) -> None:
        """The content of this name from now on, whole and durable. A container that has no layer
        is `PortError("missing")`, too much content `PortError("refused")`, both clean."""
        ...

    def get(self, config: Config, name: str) -> bytes:
        """Raises `PortError("missing")` that names those there are."""
        ...

    def list(self, config: Config) -> tuple[str, ...]: ...

    def remove(self, config: Config, name: str) -> None:
        """Removing what is not there raises as getting it does."""
        ...
