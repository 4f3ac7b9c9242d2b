"""Setting a monitor on a container to be, and hearing what came of it (HOST §1, protocol).

One rule: our death at any point changes nothing but who hears the answer. The monitor writes it to
a file, takes our silence for "begin", and is found again by the directory it was given.
"""

import fcntl
import os
import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from lockgate.adapters.inotify import Inotify, Mask, readable
from lockgate.adapters.oci.cgroups import Cgroups
from lockgate.adapters.oci.command import RuntimeCommand, complaint, printable
from lockgate.adapters.oci.process import arguments, descendants, held
from lockgate.adapters.oci.run import RESERVED, Answer, Run
from lockgate.adapters.sockets import bound
from lockgate.adapters.whole import pread_all
from lockgate.effects.config import USERMODES, Config, by_systemd, pod_cgroup
from lockgate.effects.model import Process
from lockgate.effects.outcome import PortError

LOOK_AGAIN = 1.0
"""Seconds without an answer after which it is looked whether there is still a monitor to give one."""

GLANCE = 0.1
"""Seconds between two looks, while nobody can be seen who works for the monitor."""

LAST_WORDS = 0.2
"""Seconds the monitor may take to say that the runtime has failed."""

BENEFIT_OF_DOUBT = 2.0
"""Seconds it may take to say anything, when the runtime may have succeeded, or has yet to be called."""

VERBS = frozenset((b"create", b"exec", b"restore"))
_STDERR_LIMIT = 4096
_BEGIN = b"\0"
_SYNC_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def launch(
    run: Run,
    config: Config,
    line: list[str],
    runtime: RuntimeCommand,
    cgroups: Cgroups,
    deadline: float,
) -> str:
    """Start the monitor and let it begin; returns when it stands on its own.

    The answer is what it complained of, empty if nothing: it has then left its pid in the run
    directory. The first of its processes is moved to the monitors' cgroup before it begins, so that
    neither the caller's limits nor the container's are the monitor's. Raises `PortError("missing")`
    without conmon, "refused" for a port of the host that another program has bound, `TimeoutError`,
    `OSError`.
    """
    with ExitStack() as stack:
        stderr = _kept(stack, os.memfd_create("conmon", os.MFD_CLOEXEC))
        sync = _kept(stack, os.open(run.sync, _SYNC_FLAGS, 0o600))
        begin, say = (_kept(stack, end) for end in os.pipe())
        # kept open by the monitor until it ends (MAP L-32); ours are closed, whatever happens; in
        # the network `user` a process listens on them itself
        ports = [
            stack.enter_context(bound(port)).fileno()
            for port in config.ports
            if config.network not in USERMODES
        ]
        try:
            child = subprocess.Popen(
                line,
                pass_fds=(sync, begin, *ports),
                start_new_session=True,
                cwd=run.directory,  # where it leaves a second mark of an OOM kill
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env=runtime.environment
                | {"_OCI_SYNCPIPE": str(sync), "_OCI_STARTPIPE": str(begin)},
            )
        except (FileNotFoundError, PermissionError) as error:
            reason = f"cannot run the monitor {line[0]}: {error.strerror}; is conmon installed?"
            raise PortError("missing", reason) from None
        if config.cgroup_parent and not by_systemd(config):  # its tree is not ours to change
            cgroups.enter(f"{_above(config)}/{RESERVED}", child.pid)
        with suppress(BrokenPipeError):  # it refused already: its exit status says so (MAP L-57)
            os.write(say, _BEGIN)
        code = _reaped(child, deadline)
        if code == 0:
            return ""
        said = complaint(pread_all(stderr, _STDERR_LIMIT, 0))
        return said or f"conmon ended with status {code} and said nothing"


def _above(config: Config) -> str:
    """Where monitors are, beside what is theirs: no limit of a pod is on them."""
    return pod_cgroup(config).rpartition("/")[0] or config.cgroup_parent


def command_line(run: Run, config: Config, conmon: Path, runtime: RuntimeCommand) -> list[str]:
    """What conmon is called with. `--full-attach` lets paths be longer than a socket's name;
    with `--no-sync-log` an exit is not held back until the disk has the last line of the log."""
    line = [str(conmon), "--api-version", "--full-attach", "--no-sync-log"]
    line += ["-c", run.container, "-u", run.container, "-n", config.name or run.container]
    line += ["-b", str(run.bundle), "-p", str(run.pidfile), "-P", str(run.monitor_pidfile)]
    line += ["--exit-dir", str(run.exits), "--persist-dir", str(run.persist)]
    line += ["-l", f"k8s-file:{run.log}", "-r", str(runtime.path)]
    if config.log_size:
        line += ["--log-size-max", str(config.log_size)]
    if by_systemd(config):
        line.append("--systemd-cgroup")
    if config.terminal:
        line.append("-t")
    elif config.stdin:
        line.append("-i")
    for word in ("--root", str(runtime.root), "--log-format=json", "--log", str(run.runtime_log)):
        line += ["--runtime-arg", word]
    return line


