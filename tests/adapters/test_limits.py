"""An update in the words of the runtime spec: what differs, and how a limit is lifted."""

import pytest
from msgspec.structs import replace

from lockgate.adapters.oci.limits import Changes, changes, in_words_of, lasting
from lockgate.effects.config import Config, Limits
from lockgate.effects.outcome import PortError

CONFIG = Config(id="c", memory=1 << 28, limits=Limits(cpu_quota=50_000, cpu_period=100_000, pids=9))
UNLIMITED = Config(id="c")


def test_what_stays_is_not_said() -> None:
    assert changes(CONFIG, CONFIG.memory, CONFIG.limits) == {}


def test_memory_takes_swap_along() -> None:
    assert changes(UNLIMITED, 1 << 26, Limits()) == {"memory": {"limit": 1 << 26, "swap": 1 << 26}}
    wanted = Limits(memory_swap=-1)
    assert changes(UNLIMITED, 1 << 26, wanted) == {"memory": {"limit": 1 << 26}}


def test_each_limit_has_its_word_for_none() -> None:
    assert changes(CONFIG, 0, Limits(pids=0)) == {
        "memory": {"limit": -1, "swap": -1},
        "cpu": {"quota": -1},
        "pids": {"limit": -1},
    }
    assert changes(CONFIG, CONFIG.memory, replace(CONFIG.limits, pids=None)) == {
        "pids": {"limit": 2048}
    }


def test_shares_go_back_to_the_kernels() -> None:
    config = replace(UNLIMITED, limits=Limits(cpu_shares=9))
    assert changes(config, 0, Limits()) == {"cpu": {"shares": 1024}}


@pytest.mark.parametrize(
    "limits", [Limits(cpuset_cpus="0"), Limits(cpuset_mems="0"), Limits(memory_reservation=1)]
)
def test_some_cannot_be_lifted_while_it_runs(limits: Limits) -> None:
    assert lasting(UNLIMITED, limits)
    assert changes(UNLIMITED, 0, limits) == {}
    with pytest.raises(PortError) as refusal:
        lasting(replace(UNLIMITED, limits=limits), Limits())
    assert (refusal.value.fault.kind, refusal.value.fault.dirty) == ("refused", False)


def test_crun_is_told_a_number_the_kernel_takes() -> None:
    lifted: Changes = {"pids": {"limit": -1}, "memory": {"limit": -1}}
    assert in_words_of("runc", lifted) == lifted
    assert in_words_of("crun", lifted) == lifted | {"pids": {"limit": 1 << 22}}
    assert in_words_of("crun", {"pids": {"limit": 7}}) == {"pids": {"limit": 7}}
    assert in_words_of("crun", {}) == {}
