"""Programs begun behind us: no child of ours waits for them, and no session takes them along.

The rule that keeps it simple: whoever begins one forgets it. It is known to live by a lock it holds, and
what it does not live to do, the next one does.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from lockgate.adapters.commands import finished
from lockgate.adapters.userns import confined
from lockgate.effects.outcome import PortError

SYSTEMD = Path("/run/systemd/system")
"""There where systemd is the first process (sd_booted(3))."""

PATIENCE = 30.0
BEHIND = ("/bin/sh", "-c", '"$@" </dev/null >/dev/null 2>&1 &', "sh")
"""Begin what follows, and let the first process of the host have it when we go."""

ENVIRONMENT = ("PATH", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")


def begin(line: Sequence[str], unit: str, folder: Path) -> None:
    """Begin this program, which finds itself in `folder`; where there is systemd, as a transient
    unit of this name, but not in a user namespace, outside of which that would be. Raises `PortError`
    when it cannot be begun."""
    apart = confined() or not SYSTEMD.is_dir()
    manager = None if apart else shutil.which("systemd-run")
    before = BEHIND if manager is None else _unit(manager, unit)
    started = finished(
        (*before, *line),
        environment={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
        patience=PATIENCE,
        folder=folder,
    )
    if started.code != 0:
        words = started.complaints.decode(errors="replace").strip()
        raise PortError("failed", f"cannot begin {line[0]}: {words}")


def _unit(manager: str, name: str) -> tuple[str, ...]:
    """Its own unit, gone with it."""
    return (manager, "--quiet", "--collect", f"--unit={name}", "--")
