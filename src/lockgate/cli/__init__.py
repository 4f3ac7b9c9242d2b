"""The command line. Its rule: to print a help page, nothing of the engine is loaded."""

import sys
from importlib.util import find_spec

__all__ = ["main"]


def main() -> None:
    """The console script. Does not return: it exits with one of the codes of `lockgate --help`."""
    if find_spec("click") is None or find_spec("rich") is None:
        print(
            "lockgate: the command line needs click and rich: pip install 'lockgate[cli]'",
            file=sys.stderr,
        )
        sys.exit(1)
    from lockgate.cli.app import cli

    cli(prog_name="lockgate")
