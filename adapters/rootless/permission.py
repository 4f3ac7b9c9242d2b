"""What keeps an ordinary user of this host from having containers, and what to do about it.

One rule: looking changes nothing, and each obstacle is told by what removes it.
"""

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from lockgate.adapters.oci.choice import find
from lockgate.adapters.rootless.subids import ENOUGH, SUBGID, SUBUID, Range, granted, read

TOOLS = ("newuidmap", "newgidmap")
CAPABILITY = "security.capability"
"""Where a program may have its rights instead of being setuid."""


class Switch(Struct, frozen=True):
    """A setting of the kernel by which hosts forbid user namespaces; `off` is when it does."""

    file: Path
    off: str
    advice: str


SWITCHES = (
    Switch(
        Path("/proc/sys/user/max_user_namespaces"), "0", "sysctl user.max_user_namespaces=15000"
    ),
    Switch(
        Path("/proc/sys/kernel/unprivileged_userns_clone"),
        "0",
        "sysctl kernel.unprivileged_userns_clone=1",
    ),
    Switch(
        Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
        "1",
        "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or a profile that allows `userns`",
    ),
)


class Obstacle(Struct, frozen=True):
    """What there is, and what to do."""

    found: str
    advice: str

    def __str__(self) -> str:
        return f"{self.found}: {self.advice}"


def user_name(uid: int) -> str:
    """Empty for one whom no list of users knows."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


def grants(uid: int) -> tuple[tuple[Range, ...], tuple[Range, ...]]:
    """The subordinate users and groups of this user. Groups are granted to users, not to groups."""
    name = user_name(uid)
    users, groups = (granted(read(file), uid, name) for file in (SUBUID, SUBGID))
    return users, groups


def obstacles(uid: int) -> tuple[Obstacle, ...]:
    """All there are for this user; none: he may have a user namespace with the ids he was given."""
    return (*of_the_host(), *_privileges(), *_ranges(uid))


def of_the_host() -> tuple[Obstacle, ...]:
    """Those that keep everybody from it."""
    return (*_kernel(SWITCHES), *_programs())


def _kernel(switches: tuple[Switch, ...]) -> Iterator[Obstacle]:
    if not Path("/proc/self/ns/user").exists():
        yield Obstacle("the kernel has no user namespaces", "use one with CONFIG_USER_NS")
        return
    for switch in switches:
        try:
            value = switch.file.read_text().strip()
        except OSError:  # this kernel knows no such setting
            continue
        if value == switch.off:
            yield Obstacle(f"user namespaces are off ({switch.file} is {value})", switch.advice)


def _programs() -> Iterator[Obstacle]:
    if find("unshare") is None:
        yield Obstacle("there is no unshare", "apt install util-linux")
    for name in TOOLS:
        path = find(name)
        if path is None:
            yield Obstacle(f"there is no {name}", "apt install uidmap")
        elif not _privileged(path):
            yield Obstacle(
                f"{path} may not write maps: it is neither setuid root nor has it capabilities",
                f"chmod u+s {path}, as root",
            )


def _privileged(path: Path) -> bool:
    found = path.stat()
    if found.st_mode & stat.S_ISUID and found.st_uid == 0:
        return True
    try:
        return CAPABILITY in os.listxattr(path)
    except OSError:
        return False


def _privileges() -> Iterator[Obstacle]:
    """A process may have given up for ever that programs it runs have more rights than it has."""
    if "NoNewPrivs:\t1" in Path("/proc/self/status").read_text():
        yield Obstacle(
            "this process may gain no privileges (no_new_privs), so newuidmap has none",
            "begin it without: in a unit of systemd, NoNewPrivileges=no",
        )


def _ranges(uid: int) -> Iterator[Obstacle]:
    who = user_name(uid) or str(uid)
    for kind, file, found in zip(("uids", "gids"), (SUBUID, SUBGID), grants(uid)):
        size = sum(one.size for one in found)
        if size < ENOUGH - 1:
            there = f"only {size}" if size else "no"
            yield Obstacle(
                f"{who} has {there} subordinate {kind} in {file}, and images need {ENOUGH}",
                f"usermod --add-sub{kind} FIRST-LAST {who}, as root: a range nobody else has, "
                f"such as 100000-{100000 + ENOUGH - 1}",
            )
