"""The page `lockgate --help`: which commands there are, in the order of a container's life, and
how every one of them ends."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

import lockgate
from lockgate.cli import (
    artifacts,
    exits,
    health,
    host,
    images,
    joining,
    life,
    looking,
    meters,
    moments,
    mounts,
    networks,
    past,
    pods,
    run,
    sessions,
    users,
    volumes,
)
from lockgate.cli.session import Session, opened
from lockgate.places import default_root

Sections = Sequence[tuple[str, Sequence[click.Command]]]

SECTIONS: Sections = (
    ("Images", (images.image,)),
    ("Networks", (networks.network,)),
    ("Volumes", (volumes.volume,)),
    ("Artifacts", (artifacts.artifact,)),
    (
        "The life of a container",
        (
            run.create,
            run.run,
            life.init,
            life.start,
            life.pause,
            life.unpause,
            life.restart,
            moments.checkpoint,
            moments.restore,
            moments.update,
            life.rename,
            life.stop,
            life.kill,
            life.wait,
            mounts.mount,
            mounts.unmount,
            life.cleanup,
            joining.exec_,
            sessions.session,
            joining.attach,
            health.healthcheck,
            life.rm,
            life.refresh,
        ),
    ),
    ("Pods", (pods.pod,)),
    (
        "How things are",
        (
            looking.ps,
            looking.inspect,
            looking.diff,
            looking.export,
            looking.logs,
            meters.top,
            meters.stats,
            looking.events,
        ),
    ),
    ("How they came to be", (past.history, past.replay)),
    ("The law and this machine", (past.diagram, host.doctor, users.unshare, host.version)),
)

EXAMPLE = """\
lockgate image import busybox rootfs.tar
lockgate run --rm --image busybox -- echo hello
lockgate create --name web --image busybox -- sleep 60
lockgate start web && lockgate ps && lockgate stop -t 2 web
lockgate history web && lockgate replay web"""

COMPLETION = 'eval "$(_LOCKGATE_COMPLETE=bash_source lockgate)"  # or zsh_source'


class Lockgate(click.Group):
    """A group whose help is in sections, and whose every end is an exit code and one line."""

    def __init__(self, *args: Any, sections: Sections = (), **rest: Any) -> None:
        super().__init__(*args, **rest)
        self._sections = sections
        for _, commands in sections:
            for command in commands:
                self.add_command(command)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # in the order of a life, not of the alphabet

    def main(self, *args: Any, **rest: Any) -> Any:
        """Commands return their exit codes; problems have theirs from `exits`."""
        standalone = rest.pop("standalone_mode", True)
        try:
            code = super().main(*args, **rest | {"standalone_mode": False})
        except click.exceptions.NoArgsIsHelpError as nothing:
            nothing.show()
            code = exits.USAGE
        except click.Abort:  # as click tells of a Ctrl-C
            code = exits.INTERRUPTED
        except Exception as problem:
            code = exits.report(problem)
        if standalone:
            sys.exit(code)
        return code

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Commands first: they are what the page is opened for."""
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections = [(title, list(_rows(commands))) for title, commands in self._sections]
        width = max(len(name) for _, rows in sections for name, _ in rows)
        for title, rows in sections:
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, text in rows])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Exit codes"):
            width = max(len(code) for code, _ in exits.MEANINGS)
            formatter.write_dl([(code.ljust(width), text) for code, text in exits.MEANINGS])
        for title, lines in (("Example", EXAMPLE), ("Completion", COMPLETION)):
            with formatter.section(title):
                for line in lines.splitlines():
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


def _rows(commands: Sequence[click.Command]) -> list[tuple[str, str]]:
    """Name and short help; a group's commands stand for it."""
    rows: list[tuple[str, str]] = []
    for command in commands:
        if isinstance(command, click.Group):
            for inner in command.commands.values():
                rows.append((f"{command.name} {inner.name}", inner.get_short_help_str(80)))
        else:
            rows.append((command.name or "", command.get_short_help_str(80)))
    return rows


@click.group(
    cls=Lockgate,
    sections=SECTIONS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    envvar="LOCKGATE_ROOT",
    default=default_root,
    help="Where everything is kept: here, else in $LOCKGATE_ROOT, else in /var/lib/lockgate for "
    "root and in ~/.local/share/lockgate for others.",
)
@click.option(
    "--runtime",
    metavar="NAME|PATH",
    envvar="LOCKGATE_RUNTIME",
    help="The OCI runtime: this, else $LOCKGATE_RUNTIME, else one that works here.",
)
@click.option(
    "--storage",
    metavar="STORE",
    envvar="LOCKGATE_STORAGE",
    help="What keeps images and layers, chosen once for a folder: overlay, fuse-overlayfs, or containers-storage to "
    "share them with podman, buildah and skopeo.",
)
@click.option(
    "--hooks-dir",
    "hooks",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    multiple=True,
    help="OCI hooks for every container of this folder from now on, beside its own hooks.d; several "
    "times, a file of the same name in a later one wins.",
)
@click.option(
    "--network-driver",
    metavar="DRIVER",
    envvar="LOCKGATE_NETWORK_DRIVER",
    help="Who plugs containers of this folder into networks by name from now on: bridge, cni or "
    "netavark; an empty one lets the host decide.",
)
@click.version_option(lockgate.__version__, prog_name="lockgate", message="%(prog)s %(version)s")
@click.pass_context
def cli(
    context: click.Context,
    root: Path,
    runtime: str | None,
    storage: str | None,
    hooks: tuple[Path, ...],
    network_driver: str | None,
) -> None:
    """Containers that change their state only as the law allows: one step at a time, under a lock,
    written down before it is done. No daemon; all there is, is in one folder.

    A NAME is a container's name, its id, or the beginning of an id that no other has. Where several
    may be given, all are done; the exit code is that of the first that failed.
    """
    opener = context.obj or partial(
        opened, storage=storage, hooks=hooks or None, network_driver=network_driver
    )
    context.obj = Session(context, root, runtime, opener)
