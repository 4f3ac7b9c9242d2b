"""The command line over an engine on a simulated host."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lockgate import Engine
from lockgate.cli.app import cli
from lockgate.effects.config import Config
from lockgate.effects.model import AnyEffect
from lockgate.effects.ports import LogLine, Mark
from lockgate.host import Host
from lockgate.simulation import simulated


class Written:
    """A log in memory, for every container the same; `idle` happens while somebody waits for more."""

    def __init__(self) -> None:
        self.lines: list[LogLine] = []
        self.idle: Callable[[Config], None] = lambda config: None

    def read(self, config: Config, after: Mark | None = None) -> tuple[tuple[LogLine, ...], Mark]:
        return tuple(self.lines[after.offset if after else 0 :]), Mark(len(self.lines))

    def last(self, config: Config, count: int) -> Mark:
        return Mark(max(0, len(self.lines) - count))

    def wait(self, config: Config, after: Mark, timeout: float) -> None:
        self.idle(config)

    def write(self, text: str, stream: str = "stdout", *, partial: bool = False) -> None:
        at = f"2026-07-01T12:00:{len(self.lines):02}.000000000Z"
        self.lines.append(LogLine(at, stream, text, partial))


class Shell:
    """Somebody who types commands; `trouble` maps a kind of effect to what it raises."""

    def __init__(self) -> None:
        self.log = Written()
        self.wiring: Host = replace(simulated(), logs=self.log)
        assert self.wiring.simulation is not None
        self.host = self.wiring.simulation
        self.engine = Engine(self.wiring)
        self.trouble: dict[type[AnyEffect], Exception] = {}
        self.after: dict[type[AnyEffect], Callable[[AnyEffect], object]] = {}
        self.host.before = self._before
        self.opened: list[tuple[Path, str | None]] = []
        self.opener: Callable[[Path, str | None], AbstractContextManager[Engine]] = self._open

    def _before(self, effect: AnyEffect) -> None:
        if problem := self.trouble.get(type(effect)):
            raise problem
        if then := self.after.get(type(effect)):
            then(effect)

    def _open(self, root: Path, runtime: str | None) -> AbstractContextManager[Engine]:
        self.opened.append((root, runtime))
        return nullcontext(self.engine)  # the same for every command, and not theirs to close

    def __call__(self, *words: str, input: str | None = None) -> Result:
        """Exit code, stdout, stderr. What is not expected flies, as it would from a real one."""
        result = CliRunner(env={"COLUMNS": "80"}).invoke(
            cli, words, input, obj=self.opener, prog_name="lockgate"
        )
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def ok(self, *words: str) -> str:
        """What a command prints that succeeds and has nothing to complain of."""
        result = self(*words)
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout

    def no(self, code: int, *words: str) -> str:
        """The one line a command says that prints nothing and exits with this code."""
        result = self(*words)
        assert (result.exit_code, result.stdout) == (code, "")
        prefix, _, line = result.stderr.partition("lockgate: ")
        assert (prefix, line.count("\n"), line[-1]) == ("", 1, "\n")
        return line[:-1]

    def state(self, name: str) -> str:
        return str(self.engine.inspect(name).status)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    typed = Shell()
    typed.ok("image", "import", "busybox", str(tmp_path), "--command", "sh -c 'echo hi'")
    yield typed
    typed.engine.close()


@pytest.fixture
def web(shell: Shell) -> str:
    """The id of a container named web; nothing runs yet."""
    return shell.ok("create", "--name", "web", "--image", "busybox", "sleep", "60").strip()
