"""Pods: sets of containers that live together and are moved as one.

Each operation is what it is for every member, in the order they need each other, and tells how it went for
each: one that fails keeps no other from its turn. What holds them together, the infra, comes first
and goes last. Nothing of the pod's own is locked while a member is moved (L-112).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from secrets import token_hex
from typing import TypeAlias, cast, get_args

from returns.result import Failure, Result

from lockgate import isolation, validation
from lockgate.effects.config import (
    DNS,
    NAMESPACES,
    SHAREABLE,
    Config,
    ExitPolicy,
    Limits,
    Namespaces,
    Pod,
    PortMapping,
    Security,
    Shared,
)
from lockgate.effects.network import Dns
from lockgate.effects.ports import PodRow
from lockgate.engine.core import faults_raised
from lockgate.engine.creation import Creation
from lockgate.engine.duties import Duties
from lockgate.engine.many import Many
from lockgate.engine.members import scope
from lockgate.errors import (
    AlreadyStopped,
    IllegalState,
    InitFailed,
    InvalidArgument,
    LockgateError,
    NoSuchContainer,
    NoSuchPod,
    PodLeaving,
    PodRunning,
)
from lockgate.statemachine.pods import BEGINNING, PodRecord, has_run, lives
from lockgate.statemachine.record import Record
from lockgate.statemachine.status import LIVE, Status

Outcomes: TypeAlias = Mapping[str, Result[Record, LockgateError]]
"""How it went, by the names of the containers: members before the infra, or after where it comes first.
Of one that is gone the record is the last there was."""

SHARES: tuple[Shared, ...] = ("net", "ipc", "uts")
NOTHING_GRANTED = Security(cap_drop=("ALL",), no_new_privileges=True)


class Pods(Creation, Duties, Many):
    """Making, moving and removing pods."""

    def create_pod(
        self,
        *,
        name: str = "",
        share: Sequence[str] = SHARES,
        exit_policy: ExitPolicy = "continue",
        network: validation.Wishes = "",
        ports: Iterable[str | PortMapping] = (),
        hostname: str = "",
        labels: Mapping[str, str] | None = None,
        dns: Dns = DNS,
        hosts: Iterable[tuple[str, str]] = (),
        image: str = "",
        memory: int = 0,
        pids: int = 0,
        cpu_quota: int = 0,
        cpu_period: int = 0,
    ) -> PodRecord:
        """A pod without members: its name claimed, what will hold it together made, nothing running.

        `share` are the namespaces its members live in, of net, ipc, uts, pid. `network` and `ports`
        are as those of a container: the pod's, if it shares that; left out, a private one. With the
        `exit_policy` stop it is stopped when the last member has ended. `image` is one whose command
        waits and reaps, in place of a program of our own. All its containers together
        may use `memory` bytes, `pids` threads, `cpu_quota` microseconds of CPU time in each
        `cpu_period` (0: no limit). Raises `InvalidArgument`, `NameTaken`,
        `NoSuchImage`, `NoSuchNetwork`; nothing is left of a pod that could not be made.
        """
        pod, container = token_hex(32), token_hex(32)
        kinds = _shares(share)
        if exit_policy not in get_args(ExitPolicy):
            policies = ", ".join(get_args(ExitPolicy))
            raise InvalidArgument(f"{exit_policy!r} is no exit policy: {policies}")
        published = validation.ports(ports)
        if "net" not in kinds and (network or published):
            raise InvalidArgument("a pod that shares no network has none: share net, too")
        wish = network or ("private" if "net" in kinds else "none")
        mode = self._mode(wish) if isinstance(wish, str) else ""
        if mode == "none" and "net" in kinds:
            raise InvalidArgument("what is to be shared needs a network: private, or one by name")
        networks = () if mode else validation.attachments(wish)
        limited = Limits(pids=pids, cpu_quota=cpu_quota, cpu_period=cpu_period)
        isolation.limits(limited, validation.memory(memory))
        cgroup = self._cgroup(pod) if memory or pids or cpu_quota else ""
        called = validation.name(name) if name else pod[:12]
        base = self._image(image) if image else None
        config = Config(
            id=container,
            name=f"{pod[:12]}-infra",
            image=base.name if base else "",
            image_id=base.id if base else "",
            rootfs="" if base else self._pause(called),
            command=(*base.entrypoint, *base.command) if base else self.host.pause_command,
            hostname=validation.name(hostname or called),
            network=mode or next(one.network for one in networks),
            networks=networks,
            ports=published,
            read_only=True,
            created_at=self.host.ports.clock.now(),
            security=NOTHING_GRANTED,
            cgroup_parent=cgroup or self.host.cgroups,
            namespaces=Namespaces(ipc=SHAREABLE) if "ipc" in kinds else NAMESPACES,
            dns=isolation.dns(dns),
            hosts=isolation.hosts(hosts),
            holds=Pod(
                id=pod,
                name=called,
                shares=kinds,
                exit_policy=exit_policy,
                labels=validation.pairs(labels or {}, "label"),
                created_at=self.host.ports.clock.now(),
                memory=memory,
                pids=max(pids, 0),
                cpu_quota=cpu_quota,
                cpu_period=cpu_period,
                cgroup=cgroup,
            ),
        )
        if not config.command:
            raise InvalidArgument(f"the image {image} names no command")
        self._made(isolation.consistent(self._lodged(config)))
        return self.pod(pod)

    def start_pod(self, reference: str) -> Outcomes:
        """What holds it together, then its init containers, one after the other to their ends, then the
        others, those that are needed first. What runs is left alone.

        Raises `InitFailed` when one of the former does not succeed, `PodLeaving`; no member has been
        started then.
        """
        pod = self._staying("start", reference)
        told = self._each((pod.infra,), self._begin, {})
        if isinstance(told[pod.infra.config.name], Failure):
            return told
        if not any(map(lives, pod.others)):
            try:
                self._prepare(pod)
            except LockgateError:
                self._end_idle(pod)
                raise
        return self._each(self.pod(pod.id).others, self._begin, told)

    def stop_pod(self, reference: str, timeout: int | None = None) -> Outcomes:
        """Members side by side, those that need others before these, then what holds them together.
        `timeout` seconds of patience for each; `None`: as each was made."""
        pod, patience = self.pod(reference), validation.seconds(timeout)
        told = self._each(pod.members, partial(self._end, timeout=patience), {}, backwards=True)
        return self._each((pod.infra,), partial(self._end, timeout=patience), told)

    def kill_pod(self, reference: str, signal: int | str = "KILL") -> Outcomes:
        """A signal to every member that runs. What holds them together is killed when they are, and
        hears no other signal."""
        pod, number = self.pod(reference), validation.signal_number(signal)
        fatal = number == validation.signal_number("KILL")
        meant = [one for one in pod.members if one.status in (LIVE if fatal else RUNS)]
        told = self._each(meant, partial(self._killed, signal=number), {}, backwards=True)
        if fatal and pod.infra.status in LIVE:
            return self._each((pod.infra,), partial(self._killed, signal=number), told)
        return told

    def pause_pod(self, reference: str) -> Outcomes:
        """All that run: members, then what holds them together."""
        pod = self.pod(reference)
        running = [one for one in (*pod.members, pod.infra) if one.status is Status.RUNNING]
        if not running:
            raise InvalidArgument(f"nothing runs in pod {pod.name}: there is nothing to pause")
        return self._each(running, self.pause, {}, backwards=True)

    def unpause_pod(self, reference: str) -> Outcomes:
        """All that are paused: what holds them together, then members."""
        pod = self.pod(reference)
        paused = [one for one in (pod.infra, *pod.members) if one.status is Status.PAUSED]
        if not paused:
            raise InvalidArgument(f"nothing is paused in pod {pod.name}")
        return self._each(paused, self.unpause, {})

    def restart_pod(self, reference: str, timeout: int | None = None) -> Outcomes:
        """Stopped as by `stop_pod`, then started as by `start_pod`: all of it in a new run. What did
        not stop keeps the rest from being started."""
        pod = self._staying("restart", reference)
        told = self.stop_pod(pod.id, timeout)
        if any(isinstance(one, Failure) for one in told.values()):
            return told
        return self.start_pod(pod.id)

    def remove_pod(
        self, reference: str, *, force: bool = False, timeout: int | None = None
    ) -> Outcomes:
        """It and all its members; their histories stay. `force`: what runs is ended first.

        From its beginning nobody comes into the pod, and nothing is started in it. One that is cut
        short is finished by the next, or by `refresh`. Raises `PodRunning`, `NoSuchPod`; where a
        member could not be removed the pod is still there.
        """
        pod, patience = self._pod_id(reference), validation.seconds(timeout)
        with self.host.locks.hold(scope(pod)):
            row = self.host.store.pod(pod)
            if row is None:
                raise NoSuchPod(reference)
            if not row.leaving and not force and (running := self._running(row)):
                raise PodRunning(row.name, running)
            force = force or row.leaving == "force"
            self._dismissed(pod, force=force)
        told = self._emptied(row, force, patience)
        if self.host.store.pod(pod) is None:
            self.host.locks.forget(scope(pod))
        return told

    def refresh(self) -> Mapping[str, LockgateError]:
        """As `Duties.refresh`, and the removals of pods that were cut short, before."""
        problems: dict[str, LockgateError] = {}
        for row in tuple(self.host.store.pods()):
            if row.leaving:
                told = self._emptied(row, row.leaving == "force", None)
                for outcome in told.values():
                    if isinstance(outcome, Failure):
                        problems[row.pod] = outcome.failure()
        return {**problems, **super().refresh()}

    # ---- inside --------------------------------------------------------------------------

    def _cgroup(self, pod: str) -> str:
        if not self.host.cgroups:
            raise InvalidArgument(
                "a pod cannot be limited: that takes a cgroup, and none is delegated to this user here; "
                "`lockgate doctor` says what would help"
            )
        return f"{self.host.cgroups}/pod-{pod}"

    def _pause(self, pod: str) -> str:
        with faults_raised("create", pod, "pod"):
            return self.host.pause()

    def _staying(self, verb: str, reference: str) -> PodRecord:
        pod = self.pod(reference)
        if pod.leaving:
            raise PodLeaving(verb, pod.name)
        return pod

    def _each(
        self,
        records: Iterable[Record],
        act: Callable[[str], Record],
        before: Outcomes,
        *,
        backwards: bool = False,
    ) -> Outcomes:
        """In turns, side by side within each; who is gone needs nothing more."""
        known = {one.id: one for one in records}

        def acted(container: str) -> Record:
            try:
                return act(container)
            except NoSuchContainer:
                return known[container]

        turns = self.turns(tuple(known))
        told = dict(before)
        for turn in turns[::-1] if backwards else turns:
            for container, outcome in zip(turn, self.each(acted, turn)):
                told[known[container].config.name] = outcome
        return told

    def _begin(self, container: str) -> Record:
        if not self._is(container, (Status.RUNNING,)):
            try:
                return self.start(container)
            except IllegalState:  # by somebody else, meanwhile
                if not self._is(container, (Status.RUNNING,)):
                    raise
        return self.inspect(container)

    def _end(self, container: str, timeout: int | None) -> Record:
        record = self.inspect(container)
        if lives(record):
            try:
                return self.stop(container, timeout)
            except AlreadyStopped:
                return self.inspect(container)
        return record

    def _killed(self, container: str, signal: int) -> Record:
        return self.kill(container, signal)

    def _prepare(self, pod: PodRecord) -> None:
        """Those that run before the others, one after the other; what has succeeded in this run of the
        pod, or was to only once, is not run again."""
        for one in pod.inits:
            name = one.config.name
            infra, record = self.inspect(pod.infra.id), self.inspect(one.id)
            if not has_run(record, infra):
                self._begin(one.id)
                code = self.wait(one.id)
                if code != 0:
                    raise InitFailed(pod.name, name, code)
            if one.config.pod is not None and one.config.pod.init == "once":
                self.remove(one.id)

    def _end_idle(self, pod: PodRecord) -> None:
        """What holds together nobody that runs need not go on."""
        try:
            self._end(pod.infra.id, None)
        except LockgateError:
            return  # somebody has come meanwhile

    def _running(self, row: PodRow) -> tuple[str, ...]:
        """Names of members that a removal without force would be against."""
        pod = self._stands(row, fresh=False)
        return tuple(
            one.config.name
            for one in (pod.members if pod else ())
            if one.status in HINDERING or (one.operation and one.operation.verb in BEGINNING)
            if not self._lifecycle.look(one)
        )

    def _dismissed(self, pod: str, *, force: bool) -> None:
        self._interpreter.probe("before dismissal")
        self.host.store.dismiss(pod, "force" if force else "plain")
        self._interpreter.probe("after dismissal")

    def _emptied(self, row: PodRow, force: bool, timeout: int | None) -> Outcomes:
        """Members, those that need others before these, then what holds them together."""
        pod = self._stands(row)
        if pod is None:
            return {}
        gone = partial(self.remove, force=force, timeout=timeout)
        told = self._each(pod.members, gone, {}, backwards=True)
        if any(isinstance(one, Failure) for one in told.values()):
            if not force:
                self.host.store.dismiss(row.pod, "")
            return told
        return self._each((pod.infra,), partial(self.remove, force=True, timeout=timeout), told)


RUNS = frozenset({Status.RUNNING})
HINDERING = LIVE - {Status.CREATED}


def _shares(value: Sequence[str]) -> tuple[Shared, ...]:
    known = get_args(Shared)
    for one in validation.words(value, "list of namespaces"):
        if one not in known:
            raise InvalidArgument(f"{one!r} is no namespace to share: {', '.join(known)}")
    if not value:
        raise InvalidArgument(f"a pod shares something: {', '.join(known)}")
    return cast(tuple[Shared, ...], tuple(one for one in known if one in value))
