"""What containers have written."""

from typing import Protocol

from msgspec import Struct

from lockgate.effects.config import Config


class Logs(Protocol):
    """What containers have written."""

    def read(
        self, config: Config, after: "Mark | None" = None
    ) -> tuple[tuple["LogLine", ...], "Mark"]:
        """Whole lines from `after` on (None: from the beginning), and where to go on. What was cut
        down to its limit meanwhile is read from its beginning. *Lock free.*"""
        ...

    def last(self, config: Config, count: int) -> "Mark":
        """From where there are `count` whole lines, or all there are. *Lock free.*"""
        ...

    def wait(self, config: Config, after: "Mark", timeout: float) -> None:
        """Until there may be more than that, at most `timeout` seconds. *Lock free.*"""
        ...


class Mark(Struct, frozen=True):
    """A place in a log: so many bytes on, in the one that begins so."""

    offset: int = 0
    head: bytes = b""


class LogLine(Struct, frozen=True):
    """One write of the container. `partial`: the line goes on in the next one."""

    at: str  # RFC 3339 with nanoseconds
    stream: str  # stdout, stderr
    text: str
    partial: bool = False
