"""How a container stands by its checks, when the next is due, and what is owed to one that fails.

All of it follows from the record and from when a check was last run. So there are no timers to be left
behind: none is due while it is paused or when its run is over, and whoever comes next can do what
is owed (P22).
"""

from typing import assert_never

from lockgate.effects.health import Health, HealthCheck, HealthStatus, StartupCheck
from lockgate.statemachine.inputs import Kill, Restart, Stop
from lockgate.statemachine.record import Record
from lockgate.statemachine.status import Status

STARTING, HEALTHY, UNHEALTHY = HealthStatus


def after(check: HealthCheck, health: Health, *, running: int, passed: bool) -> Health:
    """How it stands after one more check, begun `running` nanoseconds after its run was."""
    startup = check.startup
    if startup is not None and not health.started:
        return _starting_up(startup, health, passed)
    if passed:
        return Health(HEALTHY, started=health.started)
    if 0 <= running < check.start_period:  # less than nothing: somebody has set the clock
        return health
    failures = min(health.failures + 1, check.retries)
    status = UNHEALTHY if failures == check.retries else health.status
    return Health(status, failures, started=health.started)


def _starting_up(startup: StartupCheck, health: Health, passed: bool) -> Health:
    if passed:
        successes = health.successes + 1
        return (
            Health(started=True) if successes >= startup.successes else Health(successes=successes)
        )
    if not startup.retries:
        return Health()
    failures = min(health.failures + 1, startup.retries)
    return Health(UNHEALTHY if failures == startup.retries else STARTING, failures)


def current(record: Record) -> Health | None:
    """How it stands; None while nothing can be said: it has no checks, or does not run."""
    if record.config.health is None or record.status not in (Status.RUNNING, Status.PAUSED):
        return None
    return record.health or Health()


def next_check(record: Record) -> HealthCheck | StartupCheck | None:
    """Which check is to be run next; none while it does not run, or is paused (L-143)."""
    check, health = record.config.health, current(record)
    if check is None or health is None or record.status is not Status.RUNNING:
        return None
    return check.startup if check.startup is not None and not health.started else check


def due(record: Record, last: int, now: int) -> int | None:
    """In how many nanoseconds the next check is to begin; None while there is none. `last`: when the
    last one of this run ended, 0 when there was none: the first is due at once, as is one whose
    last is still to come, since somebody has set the clock."""
    check = next_check(record)
    if check is None:
        return None
    return max(0, last + check.interval - now) if 0 < last <= now else 0


def owed_action(record: Record) -> Kill | Stop | Restart | None:
    """What is to be done about one that has failed its checks. It stays owed until it is done, or
    its user has done something else (L-140)."""
    check, health = record.config.health, record.health
    if check is None or health is None or record.status is not Status.RUNNING:
        return None
    if health.status is not UNHEALTHY:
        return None
    if check.startup is not None and not health.started:
        return Restart(by_health=True)
    match check.on_failure:
        case "none":
            return None
        case "kill":
            return Kill(by_health=True)
        case "stop":
            return Stop(by_health=True)
        case "restart":
            return Restart(by_health=True)
        case _:
            assert_never(check.on_failure)
