"""Who a container's processes are, by the container's own files.

/etc/passwd and /etc/group belong to somebody else: malformed lines are passed over, numbers out of
range are no numbers, nothing is trusted to be there.
"""

from collections.abc import Iterator, Sequence

from lockgate.effects.config import Config
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Accounts

MAX_ID = 2**32 - 2


def resolve_user(user: str, accounts: Accounts) -> tuple[int, int, tuple[int, ...]]:
    """`name|uid[:group|gid]` to (uid, gid, supplementary gids), by the container's own files.

    Empty is root. A numeric uid the files do not know gets gid 0, as OCI image spec `config.User`
    and the engines of the field do. A group given by hand means no supplementary groups.
    """
    name, _, group = user.partition(":")
    if not name:
        return 0, _gid(group, accounts) if group else 0, ()
    entry = next((line for line in _passwd(accounts) if line[0] == name), None)
    if entry is None and _number(name) is not None:
        uid = _number(name) or 0
        entry = next((line for line in _passwd(accounts) if line[1] == uid), (name, uid, 0))
    if entry is None:
        raise PortError(
            "refused",
            f"the user {name!r} is not in the container's /etc/passwd; name one that is, or a number",
            dirty=False,
        )
    if group:
        return entry[1], _gid(group, accounts), ()
    groups = (gid for _, gid, members in _groups(accounts) if entry[0] in members)
    return entry[1], entry[2], tuple(sorted(set(groups) - {entry[2]}))


def extra_groups(groups: Sequence[str], accounts: Accounts) -> tuple[int, ...]:
    """Groups by name or number. `PortError("refused", dirty=False)` for an unknown one (MAP D-79)."""
    return tuple(_gid(group, accounts) for group in groups)


def stranger(config: Config, accounts: Accounts) -> bytes:
    """The line of /etc/passwd for a number it does not know, which many programs cannot do
    without; empty where it is known, or where there is no such file."""
    name = config.user.partition(":")[0]
    uid, gid, _ = resolve_user(config.user, accounts)
    if not (name and accounts.passwd) or any(uid == entry[1] for entry in _passwd(accounts)):
        return b""
    home = config.workdir.translate({ord(":"): "_", ord("\n"): "_"})
    return f"{name}:x:{uid}:{gid}:container user:{home}:/bin/sh\n".encode()


def _gid(group: str, accounts: Accounts) -> int:
    for name, gid, _ in _groups(accounts):
        if name == group:
            return gid
    number = _number(group)
    if number is None:
        raise PortError(
            "refused",
            f"the group {group!r} is not in the container's /etc/group; name one that is, "
            "or a number",
            dirty=False,
        )
    return number


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return None
    number = int(text)
    return number if number <= MAX_ID else None


def _lines(data: bytes, fields: int) -> Iterator[list[str]]:
    for line in data.decode(errors="replace").split("\n"):
        parts = line.split(":")
        if len(parts) >= fields:
            yield parts


def _passwd(accounts: Accounts) -> Iterator[tuple[str, int, int]]:
    for parts in _lines(accounts.passwd, 4):
        uid, gid = _number(parts[2]), _number(parts[3])
        if parts[0] and uid is not None and gid is not None:
            yield parts[0], uid, gid


def _groups(accounts: Accounts) -> Iterator[tuple[str, int, list[str]]]:
    for parts in _lines(accounts.group, 4):
        gid = _number(parts[2])
        if parts[0] and gid is not None:
            yield parts[0], gid, parts[3].split(",")
