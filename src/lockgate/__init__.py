"""lockgate: container lifecycles as a pure state machine.

    from lockgate import Engine
    with Engine.open("/var/lib/lockgate") as engine:
        engine.import_image("busybox", "rootfs.tar")
        web = engine.create(name="web", image="busybox", command=["sh", "-c", "exit 7"])
        engine.start(web.id)
        assert engine.wait(web.id) == 7
        engine.remove(web.id)

The rooms: `lockgate.statemachine` (pure), `lockgate.effects` (what can be asked of the world),
`lockgate.adapters` (the world), `lockgate.testing` (the kit).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lockgate.effects.config import Attachment as Attachment
    from lockgate.effects.config import Bind as Bind
    from lockgate.effects.config import Config as Config
    from lockgate.effects.config import Device as Device
    from lockgate.effects.config import IdMap as IdMap
    from lockgate.effects.config import Limits as Limits
    from lockgate.effects.config import Namespaces as Namespaces
    from lockgate.effects.config import PortMapping as PortMapping
    from lockgate.effects.config import Secret as Secret
    from lockgate.effects.config import Security as Security
    from lockgate.effects.config import Tmpfs as Tmpfs
    from lockgate.effects.config import Ulimit as Ulimit
    from lockgate.effects.config import VolumeMount as VolumeMount
    from lockgate.effects.health import CheckResult as CheckResult
    from lockgate.effects.health import HealthCheck as HealthCheck
    from lockgate.effects.health import HealthStatus as HealthStatus
    from lockgate.effects.health import StartupCheck as StartupCheck
    from lockgate.effects.network import Dns as Dns
    from lockgate.effects.outcome import Fault as Fault
    from lockgate.effects.ports import Change as Change
    from lockgate.effects.ports import Event as Event
    from lockgate.effects.ports import Image as Image
    from lockgate.effects.ports import LogLine as LogLine
    from lockgate.effects.ports import NetworkInfo as NetworkInfo
    from lockgate.effects.ports import Ports as Ports
    from lockgate.effects.ports import Sizes as Sizes
    from lockgate.effects.ports import Volume as Volume
    from lockgate.effects.sessions import Session as Session
    from lockgate.engine import Engine as Engine
    from lockgate.errors import AlreadyStopped as AlreadyStopped
    from lockgate.errors import AmbiguousName as AmbiguousName
    from lockgate.errors import Busy as Busy
    from lockgate.errors import DependencyFailed as DependencyFailed
    from lockgate.errors import DependencyNotRunning as DependencyNotRunning
    from lockgate.errors import IllegalState as IllegalState
    from lockgate.errors import InvalidArgument as InvalidArgument
    from lockgate.errors import LockgateError as LockgateError
    from lockgate.errors import NameTaken as NameTaken
    from lockgate.errors import NetworkInUse as NetworkInUse
    from lockgate.errors import NoCheckpoint as NoCheckpoint
    from lockgate.errors import NoSuchArtifact as NoSuchArtifact
    from lockgate.errors import NoSuchContainer as NoSuchContainer
    from lockgate.errors import NoSuchImage as NoSuchImage
    from lockgate.errors import NoSuchNetwork as NoSuchNetwork
    from lockgate.errors import NoSuchSession as NoSuchSession
    from lockgate.errors import NoSuchVolume as NoSuchVolume
    from lockgate.errors import NotMounted as NotMounted
    from lockgate.errors import NotRunning as NotRunning
    from lockgate.errors import OperationFailed as OperationFailed
    from lockgate.errors import StillMounted as StillMounted
    from lockgate.errors import StillNeeded as StillNeeded
    from lockgate.errors import VolumeInUse as VolumeInUse
    from lockgate.host import Host as Host
    from lockgate.statemachine.history import Divergence as Divergence
    from lockgate.statemachine.history import Entry as Entry
    from lockgate.statemachine.history import replay as replay
    from lockgate.statemachine.record import Record as Record
    from lockgate.statemachine.record import Refused as Refused
    from lockgate.statemachine.status import Status as Status
    from lockgate.statemachine.step import admissible as admissible
    from lockgate.statemachine.step import step as step

__version__ = "0.1.0"

_HOMES = {
    "lockgate.effects.config": (
        "Attachment",
        "Bind",
        "Config",
        "Device",
        "IdMap",
        "Limits",
        "Namespaces",
        "PortMapping",
        "Secret",
        "Security",
        "Tmpfs",
        "Ulimit",
        "VolumeMount",
    ),
    "lockgate.effects.health": ("CheckResult", "HealthCheck", "HealthStatus", "StartupCheck"),
    "lockgate.effects.network": ("Dns",),
    "lockgate.effects.outcome": ("Fault",),
    "lockgate.effects.ports": (
        "Change",
        "Event",
        "Image",
        "LogLine",
        "NetworkInfo",
        "Ports",
        "Sizes",
        "Volume",
    ),
    "lockgate.effects.sessions": ("Session",),
    "lockgate.engine": ("Engine",),
    "lockgate.host": ("Host",),
    "lockgate.errors": (
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
        "NoSuchVolume",
        "NoSuchSession",
        "NotMounted",
        "NotRunning",
        "OperationFailed",
        "StillMounted",
        "StillNeeded",
        "VolumeInUse",
    ),
    "lockgate.statemachine.history": ("Divergence", "Entry", "replay"),
    "lockgate.statemachine.record": ("Record", "Refused"),
    "lockgate.statemachine.status": ("Status",),
    "lockgate.statemachine.step": ("admissible", "step"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["__version__", *sorted(_HOME)]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    """Loaded when first used (PEP 562): who only wants the help text does not wait for SQLite."""
    if name not in _HOME:
        raise AttributeError(f"module 'lockgate' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
