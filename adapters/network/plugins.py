"""Calling CNI plugins: the execution protocol (CNI 1.0 section 2) and its errors (section 5).

One rule: what a plugin answers is believed only when it is one JSON object of the expected form;
what it does not answer in time may have happened all the same.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from lockgate.adapters.commands import Finished, finished
from lockgate.adapters.network.conflist import Settings
from lockgate.adapters.network.plumbing import Subject
from lockgate.adapters.nonsense import NONSENSE
from lockgate.adapters.oci.command import printable
from lockgate.effects.outcome import FaultKind, PortError

PATIENCE = 60.0
"""Seconds a plugin may take; some wait for the lock of iptables, or for DHCP."""

DIRECTORIES = (Path("/usr/lib/cni"), Path("/opt/cni/bin"), Path("/usr/libexec/cni"))
"""Where plugins are looked for, unless $CNI_PATH says otherwise."""

_SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Plugins call iptables by name, and daemons often have no sbin in their PATH."""

Verb: TypeAlias = Literal["ADD", "CHECK", "DEL"]

_KINDS: Mapping[int, FaultKind] = {1: "refused", 2: "refused", 7: "refused", 11: "timeout"}
"""CNI 1.0 section 5: incompatible version, unsupported field, invalid configuration, try later."""


class Complaint(Struct, frozen=True):
    code: int = 999
    msg: str = ""
    details: str = ""


class Plugins:
    """The plugins in `directories`; the first directory that has one of a name wins."""

    def __init__(
        self, directories: tuple[Path, ...] | None = None, patience: float = PATIENCE
    ) -> None:
        self.directories = searched() if directories is None else directories
        self._patience = patience

    def find(self, kind: str) -> Path | None:
        """The program of a plugin, if it is there."""
        places = (directory / kind for directory in self.directories)
        return next((place for place in places if os.access(place, os.X_OK)), None)

    def any(self) -> bool:
        """Is there a plugin at all?"""
        return any(any(place.glob("*")) for place in self.directories)

    def call(self, verb: Verb, kind: str, settings: Settings, subject: Subject) -> Settings | None:
        """One plugin, one verb; ADD brings back a result, DEL and CHECK need not.

        Raises `PortError`: "missing" without the plugin, "timeout", what its error code means, or
        "damaged" for an answer that is none.
        """
        program = self.find(kind)
        if program is None:
            places = ", ".join(map(str, self.directories)) or "nowhere"
            reason = f"there is no network plugin {kind!r} (looked in {places}); install it"
            raise PortError("missing", reason)
        environment = {
            "PATH": _SYSTEM,
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": subject.container,
            "CNI_NETNS": subject.netns,
            "CNI_IFNAME": subject.interface,
            "CNI_PATH": ":".join(map(str, self.directories)),
        }
        try:
            ran = finished(
                [str(program)],
                environment=environment,
                patience=self._patience,
                stdin=msgspec.json.encode(settings),
                keeping=(subject.fd,),
            )
        except PermissionError as problem:
            raise PortError("denied", f"cannot run {program}: {problem.strerror}") from None
        except TimeoutError:
            reason = f"the network plugin {kind} {verb} did not end in {self._patience:.0f} seconds"
            raise PortError("timeout", reason) from None
        if ran.code != 0:
            raise refusal(verb, kind, ran)
        return answered(kind, ran.output) if verb == "ADD" else None


def searched() -> tuple[Path, ...]:
    """$CNI_PATH, as the plugins themselves understand it, or `DIRECTORIES`."""
    given = tuple(Path(part) for part in os.environ.get("CNI_PATH", "").split(":") if part)
    return given or DIRECTORIES


def answered(kind: str, output: bytes) -> Settings:
    """The result in what a plugin wrote. Raises `PortError("damaged")`."""
    try:
        return msgspec.json.decode(output, type=Settings)
    except NONSENSE as problem:
        reason = f"the network plugin {kind} answered with no result: {problem}"
        raise PortError("damaged", reason) from None


def refusal(verb: Verb, kind: str, ran: Finished) -> PortError:
    try:
        said = msgspec.json.decode(ran.output, type=Complaint)
        words = ": ".join(filter(None, (said.msg, said.details)))
    except NONSENSE:
        said = Complaint()
        words = (ran.complaints or ran.output).decode("utf-8", "replace")
    told = printable(words) or f"it ended with status {ran.code} and said nothing"
    reason = f"the network plugin {kind} failed to {verb}: {told}"
    return PortError(_KINDS.get(said.code, "failed"), reason)
