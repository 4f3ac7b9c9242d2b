"""Which commits a store takes: the one rule both stores apply before they write anything."""

from lockgate.effects.ports import Commit, NameTakenError, StaleError


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
