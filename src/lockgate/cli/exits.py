"""What the shell is told: one exit code and one line for every way a command can end badly.

Only what is expected is put into words here; a bug of ours is none of it, and flies.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import click

T = TypeVar("T")

OK, FAILURE, USAGE, NO_SUCH, ILLEGAL, DIVERGED = range(6)
NOT_RUN, NOT_EXECUTABLE, NOT_FOUND = 125, 126, 127
"""Of `run` only, as the field has them; every other code is the container's own."""
INTERRUPTED = 130

MEANINGS = (
    (f"{OK}", "all went well"),
    (f"{FAILURE}", "it did not happen, or not all of it"),
    (f"{USAGE}", "asked in a way that makes no sense"),
    (f"{NO_SUCH}", "no such container, pod, image, network, volume or artifact"),
    (f"{ILLEGAL}", "not legal in this state, or while others need it or are in flight"),
    (f"{DIVERGED}", "a replay went another way than the history"),
    (f"{NOT_RUN}", "run: the container could not be run, or nobody saw how it ended"),
    (f"{NOT_EXECUTABLE}, {NOT_FOUND}", "run: its command cannot be executed, was not found"),
    ("other", "run: the container's own exit code"),
)


class Problem(Exception):
    """An expected end, its words and its code known where it is raised."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def verdict(problem: BaseException) -> tuple[int, str] | None:
    """The exit code for an expected problem, and what to say; None for a bug."""
    match problem:
        case click.UsageError(ctx=context):
            command = context.command_path if context else "lockgate"
            return USAGE, f"{problem.format_message()} (see `{command} --help`)"
        case Problem(code=code):
            return code, str(problem)
        case click.ClickException():
            return problem.exit_code, problem.format_message()
        case UnicodeEncodeError():
            return USAGE, f"{problem.object!r} is not UTF-8; only UTF-8 can be kept"
        case _:
            return _of_the_engine(problem)


def _of_the_engine(problem: BaseException) -> tuple[int, str] | None:
    # not at the top: who mistypes an option does not wait for the engine to load
    from msgspec import MsgspecError

    from lockgate import errors
    from lockgate.effects.outcome import PortError

    match problem:
        case errors.InvalidArgument():
            return USAGE, str(problem)
        case errors.NoSuchContainer() | errors.NoSuchImage() | errors.AmbiguousName():
            return NO_SUCH, str(problem)
        case errors.NoSuchNetwork() | errors.NoSuchVolume() | errors.NoSuchArtifact():
            return NO_SUCH, str(problem)
        case errors.IllegalState() | errors.StillNeeded() | errors.DependencyNotRunning():
            return ILLEGAL, str(problem)
        case errors.NotRunning() | errors.PodRunning() | errors.PodLeaving():
            return ILLEGAL, str(problem)
        case errors.NoSuchPod() | errors.NoSuchSession():
            return NO_SUCH, str(problem)
        case errors.LockgateError() | errors.StoreError():
            return FAILURE, str(problem)
        case PortError():
            return FAILURE, problem.fault.reason
        case MsgspecError():
            return FAILURE, f"what is stored cannot be read: {problem}"
        case OSError(filename=path) if path is not None:
            return FAILURE, f"{path}: {problem.strerror}"
        case _:
            return None


def of_run(problem: Exception) -> Problem | None:
    """The same problem as `run` tells of it, in codes that few containers use; None where the
    verdict needs no change."""
    from lockgate.errors import InvalidArgument, OperationFailed

    known = verdict(problem)
    if known is None or isinstance(problem, InvalidArgument | click.UsageError):
        return None
    code = NOT_RUN
    if isinstance(problem, OperationFailed):
        code = {"denied": NOT_EXECUTABLE, "missing": NOT_FOUND}.get(problem.fault.kind, NOT_RUN)
    return Problem(known[1], code)


def report(problem: Exception) -> int:
    """One line on standard error; returns the exit code. What is a bug is raised again."""
    known = verdict(problem)
    if known is None:
        raise problem
    code, message = known
    say(message)
    return code


def say(message: str) -> None:
    """One line on standard error, whatever the message holds."""
    line = "".join(char if char.isprintable() else " " for char in message)
    click.echo(f"lockgate: {' '.join(line.split())}", err=True)


def each(
    names: Sequence[str],
    act: Callable[[str], object],
    *,
    turns: Sequence[Sequence[str]] | None = None,
    tell: bool = False,
) -> int:
    """Do it to all of them, side by side, and print their names, or with `tell` what `act` returns,
    in their order. One that fails keeps no other from its turn; the code is the first failure's.

    `turns`: who comes after whom; left out, nobody does.
    """
    from returns.result import Failure, Success

    from lockgate.side_by_side import side_by_side

    code = OK
    if turns is None or len(turns) < 2:
        outcomes = side_by_side(names, act)
    else:
        done = {name: told for turn in turns for name, told in side_by_side(turn, act)}
        outcomes = ((name, done[name]) for name in names)
    for name, outcome in outcomes:
        match outcome:
            case Success(value):
                click.echo(value if tell else name)
            case Failure(Exception() as problem):
                told = report(problem)
                code = code or told
            case _:
                raise AssertionError(f"a Result is a Success or a Failure, not {outcome!r}")
    return code


def gathered(names: Sequence[str], act: Callable[[str], T]) -> tuple[list[T], int]:
    """What `act` returns for each that does not fail; the code is the first failure's."""
    found: list[T] = []
    code = OK
    for name in names:
        try:
            found.append(act(name))
        except Exception as problem:
            told = report(problem)
            code = code or told
    return found, code
