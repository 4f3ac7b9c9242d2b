"""Which containers are meant: by name, all of them, or those that pass filters."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, TypeVar

import click

from lockgate.cli.session import Session

if TYPE_CHECKING:
    from lockgate.statemachine.record import Record

T = TypeVar("T")
Filters = Mapping[str, tuple[str, ...]]

KINDS = ("id", "label", "name", "status")


def as_filters(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> Filters:
    """`K=V` any number of times: one of the values of each kind must fit."""
    found: dict[str, tuple[str, ...]] = {}
    for entry in value:
        kind, equals, wanted = entry.partition("=")
        if kind not in KINDS or not equals or not wanted:
            known = ", ".join(f"{one}=…" for one in KINDS)
            raise click.BadParameter(f"{entry!r} is no filter: write {known}", ctx, param)
        if kind == "name":
            try:
                re.compile(wanted)
            except re.error as problem:
                raise click.BadParameter(f"{wanted!r}: {problem}", ctx, param) from None
        found[kind] = (*found.get(kind, ()), wanted)
    return found


FILTER = click.option(
    "-f",
    "--filter",
    "filters",
    metavar="K=V",
    multiple=True,
    callback=as_filters,
    help="Only those of this id, label (K or K=V), name (a regular expression) or status.",
)


def passing(records: "Iterable[Record]", filters: Filters) -> "list[Record]":
    return [one for one in records if all(_fits(one, kind, filters[kind]) for kind in filters)]


def _fits(record: "Record", kind: str, wanted: tuple[str, ...]) -> bool:
    config = record.config
    match kind:
        case "id":
            return any(config.id.startswith(one) for one in wanted)
        case "label":
            labels = {key for key, _ in config.labels} | {f"{k}={v}" for k, v in config.labels}
            return not labels.isdisjoint(wanted)
        case "name":
            return any(re.search(one, config.name) for one in wanted)
        case _:
            return str(record.status) in wanted


def chosen(command: Callable[..., T]) -> Callable[..., T]:
    """Gives a command its `names`: those it was given, or with --all or --filter those there are."""
    return _chosen(command, lambda rest: False)


def chosen_or(
    nobody: Callable[[Mapping[str, object]], bool],
) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """As `chosen`, but that it may be none, if the other options say so."""
    return lambda command: _chosen(command, nobody)


def _chosen(
    command: Callable[..., T], nobody: Callable[[Mapping[str, object]], bool]
) -> Callable[..., T]:

    @click.argument("names", metavar="[NAME]...", nargs=-1)
    @click.option("-a", "--all", "everything", is_flag=True, help="All there are.")
    @click.option(
        "--filter",
        "filters",
        metavar="K=V",
        multiple=True,
        callback=as_filters,
        help="Those of this id, label (K or K=V), name (a regular expression) or status.",
    )
    @wraps(command)
    def wrapped(names: Sequence[str], everything: bool, filters: Filters, **rest: object) -> T:
        given = sum((bool(names), everything, bool(filters)))
        if not given and nobody(rest):
            return command(names=(), **rest)
        if given != 1:
            raise click.UsageError("name containers, or give --all or --filter: one of them")
        if not names:
            session = click.get_current_context().find_object(Session)
            assert session is not None
            found = passing(session.engine.list(), filters)
            names = tuple(one.config.name or one.id for one in found)
        return command(names=tuple(names), **rest)

    return wrapped
