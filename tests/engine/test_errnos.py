"""Every effect of every operation fails once with every error a system call may have: that is said, and
the container can be brought to rest, to running, and to nothing."""

import errno
import os
from itertools import count
from pathlib import Path

import pytest
from tests.errnos import ERRNOS
from tests.soak import DONE, WHOLE

from lockgate import LockgateError
from lockgate.effects.model import AnyEffect

from .boundaries import OPERATIONS, alone, emptied, looked_at, mended

TRIED = [one for kind in ERRNOS.values() for one in (kind if WHOLE else kind[:1])]
"""Nothing else of an error is known to the law (`tests/effects/test_perform.py`), so the first of each kind
stands for all of them, but under `make soak`."""


class Failing:
    """The `at`-th effect from now fails so, before it happens."""

    def __init__(self, at: int, number: int) -> None:
        self.passed, self._at, self._number = 0, at, number

    def __call__(self, effect: AnyEffect) -> None:
        self.passed += 1
        if self.passed == self._at:
            DONE["effects failed"] += 1
            raise OSError(self._number, os.strerror(self._number), "/simulated")


@pytest.mark.sampled
@pytest.mark.parametrize("number", TRIED)
@pytest.mark.parametrize("name", OPERATIONS)
def test_each_effect_fails_once(name: str, number: str, tmp_path: Path) -> None:
    for place in count(1):
        simulation = alone(tmp_path)
        engine = simulation.engine()
        OPERATIONS[name].before(engine)
        failing = simulation.host.before = Failing(place, getattr(errno, number))
        try:
            OPERATIONS[name].operation(engine)
        except LockgateError as problem:
            assert os.strerror(getattr(errno, number)) in str(problem)
        if failing.passed < place:
            assert place > 1, "nothing was ever done"
            simulation.close()
            return
        mended(engine)
        looked_at(simulation, engine)
        emptied(simulation, engine)
        simulation.close()
