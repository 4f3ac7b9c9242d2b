"""Which commits a store takes: the rules both stores apply before they write anything."""

from collections.abc import Callable

from lockgate.effects.ports import (
    Commit,
    NameTakenError,
    NeededError,
    NoPodError,
    PodRow,
    StaleError,
    UnmetError,
)


def admit(commit: Commit, entries: int, present: bool, holder: str | None) -> None:
    """Raise what forbids this commit.

    `entries` is how many the container has, `present` whether it has a row, `holder` the other
    container that has the commit's name now. Raises `StaleError`, `NameTakenError`.
    """
    if commit.seq != entries:
        raise StaleError(
            f"container {commit.container[:12]} has {entries} entries, so the next is number "
            f"{entries}, not {commit.seq}: somebody wrote without holding its lock"
        )
    if entries and not present:
        raise StaleError(
            f"container {commit.container[:12]} is gone; its history of {entries} entries is closed"
        )
    if holder is not None and commit.name and commit.record is not None:
        raise NameTakenError(commit.name, holder)


def lodged(
    commit: Commit,
    *,
    pod: PodRow | None,
    pod_of_the_name: Callable[[str], str | None],
    container_of_the_name: Callable[[str], str | None],
) -> None:
    """Of a first commit: who comes into a pod meets one that stays, and nobody is called as a pod is,
    nor a pod as anybody. `pod`: that of the commit, if there is one. Raises `NoPodError`,
    `NameTakenError`.
    """
    if commit.name and (holder := pod_of_the_name(commit.name)):
        raise NameTakenError(commit.name, holder, "pod")
    if not commit.pod:
        return
    if not commit.pod_name:
        if pod is None or pod.leaving:
            raise NoPodError(commit.pod)
        return
    if holder := pod.pod if pod else pod_of_the_name(commit.pod_name):
        raise NameTakenError(commit.pod_name, holder, "pod")
    own = commit.container if commit.name == commit.pod_name else None
    if holder := own or container_of_the_name(commit.pod_name):
        raise NameTakenError(commit.pod_name, holder)


def renamed(commit: Commit, pod_of_the_name: Callable[[str], str | None]) -> None:
    """Of a commit that changes its container's name: not to that of a pod. Raises `NameTakenError`."""
    if holder := pod_of_the_name(commit.name):
        raise NameTakenError(commit.name, holder, "pod")


def bound(
    commit: Commit,
    *,
    first: bool,
    leaving: bool,
    stays: Callable[[str], bool],
    needed_by: Callable[[], tuple[str, ...]],
) -> None:
    """Nobody is ever without whom they need: who comes meets somebody who stays, and who leaves is
    needed by nobody. `leaving`: it was already. Raises `UnmetError`, `NeededError`.
    """
    if first:
        for needed in commit.needs:
            if not stays(needed):
                raise UnmetError(commit.container, needed)
    if commit.leaving and not leaving and (others := needed_by()):
        raise NeededError(commit.container, others)
