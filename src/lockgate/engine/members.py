"""Which containers stand together in pods, and what must be so before one of them begins or ends a run.

The lock of a pod is taken before that of any of its containers, and never while one of theirs is
held (P13). It is held from the question whether its infra runs, or is needed, until the answer is acted
upon on record; never while anything is waited for.
"""

from functools import partial
from typing import get_args

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
from lockgate.statemachine.inputs import Init, Input, Kill, Restart, Revive, Start, Stop
from lockgate.statemachine.pods import PodRecord, lives, lives_in
from lockgate.statemachine.status import Status

POD_LOCK = "pod-"


def scope(pod: str) -> str:
    """Of its lock."""
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
        (L-117)."""
        if not isinstance(command, (Init, Start, Restart, Revive, Stop, Kill)):
            return None
        row = self.host.store.row(container)
        pod = self.host.store.pod(row.pod) if row and row.pod else None
        if pod is None:
            return None
        if pod.infra != container:
            if isinstance(command, (Stop, Kill)):
                return None
            return Gate(scope(pod.pod), partial(self._housed, container, pod))
        if isinstance(command, (Stop, Kill, Restart)):
            return Gate(scope(pod.pod), partial(self._unneeded, str(command.verb), pod))
        return Gate(scope(pod.pod), partial(self._stays, pod))

    def _stays(self, pod: PodRow) -> None:
        now = self.host.store.pod(pod.pod)
        if now is None or now.leaving:
            raise PodLeaving("start", pod.name)

    def _housed(self, container: str, pod: PodRow) -> None:
        self._stays(pod)
        infra, record = self._glimpse(pod.infra), self._glimpse(container)
        runs = infra is not None and infra.status is Status.RUNNING
        if infra is None or not runs or self._lifecycle.look(infra):
            raise DependencyNotRunning(self._name(container), (self._name(pod.infra),))
        if record is not None and record.status is Status.CREATED and not lives_in(record, infra):
            # it waits in a run that is over: to be made anew
            raise DependencyNotRunning(self._name(container), (self._name(pod.infra),))

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
            record = self._glimpse(other)
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

    def _lodged(self, config: Config) -> Config:
        """With the hostname of whose it has; raises `InvalidArgument` where somebody lends nothing."""
        for kind, owner in borrowed(config):
            lender = self.inspect(owner).config
            own = getattr(lender.namespaces, kind)
            if own not in ("private", SHAREABLE):
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
        return config
