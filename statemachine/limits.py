"""What an update of limits makes of a config: the limits that were named, and no others (MAP L-93)."""

from msgspec.structs import replace

from lockgate.effects.config import Config
from lockgate.statemachine.inputs import Update

OF_LIMITS = (
    "memory_swap",
    "memory_reservation",
    "cpu_quota",
    "cpu_period",
    "cpu_shares",
    "cpuset_cpus",
    "cpuset_mems",
    "pids",
)


def updated(config: Config, asked: Update) -> Config:
    """The config with these limits."""
    named = {name: value for name in OF_LIMITS if (value := getattr(asked, name)) is not None}
    memory = config.memory if asked.memory is None else asked.memory
    return replace(config, memory=memory, limits=replace(config.limits, **named))
