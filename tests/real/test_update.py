"""Limits of what runs, as the kernel has them."""

import pytest

from lockgate import Engine, OperationFailed, Record, Status
from lockgate.adapters.oci.cgroups import Cgroups
from lockgate.adapters.oci.limits import ALL_PIDS

pytestmark = pytest.mark.real

MIB = 1 << 20


@pytest.fixture
def web(engine: Engine) -> Record:
    engine.create(name="web", image="busybox", command=["sleep", "600"], memory=256 * MIB)
    return engine.start("web")


def limit(record: Record, *names: str) -> str:
    """The content of the first of these files there is in its cgroups (version 1 or 2)."""
    config = record.config
    for place in Cgroups.here().directories(f"{config.cgroup_parent}/{config.id}"):
        for name in names:
            if (place / name).exists():
                return (place / name).read_text().strip()
    raise AssertionError(f"no cgroup of it has {names}")


def memory(record: Record) -> int:
    return int(limit(record, "memory.limit_in_bytes", "memory.max"))


def test_the_kernel_has_what_is_on_record(engine: Engine, web: Record) -> None:
    after = engine.update("web", memory=64 * MIB, pids=77)
    assert (memory(after), limit(after, "pids.max")) == (64 * MIB, "77")
    assert (after.config.memory, after.config.limits.pids) == (64 * MIB, 77)
    assert engine.usage("web").memory_limit == 64 * MIB
    engine.update("web", cpu_quota=50_000, cpu_period=100_000)
    told = limit(after, "cpu.cfs_quota_us", "cpu.max")
    assert told.split()[0] == "50000"


def test_limits_are_lifted(engine: Engine, web: Record) -> None:
    after = engine.update("web", memory=0, pids=0)
    told = limit(after, "memory.limit_in_bytes", "memory.max")
    assert told == "max" or int(told) > 1 << 60
    assert limit(after, "pids.max") in ("max", str(ALL_PIDS))


def test_the_next_run_has_them_too(engine: Engine, web: Record) -> None:
    engine.update("web", memory=64 * MIB)
    assert memory(engine.restart("web", timeout=0)) == 64 * MIB


def test_the_paused_and_the_created_are_told_as_well(engine: Engine, web: Record) -> None:
    engine.pause("web")
    assert memory(engine.update("web", memory=64 * MIB)) == 64 * MIB
    engine.create(name="other", image="busybox", command=["sleep", "600"])
    engine.init("other")
    assert memory(engine.update("other", memory=64 * MIB)) == 64 * MIB
    assert engine.start("other").status is Status.RUNNING
    assert memory(engine.inspect("other")) == 64 * MIB


def test_where_the_kernel_refuses_one_none_has_changed(engine: Engine, web: Record) -> None:
    """A processor that is not there, when the memory has been changed already."""
    with pytest.raises(OperationFailed, match="its limits stay as they are"):
        engine.update("web", memory=64 * MIB, cpuset_cpus="4000")
    record = engine.inspect("web")
    assert (memory(record), record.config) == (256 * MIB, web.config)
    assert not record.limits_doubted


def test_a_memory_limit_below_what_it_uses(engine: Engine) -> None:
    hold = ["sh", "-c", "x=$(head -c 30000000 /dev/zero | tr '\\0' a); echo ready; sleep 600"]
    engine.create(name="fat", image="busybox", command=hold, memory=256 * MIB)
    engine.start("fat")
    for _ in engine.logs("fat", follow=True):
        break
    try:
        engine.update("fat", memory=8 * MIB)
    except OperationFailed:  # version 1: busy; version 2 takes it, and kills
        assert memory(engine.inspect("fat")) == 256 * MIB
    else:
        assert engine.inspect("fat").config.memory == 8 * MIB
