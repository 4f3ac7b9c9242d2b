"""The clock tells the time of day in nanoseconds."""

import time

from lockgate.adapters.clock import SystemClock
from lockgate.effects.ports import Clock


def test_it_tells_nanoseconds_since_the_unix_epoch() -> None:
    clock: Clock = SystemClock()
    before = time.time_ns()
    now = clock.now()
    assert before <= now <= time.time_ns()


def test_namespaces_that_were_lost_are_a_reboot_to_those_in_them() -> None:
    boots = {SystemClock().boot(), SystemClock("one").boot(), SystemClock("other").boot()}
    assert len(boots) == 3
    assert SystemClock("one").boot() == SystemClock("one").boot()
