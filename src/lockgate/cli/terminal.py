"""A person's terminal, lent to a container for a while, and given back whatever happens."""

import os
import signal
import termios
import tty
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

DETACH = "ctrl-p,ctrl-q"
"""The keys of the field."""


def keys(text: str) -> bytes:
    """`a`, `ctrl-p`, and such, with commas; empty: there is no way to detach. Raises `ValueError`."""
    told = bytearray()
    for word in filter(None, text.split(",")):
        control = word.removeprefix("ctrl-")
        if len(word) == 1 and word.isascii():
            told += word.encode()
        elif (
            word != control and len(control) == 1 and control in "abcdefghijklmnopqrstuvwxyz@[\\]^_"
        ):
            told.append(ord(control.upper()) & 0x1F)
        else:
            raise ValueError(f"{word!r} is no key: write a letter, or ctrl- and a letter")
    return bytes(told)


@contextmanager
def raw(fd: int) -> Generator[None]:
    """Every key goes to the container, ctrl-c too. The terminal is as before afterwards."""
    before = termios.tcgetattr(fd)
    tty.setraw(fd, termios.TCSADRAIN)  # what was typed ahead is not thrown away
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


@contextmanager
def sized(fd: int, tell: Callable[[int, int], None]) -> Generator[Callable[[], None]]:
    """Tells of the terminal's size now and whenever it has changed. What is yielded is to be called
    now and then: a signal's handler only takes note."""
    changed = [True]

    def note(number: int, frame: FrameType | None) -> None:
        changed[0] = True

    def look() -> None:
        if changed[0]:
            changed[0] = False
            size = os.get_terminal_size(fd)
            tell(size.lines, size.columns)

    before = signal.signal(signal.SIGWINCH, note)
    try:
        yield look
    finally:
        signal.signal(signal.SIGWINCH, before)
