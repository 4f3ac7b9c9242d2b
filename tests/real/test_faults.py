"""Faults under a real runtime: its monitor killed at each stage, itself killed, corrupted or silent in
each of its verbs, no space, a disk that cannot be written, a clock that jumps. After each: the next
command recovers, the promises hold, and nothing is left.
"""

import os
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from shutil import which

import msgspec
import pytest
from tests.disks import Disk
from tests.ground import Ground
from tests.oracle import judged, mended, recovered
from tests.waiting import until

from lockgate import Engine, LockgateError, Record, Status
from lockgate.adapters.clock import SystemClock
from lockgate.adapters.oci.process import end, pids
from lockgate.effects.config import RestartPolicy
from lockgate.effects.ports import Clock, StoreError
from lockgate.testing import busybox

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.sampled]

SLEEP = ["sleep", "600"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def furnished(engine: Engine, tmp_path: Path) -> Engine:
    engine.import_image("busybox", busybox.rootfs_tar(tmp_path / "busybox.tar"))
    return engine


def emptied(engine: Engine) -> None:
    for record in engine.list():
        engine.remove(record.id, force=True, timeout=0)


@pytest.fixture
def engine(root: Path, runtime: str, tmp_path: Path) -> Iterator[Engine]:
    with Engine.open(root, runtime=runtime) as made:
        yield furnished(made, tmp_path)
        emptied(made)


def web(engine: Engine, restart: RestartPolicy = "no", retries: int = 0) -> Record:
    return engine.create(
        name="web",
        image="busybox",
        command=SLEEP,
        network="private",
        restart=restart,
        restart_retries=retries,
    )


def brought(engine: Engine, stage: str) -> Record:
    web(engine)
    engine.init("web")
    if stage != "created":
        engine.start("web")
    match stage:
        case "paused":
            engine.pause("web")
        case "joined":
            engine.exec("web", SLEEP)
        case _:
            pass
    return engine.inspect("web")


# ---- the monitor -------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["created", "running", "paused", "joined"])
@pytest.mark.parametrize("both", [False, True], ids=["monitor", "monitor and process"])
def test_the_monitor_is_killed(stage: str, both: bool, engine: Engine, root: Path) -> None:
    before = Ground.of(root)
    record = brought(engine, stage)
    assert record.monitor is not None and record.process is not None
    assert end(record.monitor, 10)
    if both:
        os.kill(record.process.pid, signal.SIGKILL)
        if stage == "paused":
            engine.kill("web")
        until(lambda: engine.inspect("web").status is Status.STOPPED)
        assert engine.wait("web") == -1
    judged(engine, root, before)


@pytest.mark.parametrize("delay", [0.0, 0.005, 0.01, 0.02, 0.04])
def test_the_monitor_is_killed_in_create(delay: float, engine: Engine, root: Path) -> None:
    """As soon as it is there, or a little later."""
    before = Ground.of(root)
    web(engine)
    over = threading.Event()

    def kill() -> None:
        while not over.is_set():
            for pid in monitors(root):
                time.sleep(delay)
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                return

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        engine.init("web")
    except LockgateError:
        assert engine.inspect("web").status is Status.CONFIGURED
    over.set()
    killer.join()
    judged(engine, root, before)


def monitors(root: Path) -> list[int]:
    found: list[int] = []
    for pid in pids():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"conmon" in words[0] and any(os.fsencode(root) in word for word in words):
            found.append(pid)
    return found


# ---- the runtime -------------------------------------------------------------------------

VERBS = ("create", "pause", "resume", "delete", "state")
WAYS = {
    "killed before": "kill -9 $$",
    "killed after": '{runtime} "$@"; kill -9 $$',
    "fails before": "echo no >&2; exit 1",
    "fails after": '{runtime} "$@"; echo no >&2; exit 1',
    "talks nonsense": '{runtime} "$@" >/dev/null 2>&1; code=$?; head -c 10000 /dev/zero; exit $code',
}
"""What a runtime does when it is given that verb; `{runtime}` is the real one."""


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("way", WAYS)
def test_the_runtime_is_no_help(
    verb: str, way: str, engine: Engine, root: Path, runtime: str, tmp_path: Path
) -> None:
    stand_in, real = tmp_path / runtime, str(which(runtime))
    script = WAYS[way].replace("{runtime}", real)
    stand_in.write_text(
        f'#!/bin/sh\ncase " $* " in *" {verb} "*) {script};; *) exec {real} "$@";; esac\n'
    )
    stand_in.chmod(stat.S_IRWXU)
    before = Ground.of(root)
    web(engine)
    with Engine.open(root, runtime=str(stand_in)) as poor:
        for command in (poor.start, poor.pause, poor.unpause, poor.kill, poor.cleanup):
            try:
                command("web")
            except LockgateError:
                pass
            poor.list()
    mended(engine)
    judged(engine, root, before)


def test_the_runtime_is_silent(
    engine: Engine, root: Path, runtime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hangs in a verb: that fails after its time, others look meanwhile, and the next goes on."""
    stand_in, real = tmp_path / runtime, str(which(runtime))
    stand_in.write_text(
        f'#!/bin/sh\ncase " $* " in *" pause "*) exec sleep 600;; *) exec {real} "$@";; esac\n'
    )
    stand_in.chmod(stat.S_IRWXU)
    before = Ground.of(root)
    web(engine)
    engine.start("web")
    with Engine.open(root, runtime=str(stand_in)) as slow:
        monkeypatch.setattr(slow.host.ports.runtime._command, "_patience", 2.0)  # type: ignore[attr-defined]
        problems: list[str] = []

        def pause() -> None:
            try:
                slow.pause("web")
            except LockgateError as problem:
                problems.append(str(problem))

        pausing = threading.Thread(target=pause)
        pausing.start()
        until(lambda: engine.inspect("web").operation is not None)
        assert engine.busy("web")
        assert [one.config.name for one in engine.list()] == ["web"]
        pausing.join()
        assert "did not end in" in problems[0]
    judged(engine, root, before)


# ---- the disk ----------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path, runtime: str) -> Iterator[tuple[Disk, Engine]]:
    """An engine whose folder is on a small disk."""
    with Disk(tmp_path / "disk") as disk:
        disk.mount("size=24m,nr_inodes=3k")
        with Engine.open(disk.place / "root", runtime=runtime) as engine:
            yield disk, furnished(engine, tmp_path)
            disk.empty()
            emptied(engine)


OPERATIONS: dict[str, tuple[Callable[[Engine], object], Callable[[Engine], object]]] = {
    "create": (lambda engine: None, lambda engine: engine.create(image="busybox", command=SLEEP)),
    "start": (web, lambda engine: engine.start("web")),
    "stop": (
        lambda engine: brought(engine, "running"),
        lambda engine: engine.stop("web", timeout=0),
    ),
    "pause": (lambda engine: brought(engine, "running"), lambda engine: engine.pause("web")),
    "exec": (lambda engine: brought(engine, "running"), lambda engine: engine.exec("web", SLEEP)),
    "restart": (
        lambda engine: brought(engine, "running"),
        lambda engine: engine.restart("web", timeout=0),
    ),
    "remove": (
        lambda engine: brought(engine, "running"),
        lambda engine: engine.remove("web", force=True, timeout=0),
    ),
}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("scarce", ["blocks", "inodes"])
def test_there_is_no_space(name: str, scarce: str, small: tuple[Disk, Engine]) -> None:
    disk, engine = small
    before = Ground.of(disk.place)
    prepared, operation = OPERATIONS[name]
    prepared(engine)
    disk.fill(blocks=scarce == "blocks", inodes=scarce == "inodes")
    try:
        operation(engine)
    except (LockgateError, StoreError) as problem:
        assert str(problem)
    engine.list()
    disk.empty()
    mended(engine)
    judged(engine, disk.place / "root", before)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing can be written there, whatever is open already."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("containers", "create"),
        ("containers", "start"),
        *(
            (folder, name)
            for folder in ("run", "runtime")
            for name in OPERATIONS
            if name != "create"
        ),
    ],
)
def test_the_disk_cannot_be_written(folder: str, name: str, engine: Engine, root: Path) -> None:
    before = Ground.of(root)
    prepared, operation = OPERATIONS[name]
    prepared(engine)
    with read_only(root / folder):
        try:
            operation(engine)
        except (LockgateError, StoreError) as problem:
            assert str(problem)
        engine.list()
    mended(engine)
    judged(engine, root, before)


def test_a_folder_that_cannot_be_written_is_named(root: Path, tmp_path: Path, runtime: str) -> None:
    with Disk(tmp_path / "disk") as disk:
        disk.mount("size=24m")
        Engine.open(disk.place / "root", runtime=runtime).close()
        disk.mount("ro")
        with pytest.raises(StoreError, match=f"{disk.place}/root"):
            Engine.open(disk.place / "root", runtime=runtime)
        disk.mount("rw")
        with Engine.open(disk.place / "root", runtime=runtime) as engine:
            assert engine.list() == ()


# ---- the clock ---------------------------------------------------------------------------

YEAR = 365 * 86400 * 10**9


class Jumping(SystemClock):
    """A year ahead, a year behind, and so on, with every reading."""

    def __init__(self) -> None:
        super().__init__()
        self._jumps = cycle((YEAR, -YEAR, 0))

    def now(self) -> int:
        return super().now() + next(self._jumps)


def test_the_clock_jumps(engine: Engine, root: Path) -> None:
    before = Ground.of(root)
    clock: Clock = Jumping()
    ports = msgspec.structs.replace(engine.host.ports, clock=clock)
    jumping = Engine(replace(engine.host, ports=ports))
    web(jumping, "on-failure", 2)
    first = jumping.start("web")
    assert first.process is not None
    os.kill(first.process.pid, signal.SIGKILL)
    assert jumping.wait("web", 30) == 137
    recovered(jumping, root)
    jumping.restart("web", timeout=0)
    jumping.pause("web")
    jumping.unpause("web")
    assert jumping.stop("web", timeout=1).exit_code == 137
    jumping._interpreter.close()
    judged(engine, root, before)
