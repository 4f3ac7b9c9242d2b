"""Files: looking into places somebody else controls, and writing ours so that no reader or
crash ever meets half of one.

One rule for reading: take hold of the name without opening it (O_PATH), see what it is, and only
then open it. A link, FIFO or device put there by a container is recognised, never acted upon.
"""

import errno
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from lockgate.adapters import labels
from lockgate.adapters.syscalls import Resolve, openat2
from lockgate.adapters.whole import write_all
from lockgate.effects import idmaps
from lockgate.effects.config import Config
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Accounts, File

ACCOUNTS_LIMIT = 1 << 20
"""Bytes of /etc/passwd or /etc/group we are willing to read."""

SPEC_NAME = "config.json"
SPEC_MODE = 0o600  # it holds the environment, and with it secrets (MAP D-26)

SECRET_LIMIT = 512_000
"""Bytes of one secret."""

_CONTAINER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


def bundle(root: Path, container: str) -> Path:
    """Where a container's files lie: `<root>/containers/<id>`.

    Raises `PortError("refused")` for an id that would not be one plain file name; a leading dot
    is among these, for such names are ours (tombstones, temporary files).
    """
    if _CONTAINER.fullmatch(container) is None:
        raise PortError(
            "refused", f"{container!r} cannot name a container's directory", dirty=False
        )
    return root / "containers" / container


def volume_data(root: Path, volume: str) -> Path:
    """Where the content of a volume lies: `<root>/volumes/<name>/data`."""
    if _CONTAINER.fullmatch(volume) is None:
        raise PortError(
            "refused",
            f"{volume[:128]!r} is no volume name: letters, digits and ._-, beginning with a letter "
            "or digit, at most 128",
            dirty=False,
        )
    return root / "volumes" / volume / "data"


