"""The time of day."""

import time


class SystemClock:
    """Implements `Clock`. It may jump, backwards too: for showing, never for deciding."""

    def now(self) -> int:
        """Nanoseconds since the Unix epoch."""
        return time.time_ns()
