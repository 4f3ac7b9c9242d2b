"""Which containers stand together, in pods or in the namespaces of one of them, and what must be so
before one begins or ends a run.

The lock of a pod is taken before that of any of its containers, and never while one of theirs is
held (P13). It is held from the question whether its infra runs, or is needed, until the answer is acted
upon on record; never while anything is waited for. Whoever lends its namespaces has such a lock, too.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias, get_args

from msgspec.structs import replace

from lockgate.effects.config import (
    SHAREABLE,
    SHARED,
    Config,
    InitKind,
    Membership,
    Pod,
    borrowed,
    needs,
    owners,
    pod_of,
)
from lockgate.effects.interpreter import Gate
from lockgate.effects.ports import PodRow
from lockgate.engine.core import Core
from lockgate.errors import (
    AmbiguousName,
    DependencyNotRunning,
    InvalidArgument,
    NoSuchContainer,
    NoSuchPod,
    PodLeaving,
    StillNeeded,
)
from lockgate.statemachine.inputs import (
    Cleanup,
    Command,
    Init,
    Input,
    Kill,
    Restart,
    Revive,
    Start,
    Stop,
)
from lockgate.statemachine.pods import PodRecord, lives, lives_in
from lockgate.statemachine.record import Record
from lockgate.statemachine.status import Status

POD_LOCK = "pod-"
BEGINS = (Init, Start, Restart, Revive)

Check: TypeAlias = Callable[[], None]


def scope(pod: str) -> str:
    """Of its lock: of a pod, or of one that lends its namespaces."""
    return f"{POD_LOCK}{pod}"


class Members(Core):
    """Pods as they are, and who may come and go in them."""

    def pod(self, reference: str) -> PodRecord:
        """By name, id, or an unambiguous beginning of an id. Raises `NoSuchPod`."""
        row = self.host.store.pod(self._pod_id(reference))
        found = self._stands(row) if row else None
        if found is None:
            raise NoSuchPod(reference)
        return found

    def pods(self) -> tuple[PodRecord, ...]:
        """All pods, oldest first."""
        found = map(self._stands, tuple(self.host.store.pods()))
        return tuple(one for one in found if one is not None)

    # ---- inside --------------------------------------------------------------------------

    def _pod_id(self, reference: str) -> str:
        found = self.host.store.find_pod(reference) if reference else ()
        if len(found) > 1:
            raise AmbiguousName(reference, found)
        if not found:
            raise NoSuchPod(reference)
        return found[0]

    def _stands(self, row: PodRow, *, fresh: bool = True) -> PodRecord | None:
        """None for one that went while we looked. `fresh`: ends nobody has noticed are noted, under
        the lock of each; without, no lock is taken."""
        seen = [self._glimpse(one) for one in self.host.store.members(row.pod)]
        records = [self._fresh(one) if fresh else one for one in seen if one is not None]
        infra = next((one for one in records if one.id == row.infra), None)
        if infra is None or infra.gone:
            return None
        return PodRecord(
            pod=infra.config.holds or Pod(id=row.pod, name=row.name, shares=()),  # P11
            infra=infra,
            members=tuple(one for one in records if one is not infra and not one.gone),
            leaving=row.leaving,
        )

    def _gate(self, container: str, command: Input) -> Gate | None:
        """A member begins a run only while its infra runs; that ends only while no member does
        (L-117). A guest begins one only while those run whose namespaces it lives in; they begin
        another, or give back the last one's, only while it does not."""
        if not isinstance(command, (Init, Start, Restart, Revive, Stop, Kill, Cleanup)):
            return None
        row = self.host.store.row(container)
        record = self._seen(row) if row else None
        if row is None or record is None:
            return None
        pod = self.host.store.pod(row.pod) if row.pod else None
        asked = tuple(self._of_lodging(record, command, pod))
        if pod is not None and (check := self._of_pod(container, command, pod)):
            asked = ((scope(pod.pod), check), *asked)
        if not asked:
            return None

        def together() -> None:
            for _, check in asked:
                check()

        return Gate(tuple({one for one, _ in asked}), together)

    def _of_pod(self, container: str, command: Command, pod: PodRow) -> Check | None:
        if pod.infra != container:
            begins = isinstance(command, BEGINS)
            return partial(self._housed, container, pod) if begins else None
        if isinstance(command, (Stop, Kill, Restart)):
            return partial(self._unneeded, str(command.verb), pod)
        return partial(self._stays, pod)

    def _of_lodging(
        self, record: Record, command: Command, pod: PodRow | None
    ) -> Iterator[tuple[str, Check]]:
        infra = pod.infra if pod else ""
        if isinstance(command, BEGINS):
            for owner in owners(record.config):
                if owner != infra:
                    yield scope(owner), partial(self._lent, record.id, owner)
        ends = isinstance(command, (*BEGINS, Cleanup))
        if ends and record.id != infra and any(self._guests_of(record.id)):
            yield scope(record.id), partial(self._unlent, str(command.verb), record.id)

    def _stays(self, pod: PodRow) -> None:
        now = self.host.store.pod(pod.pod)
        if now is None or now.leaving:
            raise PodLeaving("start", pod.name)

    def _housed(self, container: str, pod: PodRow) -> None:
        self._stays(pod)
        self._lent(container, pod.infra)

    def _lent(self, container: str, lender: str) -> None:
        owner, record = self._glimpse(lender), self._glimpse(container)
        runs = owner is not None and owner.status is Status.RUNNING
        if owner is None or not runs or self._lifecycle.look(owner):
            raise DependencyNotRunning(self._name(container), (self._name(lender),))
        if record is not None and record.status is Status.CREATED and not lives_in(record, owner):
            # it waits in a run that is over: to be made anew
            raise DependencyNotRunning(self._name(container), (self._name(lender),))

    def _unlent(self, verb: str, lender: str) -> None:
        """Takes no lock: each is looked at as it is."""
        guests = self._guests_of(lender)
        living = (one for one in guests if lives(one) and not self._lifecycle.look(one))
        # who only waits to be started is made anew when it is
        if by := [
            one.config.name for one in living if one.todo or one.status is not Status.CREATED
        ]:
            raise StillNeeded(verb, self._name(lender), tuple(by))

    def _guests_of(self, lender: str) -> Iterator[Record]:
        """Those that may ever live in its namespaces, as they are."""
        seen = (self._glimpse(one) for one in self.host.store.needed_by(lender))
        return (one for one in seen if one and lender in owners(one.config))

    def _unneeded(self, verb: str, pod: PodRow) -> None:
        if living := self._living(pod):
            raise StillNeeded(verb, self._name(pod.infra), tuple(map(self._name, living)))

    def _living(self, pod: PodRow) -> tuple[str, ...]:
        """Members with a process, or about to have one. Takes no lock: each is looked at as it is."""
        seen = (self._glimpse(one) for one in self.host.store.members(pod.pod))
        return tuple(
            one.id
            for one in seen
            if one and one.id != pod.infra and lives(one) and not self._lifecycle.look(one)
        )

    def _name(self, container: str) -> str:
        row = self.host.store.row(container)
        return row.name if row and row.name else container[:12]

    # ---- coming in -----------------------------------------------------------------------

    def _placed(self, config: Config, pod: str, init: InitKind) -> Config:
        """With what it has of its pod, instead of its own. Raises `InvalidArgument` for what cannot be
        of both, or needs somebody in another pod."""
        if init not in get_args(InitKind):
            known = ", ".join(filter(None, get_args(InitKind)))
            raise InvalidArgument(f"{init!r} is no init container: {known}")
        if init and not pod:
            raise InvalidArgument("an init container is one of a pod: give the pod")
        found = self._member(config, self.pod(pod), init) if pod else config
        for other in needs(found):
            record = self._made_whole(other)
            if record is None:
                raise NoSuchContainer(other)
            if (home := pod_of(record.config)) != pod_of(found):
                where = f"pod {self.pod(home).name}" if home else "no pod"
                raise InvalidArgument(
                    f"it cannot need container {record.config.name}, which is in {where}: only those "
                    "of one pod need each other"
                )
        return found

    def _member(self, config: Config, pod: PodRecord, init: InitKind) -> Config:
        infra, shared, cgroups = pod.infra, pod.pod.shares, self.host.cgroups
        if pod.leaving:
            raise PodLeaving("create a container in", pod.name)
        if config.uid_maps:
            raise InvalidArgument("who has users of its own cannot live in the namespaces of a pod")
        if init and (config.restart != "no" or config.auto_remove):
            raise InvalidArgument(
                "an init container runs once: neither restarted nor removed by itself"
            )
        own = config.namespaces
        given = {"pid": own.pid, "ipc": own.ipc, "uts": own.uts}
        for kind in shared:
            if kind != "net" and given[kind] != "private":
                raise InvalidArgument(f"its {kind} namespace is that of pod {pod.name}")
        changed: dict[str, str] = {kind: f"{SHARED}{infra.id}" for kind in shared if kind != "net"}
        network = config.network
        if "net" in shared:
            if config.network != "none" or config.ports:
                raise InvalidArgument(
                    f"networks and published ports are those of pod {pod.name}: give them to that"
                )
            network = "host" if infra.config.network == "host" else f"{SHARED}{infra.id}"
        if "uts" in shared and config.hostname:
            raise InvalidArgument(f"the hostname is that of pod {pod.name}")
        if pod.pod.cgroup and config.cgroup_parent != cgroups:
            raise InvalidArgument(f"its cgroup is in that of pod {pod.name}, which has limits")
        return replace(
            config,
            network=network,
            cgroup_parent=pod.pod.cgroup or config.cgroup_parent,
            hostname=infra.config.hostname if "uts" in shared else config.hostname,
            namespaces=replace(own, **changed) if changed else own,
            pod=Membership(
                pod=pod.id,
                infra=infra.id,
                init=init,
                ends=pod.pod.exit_policy == "stop" and not init,
                cgroup=pod.pod.cgroup,
            ),
        )

    def _made_whole(self, container: str) -> Record | None:
        """Once it is made, whoever does that, or did not live to finish it; None if it could not be."""
        record = self._glimpse(container)
        if record is not None and record.status is Status.ABSENT:
            record = self._interpreter.sync(container)
        return None if record is None or record.gone else record

    def _lodged(self, config: Config) -> Config:
        """With the hostname, and the ids, of whose it has; raises `InvalidArgument` where somebody
        lends nothing."""
        for kind, owner in borrowed(config):
            lender = self.inspect(owner).config
            own = getattr(lender.namespaces, kind)
            if own not in ("private", SHAREABLE) and not (kind == "user" and _has_users(lender)):
                raise InvalidArgument(f"container {lender.name} has no {kind} namespace of its own")
            if kind == "ipc" and own != SHAREABLE:
                raise InvalidArgument(
                    f"container {lender.name} does not share its IPC namespace: make it with "
                    "--ipc shareable"
                )
            if kind == "uts":
                if config.hostname and config.pod is None:
                    raise InvalidArgument(f"the hostname is that of container {lender.name}")
                config = replace(config, hostname=lender.hostname or lender.id[:12])
            if kind == "user":
                if config.uid_maps or config.gid_maps:
                    raise InvalidArgument(f"the ids are those of container {lender.name}")
                config = replace(config, uid_maps=lender.uid_maps, gid_maps=lender.gid_maps)
        return config


def _has_users(config: Config) -> bool:
    """Of its own, which others can be given."""
    return bool(config.uid_maps) and not config.namespaces.user
