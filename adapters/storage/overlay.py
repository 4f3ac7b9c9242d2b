"""Port `Storage` on overlayfs: a writable layer per container above the layers of its image.

Whether something is mounted is asked of the kernel each time, never remembered. All that belongs
to a container lies in `<root>/containers/<id>/` and every name in it follows from the id; so
each method can be repeated, and what one left undone another finds.
"""

import errno
import os
import stat
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from lockgate.adapters import labels
from lockgate.adapters.filesystem import bundle, ensure_directory
from lockgate.adapters.storage.images import Images
from lockgate.adapters.storage.mapping import (
    UserNamespaces,
    admit,
    mount_mapped,
    reachable,
    view_mapped,
)
from lockgate.adapters.storage.mounting import KernelOverlay, Manner, Overlay, view_of_mount
from lockgate.adapters.storage.removal import remove_tree
from lockgate.adapters.storage.volumes import LocalVolumes
from lockgate.adapters.syscalls import UnmountFlag, mounted_at, unmount
from lockgate.effects.config import Config
from lockgate.effects.idmaps import owner
from lockgate.effects.outcome import Mounted, PortError
from lockgate.effects.ports import Image

_FIRST_PAUSE = 0.001  # seconds between attempts to unmount what is busy; doubles each time
_STACKED = 16  # mounts on top of one another we are ready to take away


