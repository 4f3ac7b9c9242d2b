"""Labels of SELinux: whom files belong to in the eyes of a host that enforces them (MAP §3.5, L-45).

One rule: where it is not present nothing is labelled; a config with labels is then refused in words
when a run begins (`statemachine.spec.identity`), never half obeyed.
"""

import errno
import os
import stat
from pathlib import Path

from lockgate.effects.config import Bind, Config
from lockgate.effects.outcome import PortError

SELINUX = Path("/sys/fs/selinux/enforce")
ATTRIBUTE = "security.selinux"

KEPT = frozenset(
    [
        *("/", "/bin", "/boot", "/dev", "/etc", "/etc/passwd", "/etc/shadow", "/home", "/lib"),
        *("/lib64", "/opt", "/proc", "/root", "/run", "/sbin", "/sys", "/tmp", "/usr", "/var"),
        *("/var/lib", "/var/log"),
    ]
)
"""What belongs to the host: with another label it would not start again."""


def present() -> bool:
    return SELINUX.exists()


def of_files(config: Config) -> str:
    """What a container's files are labelled with here; empty for not at all."""
    return config.security.mount_label if config.security.mount_label and present() else ""


def of_shared(config: Config) -> str:
    """The same without its categories: every container of this kind may use such files."""
    user, role, kind, *_ = [*of_files(config).split(":"), "", ""]
    return ":".join((user, role, kind, "s0")) if user else ""


def label(file: int | Path, name: str, *, follow: bool = False) -> None:
    """Label what is open, or what is there; an empty name leaves it as it is, and so does a file
    system that has no labels."""
    if not name:
        return
    try:
        by_name = not isinstance(file, int)
        os.setxattr(file, ATTRIBUTE, name.encode() + b"\0", follow_symlinks=follow or not by_name)
    except OSError as problem:
        if problem.errno != errno.EOPNOTSUPP:
            raise


def relabel(config: Config) -> None:
    """What is bound with `z` or `Z`, and everything below it; once, when a container is made
    (MAP L-161). Raises `PortError("refused")`, clean, before anything is changed, for what is the
    host's own."""
    asked = [one for one in config.mounts if isinstance(one, Bind) and one.relabel]
    if not (asked and of_files(config)):
        return
    for one in asked:
        if str(Path(one.source).resolve()) in KEPT:
            reason = f"{one.source} is the host's own and keeps its label: mount it without z or Z"
            raise PortError("refused", reason, dirty=False)
    for one in asked:
        name = of_shared(config) if one.relabel == "shared" else of_files(config)
        top = os.open(one.source, os.O_PATH | os.O_CLOEXEC)
        try:
            label_below(top, name)
        finally:
            os.close(top)


def label_below(top: int, name: str) -> None:
    """What is open, and everything below it; links are labelled, never followed."""
    if not stat.S_ISDIR(os.fstat(top).st_mode):
        return label(Path(f"/proc/self/fd/{top}"), name, follow=True)
    for _, within, names, folder in os.fwalk(".", dir_fd=top):
        label(folder, name)
        for one in (*within, *names):  # a link to a directory is among those
            label(Path(f"/proc/self/fd/{folder}/{one}"), name)