def restoring(image: Path, work: Path, *options: str) -> list[str]:
    """How conmon is told to have a container restored instead of created. It names a place for the
    runtime's log itself; the last one named counts."""
    line = ["--restore", str(image)]
    for word in ("--work-path", str(work), *options):
        line += ["--runtime-opt", word]
    return line


def exit_command(words: Sequence[str]) -> list[str]:
    """How conmon is told what to call when the run is over."""
    line: list[str] = []
    for option, word in zip(("--exit-command", *("--exit-command-arg",) * len(words)), words):
        line += [option, word]
    return line


def heard(run: Run, deadline: float, *, search: bool = False) -> Answer | None:
    """The monitor's answer; None when it ended without one, there is no monitor, or the runtime was
    killed: then the monitor waits for the last words of whom it had begun, and those never come.

    A runtime that is done has written a pid; one that has ended and has not, has failed.
    `search`: the monitor may be anywhere on its way (see `Run.monitor`). Raises `TimeoutError`
    when `deadline` (of the monotonic clock) passes.
    """
    runtime: Process | None = None
    patience, alone = GLANCE, 0.0
    with Inotify() as news:
        try:
            news.watch(run.sync, Mask.MODIFY | Mask.DONT_FOLLOW)
        except FileNotFoundError:
            return None
        while True:
            if answer := run.answer():
                return answer
            monitor = run.monitor(search=search)
            if monitor is None:
                return run.answer()  # its last words may be younger than our question
            with _awaited(monitor, runtime) as ends:
                told = readable((news.fileno(), *ends), min(patience, _left(deadline)))
            if not told and not _left(deadline):
                raise TimeoutError(f"no answer from conmon (process {monitor.pid})")
            if news.read():
                continue
            runtime, family = _at_work(monitor)
            if runtime is not None:
                patience, alone = LOOK_AGAIN, 0.0
                continue
            failed = family and not run.pid()
            if alone >= (LAST_WORDS if failed else BENEFIT_OF_DOUBT):
                return run.answer()
            alone += GLANCE
            patience = GLANCE


@contextmanager
def _awaited(*processes: Process | None) -> Generator[tuple[int, ...]]:
    """Descriptors that can be read when one of these processes has ended."""
    with ExitStack() as stack:
        fds = [stack.enter_context(held(one)) for one in processes if one is not None]
        yield tuple(fd for fd in fds if fd is not None)


def _at_work(monitor: Process) -> tuple[Process | None, bool]:
    """The living runtime that this monitor has called, and whether anybody of its family lives. It is
    known by the verb it was given, and by standing outside: some runtimes begin a container as a
    copy of themselves, words and all."""
    family = descendants(monitor)
    for one in family:
        if not VERBS.isdisjoint(arguments(one.pid)) and not _apart(one, monitor):
            return one, True
    return None, bool(family)


def _apart(one: Process, other: Process) -> bool:
    """Do they have mounts of their own? Whoever may not be looked at has not, as far as we know."""
    try:
        return not Path(f"/proc/{one.pid}/ns/mnt").samefile(f"/proc/{other.pid}/ns/mnt")
    except OSError:
        return False


def failure(run: Run, answer: Answer | None, said: str) -> str:
    """Why there is no container: the best of the runtime's log, the answer, and what conmon said."""
    told = printable(answer.message) if answer else ""
    return complaint(run.complaints()) or told or said or "it ended without an answer"


def _reaped(child: subprocess.Popen[bytes], deadline: float) -> int:
    """The monitor forks away from us; this is the end of its first process, which is our child."""
    fd = os.pidfd_open(child.pid)
    try:
        if readable((fd,), _left(deadline)):
            return child.wait()
    finally:
        os.close(fd)
        if child.returncode is None:
            child.kill()
            child.wait()
    raise TimeoutError(f"conmon (process {child.pid}) did not begin")


def _kept(stack: ExitStack, fd: int) -> int:
    """This descriptor until the stack is left; not 0, 1 or 2, which a child finds replaced."""
    if fd <= 2:
        low, fd = fd, fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
        os.close(low)
    stack.callback(os.close, fd)
    return fd


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
