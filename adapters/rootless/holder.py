"""The process that keeps an ordinary user's namespaces: noted, found again, begun anew.

    <root>/namespaces.json      who holds them, and which they are
    <root>/namespaces.lock      held by whoever looks for them or makes them

It does nothing; what counts is that it lives in a user namespace and a mount namespace, so that what one
command has mounted is there for the next. Three rules:

- it is noted in the folder it belongs to, never where the environment says, which is another one at every
  way into a host (and another one's namespaces would have none of our mounts);
- a number is never believed: pid, start time, boot and both namespaces must be as noted (a pid file that
  survived a reboot must lead to nobody);
- when it was killed, any other process in there will do (INCIDENTS B120); when there is none, what it kept is
  lost as by a reboot, and is told of as one: nothing that began before is left alive.
"""

import os
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from secrets import token_hex

import msgspec
from msgspec import Struct

from lockgate.adapters.commands import finished
from lockgate.adapters.filesystem import read_bounded, write_atomic
from lockgate.adapters.flocks import locked
from lockgate.adapters.inotify import readable
from lockgate.adapters.oci.choice import find
from lockgate.adapters.oci.command import printable
from lockgate.adapters.oci.process import alive, boot_id, end, identify, pids
from lockgate.adapters.rootless.permission import grants, obstacles
from lockgate.adapters.rootless.subids import id_map
from lockgate.effects.model import Process
from lockgate.effects.outcome import PortError

NOTE, LOCK = "namespaces.json", "namespaces.lock"
PATIENCE = 30.0
"""Seconds to wait for others who look, or for a tool."""

PATH = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
SLEEP = "echo $$; exec sleep infinity >/dev/null 2>&1"
APART = f"unshare --user --mount --propagation slave sh -c '{SLEEP}' </dev/null >&$SAY &"
BESIDE = f"sh -c '{SLEEP}' </dev/null >&$SAY &"
"""It outlives whoever begins it, is nobody's child, and says its pid when it is there. What is mounted
on the host later on shows in there, and nothing the other way round."""

_LIMIT = 1 << 16


class Note(Struct, frozen=True):
    """Who holds the namespaces; `user` and `mount` are their inodes. `generation` is their name: no
    other namespaces ever have it."""

    holder: Process
    user: int
    mount: int
    generation: str


class Door(Struct, frozen=True):
    """Descriptors of a user and of a mount namespace, by which they can be entered."""

    user: int
    mount: int


