"""What a tree of files consists of, one entry at a time, and which entries we take.

Archives and directories are read into this one language, and trees are written from it. So the
rules on hostile input stand here once, and equal content has an equal listing wherever it came
from: the SHA-256 of the listing names a layer.
"""

import hashlib
from collections.abc import Iterable, Iterator
from threading import Lock
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lockgate.adapters.userns import GID_MAP, UID_MAP, Ids, confined, ids_of
from lockgate.effects.outcome import PortError

Parts: TypeAlias = tuple[bytes, ...]
"""A path below the top of the tree, component by component; `()` is the top itself."""

_NAME_MAX, _PATH_MAX = 255, 4095  # bytes, as the kernel counts them

_HARMLESS = frozenset({(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1)})
"""null, zero, full, random, urandom, tty, console: what a root file system may bring along."""


class Meta(Struct, frozen=True, array_like=True):
    """Permission bits (with setuid, setgid, sticky), owner, time (ns since the epoch)."""

    mode: int
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    xattrs: tuple[tuple[str, bytes], ...] = ()


class Entry(Struct, frozen=True, tag=True, array_like=True):
    path: Parts


class Directory(Entry, frozen=True, tag="directory"):
    meta: Meta


class File(Entry, frozen=True, tag="file"):
    """`content` yields `size` bytes, once, and before the next entry is asked for."""

    meta: Meta
    size: int
    content: Iterable[bytes] = ()


class Symlink(Entry, frozen=True, tag="symlink"):
    meta: Meta
    target: bytes


class HardLink(Entry, frozen=True, tag="hard link"):
    """Another name of what `target`, an earlier entry, is."""

    target: Parts


class Node(Entry, frozen=True, tag="node"):
    meta: Meta
    kind: Literal["char", "block", "fifo"]
    device: tuple[int, int] = (0, 0)


class Whiteout(Entry, frozen=True, tag="whiteout"):
    """Hides what lower layers have under this name (OCI image spec, "Whiteouts")."""


class Opaque(Entry, frozen=True, tag="opaque"):
    """Hides all that lower layers have in this directory."""


AnyEntry: TypeAlias = Directory | File | Symlink | HardLink | Node | Whiteout | Opaque


class Limits(Struct, frozen=True):
    """How much one import may bring: bytes of content and attributes, and number of names."""

    size: int = 32 << 30
    entries: int = 1_000_000


class Allowance:
    """What is left of the limits of one import; any number of threads may take from it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._size, self._entries, self._names = limits.size, limits.entries, limits.entries
        self._lock = Lock()

    def entry(self, entry: AnyEntry) -> None:
        """Raises `PortError("refused")` when this entry is one too many, or too much."""
        size = entry.size if isinstance(entry, File) else 0
        if isinstance(entry, Directory | File | Symlink | Node):
            size += sum(len(value) for _, value in entry.meta.xattrs)
        with self._lock:
            self._entries -= 1
            self._size -= size
        if self._entries < 0:
            most = self._limits.entries
            raise refused(f"there are more than {most} entries; raise the limit on them")
        if self._size < 0:
            raise refused(
                f"with {shown(entry.path)} the content exceeds {self._limits.size} bytes; "
                "raise the limit on the size"
            )

    def name(self, path: Parts) -> None:
        """For each name that is made, also those no entry speaks of."""
        with self._lock:
            self._names -= 1
        if self._names < 0:
            raise refused(
                f"with {shown(path)} there are too many names; raise the limit on entries"
            )

    def revoke(self) -> None:
        """Nothing is left: whoever still takes from it is to stop."""
        with self._lock:
            self._entries = self._names = 0


class Listing:
    """The digest and the size of all entries that were passed through `over`."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> str:
        """64 hex digits. Every entry is self-delimiting, so no two trees share a listing."""
        return self._hash.hexdigest()

    def add(self, entry: Directory) -> None:
        """One more, after all that came before."""
        self._hash.update(msgspec.msgpack.encode(entry))

    def over(self, entries: Iterable[AnyEntry]) -> Iterator[AnyEntry]:
        """The same entries; the contents of files are counted as they are consumed."""
        for entry in entries:
            if isinstance(entry, File):
                self._hash.update(msgspec.msgpack.encode(replace(entry, content=())))
                self.size += entry.size
                yield replace(entry, content=self._through(entry))
            else:
                self._hash.update(msgspec.msgpack.encode(entry))
                yield entry

    def _through(self, file: File) -> Iterator[bytes]:
        left = file.size
        for chunk in file.content:
            self._hash.update(chunk)
            left -= len(chunk)
            yield chunk
        if left:
            raise damaged(f"{shown(file.path)} does not have the {file.size} bytes it claims")


