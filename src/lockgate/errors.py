"""What `Engine` raises: one small hierarchy. Refusals, faults and mistakes of the caller are three
different things; a bug of ours is none of them and flies on as whatever it is."""

from lockgate.effects.outcome import Fault
from lockgate.effects.ports import StoreError
from lockgate.statemachine.record import Refused
from lockgate.statemachine.status import Status, Verb

__all__ = [
    "AlreadyStopped",
    "AmbiguousName",
    "Busy",
    "DependencyFailed",
    "DependencyNotRunning",
    "IllegalState",
    "InvalidArgument",
    "LockgateError",
    "NameTaken",
    "NetworkInUse",
    "NoCheckpoint",
    "NoSuchArtifact",
    "NoSuchContainer",
    "NoSuchImage",
    "NoSuchNetwork",
    "NoSuchSession",
    "NoSuchVolume",
    "NotMounted",
    "NotRunning",
    "OperationFailed",
    "StillMounted",
    "StillNeeded",
    "StoreError",
    "VolumeInUse",
]


class LockgateError(Exception):
    """Anything the engine says no to. The message is one line for a person."""


class InvalidArgument(LockgateError, ValueError):
    """What was asked for makes no sense, whatever the container's state."""


class NoSuchContainer(LockgateError, LookupError):
    def __init__(self, reference: str) -> None:
        super().__init__(
            f"no container has the name or id {reference!r}; `lockgate ps -a` lists all"
        )


class NoSuchArtifact(LockgateError, LookupError):
    pass


class NoSuchSession(LockgateError, LookupError):
    def __init__(self, name: str, reference: str) -> None:
        super().__init__(
            f"the run of container {name} has no session {reference!r}, or several that begin so"
        )


class NotRunning(LockgateError):
    """That needs a running container. Nothing has changed."""

    def __init__(self, verb: str, name: str, status: Status) -> None:
        self.status = status
        hint = "unpause it first" if status is Status.PAUSED else "start it first"
        super().__init__(f"cannot {verb} container {name}: it is {status}; {hint}")


class NoSuchImage(LockgateError, LookupError):
    pass


class NoSuchNetwork(LockgateError, LookupError):
    pass


class NetworkInUse(LockgateError):
    """Containers are, or may be, plugged into it; `users` are their names."""

    def __init__(self, name: str, users: tuple[str, ...]) -> None:
        self.users = users
        super().__init__(
            f"cannot remove network {name}: containers use it ({', '.join(users)}); remove them first"
        )


class NoSuchVolume(LockgateError, LookupError):
    pass


class VolumeInUse(LockgateError):
    """Containers, running or not, are made to use it; `users` are their names."""

    def __init__(self, name: str, users: tuple[str, ...]) -> None:
        self.users = users
        super().__init__(
            f"cannot remove volume {name}: containers use it ({', '.join(users)}); remove them first"
        )


class StillNeeded(LockgateError):
    """Others cannot be without it; `by` are their names. Nothing has changed."""

    def __init__(self, verb: str, name: str, by: tuple[str, ...]) -> None:
        self.by = by
        super().__init__(
            f"cannot {verb} container {name}: others need it ({', '.join(by)}); "
            + ("remove them first, or all with --depend" if verb == "remove" else "stop them first")
        )


class DependencyNotRunning(LockgateError):
    """What it needs does not run; `missing` are their names. Nothing has changed."""

    def __init__(self, name: str, missing: tuple[str, ...]) -> None:
        self.missing = missing
        super().__init__(
            f"cannot start container {name}: what it needs does not run ({', '.join(missing)}); "
            "start that first"
        )


class DependencyFailed(LockgateError):
    """What it needs could not be started; `cause` says why. Those that could be run on."""

    def __init__(self, name: str, needed: str, cause: LockgateError) -> None:
        self.needed, self.cause = needed, cause
        super().__init__(f"cannot start container {name}, which needs {needed}: {cause}")


class AmbiguousName(LockgateError, LookupError):
    def __init__(self, prefix: str, ids: tuple[str, ...]) -> None:
        some = ", ".join(one[:12] for one in ids)
        super().__init__(f"{prefix!r} may mean {some} or more; give more of the id")


class NameTaken(LockgateError):
    def __init__(self, name: str, holder: str) -> None:
        super().__init__(
            f"the name {name!r} is in use by container {holder[:12]}; remove that or choose another"
        )


class IllegalState(LockgateError):
    """The law does not allow this now. Nothing has changed."""

    def __init__(self, name: str, refusal: Refused) -> None:
        self.name, self.refusal = name, refusal
        legal = ", ".join(refusal.admissible) or "nothing until that has ended"
        super().__init__(
            f"cannot {refusal.verb} container {name}: it is {refusal.status}{self._why()}; "
            f"legal now: {legal}{self._hint()}"
        )

    def _why(self) -> str:
        return ""

    def _hint(self) -> str:
        match self.refusal.verb, self.refusal.status:
            case Verb.START, Status.RUNNING:
                return " (it runs already)"
            case Verb.REMOVE, (Status.RUNNING | Status.PAUSED | Status.STOPPING):
                return " (stop it first, or remove it with force)"
            case _, Status.PAUSED:
                return " (unpause it first)"
            case _:
                return ""


class Busy(IllegalState):
    """Another operation is in flight; the same may be legal when it has ended."""

    def _why(self) -> str:
        return ", and another operation is in flight"


class NotMounted(IllegalState):
    """Asked to unmount what its user has not mounted (MAP §3.6, layer not mounted)."""

    def _why(self) -> str:
        return ", and its user has not mounted it"


class StillMounted(IllegalState):
    """Others hold the mount: its user, or its own run (D-82)."""

    def _why(self) -> str:
        held = self.refusal.mounts
        times = f"{held} times" if held > 1 else "once"
        return f", and mounted {times} by its user" if held else ", and its own run is mounted"

    def _hint(self) -> str:
        if self.refusal.mounts:
            return " (unmount it first, or remove it with force)"
        return " (what its run needs goes when that is cleaned up)"


class NoCheckpoint(IllegalState):
    """There is nothing to go on from."""

    def _why(self) -> str:
        return ", and there is no checkpoint of it"

    def _hint(self) -> str:
        return " (take one while it runs, or bring one as an archive)"


def refused(name: str, refusal: Refused) -> IllegalState:
    """The error for a refusal, of the kind that says most."""
    held = refusal.status not in (Status.CONFIGURED, Status.EXITED, Status.ABSENT)
    match refusal.verb:
        case _ if refusal.busy:
            return Busy(name, refusal)
        case Verb.RESTORE if refusal.status in (Status.CONFIGURED, Status.STOPPED, Status.EXITED):
            return NoCheckpoint(name, refusal)
        case Verb.REMOVE if refusal.mounts and Verb.CLEANUP in refusal.admissible:
            return StillMounted(name, refusal)
        case Verb.UNMOUNT | Verb.FORCE_UNMOUNT if Verb.MOUNT in refusal.admissible:
            return (StillMounted if held else NotMounted)(name, refusal)
        case _:
            return IllegalState(name, refusal)


class AlreadyStopped(LockgateError):
    """Asked to stop what does not run. The wish is on record; callers may ignore this."""

    def __init__(self, name: str, status: Status) -> None:
        super().__init__(f"container {name} is {status} already; there is nothing to stop")


class OperationFailed(LockgateError):
    """The world did not do what was asked. What may be left is in the record; commands that
    follow take care of it."""

    def __init__(self, verb: str, name: str, fault: Fault, what: str = "container") -> None:
        self.fault = fault
        super().__init__(f"cannot {verb} {what} {name}: {fault.reason}")
