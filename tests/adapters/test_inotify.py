"""Told by the kernel: watch first, then look, then wait (MAP L-02)."""

import os
import threading
import time
from pathlib import Path

import pytest

from lockgate.adapters import inotify
from lockgate.adapters.inotify import Inotify, Mask, readable

SOON = 20.0


def test_what_happens_after_the_watch_is_told_with_its_name(tmp_path: Path) -> None:
    with Inotify() as queue:
        number = queue.watch(tmp_path, Mask.CREATE | Mask.MOVED_TO)
        (tmp_path / "draft").touch()
        (tmp_path / "draft").rename(tmp_path / "exit")
        assert queue.wait(SOON)
        told = queue.read()
    assert [(each.watch, each.mask, each.name) for each in told] == [
        (number, Mask.CREATE, "draft"),
        (number, Mask.MOVED_TO, "exit"),
    ]


def test_nothing_is_told_twice_and_reading_never_blocks(tmp_path: Path) -> None:
    with Inotify() as queue:
        queue.watch(tmp_path, Mask.CREATE)
        assert queue.read() == ()
        (tmp_path / "a").touch()
        assert [event.name for event in queue.read()] == ["a"]
        assert queue.read() == ()
        assert not queue.wait(0)


def test_who_waits_is_woken(tmp_path: Path) -> None:
    with Inotify() as queue:
        queue.watch(tmp_path, Mask.CREATE)
        woken: list[bool] = []
        waiter = threading.Thread(target=lambda: woken.append(queue.wait(None)))
        waiter.start()
        (tmp_path / "a").touch()
        waiter.join(SOON)
        assert woken == [True]


def test_names_are_given_as_they_are(tmp_path: Path) -> None:
    strange = os.fsdecode(b"\xff \n" + b"x" * 200)
    with Inotify() as queue:
        queue.watch(tmp_path, Mask.CREATE)
        (tmp_path / strange).touch()
        (tmp_path / "y").touch()
        assert [event.name for event in queue.read()] == [strange, "y"]


def test_the_end_of_the_watched_is_told(tmp_path: Path) -> None:
    place = tmp_path / "exits"
    place.mkdir()
    with Inotify() as queue:
        queue.watch(place, Mask.DELETE_SELF)
        place.rmdir()
        masks = [event.mask for event in queue.read()]
    assert masks == [Mask.DELETE_SELF, Mask.IGNORED]


def test_what_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    with Inotify() as queue, pytest.raises(FileNotFoundError, match="nowhere"):
        queue.watch(tmp_path / "nowhere", Mask.CREATE)


def test_a_queue_is_used_again_and_remembers_nothing(tmp_path: Path) -> None:
    queue = Inotify()
    queue.watch(tmp_path, Mask.CREATE)
    number = queue.fileno()
    (tmp_path / "told").touch()
    queue.close()
    queue.close()  # twice is once
    with Inotify() as next_one, Inotify() as another:
        assert next_one.fileno() == number != another.fileno()
        (tmp_path / "untold").touch()
        assert next_one.read() == ()


def test_more_than_a_few_are_not_kept() -> None:
    queues = [Inotify() for _ in range(20)]
    numbers = [queue.fileno() for queue in queues]
    for queue in queues:
        queue.close()
    closed = 0
    for number in numbers:
        try:
            os.fstat(number)
        except OSError:
            closed += 1
    assert 0 < closed < 20


def test_the_child_of_a_fork_has_queues_of_its_own(tmp_path: Path) -> None:
    queue = Inotify()
    number = queue.fileno()
    queue.close()
    child = os.fork()
    if child == 0:
        try:
            os.fstat(number)
        except OSError:
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_children_do_not_inherit_it() -> None:
    with Inotify() as queue:
        assert not os.get_inheritable(queue.fileno())


def test_only_those_with_something_to_say_are_readable() -> None:
    silent, silent_in = os.pipe()
    loud, loud_in = os.pipe()
    try:
        assert readable((silent, loud), 0) == frozenset()
        os.write(loud_in, b"!")
        assert readable((silent, loud), None) == {loud}
        os.close(silent_in)
        assert readable((silent, loud), 1e12) == {silent, loud}  # the end is news, too
        silent_in = -1
    finally:
        for fd in (silent, silent_in, loud, loud_in):
            if fd >= 0:
                os.close(fd)


def test_longer_than_can_be_waited_for_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inotify, "_LONGEST", 0.01)
    silent, other = os.pipe()
    try:
        began = time.monotonic()
        assert readable((silent,), 0.1) == frozenset()
        assert time.monotonic() - began >= 0.1
    finally:
        os.close(silent)
        os.close(other)
