"""A container made anew from an archive of a checkpoint, and gone on with.

One rule: an archive may say what is inside a container, never what it reaches of this host. What it
wishes for is checked as any user's wishes are, by `create`.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from lockgate.effects.config import SECURITY, Config, Mount, Tmpfs, VolumeMount
from lockgate.engine.core import faults_raised
from lockgate.engine.creation import Creation
from lockgate.engine.moments import Moments
from lockgate.errors import InvalidArgument, LockgateError
from lockgate.statemachine.record import Record

INSIDE = (
    "image",
    "command",
    "env",
    "workdir",
    "user",
    "hostname",
    "network",
    "ports",
    "memory",
    "terminal",
    "stdin",
    "stop_signal",
    "stop_timeout",
    "log_size",
    "labels",
    "auto_remove",
    "restart",
    "restart_retries",
    "systemd",
    "read_only",
    "mounts",
    "groups",
    "sysctls",
    "limits",
    "security",
    "uid_maps",
    "gid_maps",
    "dns",
    "hosts",
    "deferred_network",
    "health",
)
"""What an archive may say of its container, as `create` has it. Whatever else was wished for is refused,
so that nothing is lost in silence, and nothing of this host is reached by a wish that is new."""

CHOSEN = ("id", "name", "image_id", "networks", "cgroup_parent", "created_at")
"""What is found, chosen or said otherwise when it is made."""

REACHES: Mapping[str, str] = MappingProxyType(
    {
        "rootfs": "a root filesystem of its own",
        "namespaces": "namespaces of others",
        **dict.fromkeys(("requires", "pod", "holds"), "other containers"),
    }
)
"""What a wish reaches, where its name does not say it."""

NOTHING = Config(id="")


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
        wishes: dict[str, Any] = {field: getattr(wished, field) for field in INSIDE}
        wishes |= {
            "name": name,
            "entrypoint": (),
            "network": wished.networks or wished.network,
            "labels": dict(wished.labels),
            "mounts": tuple(map(_new, wished.mounts)),
            "sysctls": dict(wished.sysctls),
            "health": wished.health or "none",
        }
        return self.create(**wishes)


def _new(mount: Mount) -> Mount:
    """A volume of its own is another one now."""
    return replace(mount, volume="") if isinstance(mount, VolumeMount) else mount


def _reaching(wished: Config) -> Iterator[str]:
    """What of this host, or of its other containers, it would have."""
    if not wished.image:
        yield REACHES["rootfs"]
    own = (one.anonymous for one in wished.mounts if isinstance(one, VolumeMount))
    if not all(own) or any(not isinstance(one, Tmpfs | VolumeMount) for one in wished.mounts):
        yield "mounts of paths or volumes"
    if replace(wished.security, cap_drop=(), no_new_privileges=False, mask=()) != SECURITY:
        yield "more rights than others"
    if ":" in wished.network or wished.network == "host":
        yield REACHES["namespaces"]
    for field in Config.__struct_fields__:
        known = field in INSIDE or field in CHOSEN
        if not known and getattr(wished, field) != getattr(NOTHING, field):
            yield REACHES.get(field, field)
