"""How a container is made: every wish checked, in words, before anything exists."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Literal

from lockgate import isolation, validation
from lockgate.effects.config import (
    DNS,
    LIMITS,
    NAMESPACES,
    SECURITY,
    Config,
    Device,
    IdMap,
    InitKind,
    Limits,
    Mount,
    Namespaces,
    PortMapping,
    RestartPolicy,
    Secret,
    Security,
)
from lockgate.effects.health import HealthCheck
from lockgate.effects.network import Dns
from lockgate.effects.ports import Image
from lockgate.engine.images import Images
from lockgate.engine.networks import NETWORKS, Networks
from lockgate.errors import InvalidArgument
from lockgate.statemachine.history import as_read
from lockgate.statemachine.inputs import Create
from lockgate.statemachine.record import Record

TERM = 15
HALT = "RTMIN+3"
"""What systemd takes for a wish to halt (systemd(1), "Signals")."""


class Creation(Images, Networks):
    """From wishes to a configured container."""

    def create(
        self,
        *,
        image: str = "",
        rootfs: str | Path = "",
        name: str = "",
        command: Sequence[str] = (),
        entrypoint: Sequence[str] | None = None,
        env: Mapping[str, str] | Iterable[str] = (),
        workdir: str = "",
        user: str = "",
        hostname: str = "",
        network: validation.Wishes = "none",
        ports: Iterable[str | PortMapping] = (),
        memory: int = 0,
        terminal: bool = False,
        stdin: bool = False,
        stop_signal: int | str = "",
        stop_timeout: int = 10,
        log_size: int = 0,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        auto_remove: bool = False,
        restart: RestartPolicy = "no",
        restart_retries: int = 0,
        cgroup_parent: str = "",
        systemd: bool = False,
        read_only: bool = False,
        mounts: Iterable[Mount] = (),
        devices: Iterable[Device] = (),
        secrets: Iterable[Secret] = (),
        groups: Sequence[str] = (),
        sysctls: Mapping[str, str] | None = None,
        limits: Limits = LIMITS,
        security: Security = SECURITY,
        namespaces: Namespaces = NAMESPACES,
        uid_maps: Iterable[IdMap] = (),
        gid_maps: Iterable[IdMap] = (),
        dns: Dns = DNS,
        hosts: Iterable[tuple[str, str]] = (),
        deferred_network: bool | None = None,
        health: HealthCheck | Literal["none"] | None = None,
        requires: Sequence[str] = (),
        pod: str = "",
        init: InitKind = "",
    ) -> Record:
        """A container, configured: name claimed, writable layer made, nothing running.

        With `auto_remove` it goes when its run is over, with a `restart` policy another run
        follows, though no engine may be open then (`settle`). What is left empty is taken from the
        image. Its log is begun anew, and what was in it is lost, after `log_size` bytes. `network` is a mode (`none`, `host`, `private`, `container:NAME`) or the networks to join,
        `ports` what is published of the container there; both as values or as written on the
        command line. `secrets` are copied now, `devices` looked up at each start; `hosts` are pairs
        of a name and an address. With `uid_maps` it has users of its own; `gid_maps` left out are
        the same. With `deferred_network` its network namespace is made by the runtime and set up
        before its process starts; left out, for those with users of their own. Its cgroup is in `cgroup_parent`, a path or the name of a systemd slice.
        `systemd`: that is what it runs, and it gets what that needs. `health` is checked while it
        runs, instead of what the image says. `requires` names containers that are to run while this
        one does and stay as long as it. In a `pod` it lives in that one's namespaces; as an `init`
        container it runs to its end before the others start, each time (`always`) or until it has
        succeeded (`once`). Raises `InvalidArgument`, `NoSuchImage`, `NoSuchNetwork`, `NoSuchPod`,
        `NameTaken`; nothing is left of a container that could not be made.
        """
        if bool(image) == bool(rootfs):
            raise InvalidArgument("give an image or a root filesystem directory, one of them")
        base = self._image(image) if image else Image(name="", id="")
        words = validation.words(command, "command")
        if entrypoint is None:
            words = (*base.entrypoint, *(words or base.command))
        else:  # then the image's command has lost what it is to be given to
            words = (*validation.words(entrypoint, "entrypoint"), *words)
        if not words:
            raise InvalidArgument("no command is given, and the image names none")
        mode = self._mode(network) if isinstance(network, str) else ""
        networks = () if mode else validation.attachments(network)
        published = validation.ports(ports)
        given = validation.environment(env)
        users = isolation.id_maps(uid_maps, "users")
        own = isolation.namespaces(namespaces, self.resolve)
        container = token_hex(32)
        config = Config(
            id=container,
            name=validation.name(name) if name else container[:12],
            image=base.name,
            image_id=base.id,
            rootfs=validation.rootfs(rootfs) if rootfs else "",
            command=words,
            env=(*_unset(base.env, given), *given),
            workdir=validation.workdir(workdir or base.workdir),
            user=validation.user(user or base.user),
            hostname=validation.name(hostname) if hostname else "",
            network=mode or (networks[0].network if networks else "none"),
            networks=networks,
            ports=published,
            memory=validation.memory(memory),
            terminal=terminal,
            stdin=stdin,
            stop_signal=_stop_signal(stop_signal, base.stop_signal, systemd=systemd),
            stop_timeout=validation.seconds(stop_timeout, "stop timeout") or 0,
            log_size=validation.log_size(log_size),
            labels=validation.pairs(labels or {}, "label"),
            annotations=validation.pairs(annotations or {}, "annotation"),
            auto_remove=auto_remove,
            restart=validation.restart(restart, restart_retries),
            restart_retries=restart_retries,
            cgroup_parent=isolation.cgroup_parent(cgroup_parent) or self.host.cgroups,
            created_at=self.host.ports.clock.now(),
            systemd=systemd,
            read_only=read_only,
            mounts=isolation.with_volumes(
                isolation.mounts(mounts), base.volumes, lambda: token_hex(32)
            ),
            devices=isolation.devices(devices),
            secrets=isolation.secrets(secrets),
            groups=isolation.groups(validation.words(groups, "list of groups")),
            sysctls=isolation.sysctls(sysctls or {}),
            limits=isolation.limits(limits, memory),
            security=isolation.security(security),
            namespaces=own,
            uid_maps=users,
            gid_maps=isolation.id_maps(gid_maps, "groups") or users,
            dns=isolation.dns(dns),
            hosts=isolation.hosts(hosts),
            deferred_network=isolation.deferred(
                deferred_network, mode, users=bool(users or own.user)
            ),
            health=validation.health(base.health if health is None else health),
            requires=tuple(
                dict.fromkeys(map(self.resolve, validation.words(requires, "list of containers")))
            ),
        )
        return self._made(isolation.consistent(self._lodged(self._placed(config, pod, init))))

    def _made(self, config: Config) -> Record:
        creation = Create(as_read(config), self.host.ports.clock.boot())
        if not config.networks and not config.ports:
            return self._done(config.name, creation, config.id)
        with self.host.locks.hold(NETWORKS):  # none of them may go meanwhile
            self._connectable(config)
            return self._done(config.name, creation, config.id)


def _stop_signal(wished: int | str, of_image: int, *, systemd: bool) -> int:
    """systemd takes SIGTERM for a wish to be executed anew."""
    usual = HALT if systemd and of_image == TERM else of_image
    return validation.signal_number(wished or usual)


def _unset(defaults: Sequence[str], given: Sequence[str]) -> tuple[str, ...]:
    """The image's environment, but for what the user sets."""
    names = {entry.partition("=")[0] for entry in given}
    return tuple(entry for entry in defaults if entry.partition("=")[0] not in names)
