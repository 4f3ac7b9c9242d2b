"""Where a container is in its life, and whether a resource of it exists."""

from enum import StrEnum


class Status(StrEnum):
    """The states of BEHAVIOUR §1, and `absent`: not yet made, or gone again."""

    __hash__ = str.__hash__  # the law is looked up by it: without Enum's detour

    ABSENT = "absent"
    CONFIGURED = "configured"  # known and stored, never prepared
    CREATED = "created"  # the runtime holds it, the user's process has not started
    RUNNING = "running"
    PAUSED = "paused"  # frozen
    STOPPING = "stopping"  # asked to end; nobody holds the lock while it takes its time
    STOPPED = "stopped"  # ended; mounts, network, runtime object still held
    EXITED = "exited"  # ended and cleaned up; may start again
    REMOVING = "removing"  # only removal may continue
    UNKNOWN = "unknown"  # the store could not say


class Presence(StrEnum):
    """Does the resource exist? UNCERTAIN is written down *before* we reach for it."""

    __hash__ = str.__hash__

    ABSENT = "absent"
    UNCERTAIN = "uncertain"
    PRESENT = "present"


class Verb(StrEnum):
    """The rows of the legality matrix: what a command asks for, told apart where the law does."""

    __hash__ = str.__hash__

    CREATE = "create"
    INIT = "init"
    START = "start"
    STOP = "stop"
    KILL = "kill"  # SIGKILL: ends it, and returns when the end is recorded
    SIGNAL = "signal"  # any other signal: changes nothing by itself
    PAUSE = "pause"
    UNPAUSE = "unpause"
    RESTART = "restart"
    REVIVE = "revive"  # started again by its restart policy
    CHECKPOINT = "checkpoint"  # ends it, to be gone on with by a restore
    SNAPSHOT = "checkpoint --leave-running"
    RESTORE = "restore"
    UPDATE = "update"  # of what it may use
    MOUNT = "mount"
    UNMOUNT = "unmount"
    FORCE_UNMOUNT = "unmount --force"
    CLEANUP = "cleanup"
    REMOVE = "remove"
    FORCE_REMOVE = "remove --force"
