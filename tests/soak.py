"""How much of what never ends is done: 1 in the test suite, more under `make soak`."""

import os

SOAK = int(os.environ.get("LOCKGATE_SOAK", "1"))
