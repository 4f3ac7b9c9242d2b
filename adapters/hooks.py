"""Hooks of an engine, read from the files of its directory.

One rule: all of them, or none. A hook that is silently left out is a policy that is not kept, so what cannot
be read keeps containers from being created, and says which file it is.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from lockgate.adapters.filesystem import read_bounded
from lockgate.effects.hooks import STAGES, Hook, HookFile, When
from lockgate.effects.outcome import PortError

VERSION = "1.0.0"
LIMIT = 1 << 20


class _When(Struct, rename="camel"):
    always: bool | None = None
    has_bind_mounts: bool | None = None
    annotations: Mapping[str, str] = {}
    commands: tuple[str, ...] = ()


class _Hook(Struct):
    path: str
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    timeout: Annotated[int, Meta(gt=0)] | None = None


class _File(Struct):
    version: str
    hook: _Hook
    when: _When
    stages: tuple[str, ...]


def hook_files(directory: Path) -> tuple[HookFile, ...]:
    """Those of `*.json` there, by name without regard to case; none where there is no directory.

    Raises `PortError("refused")`, clean, that names the file and what is wrong with it.
    """
    try:
        names = [name for name in os.listdir(directory) if name.endswith(".json")]  # noqa: PTH208
    except FileNotFoundError:
        return ()
    return tuple(_read(directory / name) for name in sorted(names, key=str.lower))


def _read(path: Path) -> HookFile:
    try:
        given = msgspec.json.decode(read_bounded(path, LIMIT), type=_File)
        for pattern in (*given.when.commands, *given.when.annotations):
            re.compile(pattern)
        for pattern in given.when.annotations.values():
            re.compile(pattern)
    except (OSError, PortError, ValueError, RecursionError, re.error) as problem:
        raise _refused(path, str(problem)) from None
    if given.version != VERSION:
        raise _refused(path, f"version {given.version!r} is not {VERSION}")
    if unknown := set(given.stages) - set(STAGES):
        raise _refused(path, f"{sorted(unknown)[0]!r} is no stage: {', '.join(STAGES)}")
    if not given.stages:
        raise _refused(path, "it names no stage")
    if not (os.path.isabs(given.hook.path) and os.access(given.hook.path, os.X_OK)):  # noqa: PTH117
        raise _refused(path, f"there is no program {given.hook.path!r}")
    when = When(
        always=given.when.always,
        has_bind_mounts=given.when.has_bind_mounts,
        annotations=tuple(given.when.annotations.items()),
        commands=given.when.commands,
    )
    hook = Hook(given.hook.path, given.hook.args, given.hook.env, given.hook.timeout)
    return HookFile(path.name, hook, when, given.stages)


def _refused(path: Path, why: str) -> PortError:
    return PortError("refused", f"the hook {path} cannot be used: {why}", dirty=False)
