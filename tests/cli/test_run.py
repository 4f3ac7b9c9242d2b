"""`run`: to stay with a container to its end, and to tell the shell how it went."""

import os
import signal
import threading

import pytest

from lockgate.adapters.simulated import DRIFTS
from lockgate.effects.config import Config
from lockgate.effects.model import AnyEffect, CreateRuntime, DeleteLayer, Signal, StartRuntime
from lockgate.effects.outcome import FaultKind, PortError

from .conftest import Shell

RUN = ("run", "--name", "web", "--image", "busybox")


@pytest.fixture
def ending(shell: Shell) -> Shell:
    """A shell whose containers write something and end with code 7 once nobody reads any more."""
    shell.log.write("to stdout")
    shell.log.write("to stderr", "stderr")
    shell.log.idle = lambda config: shell.host.end(config.id, 7)
    return shell


class TestToItsEnd:
    def test_shows_what_it_writes_and_exits_with_its_code(self, ending: Shell) -> None:
        result = ending(*RUN, "sh", "-c", "x")
        assert result.exit_code == 7
        assert (result.stdout, result.stderr) == ("to stdout\n", "to stderr\n")
        assert ending.state("web") == "stopped"

    def test_shows_what_was_written_last(self, shell: Shell) -> None:
        def last_words(config: Config) -> None:
            shell.log.write("the end")
            shell.host.end(config.id)

        shell.log.idle = last_words
        assert shell.ok(*RUN) == "the end\n"

    def test_colours_are_the_containers_business(self, ending: Shell) -> None:
        ending.log.lines.clear()
        ending.log.write("\x1b[31mred\x1b[0m\ttab ")
        assert ending(*RUN).stdout == "\x1b[31mred\x1b[0m\ttab \n"

    def test_nothing_is_added_to_what_has_no_line_end(self, ending: Shell) -> None:
        ending.log.lines.clear()
        ending.log.write("no line ", partial=True)
        ending.log.write("end", partial=True)
        assert ending(*RUN).stdout == "no line end"

    def test_with_rm_nothing_is_left(self, ending: Shell) -> None:
        result = ending(*RUN, "--rm")
        assert result.exit_code == 7
        assert ending.engine.list() == ()

    def test_with_rm_somebody_else_may_be_faster(self, shell: Shell) -> None:
        def removed(config: Config) -> None:
            shell.engine.remove("web", force=True, timeout=0)

        shell.log.idle = removed
        assert shell(*RUN, "--rm").exit_code == 137

    def test_what_cannot_be_removed_does_not_hide_its_code(self, ending: Shell) -> None:
        ending.trouble[DeleteLayer] = PortError("failed", "device busy")
        result = ending(*RUN, "--rm")
        assert result.exit_code == 7
        assert "lockgate: cannot remove --force container web: device busy\n" in result.stderr

    def test_an_end_nobody_saw_is_125_with_the_reason(self, shell: Shell) -> None:
        def lost(config: Config) -> None:
            shell.host.drift(config.id, DRIFTS["both killed"])

        shell.log.idle = lost
        assert shell.no(125, *RUN) == (
            "how container web ended is not known: the monitor ended without reporting"
        )


class TestDetached:
    def test_prints_the_id_and_leaves_it_running(self, shell: Shell) -> None:
        made = shell.ok(*RUN, "-d", "sleep", "60").strip()
        assert shell.engine.inspect("web").id == made
        assert shell.state("web") == "running"

    def test_with_rm_goes_when_waited_for(self, shell: Shell) -> None:
        made = shell.ok(*RUN, "-d", "--rm").strip()
        assert shell.state("web") == "running"
        shell.host.end(made, 2)
        assert shell.ok("wait", "web") == "2\n"
        assert shell.engine.list() == ()


