"""Port `Storage` on overlayfs: a writable layer per container above the layers of its image.

Whether something is mounted is asked of the kernel each time, never remembered. All that belongs
to a container lies in `<root>/containers/<id>/` and every name in it follows from the id; so
each method can be repeated, and what one left undone another finds.
"""

import errno
import os
import stat
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lockgate.adapters.filesystem import bundle, ensure_directory
from lockgate.adapters.storage.images import Images
from lockgate.adapters.storage.removal import remove_tree
from lockgate.adapters.syscalls import (
    MountAttribute,
    MountFlag,
    UnmountFlag,
    fsconfig_create,
    fsconfig_string,
    fsmount,
    fsopen,
    mount,
    mounted_at,
    move_mount,
    unmount,
)
from lockgate.effects.config import Config
from lockgate.effects.outcome import Mounted, PortError
from lockgate.effects.ports import Image

_OPTIONS_MAX = 4095  # bytes; mount(2) cuts the rest off without a word
_FIRST_PAUSE = 0.001  # seconds between attempts to unmount what is busy; doubles each time
_STACKED = 16  # mounts on top of one another we are ready to take away


class OverlayStorage:
    """Port `Storage` below `root`, for images and for plain directories (`Config.rootfs`).

    A busy mount is waited for up to `patience` seconds, then detached lazily (MAP L-36). Needs
    Linux 5.8. No method syncs: what the store commits next makes it durable, or it is repeated.
    """

    def __init__(self, root: Path, *, patience: float = 0.25) -> None:
        self.root = root.resolve()
        self.images = Images(self.root)
        self._patience = patience

    def create(self, config: Config) -> None:
        """The bundle directory (0700), and for an image `upper`, `work` and `merged` in it.

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
                below = self._lower(config)
        ensure_directory(place.parent, 0o700)
        ensure_directory(place, 0o700)
        if below and not (place / "merged").exists():
            top = below[0].stat()
            ensure_directory(place / "upper", 0o700)
            os.chown(place / "upper", top.st_uid, top.st_gid)
            (place / "upper").chmod(stat.S_IMODE(top.st_mode))
            ensure_directory(place / "work", 0o700)
            ensure_directory(place / "merged", 0o700)

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
            _check_ours(found, config, merged)
        else:
            _mount_overlay(_source(config), self._lower(config), place)
        return Mounted(str(merged))

    def unmount(self, config: Config) -> None:
        """Take away whatever is mounted in the container's place; nothing there is success."""
        if config.rootfs:
            return
        merged = bundle(self.root, config.id) / "merged"
        for _ in range(_STACKED):
            if not _is_mounted(merged):
                return
            self._unmount(merged)
        raise PortError("failed", f"{merged} is still mounted after {_STACKED} attempts to unmount")

    def delete(self, config: Config) -> None:
        """The whole bundle. First it gets a name that nothing looks at, so that half a bundle is
        never taken for a whole one; a call after a crash removes what that name still has.

        Raises `PortError("refused")`, clean, while something is mounted in it.
        """
        place = bundle(self.root, config.id)
        try:
            containers = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            _check_unmounted(place)
            doomed = f".{config.id}.removing"
            remove_tree(containers, doomed)
            _rename(containers, config.id, doomed)
            remove_tree(containers, doomed)
            remove_tree(containers, config.id)  # when there was no space even for a new name
        finally:
            os.close(containers)

    def _unmount(self, merged: Path) -> None:
        deadline = time.monotonic() + self._patience
        pause = _FIRST_PAUSE
        while not _unmounted(merged, UnmountFlag.NOFOLLOW):
            if time.monotonic() >= deadline:
                _unmounted(merged, UnmountFlag.NOFOLLOW | UnmountFlag.DETACH)
                return
            time.sleep(pause)
            pause *= 2

    def _lower(self, config: Config) -> list[Path]:
        """The directories of the image's layers, topmost first."""
        image = self._image(config)
        # of a layer that is there twice the kernel takes only one, and the upper one says it all
        topmost = dict.fromkeys(reversed(image.layers))
        layers = [self.images.layers.path(layer) for layer in topmost]
        for layer in layers:
            if not layer.is_dir():
                reason = f"image {image.name} lost its layer {layer.name[:12]}: import it again"
                raise PortError("missing", reason, dirty=False)
        return layers

    def _image(self, config: Config) -> Image:
        if not (config.image or config.image_id):
            reason = f"container {config.id[:12]} names neither an image nor a rootfs"
            raise PortError("refused", reason, dirty=False)
        return self.images.pinned(config.image, config.image_id)