def survey(entries: Iterable[AnyEntry]) -> Listing:
    """Read everything, keep nothing but the listing."""
    listing = Listing()
    for entry in listing.over(entries):
        if isinstance(entry, File):
            for _ in entry.content:
                pass
    return listing


def accepted(entries: Iterable[AnyEntry], allowance: Allowance) -> Iterator[AnyEntry]:
    """The entries, as long as they are what an image may contain.

    Raises `PortError("refused")` for devices that are not harmless, for owners whom a user namespace
    has not, and for more content or names than `allowance` has: before a byte of the excess is read.

    In a user namespace nobody may make devices: harmless ones are left out there, for every
    container is given them anyway.
    """
    known = _known() if confined() else None
    left_out: set[Parts] = set()
    for entry in entries:
        allowance.entry(entry)
        if known is not None and isinstance(entry, Directory | File | Symlink | Node):
            _check_owner(entry.path, entry.meta, known)
        if isinstance(entry, Node) and entry.kind != "fifo":
            _check_device(entry)
            if known is not None:
                left_out.add(entry.path)
                continue
        if isinstance(entry, HardLink) and entry.target in left_out:
            left_out.add(entry.path)
            continue
        yield entry


def _known() -> tuple[Ids, Ids]:
    return ids_of(UID_MAP), ids_of(GID_MAP)


def _check_owner(path: Parts, meta: Meta, known: tuple[Ids, Ids]) -> None:
    for kind, number, ids in zip(("user", "group"), (meta.uid, meta.gid), known):
        if not any(number in there for there in ids):
            most = max((there.stop - 1 for there in ids), default=0)
            raise refused(
                f"{shown(path)} belongs to {kind} {number}, whom this user namespace does not have "
                f"(the last is {most}): more subordinate ids are needed (subuid(5))"
            )


def _check_device(node: Node) -> None:
    major, minor = node.device
    what = f"{shown(node.path)} is a {node.kind} device {major}:{minor}"
    if node.kind != "char" or node.device not in _HARMLESS:
        raise refused(f"{what}, which reaches the host; leave it out")


def parts_of(raw: bytes) -> Parts:
    """The components of a name as an archive writes it; `.` and doubled slashes mean nothing.

    Raises `PortError("refused")` for absolute names, for `..`, NUL and what is too long.
    """
    if raw.startswith(b"/"):
        raise refused(f"{shown((raw,))} is an absolute name")
    parts = tuple(part for part in raw.split(b"/") if part not in (b"", b"."))
    if b".." in parts:
        raise refused(f"{shown(parts)} leads out of the tree")
    if b"\0" in raw:
        raise refused(f"{shown(parts)} contains a NUL")
    if len(raw) > _PATH_MAX or any(len(part) > _NAME_MAX for part in parts):
        raise refused(f"{shown(parts)[:64]}… is longer than a path can be")
    return parts


def keeps(attribute: str) -> bool:
    """Whether an extended attribute belongs to the content, not to the host it came from.

    Kept are file capabilities, ACLs and `user.*`; labels and signatures of the host are not, nor
    is what has a name that is no text.
    Raises `PortError("refused")` for attributes by which layers steer overlayfs.
    """
    if attribute.startswith(("trusted.overlay.", "user.overlay.", "user.fuseoverlayfs.")):
        raise refused(
            f"the attribute {attribute} belongs to an overlay's upper directory; "
            "import the merged tree instead"
        )
    if "\0" in attribute:
        raise refused("the name of an attribute contains a NUL")
    if not attribute.isascii() and attribute != attribute.encode("utf-8", "replace").decode():
        return False
    return attribute == "security.capability" or attribute.startswith(
        ("user.", "system.posix_acl_")
    )


def shown(path: Parts) -> str:
    """A path for people; bytes that are no text come out escaped."""
    return "/".join(part.decode("utf-8", "backslashreplace") for part in path) or "."


def refused(reason: str) -> PortError:
    return PortError("refused", reason, dirty=False)


def damaged(reason: str) -> PortError:
    return PortError("damaged", reason, dirty=False)