class LocalFilesystem:
    """Port `Filesystem` on this host, for bundles below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def accounts(self, rootfs: str) -> Accounts:
        """The container's users and groups; an absent file is empty.

        Links are followed, but inside `rootfs` only: the kernel resolves every path as if it
        were chrooted there (openat2, RESOLVE_IN_ROOT; Linux 5.6). Raises `PortError("damaged")`
        for what is no regular file, is a loop of links, or exceeds `ACCOUNTS_LIMIT`.
        """
        with _opened(rootfs, os.O_PATH | os.O_DIRECTORY) as top:
            return Accounts(_read_inside(top, "etc/passwd"), _read_inside(top, "etc/group"))

    def keep_secrets(self, config: Config) -> None:
        """Copy each secret to `<bundle>/secrets/<name>`, with the owner and mode it was given; one
        that is there already stays, so that a container keeps those it was made with."""
        if not config.secrets:
            return
        directory = bundle(self.root, config.id) / "secrets"
        ensure_directory(directory, 0o700)
        _given(directory, config)
        for secret in config.secrets:
            if (directory / secret.name).exists():
                continue
            data = read_bounded(secret.source, SECRET_LIMIT)
            owned = idmaps.owner(config, secret.uid, secret.gid)
            mine = labels.of_files(config)
            write_atomic(directory, secret.name, data, secret.mode, owner=owned, label=mine)

    def write_files(self, config: Config, files: Sequence[File]) -> None:
        """`<bundle>/files/<name>`, each of them new: a container may still have the old one open.
        Not synced, for whatever stops this host also ends the run they belong to."""
        directory = bundle(self.root, config.id) / "files"
        with suppress(FileExistsError):
            directory.mkdir(0o700)
        owned, mine = _given(directory, config), labels.of_files(config)
        for one in files:
            write_atomic(
                directory, one.name, one.content, one.mode, owner=owned, label=mine, durable=False
            )

    def rewrite_files(self, config: Config, files: Sequence[File]) -> None:
        """The same files with other content: who has one mounted sees it. What is there keeps owner,
        mode and label."""
        directory = bundle(self.root, config.id) / "files"
        flags = os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW
        for one in files:
            with _opened(directory / one.name, flags) as fd:
                write_all(fd, one.content)

    def write_spec(self, config: Config, spec: bytes) -> str:
        """Put config.json (0600) into the bundle; returns the SHA-256 of `spec` in hex. Not synced,
        as its files are not."""
        write_atomic(bundle(self.root, config.id), SPEC_NAME, spec, SPEC_MODE, durable=False)
        return hashlib.sha256(spec).hexdigest()


def _given(directory: Path, config: Config) -> tuple[int, int] | None:
    """Give a directory of ours to the root of a container that has users of its own."""
    if not config.uid_maps:
        return None
    owned = idmaps.owner(config)
    os.chown(directory, *owned)
    return owned


def read_bounded(path: Path | str, limit: int, *, dir_fd: int | None = None) -> bytes:
    """The bytes of a regular file of at most `limit` bytes that somebody else may have written.

    The last component is not followed and nothing but a regular file is ever opened, so this
    neither blocks nor has effects. Raises `FileNotFoundError` when the name is absent and
    `PortError("damaged")` when it is a link, a FIFO, anything else irregular, or too large.
    """
    with _opened(path, os.O_PATH | os.O_NOFOLLOW, dir_fd) as handle:
        return _read(handle, limit, os.fspath(path))


def write_atomic(
    directory: Path | int,
    name: str,
    data: bytes,
    mode: int,
    *,
    owner: tuple[int, int] | None = None,
    label: str = "",
    durable: bool = True,
) -> None:
    """Give `name` the content `data` and the permission bits `mode`, whatever the umask.

    `directory` is a path or an open descriptor, `owner` a uid and a gid (`None`: ours), `label` one
    of SELinux's. Readers
    see the old content or the new, and so does whoever comes after a crash; when this returns, the
    new one survives power loss, unless it need not be `durable`. On an error the old content
    stands and nothing is left behind.
    """
    if isinstance(directory, Path):
        with _opened(directory, os.O_RDONLY | os.O_DIRECTORY) as opened:
            return write_atomic(opened, name, data, mode, owner=owner, label=label, durable=durable)
    draft = f".{secrets.token_hex(8)}.draft"
    fd = os.open(
        draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=directory
    )
    try:
        try:
            write_all(fd, data)
            if owner is not None:
                os.fchown(fd, *owner)
            os.fchmod(fd, mode)
            labels.label(fd, label)
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(draft, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(draft, dir_fd=directory)
        raise
    if durable:
        os.fsync(directory)


@contextmanager
def replacing(path: Path, mode: int = 0o600) -> Generator[BinaryIO]:
    """A file to write to, of any size, which becomes `path` at the end of the block; when that
    raises, `path` is as it was and nothing is left. What is there and no regular file (a pipe, a
    device) is written to as it is."""
    if path.exists() and not path.is_file():
        with path.open("wb") as out:
            yield out
        return
    draft = path.with_name(f".{secrets.token_hex(8)}.draft")
    try:
        with open(draft, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as out:
            yield out
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def ensure_directory(path: Path, mode: int) -> None:
    """A directory of these permission bits, whatever the umask; one that is there is kept as it
    is. Those above are made 0755 less the umask. Raises `FileExistsError` for anything else."""
    try:
        path.mkdir(mode)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        return ensure_directory(path, mode)
    except FileExistsError:
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise
        return
    path.chmod(mode)


def _read_inside(top: int, path: str) -> bytes:
    try:
        handle = openat2(top, path, os.O_PATH, Resolve.IN_ROOT | Resolve.NO_MAGICLINKS)
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as error:
        if error.errno == errno.ELOOP:
            reason = f"/{path} of the container is a loop of links or leads out by a magic link"
            raise PortError("damaged", reason, dirty=False) from None
        raise
    try:
        return _read(handle, ACCOUNTS_LIMIT, f"/{path} of the container")
    finally:
        os.close(handle)


def _read(handle: int, limit: int, name: str) -> bytes:
    """Read what an O_PATH descriptor stands for, once it is known to be harmless."""
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        kind = stat.filemode(found.st_mode)[0]
        raise PortError("damaged", f"{name} is no regular file (type {kind!r})", dirty=False)
    with _opened(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_NONBLOCK) as fd:
        parts: list[bytes] = []
        left = limit + 1  # one more, to tell "full" from "too large"; the size may be growing
        while left and (part := os.read(fd, left)):
            parts.append(part)
            left -= len(part)
    if not left:
        raise PortError("damaged", f"{name} is larger than {limit} bytes", dirty=False)
    return b"".join(parts)


@contextmanager
def _opened(path: Path | str, flags: int, dir_fd: int | None = None) -> Generator[int]:
    fd = os.open(path, flags | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        yield fd
    finally:
        os.close(fd)
