"""How an image wants to be run, from its configuration (OCI image spec, "Image Configuration").

What comes from an archive is somebody else's text: it is checked here, once, so that a record
never holds what a spec could not.
"""

import signal

from lockgate.adapters.storage.documents import Healthcheck, Wishes
from lockgate.adapters.storage.entries import damaged
from lockgate.effects.health import HealthCheck, command_of
from lockgate.effects.ports import Image

MOST = 10**18
"""Nanoseconds, some thirty years; and more failures than anybody counts."""


def wished(wishes: Wishes) -> Image:
    """An image without name and layers. Raises `PortError("damaged")` for a NUL in any text,
    for a stop signal that is none and for a health check of no sense; an entry of the environment without `=` says nothing and is
    left out."""
    labels = wishes.labels or {}
    entrypoint, command, env = wishes.entrypoint or (), wishes.cmd or (), wishes.env or ()
    volumes = tuple(sorted(wishes.volumes or {}))
    health = _health(wishes.healthcheck or Healthcheck())
    texts = (wishes.user or "", wishes.working_dir or "", *entrypoint, *command, *env, *volumes)
    checked = health.command if health else ()
    for text in (*texts, *labels, *labels.values(), *checked):
        if "\0" in text:
            raise damaged(f"its configuration has a NUL in {text!r}")
    return Image(
        name="",
        entrypoint=entrypoint,
        command=command,
        env=tuple(entry for entry in env if entry.partition("=")[0] not in ("", entry)),
        workdir=f"/{(wishes.working_dir or '').lstrip('/')}",
        user=wishes.user or "",
        stop_signal=_signal(wishes.stop_signal or "SIGTERM"),
        labels=tuple(sorted(labels.items())),
        volumes=volumes,
        health=health,
    )


def _health(wished: Healthcheck) -> HealthCheck | None:
    command = command_of(wished.test or ())
    if not command:
        return None
    names = ("interval", "timeout", "start_period", "retries")
    given = {name: value for name in names if (value := getattr(wished, name))}
    if not all(0 < value <= MOST for value in given.values()):
        raise damaged("its configuration has a health check with a number out of all reason")
    return HealthCheck(command=command, **given)


def _signal(text: str) -> int:
    """`SIGTERM`, `TERM`, `15`, `SIGRTMIN+3`."""
    name = text.strip().upper()
    number = 0
    if name.isascii() and name.isdigit():
        number = int(name[:3])
    else:
        base, sign, offset = name.removeprefix("SIG").partition("+" if "+" in name else "-")
        found = getattr(signal.Signals, f"SIG{base}", None)
        if found is not None and (not sign or (offset.isascii() and offset.isdigit())):
            distance = int(offset[:3] or 0)
            number = int(found) + (distance if sign == "+" else -distance)
    if not 1 <= number < signal.NSIG:
        raise damaged(f"its configuration names {text!r} as the stop signal, which is none")
    return number
