"""Engines in processes of their own that are killed, or stopped, where a test says.

A boundary is a point before or after a commit, an effect, or a call of a `Tool`: whatever else an
operation does to the world. What is carried out must be a function of a module, so that it can be named
to another process.
"""

import importlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeAlias
from unittest import mock

from tests.network.laboratory import CLONE_NEWNET
from tests.soak import DONE

from lockgate import Engine
from lockgate.adapters.syscalls import setns

Operation: TypeAlias = Callable[[Engine], object]
Tool: TypeAlias = tuple[str, str]
"""A module, and what is called in it: "function" or "Class.method"."""

LEAST = 4
"""Boundaries in the shortest operation: before and after a commit, and before and after an effect."""

INTERRUPTED = 130
"""How it ends that was interrupted, and has unwound what it was doing."""

SOON = 60.0
"""Seconds in which anything has happened, or something is wrong."""

PRELOADED = ["pytest", "lockgate.wiring", "tests.oracle", __name__]
"""What all victims have in common is imported once: two thirds of a death were that."""


class Victim:
    """Carries out `operation` in a process of its own, with our environment and in our network; at the
    n-th boundary (`place`), or at the n-th of that name (`at`), it sends itself the signal `number`."""

    def __init__(
        self,
        root: Path,
        runtime: str,
        operation: Operation,
        place: int,
        *,
        at: str = "",
        number: int = signal.SIGKILL,
        tools: tuple[Tool, ...] = (),
    ) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        surroundings = Surroundings.ours()
        arguments = (surroundings, root, runtime, operation, place, at, number, tools)
        self.process: BaseProcess = context.Process(target=_obey, args=arguments)
        self.process.start()

    def killed(self) -> bool:
        """Once it is over: was it killed, or interrupted, or did it come to the end of what it had to
        do?"""
        self.process.join(SOON)
        assert self.process.exitcode in (0, -signal.SIGKILL, INTERRUPTED), self.process.exitcode
        DONE["engines killed or interrupted"] += self.process.exitcode != 0
        return self.process.exitcode != 0

    def stopped(self) -> bool:
        """Wait until it has stopped itself (SIGSTOP): True; or has ended without: False."""
        assert self.process.pid is not None
        while self.process.is_alive():
            if _state(self.process.pid) == "T":
                DONE["engines stopped"] += 1
                return True
            self.process.join(0.01)
        return False

    def go_on(self) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGCONT)

    def end(self) -> None:
        self.process.kill()
        self.process.join(SOON)


def killed_everywhere(
    root: Path,
    runtime: str,
    operation: Operation,
    tools: tuple[Tool, ...] = (),
    number: int = signal.SIGKILL,
    every: int = 1,
) -> Iterator[int]:
    """Kill an engine at the first boundary, then at the second, and so on, or `every` so many; yields
    after each of these deaths, and once more when one has come to its end."""
    for place in count(1, every):
        killed = Victim(root, runtime, operation, place, number=number, tools=tools).killed()
        yield place
        if not killed:
            assert place > LEAST, "the fuse was hardly lit"
            return


class Surroundings(NamedTuple):
    """What a child has of its parent; the parent of a victim was begun before its test."""

    environment: dict[str, str]
    netns: str

    @classmethod
    def ours(cls) -> Self:
        task = f"/proc/{os.getpid()}/task/{threading.get_native_id()}"
        return cls(dict(os.environ), f"{task}/ns/net")

    def enter(self) -> None:
        os.environ.clear()
        os.environ.update(self.environment)
        setns(self.netns, CLONE_NEWNET)


def _obey(
    surroundings: Surroundings,
    root: Path,
    runtime: str,
    operation: Operation,
    place: int,
    at: str,
    number: int,
    tools: tuple[Tool, ...],
) -> None:
    surroundings.enter()
    passed = 0
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever began us may ignore it

    def fuse(here: str) -> None:
        nonlocal passed
        if at and here != at:
            return
        passed += 1
        if passed == place:
            os.kill(os.getpid(), number)

    with ExitStack() as patches:
        for module, name in tools:
            patches.enter_context(_fused(module, name, fuse))
        try:
            with Engine.open(root, runtime=runtime, probe=fuse) as engine:
                operation(engine)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)


def _fused(module: str, name: str, fuse: Callable[[str], None]) -> Any:
    *owner, called = name.split(".")
    place: Any = importlib.import_module(module)
    for one in owner:
        place = getattr(place, one)
    whole = getattr(place, called)

    def between(*words: Any, **more: Any) -> Any:
        fuse(f"before {called}")
        result = whole(*words, **more)
        fuse(f"after {called}")
        return result

    return mock.patch.object(place, called, between)


def _state(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat[stat.rindex(")") + 2]
