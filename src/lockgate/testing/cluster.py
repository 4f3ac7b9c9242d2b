"""Shares on a cluster of `dask.distributed`: one actor on each of its workers.

Nothing else changes: the calls and their order are those of forked processes, and so is the report.
Needs the extra `distributed`.
"""

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from functools import partial
from typing import Any

from distributed import Client

from lockgate.testing.explore import Model
from lockgate.testing.together import Gather, Share, Team, asked


class _Remote:
    """A share as an actor: calls come by name."""

    def __init__(
        self,
        model: Callable[[], Model[Any]],
        rank: int,
        workers: int,
        noted: Callable[[], frozenset[str]],
    ) -> None:
        self._share: Share[Any] = Share(model, rank, workers, noted)

    def asked(self, name: str, argument: object) -> Any:
        return asked(self._share, name, argument)


class _Cluster:
    def __init__(
        self,
        client: Any,  # the library says nothing of its types
        model: Callable[[], Model[Any]],
        noted: Callable[[], frozenset[str]],
    ) -> None:
        workers: list[str] = sorted(client.scheduler_info(n_workers=-1)["workers"])
        if not workers:
            raise LookupError("the cluster has no workers")
        begun = partial(client.submit, actor=True, pure=False)
        futures: list[Any] = [
            begun(_Remote, model, rank, len(workers), noted, workers=[worker])
            for rank, worker in enumerate(workers)
        ]
        self._actors: list[Any] = [future.result() for future in futures]

    def __len__(self) -> int:
        return len(self._actors)

    def each(self, name: str, arguments: Iterable[object]) -> list[Any]:
        pairs = zip(self._actors, arguments, strict=True)
        answers = [actor.asked(name, argument) for actor, argument in pairs]
        return [answer.result() for answer in answers]

    def dismiss(self) -> None:
        self._actors.clear()  # the workers let go of them


@contextmanager
def at(address: str) -> Generator[Gather]:
    """By the workers of the scheduler at this address. Raises `OSError` when there is none."""
    connect: Any = Client
    with connect(address) as client:
        yield on(client)


def on(client: Client) -> Gather:
    """By all the workers this client's cluster has now. Each must have this version of us, and, where
    a folder keeps the exploration, the same folder."""

    def gather(model: Callable[[], Model[Any]], noted: Callable[[], frozenset[str]]) -> Team:
        return _Cluster(client, model, noted)

    return gather