class TestThatDoesNotCome:
    @pytest.mark.parametrize("detached", [(), ("-d",)])
    @pytest.mark.parametrize(
        ("kind", "code"), [("denied", 126), ("missing", 127), ("failed", 125), ("scarce", 125)]
    )
    def test_has_the_codes_of_the_field(
        self, shell: Shell, kind: FaultKind, code: int, detached: tuple[str, ...]
    ) -> None:
        shell.trouble[CreateRuntime] = PortError(kind, "it would not")
        said = shell.no(code, *RUN, *detached, "cmd")
        assert said == "cannot start container web: it would not"
        assert shell.state("web") == "configured"  # and its history can be asked why

    def test_with_rm_leaves_nothing_either(self, shell: Shell) -> None:
        shell.trouble[StartRuntime] = PortError("missing", "no such file")
        assert shell.no(127, *RUN, "--rm", "cmd")
        assert shell.no(127, *RUN, "--rm", "-d", "cmd")
        assert shell.engine.list() == ()

    def test_for_lack_of_an_image_is_125(self, shell: Shell) -> None:
        assert "no image 'nope'" in shell.no(125, "run", "--image", "nope", "x")

    def test_for_a_name_that_is_taken_is_125(self, shell: Shell, web: str) -> None:
        assert "is in use by container" in shell.no(125, *RUN)
        assert shell.state("web") == "configured"

    def test_for_a_wish_that_makes_no_sense_is_2(self, shell: Shell) -> None:
        assert "no sense" in shell.no(2, *RUN, "--memory", "1k")
        assert "No such option" in shell.no(2, *RUN, "--nope")


class TestSignals:
    @pytest.fixture
    def sent(self, shell: Shell) -> list[int]:
        """What the container was sent, which makes it end."""
        numbers: list[int] = []

        def note(effect: AnyEffect) -> None:
            assert isinstance(effect, Signal)
            numbers.append(effect.signal)

        shell.after[Signal] = note
        return numbers

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_are_passed_on(self, shell: Shell, sent: list[int], number: int) -> None:
        raised = threading.Event()

        def interrupted(config: Config) -> None:
            if not raised.is_set():
                raised.set()
                os.kill(os.getpid(), number)

        shell.log.idle = interrupted
        assert shell(*RUN).exit_code == 128 + number
        assert sent == [number]

    def test_that_come_before_it_runs_are_kept_for_it(self, shell: Shell, sent: list[int]) -> None:
        shell.after[CreateRuntime] = lambda effect: os.kill(os.getpid(), signal.SIGTERM)
        assert shell(*RUN).exit_code == 143
        assert sent == [signal.SIGTERM]

    def test_the_third_is_sigkill(self, shell: Shell) -> None:
        heard = threading.Semaphore(1)
        sent: list[int] = []

        def deaf(effect: AnyEffect) -> None:
            assert isinstance(effect, Signal)
            sent.append(effect.signal)
            if effect.signal != signal.SIGKILL:
                heard.release()
                raise PortError("refused", "it does not listen", dirty=False)

        def interrupted(config: Config) -> None:
            if heard.acquire(timeout=0.01):
                os.kill(os.getpid(), signal.SIGINT)

        shell.after[Signal] = deaf
        shell.log.idle = interrupted
        assert shell(*RUN).exit_code == 137
        assert sent == [signal.SIGINT, signal.SIGINT, signal.SIGKILL]

    def test_are_ours_again_afterwards(self, ending: Shell) -> None:
        before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        ending(*RUN)
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


class TestItsLog:
    def test_may_have_a_limit(self, shell: Shell) -> None:
        shell.ok("create", "--name", "a", "--log-opt", "max-size=1m", "--image", "busybox")
        assert shell.engine.inspect("a").config.log_size == 1 << 20

    @pytest.mark.parametrize("option", ["max-file=3", "max-size=much", "max-size=1"])
    def test_that_makes_sense(self, shell: Shell, option: str) -> None:
        result = shell("create", "--log-opt", option, "--image", "busybox")
        assert (result.exit_code, result.stdout) == (2, "")
