"""Which runtime and which monitor to use on this host, and why another would not do.

One rule: nothing is chosen that is known to fail here, and every refusal says what to do about it.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from msgspec import Struct

from lockgate.adapters.oci.cgroups import Cgroups
from lockgate.effects.config import UNPLUGGED, Config
from lockgate.effects.outcome import PortError

PREFERRED = ("crun", "runc", "youki")
"""By the time a container's life takes (HOST §1, latency)."""

CONMON_MINIMUM = (2, 1, 2)
"""Older ones lose exits, answers or OOM marks (MAP L-160)."""

RUNC_ENTERS_USERS_LAST = (1, 2)

_ELSEWHERE = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # where the PATH of users often ends
_VERSION = re.compile(r"\d+(?:\.\d+)+")
_PATIENCE = 10.0


class Chosen(Struct, frozen=True):
    """Paths of the OCI runtime and of conmon, to be used together."""

    runtime: Path
    conmon: Path


def choose(runtime: str | None = None, conmon: str | None = None) -> Chosen:
    """A runtime and a monitor that work here; names or paths, left out: the first that works.

    Raises `PortError("missing")`, cleanly, that says what is wrong and what to do.
    """
    return Chosen(_chosen_runtime(runtime), _chosen_conmon(conmon))


def find(name: str) -> Path | None:
    """The executable of this name or path, absolute; None when there is none."""
    places = os.pathsep.join((os.environ.get("PATH") or os.defpath, *_ELSEWHERE))
    found = shutil.which(name, path=places)
    return Path(found).absolute() if found else None


def version(path: Path) -> str:
    """What the first line of `--version` gives as a number, such as "1.1.5"; empty if nothing."""
    try:
        ran = subprocess.run(
            (path, "--version"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    number = _VERSION.search(ran.stdout[:4096].decode("utf-8", "replace"))
    return number[0] if number else ""


def obstacle(runtime: Path, cgroups: Cgroups) -> str:
    """Why this runtime cannot work in this process's surroundings, and the cure; empty if it can.

    Told by what is mounted, not by trying (HOST §0): runc takes any layout of cgroups, crun refuses
    a hybrid one where version 2 has no controllers.
    """
    if runtime.name.startswith("runsc"):
        return "gVisor keeps its records where lockgate cannot clean up after it; use runc or crun"
    if runtime.name.startswith("crun") and cgroups.layout == "hybrid":
        unified = next(each.mountpoint for each in cgroups.hierarchies if each.unified)
        return (
            f"crun refuses hybrid cgroups: it needs a private mount namespace without {unified} "
            f"(unshare -m, then umount {unified}); or use runc"
        )
    return ""


def unable(runtime: Path, config: Config) -> str:
    """Why this runtime cannot give a container what was wished for, and the cure; empty if it can.

    runc before 1.2 enters a user namespace first, and then has no power over a network made outside.
    """
    if not config.namespaces.user or config.network in UNPLUGGED or config.deferred_network:
        return ""
    if not runtime.name.startswith("runc") or config.network == config.namespaces.user:
        return ""
    found = version(runtime)
    if found and _numbers(found) >= RUNC_ENTERS_USERS_LAST:
        return ""
    return (
        f"runc {found} cannot be in the user namespace of another container and in the network "
        f"{config.network}, if that is made before: use crun, runc 1.2 or a deferred network"
    )


def conmon_obstacle(found: str) -> str:
    """Why a conmon of this version will not do; empty if it will."""
    wanted = ".".join(str(part) for part in CONMON_MINIMUM)
    if not found:
        return f"conmon does not tell its version; version {wanted} or newer is needed"
    if _numbers(found) < CONMON_MINIMUM:
        return f"conmon {found} loses exits (MAP L-160): install version {wanted} or newer"
    return ""


def _chosen_runtime(wanted: str | None) -> Path:
    cgroups = Cgroups.here()
    if wanted is not None:
        found = find(wanted)
        if found is None:
            raise _missing(f"there is no runtime {wanted!r}: install it, or give its path")
        if why := obstacle(found, cgroups):
            raise _missing(f"{found} cannot be used here: {why}")
        return found
    reasons: list[str] = []
    for name in PREFERRED:
        if found := find(name):
            if not (why := obstacle(found, cgroups)):
                return found
            reasons.append(f"{found}: {why}")
    if reasons:
        raise _missing(f"no OCI runtime works here. {'; '.join(reasons)}")
    raise _missing(f"there is no OCI runtime ({', '.join(PREFERRED)}): apt install runc")


def _chosen_conmon(wanted: str | None) -> Path:
    found = find(wanted or "conmon")
    if found is None:
        raise _missing(f"there is no {wanted or 'conmon'}: apt install conmon, or give its path")
    if why := conmon_obstacle(version(found)):
        raise _missing(f"{found} cannot be used: {why}")
    return found


def _numbers(found: str) -> tuple[int, ...]:
    return tuple(int(part) for part in found.split(".")[:3])


def _missing(reason: str) -> PortError:
    return PortError("missing", reason, dirty=False)
