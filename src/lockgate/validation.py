"""From what a caller wrote to what the engine believes: every wish checked once, at the door."""

import re
import signal
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast, get_args

from lockgate.effects.config import RestartPolicy
from lockgate.errors import InvalidArgument

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*\Z")
USER = re.compile(r"[a-zA-Z0-9_.-]+(:[a-zA-Z0-9_.-]+)?\Z")
MAX_NAME = 128
MAX_TIMEOUT = 10 * 365 * 24 * 3600
"""Seconds. Ten years: longer is a mistake, not patience."""
MIN_MEMORY = 4 * 2**20


def name(value: str) -> str:
    if not NAME.match(value) or len(value) > MAX_NAME:
        raise InvalidArgument(
            f"{value[:MAX_NAME]!r} cannot be a name: use letters, digits, '_', '.', '-', beginning "
            f"with a letter or digit, at most {MAX_NAME}"
        )
    return value


def seconds(value: int | None, what: str = "timeout") -> int | None:
    if value is not None and not 0 <= value <= MAX_TIMEOUT:
        raise InvalidArgument(
            f"a {what} of {value} seconds makes no sense: give 0 to {MAX_TIMEOUT}"
        )
    return value


def signal_number(value: int | str) -> int:
    """`15`, `"15"`, `"TERM"`, `"SIGTERM"`, in any case."""
    text = str(value).strip().upper()
    if text.isascii() and text.isdigit():
        number = int(text[:4])
    else:
        full = text if text.startswith("SIG") else f"SIG{text}"
        number = int(getattr(signal.Signals, full, 0))
    if not 1 <= number < signal.NSIG:
        raise InvalidArgument(
            f"{value!r} is no signal: give a name such as TERM or SIGUSR1, or 1 to {signal.NSIG - 1}"
        )
    return number


def words(value: Sequence[str] | str, what: str) -> tuple[str, ...]:
    if isinstance(value, str):
        raise InvalidArgument(f"the {what} is a list of words, not one string: {value!r}")
    for word in value:
        if "\0" in word:
            raise InvalidArgument(f"the {what} holds a NUL byte: {word!r}")
    return tuple(value)


def environment(value: Mapping[str, str] | Iterable[str]) -> tuple[str, ...]:
    if isinstance(value, Mapping):
        mapping = cast(Mapping[str, str], value)  # an Iterable[str] might be one of other values
        pairs = tuple(f"{key}={text}" for key, text in mapping.items())
    else:
        pairs = tuple(value)
    for pair in pairs:
        key, equals, _ = pair.partition("=")
        if not key or not equals or "\0" in pair:
            raise InvalidArgument(f"{pair!r} is no environment entry: write NAME=VALUE")
    return pairs


def pairs(value: Mapping[str, str], what: str) -> tuple[tuple[str, str], ...]:
    for key, text in value.items():
        if not key or "\0" in key + text:
            raise InvalidArgument(f"{key!r} is no {what}: the key is empty or holds a NUL byte")
    return tuple(sorted(value.items()))


def restart(policy: str, retries: int) -> RestartPolicy:
    policies = get_args(RestartPolicy)
    if policy not in policies:
        raise InvalidArgument(f"{policy!r} is no restart policy: {', '.join(policies)}")
    if retries < 0 or (retries and policy != "on-failure"):
        raise InvalidArgument(f"{retries} retries make no sense with {policy!r}: only on-failure")
    return cast(RestartPolicy, policy)


def user(value: str) -> str:
    if value and not USER.match(value):
        raise InvalidArgument(f"{value!r} is no user: write NAME|UID[:GROUP|GID]")
    return value


def workdir(value: str) -> str:
    if not value.startswith("/") or "\0" in value:
        raise InvalidArgument(f"the working directory {value!r} is not an absolute path")
    return value


def memory(value: int) -> int:
    if value and not MIN_MEMORY <= value < 2**63:
        raise InvalidArgument(
            f"a memory limit of {value} bytes makes no sense: give 0 (none) or at least {MIN_MEMORY}"
        )
    return value


def rootfs(value: str | Path) -> str:
    path = Path(value).absolute()
    if not path.is_dir():
        raise InvalidArgument(f"the root filesystem {str(path)!r} is not a directory")
    return str(path.resolve())