class OverlayStorage:
    """Port `Storage` below `root`, for images and for plain directories (`Config.rootfs`).

    `overlay` merges the layers, the kernel unless another is named.
    A busy mount is waited for up to `patience` seconds, then detached lazily (MAP L-36). Needs
    Linux 5.8. No method syncs: what the store commits next makes it durable, or it is repeated.
    """

    def __init__(
        self, root: Path, *, patience: float = 0.25, overlay: Overlay | None = None
    ) -> None:
        self.root = root.resolve()
        self._overlay = KernelOverlay() if overlay is None else overlay
        self.images = Images(self.root)
        self.volumes = LocalVolumes(self.root, self.seen)
        self._namespaces = UserNamespaces()
        self._patience = patience

    def create(self, config: Config) -> None:
        """The bundle directory (0700), for an image `upper`, `work` and `merged` in it, and the
        volumes that are not there yet.

        The upper takes owner and mode of the image's top directory: it is the one the container
        will see. `merged` comes last; before it is there nobody can have used the others. Raises
        `PortError("missing")` for an image, layer or rootfs that is not there; clean.
        """
        place = bundle(self.root, config.id)
        below: list[Path] = []
        if config.rootfs:
            _plain(config)
        else:
            with self.images.layers.steady():  # who removes them now, has been told of us
                below = self.lower(config)
        if config.uid_maps:
            reachable(self.root, owner(config)[0])
        ensure_directory(place.parent, 0o700)
        ensure_directory(place, 0o700)
        if config.uid_maps:
            admit(self.root, place, *owner(config))
        if below and not (place / "merged").exists():
            top = below[0].stat()
            ensure_directory(place / "upper", 0o700)
            os.chown(place / "upper", *owner(config, top.st_uid, top.st_gid))
            (place / "upper").chmod(stat.S_IMODE(top.st_mode))
            ensure_directory(place / "work", 0o700)
            ensure_directory(place / "merged", 0o700)
        try:
            self.volumes.provide(config)
        except PortError as error:  # by now there is something to be undone
            raise PortError(error.fault.kind, error.fault.reason) from None

    def mount(self, config: Config) -> Mounted:
        """Mount the overlay, unless it is; a plain directory is only looked at.

        Raises `PortError("refused")` when something else is mounted in its place, "missing"
        when there is nothing to mount (both clean), `OSError` when the kernel will not.
        """
        if config.rootfs:
            return Mounted(_plain(config))
        place = bundle(self.root, config.id)
        merged = place / "merged"
        try:
            found = mounted_at(merged)
        except FileNotFoundError:
            reason = f"container {config.id[:12]} has no layer to mount: create it first"
            raise PortError("missing", reason, dirty=False) from None
        if found is not None:
            self._check_ours(found, config, merged)
            if self._overlay.dead(merged):
                self.unmount(config)
                found = None
        if found is None:
            lower = self.lower(config)
            if config.uid_maps:
                namespace = self._namespaces.of(config)
                mount_mapped(_source(config), lower, place, namespace, manner(config))
            else:
                self._overlay.mount(_source(config), lower, place, manner(config))
        return Mounted(str(merged))

    def unmount(self, config: Config) -> None:
        """Take away whatever is mounted in the container's place; nothing there is success."""
        if config.rootfs:
            return
        merged = bundle(self.root, config.id) / "merged"
        for _ in range(_STACKED):
            if not is_mounted(merged):
                return
            self._unmount(merged)
        raise PortError("failed", f"{merged} is still mounted after {_STACKED} attempts to unmount")

    def delete(self, config: Config) -> None:
        """Its anonymous volumes, and the whole bundle. First that gets a name that nothing looks at, so that half a bundle is
        never taken for a whole one; a call after a crash removes what that name still has.

        Raises `PortError("refused")`, clean, while something is mounted in it.
        """
        place = bundle(self.root, config.id)
        try:
            containers = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            if os.path.lexists(place):  # to be believed it is to be said twice
                raise
            return
        try:
            _check_unmounted(place)
            self.volumes.release(config.id)
            doomed = f".{config.id}.removing"
            remove_tree(containers, doomed)
            _rename(containers, config.id, doomed)
            remove_tree(containers, doomed)
            remove_tree(containers, config.id)  # when there was no space even for a new name
        finally:
            os.close(containers)

    @contextmanager
    def seen(self, config: Config) -> Generator[int]:
        """The top of the root file system as a container sees it, mounted or not, for as long as
        the block lasts: a view that is attached nowhere and keeps nobody from unmounting.

        Raises `PortError("missing")` for a container without layer.
        """
        if config.rootfs:
            view = os.open(_plain(config), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        else:
            view = self._view(config)
        try:
            yield view
        finally:
            os.close(view)

    def upper(self, config: Config) -> Path:
        """What the container has written. Raises `PortError("missing")`."""
        place = bundle(self.root, config.id)
        if config.rootfs or not (place / "merged").is_dir():
            reason = f"container {config.id[:12]} has no layer of its own"
            raise PortError("missing", reason, dirty=False)
        return place / "upper"

    def lower(self, config: Config) -> list[Path]:
        """The directories of the image's layers, topmost first."""
        image = self.image(config)
        # of a layer that is there twice the kernel takes only one, and the upper one says it all
        topmost = dict.fromkeys(reversed(image.layers))
        layers = [self.images.layers.path(layer) for layer in topmost]
        for layer in layers:
            if not layer.is_dir():
                reason = f"image {image.name} lost its layer {layer.name[:12]}: import it again"
                raise PortError("missing", reason, dirty=False)
        return layers

    def image(self, config: Config) -> Image:
        """What it was made from."""
        if not (config.image or config.image_id):
            reason = f"container {config.id[:12]} names neither an image nor a rootfs"
            raise PortError("refused", reason, dirty=False)
        return self.images.pinned(config.image, config.image_id)

    def _view(self, config: Config) -> int:
        upper = self.upper(config)
        merged = upper.with_name("merged")
        if (found := mounted_at(merged)) is not None:
            self._check_ours(found, config, merged)
        lower = self.lower(config)
        if config.uid_maps:
            namespace = self._namespaces.of(config)
            return viewed(merged, upper, lambda: view_mapped(upper, lower, namespace, merged))
        return viewed(merged, upper, lambda: self._overlay.view([upper, *lower]))

    def _check_ours(self, found: int, config: Config, merged: Path) -> None:
        """Mounts tell whom they belong to by their source."""
        ours = (self._overlay.fstype, self._overlay.source(_source(config)), "/")
        with Path("/proc/thread-self/mountinfo").open() as table:
            for line in table:
                own, _, theirs = line.partition(" - ")
                number, _, _, top, *_ = own.split(" ")
                if number == str(found):
                    fstype, source = theirs.split(" ")[:2]
                    if (fstype, source, top) == ours:
                        return
                    raise PortError(
                        "refused",
                        f"{merged} is taken by {source} ({fstype}), which is not ours: unmount it",
                        dirty=False,
                    )
        raise PortError(
            "refused", f"{merged} is mounted, but the kernel does not say what", dirty=False
        )

    def _unmount(self, merged: Path) -> None:
        deadline = time.monotonic() + self._patience
        pause = _FIRST_PAUSE
        while not _unmounted(merged, UnmountFlag.NOFOLLOW):
            if time.monotonic() >= deadline:
                _unmounted(merged, UnmountFlag.NOFOLLOW | UnmountFlag.DETACH)
                return
            time.sleep(pause)
            pause *= 2


# ---- what is mounted ----------------------------------------------------------------


def manner(config: Config) -> Manner:
    """How its root file system is mounted."""
    return Manner(config.security.privileged, labels.of_files(config))


def viewed(merged: Path, upper: Path, unmounted: Callable[[], int]) -> int:
    """The top of what is mounted at `merged`, in a view of its own; or else the view `unmounted`
    makes."""
    if is_mounted(merged):
        view = view_of_mount(merged)
        if os.fstat(view).st_dev != upper.stat().st_dev:
            return view
        os.close(view)  # it was unmounted just now
    return unmounted()


def is_mounted(place: Path) -> bool:
    """Is anything mounted there? By the kernel, now."""
    try:
        return mounted_at(place) is not None
    except (FileNotFoundError, NotADirectoryError):
        return False


def _unmounted(place: Path, flags: UnmountFlag) -> bool:
    """Whether the topmost mount is gone now (or was before); False while it is busy."""
    try:
        unmount(place, flags)
    except OSError as error:
        if error.errno == errno.EBUSY:
            return False
        if error.errno not in (errno.EINVAL, errno.ENOENT):
            raise
    return True


def _check_unmounted(place: Path) -> None:
    try:
        places = list(place.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    for within in places:
        if is_mounted(within):
            reason = f"{within} is still mounted: unmount it before the container is deleted"
            raise PortError("refused", reason, dirty=False)


def _rename(containers: int, name: str, doomed: str) -> None:
    try:
        os.rename(name, doomed, src_dir_fd=containers, dst_dir_fd=containers)
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise


def _plain(config: Config) -> str:
    """The real path of a root file system somebody else keeps."""
    if config.image:
        reason = f"container {config.id[:12]} names an image and a rootfs: only one can be meant"
        raise PortError("refused", reason, dirty=False)
    rootfs = Path(config.rootfs)
    if not (rootfs.is_absolute() and rootfs.is_dir()):
        reason = f"the rootfs {config.rootfs!r} is no absolute path of a directory"
        raise PortError("missing", reason, dirty=False)
    return str(rootfs.resolve())


def _source(config: Config) -> str:
    return f"lockgate:{config.id}"
