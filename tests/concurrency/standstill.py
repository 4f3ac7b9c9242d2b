"""Processes that stand still in the middle of a command, on a host that several share."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.concurrency.shared import shared
from tests.soak import DONE

from lockgate import Engine
from lockgate.adapters.oci.process import stat_of


def stops_itself() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def stopping(root: Path, command: Callable[[Engine], object], place: int) -> Callable[[], None]:
    """Carries out the command, and stands still at the n-th boundary."""

    def act() -> None:
        passed = 0

        def fuse(_: str) -> None:
            nonlocal passed
            passed += 1
            if passed == place:
                stops_itself()

        with Engine(shared(root), fuse) as engine:
            command(engine)

    return act


@contextmanager
def beside(act: Callable[[], object]) -> Iterator[BaseProcess]:
    """A process that does this, once it has stopped itself, or has come to its end."""
    process = get_context("fork").Process(target=act)
    process.start()
    assert process.pid is not None
    while (found := stat_of(process.pid)) and found.state != "T" and not found.ended:
        process.join(0.01)
    DONE["engines stopped"] += process.is_alive()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def goes_on(process: BaseProcess) -> None:
    """To its end."""
    assert process.pid is not None
    os.kill(process.pid, signal.SIGCONT)
    process.join()
