"""The pages `--help`, and what it costs to read them."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import lockgate
from lockgate.cli.app import SECTIONS, cli
from lockgate.places import default_root
from lockgate.statemachine import LAW

from .conftest import Shell


def commands(group: click.Group = cli, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        words = (*before, name)
        if isinstance(command, click.Group):
            yield from commands(command, words)
        else:
            yield words


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_page_names_every_command_in_the_order_of_a_life(shell: Shell) -> None:
    page = shell.ok("--help")
    places = [page.index(f"\n  {' '.join(words)} ") for words in commands()]
    assert places == sorted(places)
    assert [" ".join(words) for words in commands()] == [
        *("image import", "image ls", "image inspect", "image rm"),
        *("network create", "network ls", "network inspect", "network rm"),
        *("volume create", "volume ls", "volume inspect", "volume rm"),
        *("artifact add", "artifact get", "artifact ls", "artifact rm"),
        *("create", "run", "init", "start", "pause", "unpause"),
        *(
            "restart",
            "checkpoint",
            "restore",
            "update",
            "rename",
            "stop",
            "kill",
            "wait",
            "mount",
            "unmount",
            "cleanup",
            "exec",
            "session ls",
            "session wait",
            "session kill",
            "session logs",
            "attach",
            "healthcheck run",
            "rm",
            "refresh",
        ),
        *("pod create", "pod start", "pod stop", "pod kill", "pod pause", "pod unpause"),
        *("pod restart", "pod rm", "pod ps", "pod inspect"),
        *(
            "ps",
            "inspect",
            "diff",
            "export",
            "logs",
            "top",
            "stats",
            "events",
        ),
        *("history", "replay", "diagram", "doctor", "unshare", "version"),
    ]
    for title, _ in SECTIONS:
        assert f"\n{title}:\n" in page


def test_the_page_fits_a_terminal(shell: Shell) -> None:
    page = shell.ok("--help")
    assert max(map(len, page.splitlines())) <= 80
    assert "..." not in page.partition("COMMAND [ARGS]...")[2]  # nothing is cut short


def test_the_page_ends_with_an_example_of_five_lines_and_completion(shell: Shell) -> None:
    example, _, completion = shell.ok("-h").partition("Example:\n")[2].partition("\nCompletion:\n")
    assert [line.split()[0] for line in example.splitlines() if line] == ["lockgate"] * 5
    assert "_LOCKGATE_COMPLETE=bash_source" in completion


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_explains_itself(shell: Shell, words: tuple[str, ...]) -> None:
    page = shell.ok(*words, "--help")
    assert page.startswith(f"Usage: lockgate {' '.join(words)} ")
    described = page.partition("\n\n")[2].partition("\n\nOptions:")[0]
    assert len(described) > 30
    assert shell.opened == [shell.opened[0]]  # the fixture's: no help page needs an engine


def test_the_version(shell: Shell) -> None:
    assert shell.ok("--version") == f"lockgate {lockgate.__version__}\n"
    assert shell.ok("version").startswith(f"lockgate {lockgate.__version__}, law {LAW}, Python 3.")


def test_help_loads_nothing_of_the_engine() -> None:
    done = python(
        "import sys\n"
        "sys.argv = ['lockgate', '--help']\n"
        "from lockgate.cli import main\n"
        "try: main()\n"
        "finally: print(*sorted(sys.modules), file=sys.stderr)\n"
    )
    assert done.returncode == 0
    loaded = set(done.stderr.split())
    assert "lockgate.cli.app" in loaded
    assert not loaded & {"msgspec", "rich", "sqlite3", "returns", "transitions", "sh", "filelock"}
    ours = {name for name in loaded if name.startswith("lockgate.")}
    assert {name for name in ours if not name.startswith("lockgate.cli")} == {
        "lockgate.places",
        "lockgate.adapters",
        "lockgate.adapters.userns",
    }


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra_one_line_says_what_to_install(missing: str) -> None:
    done = python(
        f"import sys; sys.modules[{missing!r}] = None; from lockgate.cli import main; main()"
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "lockgate: the command line needs click and rich: pip install 'lockgate[cli]'"
    ]


class TestRoot:
    def test_is_given_or_of_the_environment(self, shell: Shell, tmp_path: Path) -> None:
        shell.ok("--root", str(tmp_path / "a"), "--runtime", "crun", "ps")
        assert shell.opened[-1] == (tmp_path / "a", "crun")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LOCKGATE_ROOT", str(tmp_path / "b"))
            patch.setenv("LOCKGATE_RUNTIME", "/opt/runc")
            shell.ok("ps")
        assert shell.opened[-1] == (tmp_path / "b", "/opt/runc")

    @pytest.mark.parametrize(
        ("uid", "data", "root"),
        [
            (0, "/data", "/var/lib/lockgate"),
            (1000, "/data", "/data/lockgate"),
            (1000, "", "/home/me/.local/share/lockgate"),
            (1000, "relative", "/home/me/.local/share/lockgate"),
        ],
    )
    def test_is_else_where_such_things_are(
        self, monkeypatch: pytest.MonkeyPatch, uid: int, data: str, root: str
    ) -> None:
        monkeypatch.setattr("os.geteuid", lambda: uid)
        monkeypatch.setenv("XDG_DATA_HOME", data)
        monkeypatch.setenv("HOME", "/home/me")
        assert default_root() == Path(root)

    def test_among_a_users_containers_is_that_users(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """But root who was given his environment is root of the whole host all the same."""
        monkeypatch.setattr("os.geteuid", lambda: 0)
        monkeypatch.setenv("LOCKGATE_NAMESPACES", "/home/me/containers")
        assert default_root() == Path("/var/lib/lockgate")
        monkeypatch.setattr("lockgate.places.confined", lambda: True)
        assert default_root() == Path("/home/me/containers")

    def test_of_a_file_is_a_usage_error(self, shell: Shell, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        assert "is a file" in shell.no(2, "--root", str(tmp_path / "file"), "ps")


def test_a_reader_that_has_gone_is_no_error_worth_a_word() -> None:
    code = (
        "import os, sys\n"
        "from lockgate.cli.app import cli\n"
        "reader, writer = os.pipe()\n"
        "os.close(reader)\n"
        "os.dup2(writer, 1)\n"
        "cli(['diagram'])\n"
    )
    done = python(code)
    assert (done.returncode, done.stderr) == (1, "")
