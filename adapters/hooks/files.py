"""Hooks of an engine, read from the files of its directory.

One rule: all of them, or none. A hook that is silently left out is a policy that is not kept, so what cannot
be read keeps containers from being created, and says which file it is.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from lockgate.adapters.filesystem import read_bounded, write_atomic
from lockgate.adapters.nonsense import NONSENSE
from lockgate.effects.hooks import STAGES, Hook, HookFile, When
from lockgate.effects.outcome import PortError

VERSION = "1.0.0"
LIMIT = 1 << 20
CHOICE = "hooks.dirs"


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


def hook_directories(root: Path) -> tuple[Path, ...]:
    """Where the hooks of an engine are: `<root>/hooks.d`, after what was chosen for this folder."""
    try:
        chosen = read_bounded(root / CHOICE, LIMIT).decode().splitlines()
    except FileNotFoundError:
        chosen = []
    return (*map(Path, chosen), root / "hooks.d")


def choose_directories(root: Path, directories: Sequence[Path]) -> None:
    """From now on, for whoever opens this folder: a run that nobody watches is begun again by its
    restart policy, and must not be begun without its hooks."""
    lines = "".join(f"{directory.absolute()}\n" for directory in directories)
    write_atomic(root, CHOICE, lines.encode(), 0o600)


def hook_files(directories: Sequence[Path]) -> tuple[HookFile, ...]:
    """Those of `*.json` there, by name without regard to case; a file in a later directory takes
    the place of one of the same name (D-28). A directory that is not there has none (L-146).

    Raises `PortError("refused")`, clean, that names the file and what is wrong with it.
    """
    found: dict[str, Path] = {}
    for directory in directories:
        try:
            names = os.listdir(directory)  # noqa: PTH208
        except FileNotFoundError:
            continue
        found |= {name: directory / name for name in names if name.endswith(".json")}
    return tuple(_read(found[name]) for name in sorted(found, key=str.lower))


def _read(path: Path) -> HookFile:
    try:
        given = msgspec.json.decode(read_bounded(path, LIMIT), type=_File)
        for pattern in (*given.when.commands, *given.when.annotations):
            re.compile(pattern)
        for pattern in given.when.annotations.values():
            re.compile(pattern)
    except (OSError, PortError, re.error, *NONSENSE) as problem:
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
