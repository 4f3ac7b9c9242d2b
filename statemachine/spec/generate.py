"""All parts of a spec put together."""

from collections.abc import Iterator
from typing import Any

import msgspec

from lockgate.effects.config import SHAREABLE, Config, by_systemd, cgroups_path
from lockgate.effects.model import WriteSpec
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Facts, Specified
from lockgate.statemachine.spec import (
    capabilities,
    files,
    hooks,
    identity,
    mounts,
    paths,
    resources,
    seccomp,
)
from lockgate.statemachine.spec.users import extra_groups, resolve_user

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SHORT_ID = 12
"""Characters of an id that people read; the hostname where none is given."""


def generate(config: Config, effect: WriteSpec, facts: Facts) -> Specified:
    """config.json of this run, and the files it names.

    Raises `PortError`, clean: "refused" for an unknown user or group and for what this host cannot
    give, "damaged" for a seccomp profile that is none.
    """
    hostname = _hostname(config, facts)
    written = files.generated(config, effect, facts, hostname)
    spec = _spec(config, effect, facts, hostname, written)
    found = hooks.chosen(config, facts.hooks)
    if for_the_runtime := hooks.of_the_runtime(found):
        spec["hooks"] = for_the_runtime
    return Specified(
        msgspec.json.format(msgspec.json.encode(spec), indent=1),
        tuple(written.values()),
        found.get("precreate", ()),
        found.get("poststop", ()),
    )


def _spec(
    config: Config, effect: WriteSpec, facts: Facts, hostname: str, written: files.Written
) -> dict[str, Any]:
    uid, gid, groups = resolve_user(config.user, facts.accounts)
    groups = tuple(sorted({*groups, *extra_groups(config.groups, facts.accounts)} - {gid}))
    identity.check_mapped(config, uid, gid, groups)
    own_labels, mount_labels = identity.labels(config.security, facts)
    user: dict[str, Any] = {"uid": uid, "gid": gid}
    if groups:
        user["additionalGids"] = list(groups)
    granted = capabilities.granted(config.security, facts)
    process: dict[str, Any] = {
        "terminal": config.terminal,
        "user": user,
        "args": list(config.command),
        "env": list(environment(config, hostname)),
        "cwd": config.workdir or "/",
        "capabilities": capabilities.sets(granted, config.security, root=uid == 0),
        "noNewPrivileges": config.security.no_new_privileges,
        **own_labels,
    }
    if config.limits.ulimits:
        process["rlimits"] = resources.rlimits(config.limits, facts)
    if config.limits.oom_score_adj is not None:
        process["oomScoreAdj"] = resources.oom_score_adj(config.limits.oom_score_adj, facts)
    linux: dict[str, Any] = {
        **_placed(config, facts),
        "namespaces": list(_namespaces(config, effect)),
        "maskedPaths": paths.masked(config.security),
        "readonlyPaths": paths.readonly(config.security),
        "resources": resources.resources(config, facts),
        **mount_labels,
    }
    if config.uid_maps:
        linux["uidMappings"] = identity.mappings(config.uid_maps)
        linux["gidMappings"] = identity.mappings(config.gid_maps)
    if devices := resources.devices(config, facts):
        linux["devices"] = devices
    if config.sysctls:
        linux["sysctl"] = dict(config.sysctls)
    if propagation := mounts.root_propagation(config):
        linux["rootfsPropagation"] = propagation
    if (profile := seccomp.rules(config.security, facts, granted)) is not None:
        linux["seccomp"] = profile
    spec: dict[str, Any] = {
        "ociVersion": "1.0.2",
        "process": process,
        "root": {"path": effect.mountpoint, "readonly": config.read_only},
        "mounts": mounts.mounts(config, facts, written, dict(effect.lodging)),
        "annotations": dict(_annotations(config)),
        "linux": linux,
    }
    if config.namespaces.uts == "private":
        spec["hostname"] = hostname
    return spec


def _placed(config: Config, facts: Facts) -> dict[str, str]:
    """Left out, a runtime without root makes do with the cgroup it is in (runc)."""
    if by_systemd(config) and not facts.systemd:
        reason = (
            f"this host is not run by systemd, which is to make a cgroup in {config.cgroup_parent}"
        )
        raise PortError("refused", f"{reason}: name a path instead", dirty=False)
    return {"cgroupsPath": cgroups_path(config)} if config.cgroup_parent else {}


def _hostname(config: Config, facts: Facts) -> str:
    if config.namespaces.uts == "host":
        return facts.hostname
    inherited = facts.hostname if config.network == "host" else ""
    return config.hostname or inherited or config.id[:SHORT_ID]


def environment(config: Config, hostname: str) -> Iterator[str]:
    """What the user gave wins; PATH, HOSTNAME, TERM and `container` are filled in."""
    given = {name for name, _, _ in (pair.partition("=") for pair in config.env)}
    defaults = [PATH, "container=lockgate"]
    if hostname:
        defaults.append(f"HOSTNAME={hostname}")
    if config.terminal:
        defaults.append("TERM=xterm")
    yield from (pair for pair in defaults if pair.partition("=")[0] not in given)
    yield from config.env


def _annotations(config: Config) -> Iterator[tuple[str, str]]:
    yield "org.opencontainers.image.stopSignal", str(config.stop_signal)
    yield "io.lockgate.created-at", str(config.created_at)
    yield from config.annotations


def _namespaces(config: Config, effect: WriteSpec) -> Iterator[dict[str, str]]:
    yield {"type": "mount"}
    own, lodging = config.namespaces, dict(effect.lodging)
    if own.user:  # with its maps all the same: runtimes take owners of files from them
        yield {"type": "user", "path": lodging["user"]}
    elif config.uid_maps:
        yield {"type": "user"}
    for kind, whose in (
        ("pid", own.pid),
        ("ipc", own.ipc),
        ("uts", own.uts),
        ("cgroup", own.cgroup),
    ):
        if whose in ("private", SHAREABLE):
            yield {"type": kind}
        elif whose != "host":
            yield {"type": kind, "path": lodging[kind]}
    if config.network != "host":
        yield {"type": "network", "path": effect.netns} if effect.netns else {"type": "network"}
