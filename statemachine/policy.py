"""What is owed to a container whose run has ended: another run, or its removal.

Duties follow from the record alone. So they outlive whoever should have done them, and any later
command, in any process, can (FAULTS §4, the restart duty after the restarter dies).
"""

from typing import assert_never

from lockgate.effects.config import Config
from lockgate.statemachine.record import Record
from lockgate.statemachine.status import Status

SECOND = 1_000_000_000  # nanoseconds
FIRST_PAUSE = SECOND // 10
LONGEST_PAUSE = 60 * SECOND
SETTLED = 10 * SECOND
"""A run that lasted this long was no failure to start: the pauses begin anew."""

ENDED = (Status.STOPPED, Status.EXITED)


def has_duties(config: Config) -> bool:
    """Will anything be owed when a run of this container is over?"""
    ends = config.pod is not None and config.pod.ends
    return config.auto_remove or config.restart != "no" or ends


def owes_restart(record: Record, *, booted: bool = False) -> bool:
    """Does the restart policy want another run? Not against its user's last word (MAP L-79, L-91),
    but that `always` forgets it in a reboot."""
    if record.status not in ENDED or record.exit_code is None:
        return False
    config = record.config
    match config.restart:
        case "no":
            return False
        case "always":
            return booted or not record.stopped_by_user
        case "unless-stopped":
            return not record.stopped_by_user
        case "on-failure":
            tries_left = not config.restart_retries or record.restarts < config.restart_retries
            return record.exit_code != 0 and tries_left and not record.stopped_by_user
        case _:
            assert_never(config.restart)


def owes_removal(record: Record) -> bool:
    """Is it to go now that its run is over?"""
    ended = record.status in ENDED and record.exit_code is not None
    return ended and record.config.auto_remove and not owes_restart(record)


def owes(record: Record) -> bool:
    """Is anything owed to it, and nobody about to do it?"""
    return not record.todo and (owes_restart(record) or owes_removal(record))


def restart_due(record: Record, now: int) -> int:
    """In how many nanoseconds another run may begin: at once after a long run, else after a pause that
    doubles with every restart, from 0.1 to 60 seconds. At once, too, where the last one's end is
    still to come, since somebody has set the clock back: it may be a year until then."""
    lasted, since = record.finished_at - record.started_at, now - record.finished_at
    if lasted >= SETTLED or since < 0:
        return 0
    return max(0, min(FIRST_PAUSE << min(record.restarts, 16), LONGEST_PAUSE) - since)