@contextmanager
def held(root: Path) -> Generator[None]:
    """Look and make alone. Raises `PortError("timeout")`."""
    file = os.open(root / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if not locked(file, PATIENCE):
            reason = f"another process has been looking for namespaces ({root / LOCK}) for long"
            raise PortError("timeout", reason, dirty=False)
        yield
    finally:
        os.close(file)


def noted(root: Path) -> Note | None:
    """What the folder says, true or not; None where it says nothing, or nothing that can be read."""
    with suppress(FileNotFoundError, PortError, msgspec.MsgspecError, UnicodeDecodeError):
        return msgspec.json.decode(read_bounded(root / NOTE, _LIMIT), type=Note)
    return None


def note(root: Path, found: Note) -> None:
    """Not durable: whatever stops this host also ends what it tells of."""
    write_atomic(root, NOTE, msgspec.json.encode(found), 0o600, durable=False)


def generation(root: Path) -> str:
    """The name of the namespaces this process is in, if they are this folder's; else empty."""
    found = noted(root)
    inside = found is not None and Path("/proc/self/ns/mnt").stat().st_ino == found.mount
    return found.generation if found is not None and inside else ""


def door(found: Note, stack: ExitStack) -> tuple[Door | None, bool]:
    """The way into the namespaces that were noted, open until the stack is left, and whether it is
    the holder's own; None when nobody is in there any more."""
    if found.holder.boot != boot_id():
        return None, False
    if (way := _through(found, found.holder, stack)) is not None:
        return way, True
    for process in _inside(found):
        if (way := _through(found, process, stack)) is not None:
            return way, False
    return None, False


def begin(root: Path, uid: int, gid: int) -> Note:
    """New namespaces, with the ids the user was given; noted. Raises `PortError` that says what this
    host does not allow, and what to do."""
    if found := obstacles(uid):
        raise _denied("; ".join(map(str, found)))
    users, groups = grants(uid)
    holder = _begun(APART)
    try:
        _mapped("newuidmap", holder, id_map(uid, users))
        _mapped("newgidmap", holder, id_map(gid, groups))
        made = Note(holder, *_namespaces(holder.pid), token_hex(8))
        note(root, made)
    except BaseException:
        end(holder, PATIENCE)
        raise
    return made


def renew(root: Path, found: Note) -> None:
    """Another holder, from within: for who came in by somebody else's door."""
    note(root, msgspec.structs.replace(found, holder=_begun(BESIDE)))


def forsake(root: Path, found: Note) -> None:
    """End what is left in a user namespace whose mounts are lost: its monitors are dead, so nobody
    would ever hear of its end, and nobody could get at its files. Then forget it."""
    if found.holder.boot == boot_id():
        for process in _rest(found):
            end(process, PATIENCE)
    (root / NOTE).unlink(missing_ok=True)


def dismiss(root: Path) -> tuple[Process, ...]:
    """End the holder if nobody else is in there, from outside; returns who is."""
    with held(root):
        found = noted(root)
        if found is None or found.holder.boot != boot_id():
            (root / NOTE).unlink(missing_ok=True)
            return ()
        others = tuple(one for one in _rest(found) if one != found.holder)
        if not others:
            if _namespaces_or_none(found.holder.pid) == (found.user, found.mount):
                end(found.holder, PATIENCE)
            (root / NOTE).unlink(missing_ok=True)
        return others


# ---- who is where ----------------------------------------------------------------------


def _through(found: Note, process: Process, stack: ExitStack) -> Door | None:
    """By way of a process that must be who it was all along."""
    try:
        fds = [
            os.open(f"/proc/{process.pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
            for kind in ("user", "mnt")
        ]
    except OSError:
        return None
    for fd in fds:
        stack.callback(os.close, fd)
    user, mount = (os.fstat(fd).st_ino for fd in fds)
    if (user, mount) != (found.user, found.mount) or not alive(process):
        return None
    return Door(*fds)


def _inside(found: Note) -> Iterator[Process]:
    """Living processes in both namespaces."""
    for pid in pids():
        if _namespaces_or_none(pid) == (found.user, found.mount) and (one := identify(pid)):
            yield one


def _rest(found: Note) -> Iterator[Process]:
    """Living processes in the user namespace, wherever their mounts are."""
    for pid in pids():
        there = _namespaces_or_none(pid)
        if there is not None and there[0] == found.user and (one := identify(pid)):
            yield one


def _namespaces(pid: int) -> tuple[int, int]:
    user, mount = (Path(f"/proc/{pid}/ns/{kind}").stat().st_ino for kind in ("user", "mnt"))
    return user, mount


def _namespaces_or_none(pid: int) -> tuple[int, int] | None:
    """None for who has ended, and for whom we may not look at: he is in none of ours."""
    with suppress(OSError):
        return _namespaces(pid)
    return None


# ---- making --------------------------------------------------------------------------


def _begun(script: str) -> Process:
    """Begin a holder; it is where it should be when this returns."""
    with ExitStack() as stack:
        heard, say = os.pipe()
        stack.callback(os.close, heard)
        try:
            line, environment = ["sh", "-c", script], PATH | {"SAY": str(say)}
            ran = finished(
                line,
                environment=environment,
                patience=PATIENCE,
                keeping=(say,),
                folder=Path("/"),
            )
        finally:
            os.close(say)
        said = b""
        while not said.endswith(b"\n") and readable((heard,), PATIENCE):
            if not (more := os.read(heard, 64)):
                break
            said += more
        process = identify(int(said)) if said.strip().isdigit() else None
        if process is None:
            why = printable(ran.complaints.decode("utf-8", "replace"))
            raise _denied(f"the namespaces cannot be made: {why or 'nobody said why'}")
        return process


def _mapped(tool: str, holder: Process, lines: tuple[tuple[int, int, int], ...]) -> None:
    numbers = [str(number) for line in lines for number in line]
    ran = finished(
        [str(find(tool) or tool), str(holder.pid), *numbers],
        environment=PATH,
        patience=PATIENCE,
    )
    if ran.code:
        said = printable(ran.complaints.decode("utf-8", "replace"))
        raise _denied(f"{tool} gives no ids: {said or f'it ended with {ran.code}'}")


def _denied(why: str) -> PortError:
    reason = (
        f"without root, containers live in a user namespace, which this host does not give: {why}"
    )
    return PortError("denied", reason, dirty=False)
