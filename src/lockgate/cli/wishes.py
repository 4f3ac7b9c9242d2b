"""How a container is shut in and what it is let have, as options of `create` and `run`.

They are words here; `lockgate.cli.isolation` makes them into what `Engine.create` takes.
"""

from collections.abc import Callable
from typing import TypeAlias

import click

from lockgate.cli.params import as_size, pairs

Command: TypeAlias = Callable[..., int]
WHOSE = "private [the default], host or container:C"


def _any(*names: str, metavar: str, help: str) -> Callable[[Command], Command]:
    return click.option(*names, metavar=metavar, multiple=True, help=f"{help} Any number.")


ISOLATION = (
    _any(
        "-v",
        "--volume",
        "volumes",
        metavar="[SRC:]DST[:OPT,…]",
        help="A path of the host, or a volume.",
    ),
    _any(
        "--mount",
        "mounts",
        metavar="type=T,K=V,…",
        help="bind, volume: src, dst, ro; subpath; tmpfs: dst.",
    ),
    _any("--tmpfs", metavar="DST[:OPT,…]", help="Memory as a directory: size=64m, mode=1777."),
    click.option(
        "--cgroup-parent",
        metavar="PATH|SLICE",
        default="",
        help="Where its cgroup is; in NAME.slice systemd makes it.",
    ),
    click.option("--systemd", is_flag=True, help="It runs systemd, and gets what that needs."),
    click.option("--read-only", is_flag=True, help="Its root filesystem cannot be written to."),
    _any("--device", "devices", metavar="DEV[:DST][:rwm]", help="A device of the host."),
    _any("--secret", "secrets", metavar="NAME,src=FILE", help="A file at /run/secrets/NAME."),
    _any("--env-file", "env_files", metavar="FILE", help="Environment, a K=V on each line."),
    _any("--group-add", "groups", metavar="GROUP", help="A further group of its user."),
    _any("--cap-add", metavar="CAP", help="A capability more, or ALL."),
    _any("--cap-drop", metavar="CAP", help="A capability less, or ALL."),
    _any(
        "--security-opt",
        "security_options",
        metavar="OPT",
        help="no-new-privileges, seccomp=FILE|unconfined, apparmor=NAME, label=type:T, mask=PATH:…, unmask=ALL|PATH:…",
    ),
    click.option("--privileged", is_flag=True, help="All devices and capabilities of the host."),
    click.option(
        "--memory-swap", metavar="SIZE", default="0", help="Memory and swap together; -1: any."
    ),
    click.option(
        "--memory-reservation", metavar="SIZE", default="0", callback=as_size, help="Soft limit."
    ),
    click.option("--cpus", metavar="N", default="", help="Processors' worth of time, as in 1.5."),
    click.option("--cpu-shares", metavar="N", type=int, default=0, help="Weight among others."),
    click.option("--cpuset-cpus", metavar="SET", default="", help="Processors, as in 0-2,7."),
    click.option("--cpuset-mems", metavar="SET", default="", help="Memory nodes, likewise."),
    click.option(
        "--pids-limit",
        "pids",
        metavar="N",
        type=int,
        help="Threads [2048]; 0 or -1: no limit.",
    ),
    _any("--ulimit", "ulimits", metavar="NAME=SOFT[:HARD]", help="A limit of setrlimit(2)."),
    click.option(
        "--shm-size",
        "shm",
        metavar="SIZE",
        default="64m",
        show_default=True,
        callback=as_size,
        help="Of /dev/shm.",
    ),
    click.option("--oom-score-adj", metavar="N", type=int, help="Who dies first: -1000 to 1000."),
    click.option(
        "--sysctl", "sysctls", metavar="K=V", multiple=True, callback=pairs, help="Any number."
    ),
    _any("--dns", "dns_servers", metavar="IP", help="A name server."),
    _any("--dns-search", metavar="DOMAIN", help="A domain to search."),
    _any("--dns-option", "dns_options", metavar="OPT", help="An option of resolv.conf."),
    _any("--add-host", "hosts", metavar="NAME:IP", help="A line of /etc/hosts."),
    _any("--uidmap", "uid_maps", metavar="C:H:N", help="N users from C on are H on here."),
    _any("--gidmap", "gid_maps", metavar="C:H:N", help="Groups likewise [as --uidmap]."),
    click.option(
        "--deferred-network/--no-deferred-network",
        default=None,
        help="Its network is set up after create [with --uidmap].",
    ),
    click.option("--pid", metavar="WHOSE", default="private", help=f"PID namespace: {WHOSE}."),
    click.option(
        "--ipc", metavar="WHOSE", default="private", help=f"IPC: {WHOSE}; shareable: for others."
    ),
    click.option("--uts", metavar="WHOSE", default="private", help=f"Hostname: {WHOSE}."),
    click.option(
        "--cgroupns", "cgroup", metavar="WHOSE", default="private", help=f"Cgroups: {WHOSE}."
    ),
    click.option(
        "--userns", metavar="container:C", default="", help="Users: those of another container."
    ),
)
