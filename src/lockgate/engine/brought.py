"""A container made anew from an archive of a checkpoint, and gone on with.

One rule: an archive may say what is inside a container, never what it reaches of this host. What it
wishes for is checked as any user's wishes are, by `create`.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from lockgate.effects.config import NAMESPACES, SECURITY, Config, Mount, Tmpfs, VolumeMount
from lockgate.engine.core import faults_raised
from lockgate.engine.creation import Creation
from lockgate.engine.moments import Moments
from lockgate.errors import InvalidArgument, LockgateError
from lockgate.statemachine.record import Record


class Brought(Creation, Moments):
    """Checkpoints of containers that are not here."""

    def restore_archive(
        self,
        source: str | Path,
        *,
        name: str = "",
        tcp_established: bool = False,
        keep: bool = False,
        ignore_static_ip: bool = False,
        ignore_static_mac: bool = False,
    ) -> Record:
        """A new container, made as the one was that `checkpoint(export=…)` made this archive of, and
        restored from it; of that name, or of `name`.

        Its image must be here, the same one. Raises `InvalidArgument` for one that had what is this
        host's (mounts of paths and volumes, devices, secrets, more rights, namespaces, other containers):
        create it by hand, and `restore` it from the archive. Raises what `create` and `restore` do;
        nothing is left of a container that could not be restored.
        """
        with faults_raised("restore from", str(source), "archive"):
            wished = self.host.ports.checkpoints.wished(str(Path(source).absolute()))
        if reaches := next(_reaching(wished), ""):
            raise InvalidArgument(
                f"the archive {source} is of a container with {reaches}, which it cannot bring: "
                "create one by hand, and restore it from the archive"
            )
        base = self._image(wished.image)
        if base.id != wished.image_id:
            raise InvalidArgument(
                f"the archive {source} is of image {wished.image} as {wished.image_id[:19]}, which "
                f"is {base.id[:19]} here: import the same image"
            )
        made = self._made_as(wished, name or wished.name)
        try:
            return self.restore(
                made.id,
                tcp_established=tcp_established,
                keep=keep,
                source=source,
                ignore_static_ip=ignore_static_ip,
                ignore_static_mac=ignore_static_mac,
            )
        except BaseException:
            with suppress(LockgateError):  # it is told why, and it is on record
                self.remove(made.id, force=True, timeout=0)
            raise

    def _made_as(self, wished: Config, name: str) -> Record:
        return self.create(
            image=wished.image,
            name=name,
            entrypoint=(),
            command=wished.command,
            env=wished.env,
            workdir=wished.workdir,
            user=wished.user,
            hostname=wished.hostname,
            network=wished.networks or wished.network,
            ports=wished.ports,
            memory=wished.memory,
            terminal=wished.terminal,
            stdin=wished.stdin,
            stop_signal=wished.stop_signal,
            stop_timeout=wished.stop_timeout,
            log_size=wished.log_size,
            labels=dict(wished.labels),
            auto_remove=wished.auto_remove,
            restart=wished.restart,
            restart_retries=wished.restart_retries,
            systemd=wished.systemd,
            read_only=wished.read_only,
            mounts=tuple(map(_new, wished.mounts)),
            groups=wished.groups,
            sysctls=dict(wished.sysctls),
            limits=wished.limits,
            security=wished.security,
            uid_maps=wished.uid_maps,
            gid_maps=wished.gid_maps,
            dns=wished.dns,
            hosts=wished.hosts,
            deferred_network=wished.deferred_network,
            health=wished.health or "none",
        )


def _new(mount: Mount) -> Mount:
    """A volume of its own is another one now."""
    return replace(mount, volume="") if isinstance(mount, VolumeMount) else mount


def _reaching(wished: Config) -> Iterator[str]:
    """What of this host, or of its other containers, it would have."""
    if wished.rootfs or not wished.image:
        yield "a root filesystem of its own"
    own = (one.anonymous for one in wished.mounts if isinstance(one, VolumeMount))
    if not all(own) or any(not isinstance(one, Tmpfs | VolumeMount) for one in wished.mounts):
        yield "mounts of paths or volumes"
    if wished.devices:
        yield "devices"
    if wished.secrets:
        yield "secrets"
    if replace(wished.security, cap_drop=(), no_new_privileges=False, mask=()) != SECURITY:
        yield "more rights than others"
    if wished.namespaces != NAMESPACES or ":" in wished.network or wished.network == "host":
        yield "namespaces of others"
    if wished.requires or wished.pod or wished.holds:
        yield "other containers"
    if wished.annotations:
        yield "annotations"
