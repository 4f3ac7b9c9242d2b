"""Which hooks a container has: each whose conditions it meets, in the order of their files."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from lockgate.effects.config import Bind, Config
from lockgate.effects.hooks import OF_THE_ENGINE, STAGES, Hook, HookFile, When


def chosen(config: Config, files: Iterable[HookFile]) -> Mapping[str, tuple[Hook, ...]]:
    """By stage; those without any are left out."""
    meant = [one for one in files if meets(config, one.when)]
    found = {stage: tuple(one.hook for one in meant if stage in one.stages) for stage in STAGES}
    return {stage: hooks for stage, hooks in found.items() if hooks}


def of_the_runtime(found: Mapping[str, tuple[Hook, ...]]) -> dict[str, Any]:
    """The `hooks` object of the runtime spec; empty where there are none."""
    return {
        stage: [msgspec.to_builtins(hook) for hook in hooks]
        for stage, hooks in found.items()
        if stage not in OF_THE_ENGINE
    }


def meets(config: Config, when: When) -> bool:
    """MAP §3.12, `when`: `always` decides alone; of the others each that is given must hold."""
    if when.always is not None:
        return when.always
    asked: list[bool] = []
    if when.has_bind_mounts is not None:
        bound = any(isinstance(one, Bind) for one in config.mounts)
        asked.append(when.has_bind_mounts and bound)
    for key, value in when.annotations:
        asked.append(any(re.search(key, k) and re.search(value, v) for k, v in config.annotations))
    if when.commands:
        asked.append(any(re.search(one, config.command[0]) for one in when.commands))
    return bool(asked) and all(asked)
