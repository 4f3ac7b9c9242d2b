"""What the commands of one invocation share: which folder, which runtime, and the engine on it,
opened when first needed and closed when the command has ended."""

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
    network_driver: str | None = None,
) -> "AbstractContextManager[Engine]":
    from lockgate.engine import Engine
    from lockgate.rootless import enter

    return Engine.open(
        enter(root),
        runtime=runtime,
        storage=storage,
        hooks=hooks,
        network_driver=network_driver,
    )
