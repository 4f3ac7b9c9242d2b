"""Health checks: what is wished for, how a container stands by them, and what one found.

Durations and times are nanoseconds; times since the Unix epoch.
"""

from enum import StrEnum
from typing import Literal, TypeAlias

from msgspec import Struct

SECOND = 1_000_000_000

OnFailure: TypeAlias = Literal["none", "kill", "stop", "restart"]


def command_of(words: tuple[str, ...]) -> tuple[str, ...]:
    """What is run for a `HEALTHCHECK` as images and command lines write it (MAP L-145): `NONE`, `CMD`
    with its words, `CMD-SHELL` with a line, or a command as it is. Empty: nothing."""
    match words:
        case ("none" | "NONE",):
            return ()
        case ("CMD-SHELL", *line):
            return ("/bin/sh", "-c", " ".join(line))
        case ("CMD", *command):
            return tuple(command)
        case _:
            return words


class StartupCheck(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Run instead of the other until it has passed `successes` times in a row; after `retries`
    failures in a row (0: never) the container is restarted."""

    command: tuple[str, ...]
    interval: int = 30 * SECOND
    timeout: int = 30 * SECOND
    retries: int = 0
    successes: int = 1


class HealthCheck(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A command that is run in a running container again and again; 0 is health.

    `retries` failures in a row make it unhealthy, but for those before `start_period` is over;
    `interval` is from the end of one to the beginning of the next; after `timeout` one is killed, and
    has failed. Of the last `keep` results as many bytes of output are kept as `size` says.
    """

    command: tuple[str, ...]
    interval: int = 30 * SECOND
    timeout: int = 30 * SECOND
    retries: int = 3
    start_period: int = 0
    on_failure: OnFailure = "none"
    startup: StartupCheck | None = None
    keep: int = 5
    size: int = 500


class HealthStatus(StrEnum):
    """How a container stands."""

    STARTING = "starting"  # nothing is proven yet
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class Health(Struct, frozen=True, gc=False, omit_defaults=True):
    """How a run stands: failures and, of its start-up check, successes in a row; `started`: that one
    has passed."""

    status: HealthStatus = HealthStatus.STARTING
    failures: int = 0
    successes: int = 0
    started: bool = False


class CheckResult(Struct, frozen=True, kw_only=True):
    """One check: when it began and ended, its exit code (-1: it was killed after its timeout, or
    could not be run), and the beginning of what it wrote."""

    began: int
    ended: int
    code: int
    output: str

    @property
    def passed(self) -> bool:
        return self.code == 0
