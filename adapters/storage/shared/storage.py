"""Port `Storage` on a store shared with podman, buildah and skopeo.

The layer is the store's, made, mounted and deleted by its command; the container's other files,
and its volumes, are where all containers of this engine have them. Others may remove the
container from the store whenever they like: then it cannot be mounted any more, and everything
that gives something back succeeds (MAP L-37).

The store counts mounts and forgets who asked. So a note says that one of them is ours; it is
written around each call, with the count before it, and tells after a crash whether the call was.
"""

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from lockgate.adapters.filesystem import bundle, ensure_directory, read_bounded, write_atomic
from lockgate.adapters.nonsense import NONSENSE
from lockgate.adapters.storage.mapping import (
    UserNamespaces,
    admit,
    let_through,
    reachable,
    view_mapped,
)
from lockgate.adapters.storage.mounting import view_of_layers
from lockgate.adapters.storage.overlay import OverlayStorage, is_mounted, manner, viewed
from lockgate.adapters.storage.shared.images import SharedImages
from lockgate.adapters.storage.shared.store import SharedStore, StoredContainer, complaint
from lockgate.adapters.storage.volumes import LocalVolumes
from lockgate.adapters.syscalls import UnmountFlag, unmount
from lockgate.effects.config import Config, IdMap
from lockgate.effects.idmaps import owner
from lockgate.effects.outcome import Mounted, PortError
from lockgate.effects.ports import Image

_NOTE, _NOTE_LIMIT = "mounted.json", 1 << 16
_GONE = ("not known", "not mounted", "no such")


class Note(Struct, frozen=True, omit_defaults=True):
    """`held`: one of the store's mounts is ours; else a call was about to make that so, or, when
    `leaving`, no longer so, and the store had counted `count`."""

    path: str
    held: bool = False
    leaving: bool = False
    count: int = 0


