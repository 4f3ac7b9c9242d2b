"""The time of day."""

import time

from lockgate.adapters.oci.process import boot_id


class SystemClock:
    """Implements `Clock`. It may jump, backwards too: for showing, never for deciding."""

    def now(self) -> int:
        """Nanoseconds since the Unix epoch."""
        return time.time_ns()

    def boot(self) -> str:
        return boot_id()

    def sleep(self, nanoseconds: int) -> None:
        time.sleep(max(0, nanoseconds) / 1e9)
