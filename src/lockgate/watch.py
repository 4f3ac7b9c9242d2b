"""Who sees to the health checks of one run, where no program does that embeds the engine:

    python -m lockgate.watch ROOT RUNTIME CONMON CONTAINER EPOCH

It runs each check when it is due, does what is owed to a container that failed them, and ends with
the run. It is no daemon: there is one for each run that has checks, it belongs to no container, and
whatever it dies of, the next who asks for health (a check, a wait for it, `refresh`) begins another.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from lockgate.adapters.checks import watching
from lockgate.effects.outcome import PortError
from lockgate.engine import Engine
from lockgate.errors import LockgateError
from lockgate.rootless import enter


def main(arguments: Sequence[str]) -> int:
    root, runtime, conmon, container, epoch = arguments
    try:
        with (
            watching(Path(root), container, int(epoch)) as free,
            Engine.open(enter(root), runtime=runtime, conmon=conmon) as engine,
        ):
            if free:
                engine.watch(container, int(epoch))
    except (LockgateError, PortError) as problem:
        print(f"lockgate: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
