"""Hooks as files say them: schema 1.0.0 of the field's hook directories (MAP §3.12)."""

from msgspec import Struct

STAGES = (
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
    "precreate",
)
"""All that a file may name. The runtime runs those before `poststop`; that one and `precreate`, which
may change the spec before anything is made of it, are run by the engine."""

OF_THE_ENGINE = frozenset({"precreate", "poststop"})


class Hook(Struct, frozen=True, omit_defaults=True):
    """A program with its whole command line, its environment (nothing else), and seconds to end."""

    path: str
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    timeout: int | None = None


class When(Struct, frozen=True, kw_only=True, rename="camel"):
    """All conditions that are given must hold; none given never does. Patterns may match anywhere."""

    always: bool | None = None
    has_bind_mounts: bool | None = None
    annotations: tuple[tuple[str, str], ...] = ()  # patterns of key and value
    commands: tuple[str, ...] = ()  # patterns of the program


class HookFile(Struct, frozen=True):
    """One file of a hook directory."""

    name: str
    hook: Hook
    when: When
    stages: tuple[str, ...]
