"""Everything the machine can be told: commands from users, observations and outcomes from the world.

Time, pids, paths and codes arrive here and nowhere else.
"""

from typing import ClassVar, Literal, TypeAlias

from msgspec import Struct

from lockgate.effects.config import Config
from lockgate.effects.outcome import Done, Exited, Failed
from lockgate.statemachine.status import Verb

SIGKILL = 9

Address = Literal["", "same", "any"]


class Create(Struct, frozen=True, gc=False, tag="create", omit_defaults=True):
    """Make the container: name claimed, layer created. Nothing runs yet. `boot`: the boot id of
    the host."""

    config: Config
    boot: str = ""
    verb: ClassVar[Verb] = Verb.CREATE


class Init(Struct, frozen=True, gc=False, tag="init"):
    """Everything up to a process waiting to be started."""

    verb: ClassVar[Verb] = Verb.INIT


class Start(Struct, frozen=True, gc=False, tag="start"):
    verb: ClassVar[Verb] = Verb.START


class Stop(Struct, frozen=True, gc=False, tag="stop", omit_defaults=True):
    """Stop signal, `timeout` seconds (`None`: as configured; 0: SIGKILL at once), SIGKILL."""

    timeout: int | None = None
    by_health: bool = False
    verb: ClassVar[Verb] = Verb.STOP


class Kill(Struct, frozen=True, gc=False, tag="kill", omit_defaults=True):
    """`by_health`, here and elsewhere: not its user asks but its health check; only while that is
    owed."""

    signal: int = SIGKILL
    by_health: bool = False

    @property
    def verb(self) -> Verb:
        return Verb.KILL if self.signal == SIGKILL else Verb.SIGNAL


class Pause(Struct, frozen=True, gc=False, tag="pause"):
    verb: ClassVar[Verb] = Verb.PAUSE


class Unpause(Struct, frozen=True, gc=False, tag="unpause"):
    verb: ClassVar[Verb] = Verb.UNPAUSE


class Restart(Struct, frozen=True, gc=False, tag="restart", omit_defaults=True):
    timeout: int | None = None
    by_health: bool = False
    verb: ClassVar[Verb] = Verb.RESTART


class Revive(Struct, frozen=True, gc=False, tag="revive", omit_defaults=True):
    """Another run, owed by the restart policy. `booted`: after a reboot, where `always` forgets
    that its user had stopped it."""

    booted: bool = False
    verb: ClassVar[Verb] = Verb.REVIVE


class Checkpoint(Struct, frozen=True, gc=False, tag="checkpoint", omit_defaults=True):
    """Write its processes down, to go on with them later; they end, or are left running.

    `tcp_established`: connections, too, which it must not have without. `keep`: the log of whoever did
    it. `export`: the absolute path of an archive to make of it. `links`: which addresses it had is kept, too.
    """

    leave_running: bool = False
    tcp_established: bool = False
    keep: bool = False
    export: str = ""
    links: bool = False

    @property
    def verb(self) -> Verb:
        return Verb.SNAPSHOT if self.leave_running else Verb.CHECKPOINT


class Restore(Struct, frozen=True, gc=False, tag="restore", omit_defaults=True):
    """Go on where the checkpoint was taken, as a new run. `keep`: it can be done again from the same
    one. `source`: the absolute path of an archive it is taken from first. `ip`, `mac`: the addresses it
    had when it was taken, or any; left empty, as for a start."""

    tcp_established: bool = False
    keep: bool = False
    source: str = ""
    ip: Address = ""
    mac: Address = ""
    verb: ClassVar[Verb] = Verb.RESTORE


class Update(Struct, frozen=True, gc=False, tag="update", omit_defaults=True):
    """What it may use from now on, and in runs to come; `None` leaves a limit as it is. Meanings and
    units are those of `Config.memory` and of `Limits`."""

    memory: int | None = None
    memory_swap: int | None = None
    memory_reservation: int | None = None
    cpu_quota: int | None = None
    cpu_period: int | None = None
    cpu_shares: int | None = None
    cpuset_cpus: str | None = None
    cpuset_mems: str | None = None
    pids: int | None = None
    verb: ClassVar[Verb] = Verb.UPDATE


class Mount(Struct, frozen=True, gc=False, tag="mount"):
    """Mount the root filesystem for its user, once more: it then outlasts the run."""

    verb: ClassVar[Verb] = Verb.MOUNT


class Unmount(Struct, frozen=True, gc=False, tag="unmount", omit_defaults=True):
    """Its user gives one of the mounts back; with `force` all of them."""

    force: bool = False

    @property
    def verb(self) -> Verb:
        return Verb.FORCE_UNMOUNT if self.force else Verb.UNMOUNT


class Cleanup(Struct, frozen=True, gc=False, tag="cleanup"):
    """Give back all that a run needed; keep the container."""

    verb: ClassVar[Verb] = Verb.CLEANUP


class Remove(Struct, frozen=True, gc=False, tag="remove", omit_defaults=True):
    """`force`: end what runs first, waiting `timeout` seconds before SIGKILL."""

    force: bool = False
    timeout: int | None = None

    @property
    def verb(self) -> Verb:
        return Verb.FORCE_REMOVE if self.force else Verb.REMOVE


class Died(Struct, frozen=True, gc=False, tag="died"):
    """The run with this epoch has ended. About any other run it is no news."""

    epoch: int
    exit: Exited


class Checked(Struct, frozen=True, gc=False, tag="checked"):
    """A health check of this run began at `at` (nanoseconds since the Unix epoch), and passed or
    did not. What it changes nothing about is not written down: one that passes and passes."""

    epoch: int
    at: int
    passed: bool


class SessionBegan(Struct, frozen=True, gc=False, tag="session-began"):
    """A process has joined the run with this epoch; `session` is its id."""

    epoch: int
    session: str


class SessionEnded(Struct, frozen=True, gc=False, tag="session-ended", omit_defaults=True):
    """It has ended, and how. Of one that nobody has told of it is no news, unless it was so short that
    its beginning is told with its end: `untold`."""

    epoch: int
    session: str
    exit: Exited
    untold: bool = False


class Resumed(Struct, frozen=True, gc=False, tag="resumed"):
    """A new executor took over; what became of the pending orders is unknown."""


class Booted(Struct, frozen=True, gc=False, tag="booted"):
    """The host is in another boot: no process, mount or namespace of the last one is left. What
    became of a run is told before, by `Died`."""

    boot: str


class Renamed(Struct, frozen=True, gc=False, tag="renamed"):
    """It has another name from now on, which nobody else has. About what is not there it is no news."""

    name: str


class Salvaged(Struct, frozen=True, gc=False, tag="salvaged"):
    """The stored record could not be read: anything may exist, nothing is known.

    `tickets`: a number no earlier order can have had, so that late outcomes stay harmless.
    """

    config: Config
    tickets: int


Command: TypeAlias = (
    Create
    | Init
    | Start
    | Stop
    | Kill
    | Pause
    | Unpause
    | Restart
    | Revive
    | Checkpoint
    | Restore
    | Update
    | Mount
    | Unmount
    | Cleanup
    | Remove
)
Observation: TypeAlias = (
    Died | Checked | SessionBegan | SessionEnded | Resumed | Booted | Renamed | Salvaged
)
Input: TypeAlias = Command | Observation | Done | Failed
