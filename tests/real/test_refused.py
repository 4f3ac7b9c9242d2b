"""System calls of an engine on real parts are refused by the kernel, one in each life: that is said in our
own words, and everything can be mended, run and removed (P25, P26)."""

import errno
import os
import traceback
from collections.abc import Callable
from functools import partial
from itertools import chain, count
from pathlib import Path

import pytest
from tests.asking import WHY
from tests.errnos import ERRNOS
from tests.ground import Ground
from tests.oracle import judged, mended
from tests.refusing import Refusing
from tests.soak import WHOLE

from lockgate import Engine, LockgateError, Status
from lockgate.effects.ports import StoreError

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.sampled,
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(WHY), reason=WHY or "fit"),
]

ERRORS = [getattr(errno, one) for one in chain.from_iterable(ERRNOS.values())]
PARTS = 19
"""A part is every nineteenth call; the number is no divisor of what a life repeats."""

SAID, BUG = 1, 99


def made(engine: Engine) -> None:
    engine.create(name="web", image="busybox", command=["sleep", "600"], network="private")


def started(engine: Engine) -> None:
    made(engine)
    engine.start("web")


OPERATIONS: dict[str, tuple[Callable[[Engine], object], Callable[[Engine], object]]] = {
    "start": (made, lambda engine: engine.start("web")),
    "restart": (started, lambda engine: engine.restart("web", timeout=0)),
    "remove": (started, lambda engine: engine.remove("web", force=True, timeout=0)),
}


def carried_out(root: Path, runtime: str, operation: Callable[[Engine], object]) -> None:
    try:
        with Engine.open(root, runtime=runtime) as engine:
            operation(engine)
    except (LockgateError, StoreError):
        os._exit(SAID)
    except BaseException:
        traceback.print_exc()
        os._exit(BUG)
    os._exit(0)


@pytest.mark.parametrize("part", range(PARTS if WHOLE else 1))
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_call_is_refused(name: str, part: int, engine: Engine, root: Path, runtime: str) -> None:
    before = Ground.of(root)
    prepared, operation = OPERATIONS[name]
    for at in count(1 + part, PARTS):
        prepared(engine)
        refusing = Refusing(
            partial(carried_out, root, runtime, operation), at, ERRORS[at % len(ERRORS)]
        )
        try:
            code = refusing.ended()
            there = len(refusing.passed) >= at
            assert code in (0, SAID), refusing.passed[at - 1]
            engine.list()
            mended(engine)
            for record in engine.list():
                if record.status is Status.STOPPING:
                    engine.stop(record.id, timeout=0)
            judged(engine, root, before)
        finally:  # what it had begun is asked about as long as it lives
            refusing.close()
        if not there:
            assert at > PARTS, "nothing was ever refused"
            return
