"""The time of day."""

import time

from lockgate.adapters.oci.process import boot_id


class SystemClock:
    """Implements `Clock`. It may jump, backwards too: for showing, never for deciding.

    `generation` names the namespaces containers live in, where these may be lost without the host's
    being restarted (`adapters/rootless`): to them, that is the same.
    """

    def __init__(self, generation: str = "") -> None:
        self._generation = generation

    def now(self) -> int:
        """Nanoseconds since the Unix epoch."""
        return time.time_ns()

    def boot(self) -> str:
        return f"{boot_id()} {self._generation}".rstrip()

    def sleep(self, nanoseconds: int) -> None:
        time.sleep(max(0, nanoseconds) / 1e9)
