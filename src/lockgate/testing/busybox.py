"""The smallest useful root filesystem: one static busybox and a link for each of its applets."""

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

APPLETS = [
    "sh",
    "cat",
    "echo",
    "env",
    "false",
    "head",
    "hostname",
    "id",
    "kill",
    "ls",
    "mkdir",
    "mount",
    "nc",
    "ps",
    "pwd",
    "seq",
    "sleep",
    "stat",
    "stty",
    "tail",
    "test",
    "touch",
    "true",
    "tty",
    "umount",
    "wc",
    "whoami",
    "yes",
]
PASSWD = b"root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:web:/srv:/bin/sh\n"
GROUP = b"root:x:0:\nweb:x:34:\nlog:x:4:web\n"


def find() -> Path | None:
    """A static busybox on this host, if there is one (Debian: package busybox-static)."""
    path = shutil.which("busybox")
    if path is None:
        return None
    try:
        # a dynamic one would need libraries the root filesystem does not have
        needs = subprocess.run(["ldd", path], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return Path(path)
    return Path(path) if needs.returncode != 0 or "not a dynamic" in needs.stdout else None


def rootfs_tar(target: Path) -> Path:
    """A root filesystem archive. Raises `FileNotFoundError` where there is no static busybox."""
    busybox = find()
    if busybox is None:
        raise FileNotFoundError("no static busybox: install the package busybox-static")
    with tarfile.open(target, "w") as tar:
        for name, mode in (("bin", 0o755), ("etc", 0o755), ("tmp", 0o1777), ("root", 0o700)):
            _add(tar, name, mode, kind=tarfile.DIRTYPE)
        for name in ("dev", "proc", "sys", "run", "srv"):
            _add(tar, name, 0o755, kind=tarfile.DIRTYPE)
        _add(tar, "bin/busybox", 0o755, busybox.read_bytes())
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname, link.mode = tarfile.SYMTYPE, "busybox", 0o777
            tar.addfile(link)
        _add(tar, "etc/passwd", 0o644, PASSWD)
        _add(tar, "etc/group", 0o644, GROUP)
    return target


def _add(
    tar: tarfile.TarFile, name: str, mode: int, data: bytes = b"", kind: bytes = tarfile.REGTYPE
) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.size = kind, mode, len(data)
    tar.addfile(entry, io.BytesIO(data))
