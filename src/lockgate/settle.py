"""What the monitor calls when a run is over that something is owed to:

    python -m lockgate.settle ROOT CONTAINER EPOCH RUNTIME CONMON

With no engine alive, this is the one that tidies up: it starts the container again by its restart
policy, or removes it. Called late, twice, or for a run that never began it does nothing. Its end
is nobody's news: what it could not do stays owed, and any later command may do it. Where the monitor
died first, or this one did, whoever looks at the container next calls it (`adapters/settlers.py`).
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from lockgate.adapters.filesystem import bundle
from lockgate.adapters.settlers import settling
from lockgate.engine import Engine
from lockgate.errors import LockgateError, NoSuchContainer
from lockgate.rootless import enter

LAST_WORDS = 1_000_000_000
"""Nanoseconds in which those who follow its log may read the end of it before it is removed."""


def main(arguments: Sequence[str]) -> int:
    root, container, epoch, runtime, conmon = arguments
    if not bundle(Path(root), container).exists():
        return 0  # removed meanwhile, and whoever did may be taking the whole folder away
    with settling(Path(root).absolute(), container, int(epoch)) as mine:
        if not mine:
            return 0
        try:
            with Engine.open(enter(root), runtime=runtime, conmon=conmon) as engine:
                if engine.inspect(container).config.auto_remove:
                    engine.host.ports.clock.sleep(LAST_WORDS)
                engine.settle(container, int(epoch))
        except NoSuchContainer:
            pass
        except LockgateError as problem:
            print(f"lockgate: {problem}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
