"""Who asks before a system call asks once, whatever signals come meanwhile."""

import os
import signal
import time

import pytest
from tests.asking import WHY, Asking, Call
from tests.refusing import SYSCALLS

SIGNALS, SLOW = 0.01, 0.05
"""Seconds between two signals, and until an answer."""


@pytest.mark.skipif(bool(WHY), reason=WHY or "fit")
def test_a_question_is_not_taken_back_by_a_signal() -> None:
    asked: list[int] = []

    def act() -> None:
        signal.signal(signal.SIGALRM, lambda *_: None)
        signal.setitimer(signal.ITIMER_REAL, SIGNALS, SIGNALS)
        os.close(os.open("/dev/null", os.O_RDONLY))
        signal.setitimer(signal.ITIMER_REAL, 0)
        os._exit(0)

    def slowly(call: Call) -> None:
        asked.append(call.number)
        time.sleep(SLOW)

    asking = Asking(act, [SYSCALLS["openat"]], slowly)
    try:
        assert asking.ended() == 0
    finally:
        asking.close()
    assert len(asked) == 1
