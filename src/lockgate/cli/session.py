"""What the commands of one invocation share: which folder, which runtime, and the engine on it,
opened when first needed and closed when the command has ended."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click

if TYPE_CHECKING:
    from lockgate.engine import Engine

Opener: TypeAlias = "Callable[[Path, str | None], AbstractContextManager[Engine]]"
"""How an engine is come by: from a root folder and the name of a runtime. Given as the context's
`obj`, it takes the place of `opened`."""


@dataclass(frozen=True)
class Session:
    context: click.Context
    root: Path
    runtime: str | None
    opener: Opener

    @cached_property
    def engine(self) -> "Engine":
        return self.context.with_resource(self.opener(self.root, self.runtime))


pass_session = click.make_pass_decorator(Session)


def opened(
    root: Path,
    runtime: str | None,
    storage: str | None = None,
    hooks: Sequence[Path] | None = None,
) -> "AbstractContextManager[Engine]":
    from lockgate.engine import Engine

    return Engine.open(root, runtime=runtime, storage=storage, hooks=hooks)


def default_root() -> Path:
    """Where the containers of this user are: the machine's for root, else the user's own."""
    if os.geteuid() == 0:
        return Path("/var/lib/lockgate")
    data = os.environ.get("XDG_DATA_HOME", "")
    # a relative path there is invalid and to be ignored (XDG base directory specification)
    base = Path(data) if data.startswith("/") else Path.home() / ".local" / "share"
    return base / "lockgate"