# ---- what is mounted ----------------------------------------------------------------


def _is_mounted(place: Path) -> bool:
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


def _check_ours(found: int, config: Config, merged: Path) -> None:
    """Mounts tell whom they belong to by their source."""
    with Path("/proc/thread-self/mountinfo").open() as table:
        for line in table:
            own, _, theirs = line.partition(" - ")
            number, _, _, top, *_ = own.split(" ")
            if number == str(found):
                fstype, source = theirs.split(" ")[:2]
                if (fstype, source, top) == ("overlay", _source(config), "/"):
                    return
                raise PortError(
                    "refused",
                    f"{merged} is taken by {source} ({fstype}), which is not ours: unmount it",
                    dirty=False,
                )
    raise PortError(
        "refused", f"{merged} is mounted, but the kernel does not say what", dirty=False
    )


def _check_unmounted(place: Path) -> None:
    try:
        places = list(place.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    for within in places:
        if _is_mounted(within):
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


# ---- mounting -----------------------------------------------------------------------


def _source(config: Config) -> str:
    return f"lockgate:{config.id}"


def _mount_overlay(source: str, lower: Sequence[Path], place: Path) -> None:
    parts = [os.fsencode(part) for part in (*lower, place / "upper", place / "work")]
    merged = place / "merged"
    try:
        if _fits(parts):
            return mount(source, merged, "overlay", MountFlag.NODEV, _options(parts))
        with _short(parts) as names:
            if _fits(names):
                return mount(source, merged, "overlay", MountFlag.NODEV, _options(names))
            return _mount_deep(source, names, merged)
    except OSError as error:
        reason = f"{error.strerror} (overlay of {len(lower)} layers; the kernel log may say why)"
        raise OSError(error.errno, reason, str(merged)) from error


def _options(parts: Sequence[bytes]) -> bytes:
    """Of lower layers, upper and work, in this order.

    The index is off: a copy of a mount in some namespace outlives its unmounting here, and with
    an index the kernel would not mount the upper again as long as that namespace lives.
    """
    *lower, upper, work = parts
    options = {
        b"lowerdir": b":".join(lower),
        b"upperdir": upper,
        b"workdir": work,
        b"index": b"off",
    }
    return b",".join(b"=".join(option) for option in options.items())


def _fits(parts: Sequence[bytes]) -> bool:
    """Whether the one string mount(2) takes can say it, without any escaping."""
    special = any(character in part for part in parts for character in (b",", b":", b"\\"))
    return not special and len(_options(parts)) <= _OPTIONS_MAX


@contextmanager
def _short(parts: Sequence[bytes]) -> Generator[list[bytes]]:
    """Short names without special characters, for as long as the block lasts; unlike relative
    names they need no working directory, which threads would share."""
    with ExitStack() as opened:
        names: list[bytes] = []
        for part in parts:
            fd = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            opened.callback(os.close, fd)
            names.append(b"/proc/self/fd/%d" % fd)
        yield names


def _mount_deep(source: str, parts: Sequence[bytes], merged: Path) -> None:
    """By the mount interface that takes one layer at a time (`lowerdir+`, Linux 6.7)."""
    *lower, upper, work = parts
    context = fsopen("overlay")
    try:
        fsconfig_string(context, "source", source)
        for layer in lower:
            fsconfig_string(context, "lowerdir+", layer)
        fsconfig_string(context, "upperdir", upper)
        fsconfig_string(context, "workdir", work)
        fsconfig_string(context, "index", "off")
        fsconfig_create(context)
        made = fsmount(context, MountAttribute.NODEV)
        try:
            move_mount(made, merged)
        finally:
            os.close(made)
    finally:
        os.close(context)
