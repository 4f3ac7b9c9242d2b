"""Whether checkpoints can be taken here: is there a criu, does it work, does the runtime call it?

Nothing is touched to find out; `criu check` asks the kernel. Every no says what to do about it.
"""

import subprocess
from pathlib import Path

from msgspec import Struct

from lockgate.adapters.filesystem import read_bounded
from lockgate.adapters.oci.choice import find, version
from lockgate.adapters.oci.command import RuntimeCommand, printable
from lockgate.effects.outcome import PortError

PATIENCE = 10.0
LOG_LIMIT = 1 << 24


class Criu(Struct, frozen=True):
    """What was found. `why` it cannot be used here, and what to do; empty where it can."""

    path: Path | None = None
    why: str = ""


def look_for_criu() -> Criu:
    """The criu of this host. Takes some 50 milliseconds."""
    path = find("criu")
    if path is None:
        return Criu(None, "there is no criu: apt install criu")
    try:
        ran = subprocess.run(
            (path, "check"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        return Criu(path, f"{path} cannot be run ({problem}): install another criu")
    if ran.returncode == 0:
        return Criu(path)
    lines = ran.stderr[:4096].decode("utf-8", "replace").splitlines()
    said = next((line for line in lines if "Error" in line), lines[0] if lines else "")
    number = version(path) or "of unknown version"
    return Criu(
        path,
        f"{path} ({number}) does not work with this kernel, `criu check` says: {printable(said)}; "
        "install a criu as new as the kernel",
    )


def runtime_obstacle(command: RuntimeCommand) -> str:
    """Why this runtime takes no checkpoints; empty where it does."""
    try:
        ran = command.run("checkpoint", "--help")
    except PortError as problem:
        return problem.fault.reason
    if ran.code == 0:
        return ""
    return (
        f"{command.path} takes no checkpoints ({ran.complaint or 'it does not know how'}): use runc"
    )


def complaint_of_criu(log: Path) -> str:
    """The last error in one of its logs; empty where there is none to be read."""
    try:
        text = read_bounded(log, LOG_LIMIT).decode("utf-8", "replace")
    except (OSError, PortError):
        return ""
    errors = [line for line in text.splitlines() if "Error" in line]
    return printable(errors[-1]) if errors else ""
