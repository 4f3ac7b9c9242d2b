"""A file system without locks (flock not supported): each command says which folder that is and what to
do, and nothing is half done (FAULTS §3.5). The kernel says so to an engine on real parts."""

import errno
import os
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from tests.asking import WHY, Asking, Call
from tests.ground import Ground

from lockgate import Engine, LockgateError, Status
from lockgate.adapters.whole import write_all
from lockgate.effects.ports import StoreError

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif(bool(WHY), reason=WHY or "fit"),
]

FLOCK = 73
"""Its number on x86-64."""

UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)

COMMANDS: dict[str, Callable[[Engine], object]] = {
    "create": lambda engine: engine.create(name="other", image="busybox", command=["true"]),
    "start": lambda engine: engine.start("web"),
    "remove": lambda engine: engine.remove("web", force=True),
    "rename": lambda engine: engine.rename("web", "other"),
    "pod": lambda engine: engine.create_pod(name="pod"),
    "network": lambda engine: engine.create_network("net"),
    "volume": lambda engine: engine.create_volume("data"),
    "image": lambda engine: engine.import_image("again", Path("/etc/apt")),
}


def refused(root: Path, runtime: str, command: Callable[[Engine], object]) -> None:
    """Ends with 0 when it has been told what is wrong, and where."""
    try:
        with Engine.open(root, runtime=runtime) as engine:
            command(engine)
    except (LockgateError, StoreError) as problem:
        told = all(word in str(problem) for word in (str(root), "has no locks", "--root"))
        write_all(2, f"{problem}\n".encode())
        os._exit(0 if told else 2)
    except BaseException:
        write_all(2, traceback.format_exc().encode())
        os._exit(3)
    os._exit(4)


def without_locks(number: int, act: Callable[[], None]) -> int | None:
    def decided(call: Call) -> int:
        return -number

    asking = Asking(act, [FLOCK], decided)
    code = asking.ended()
    asking.close()
    return code


@pytest.mark.parametrize("number", UNSUPPORTED, ids=errno.errorcode.get)
def test_it_is_said_and_nothing_is_half_done(
    number: int, engine: Engine, root: Path, runtime: str
) -> None:
    engine.create_pod(name="pod")
    engine.remove_pod("pod")
    engine.create_network("net")
    engine.remove_network("net")
    engine.create(name="web", image="busybox", command=["true"])
    engine.start("web")
    engine.wait("web")
    before, records = Ground.of(root), engine.list()
    for name, command in COMMANDS.items():
        assert without_locks(number, partial(refused, root, runtime, command)) == 0, name
    engine.refresh()
    before.still(root)
    assert engine.list() == records
    assert [image.name for image in engine.images()] == ["busybox"]
    assert not engine.volumes()
    assert not engine.pods()
    assert len(engine.networks()) == 0
    assert engine.start("web").status is Status.RUNNING


@pytest.mark.parametrize("number", UNSUPPORTED, ids=errno.errorcode.get)
def test_who_only_looks_needs_no_lock(
    number: int, engine: Engine, root: Path, runtime: str
) -> None:
    engine.create(name="web", image="busybox", command=["sleep", "600"])
    engine.start("web")

    def look() -> None:
        with Engine.open(root, runtime=runtime) as another:
            (record,) = another.list()
            os._exit(0 if record.status is Status.RUNNING else 1)

    assert without_locks(number, look) == 0
