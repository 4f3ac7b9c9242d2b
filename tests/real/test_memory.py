"""Containers that want more memory than they may have, and who is told of it."""

import os

import pytest

from lockgate import Engine
from lockgate.adapters.oci.process import wait_gone
from lockgate.statemachine.status import Status

pytestmark = pytest.mark.real

LIMIT = 16 << 20
GREEDY = ["sh", "-c", "read go; exec tail /dev/zero"]


@pytest.mark.parametrize("monitored", [True, False], ids=["by its monitor", "by the kernel alone"])
def test_it_is_on_record(engine: Engine, monitored: bool) -> None:
    web = engine.create(name="web", image="busybox", command=GREEDY, memory=LIMIT, stdin=True)
    begun = engine.start(web.id)
    assert begun.monitor and begun.process
    if monitored:
        with open(os.devnull, "rb") as nothing:  # noqa: PTH123
            engine.attach(web.id).relay(nothing.fileno(), 1, 2, b"", lambda: None)
        engine.wait(web.id)
    else:
        os.kill(begun.monitor.pid, 9)  # its input ends with its monitor: it goes on at once
        assert wait_gone(begun.process, 30)
    after = engine.sync(web.id)
    assert (after.status, after.oom_killed) == (Status.STOPPED, True)
    assert after.exit_code == (137 if monitored else -1)
    engine.start(web.id)
    assert not engine.inspect(web.id).oom_killed  # that was another run