class SharedStorage:
    """For images in the store; a plain directory (`Config.rootfs`) is nobody's but its owner's, and
    stays out of it."""

    def __init__(self, root: Path, store: SharedStore) -> None:
        self._own = OverlayStorage(root)
        self.root, self.store = self._own.root, store
        self.images = SharedImages(self.root, store)
        self.volumes = LocalVolumes(self.root, self.seen)
        self._namespaces = UserNamespaces()

    def create(self, config: Config) -> None:
        """A container of the store, of the same id and name, above the image; the bundle (0700);
        its volumes. A name that another has there is `PortError("refused")`, clean (MAP L-44)."""
        if config.rootfs:
            return self._own.create(config)
        for way in (self.root, self.store.graph) if config.uid_maps else ():
            reachable(way, owner(config)[0])
        if self.store.container(config.id) is None:
            self._make(config)
        place = bundle(self.root, config.id)
        ensure_directory(place.parent, 0o700)
        ensure_directory(place, 0o700)
        if config.uid_maps:
            self._given(config, place)
        try:
            self.volumes.provide(config)
        except PortError as error:  # by now there is something to be undone
            raise PortError(error.fault.kind, error.fault.reason) from None

    def mount(self, config: Config) -> Mounted:
        """Ask the store for one mount, unless we have it and the kernel says so, too.

        Raises `PortError("missing")`, clean, for a container that others have removed.
        """
        if config.rootfs:
            return self._own.mount(config)
        layer = self._stored(config).layer
        merged = self.store.directory(layer) / "merged"
        counted = self.store.mounts(layer)
        note = self._note(config)
        there = is_mounted(merged)
        if note is None or not there or not _ours(note, counted):
            self._write(config, Note(str(merged), count=counted if there else 0))
            self.store.done("mount it", "mount", *_words(config), config.id)
        if config.uid_maps:  # the store gives the top to its own root each time (MAP §2.38)
            os.chown(merged, *owner(config))
        self._write(config, Note(str(merged), held=True))
        return Mounted(str(merged))

    def unmount(self, config: Config) -> None:
        """Give our mount back; those of others stay. The store unmounts lazily what is busy."""
        if config.rootfs:
            return self._own.unmount(config)
        note = self._note(config)
        if note is None:
            return
        found = self.store.container(config.id)
        if found is None:
            if is_mounted(Path(note.path)):
                unmount(note.path, UnmountFlag.NOFOLLOW | UnmountFlag.DETACH)
        elif is_mounted(Path(note.path)):
            self._leave(config, note, found)
        self._forget(config)

    def delete(self, config: Config) -> None:
        """The container of the store, its volumes, the bundle. Raises `PortError("refused")`, clean,
        while we have it mounted; mounts of others go with it, as they do when others remove it."""
        if config.rootfs:
            return self._own.delete(config)
        note = self._note(config)
        if note is not None and is_mounted(Path(note.path)):
            reason = f"container {config.id[:12]} is still mounted: unmount it before it is deleted"
            raise PortError("refused", reason, dirty=False)
        if self.store.container(config.id) is not None:
            end = self.store.call("delete-container", config.id)
            if end.code and self.store.container(config.id) is not None:
                raise PortError("failed", f"the store does not delete it: {complaint(end)}")
        self._own.delete(config)

    @contextmanager
    def seen(self, config: Config) -> Generator[int]:
        """The top of the root file system as the container sees it, mounted or not, in a view that
        is attached nowhere. Raises `PortError("missing")`."""
        if config.rootfs:
            with self._own.seen(config) as top:
                yield top
            return
        upper = self.upper(config)
        lower = self.lower(config)

        def unmounted() -> int:
            if config.uid_maps:
                scratch = bundle(self.root, config.id)
                return view_mapped(upper, lower, self._namespaces.of(config), scratch)
            return view_of_layers([upper, *lower])

        view = viewed(upper.with_name("merged"), upper, unmounted)
        try:
            yield view
        finally:
            os.close(view)

    def upper(self, config: Config) -> Path:
        """What the container has written."""
        if config.rootfs:
            return self._own.upper(config)
        return self.store.directory(self._stored(config).layer) / "diff"

    def lower(self, config: Config) -> list[Path]:
        """The directories of the image's layers, topmost first."""
        return self.store.below(self._stored(config).layer)

    def image(self, config: Config) -> Image:
        """What it was made from."""
        return self.images.pinned(config.image, config.image_id)

    # ---- the store -------------------------------------------------------------------------

    def _make(self, config: Config) -> None:
        image = self.image(config)
        metadata = {
            "image-name": image.name,
            "image-id": image.id,
            "name": config.name,
            "created-at": config.created_at // 1_000_000_000,
        }
        words = ("--id", config.id, "--metadata", msgspec.json.encode(metadata).decode())
        names = ("--name", config.name) if config.name else ()
        maps = (*_map("--uidmap", config.uid_maps), *_map("--gidmap", config.gid_maps))
        end = self.store.call("create-container", *words, *names, *maps, image.id)
        if not end.code:
            return
        for other in self.store.containers():
            if config.name and config.name in other.names:
                reason = (
                    f"the name {config.name!r} is in use in the shared store, by container "
                    f"{other.id[:12]}: remove that or choose another"
                )
                raise PortError("refused", reason, dirty=False)
        raise PortError("failed", f"the store does not create it: {complaint(end)}")

    def _given(self, config: Config, place: Path) -> None:
        """The root of a mapped container has what is its own, and a way to it, as others' engines see
        to. Where the kernel maps no owners the store copies layers: what is in them would be mapped
        once more by whoever looks in, and is refused."""
        layers = self.store.layers()
        layer = self._stored(config).layer
        parent = layers[layers[layer].parent]
        if parent.maps:
            reason = (
                f"the store has copied layer {parent.id[:12]} with other owners, for this kernel or "
                "the file system cannot map them: that needs Linux 5.19, and ext4, xfs or btrfs"
            )
            raise PortError("refused", reason)
        admit(self.root, place, *owner(config))
        within = self.store.directory(layer)
        let_through(self.store.graph, within.parent, within)
        os.chown(within / "diff", *owner(config))

    def _stored(self, config: Config) -> StoredContainer:
        found = self.store.container(config.id)
        if found is None:
            reason = (
                f"container {config.id[:12]} is not in the shared store; if others have removed it "
                "there, remove it here, too"
            )
            raise PortError("missing", reason, dirty=False)
        return found

    def _leave(self, config: Config, note: Note, found: StoredContainer) -> None:
        counted = self.store.mounts(found.layer)
        if not _ours(note, counted):
            return
        self._write(config, Note(note.path, leaving=True, count=counted))
        end = self.store.call("unmount", config.id)
        said = complaint(end)
        if end.code and not any(word in said for word in _GONE):
            raise PortError("failed", f"the store does not unmount it: {said}")

    # ---- notes -----------------------------------------------------------------------------

    def _note(self, config: Config) -> Note | None:
        try:
            data = read_bounded(bundle(self.root, config.id) / _NOTE, _NOTE_LIMIT)
            return msgspec.json.decode(data, type=Note)
        except (FileNotFoundError, *NONSENSE):
            return None

    def _write(self, config: Config, note: Note) -> None:
        """Not synced: what loses it ends the mount as well."""
        data = msgspec.json.encode(note)
        write_atomic(bundle(self.root, config.id), _NOTE, data, 0o600, durable=False)

    def _forget(self, config: Config) -> None:
        with suppress(FileNotFoundError):
            (bundle(self.root, config.id) / _NOTE).unlink()


def _words(config: Config) -> tuple[str, ...]:
    """For the store's `mount`, whose own configuration says nothing of one container."""
    how = manner(config)
    return (
        *(("--storage-opt", "overlay.mountopt=dev") if how.devices else ()),
        *(("--label", how.label) if how.label else ()),
    )


def _map(option: str, maps: Sequence[IdMap]) -> tuple[str, ...]:
    said = ",".join(f"{one.container}:{one.host}:{one.size}" for one in maps)
    return (option, said) if said else ()


def _ours(note: Note, counted: int) -> bool:
    """Is one of the mounts that the store has counted ours? Where a call was under way the count
    tells whether it was made."""
    if note.held:
        return True
    return counted >= note.count if note.leaving else counted > note.count
