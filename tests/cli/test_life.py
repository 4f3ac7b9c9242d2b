"""The commands that move containers: what they print, what they do, what they refuse."""

import threading

import pytest

from lockgate.effects.model import AnyEffect, CreateRuntime, DeleteLayer, Signal, StartRuntime
from lockgate.effects.outcome import PortError

from .conftest import Shell


class TestCreate:
    def test_prints_the_id_and_runs_nothing(self, shell: Shell) -> None:
        made = shell.ok("create", "--image", "busybox").strip()
        assert len(made) == 64
        assert shell.state(made) == "configured"
        assert shell.engine.inspect(made).config.command == ("sh", "-c", "echo hi")

    def test_every_wish_reaches_the_engine(self, shell: Shell) -> None:
        shell.ok(
            *("create", "--name", "web", "--image", "busybox", "--net", "host", "--memory", "1g"),
            *("--env", "A=1", "-e", "B=x=y", "--workdir", "/srv", "--user", "33:34"),
            *("--stop-signal", "USR1", "--stop-timeout", "3", "--hostname", "box", "--rm"),
            *("--label", "k=v", "--annotation", "a=b", "--", "sleep", "-x", "--rm"),
        )
        config = shell.engine.inspect("web").config
        assert (config.name, config.image, config.network) == ("web", "busybox", "host")
        assert (config.memory, config.env) == (2**30, ("A=1", "B=x=y"))
        assert (config.workdir, config.user, config.hostname) == ("/srv", "33:34", "box")
        assert (config.stop_signal, config.stop_timeout, config.auto_remove) == (10, 3, True)
        assert (config.labels, config.annotations) == ((("k", "v"),), (("a", "b"),))
        assert config.command == ("sleep", "-x", "--rm")

    def test_options_after_the_command_are_the_containers(self, shell: Shell) -> None:
        shell.ok("create", "--name", "web", "--image", "busybox", "sh", "-c", "--name=x")
        assert shell.engine.inspect("web").config.command == ("sh", "-c", "--name=x")

    def test_from_a_directory(self, shell: Shell, tmp_path: object) -> None:
        made = shell.ok("create", "--rootfs", str(tmp_path), "--", "true").strip()
        assert shell.engine.inspect(made).config.rootfs == str(tmp_path)

    @pytest.mark.parametrize(
        ("words", "code", "said"),
        [
            (("--image", "nope"), 3, "no image 'nope'; there are: busybox"),
            ((), 2, "give an image or a root filesystem directory, one of them"),
            (("--image", "busybox", "--rootfs", "/"), 2, "one of them"),
            (("--rootfs", "/nowhere", "x"), 2, "'/nowhere' is not a directory"),
            (("--image", "busybox", "--name", "a b"), 2, "'a b' cannot be a name"),
            (("--image", "busybox", "--name", "web"), 1, "the name 'web' is in use by container"),
            (("--image", "busybox", "--net", "bridge"), 3, "no network 'bridge'; there are: none"),
            (("--image", "busybox", "--stop-signal", "STOPP"), 2, "'STOPP' is no signal"),
            (("--image", "busybox", "--stop-timeout", "-1"), 2, "-1 seconds makes no sense"),
            (("--image", "busybox", "--memory", "1k"), 2, "1024 bytes makes no sense"),
            (("--image", "busybox", "--env", "A"), 2, "'A' is no environment entry"),
            (("--image", "busybox", "--", "sh", "\udcff"), 2, "is not UTF-8"),
        ],
    )
    def test_is_refused_in_one_line(
        self, shell: Shell, web: str, words: tuple[str, ...], code: int, said: str
    ) -> None:
        assert said in shell.no(code, "create", *words)
        assert [record.id for record in shell.engine.list()] == [web]


class TestEveryVerb:
    def test_a_whole_life(self, shell: Shell, web: str) -> None:
        for words, state in [
            (("init", "web"), "created"),
            (("start", "web"), "running"),
            (("pause", "web"), "paused"),
            (("unpause", "web"), "running"),
            (("restart", "-t", "0", "web"), "running"),
            (("kill", "-s", "WINCH", "web"), "running"),
            (("stop", "-t", "5", "web"), "stopped"),
            (("cleanup", "web"), "exited"),
            (("restart", "web"), "running"),
            (("kill", "web"), "stopped"),
        ]:
            assert shell.ok(*words) == "web\n"
            assert shell.state("web") == state
        assert shell.ok("wait", "web") == "137\n"
        assert shell.ok("rm", "web") == "web\n"
        assert shell.ok("wait", "web") == "137\n"  # its last word
        assert shell.host.world(web).empty

    @pytest.mark.parametrize("verb", ["init", "start", "pause", "unpause", "restart", "cleanup"])
    def test_of_nobody_is_3(self, shell: Shell, verb: str) -> None:
        assert shell.no(3, verb, "nobody") == (
            "no container has the name or id 'nobody'; `lockgate ps -a` lists all"
        )

    @pytest.mark.parametrize("verb", ["stop", "kill", "wait", "rm", "inspect", "logs"])
    def test_of_nobody_is_3_elsewhere(self, shell: Shell, verb: str) -> None:
        assert shell(verb, "nobody").exit_code == 3

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("init",), "cannot init container web: it is running; legal now: stop, kill, "),
            (("start",), "cannot start container web: it is running; "),
            (("unpause",), "cannot unpause container web: it is running; "),
            (("cleanup",), "cannot cleanup container web: it is running; "),
            (("rm",), "(stop it first, or remove it with force)"),
        ],
    )
    def test_that_is_not_legal_is_4_and_changes_nothing(
        self, shell: Shell, web: str, words: tuple[str, ...], said: str
    ) -> None:
        shell.ok("start", "web")
        before = shell.engine.inspect("web")
        assert said in shell.no(4, *words, "web")
        assert shell.engine.inspect("web") == before

    def test_that_the_world_does_not_do_is_1(self, shell: Shell, web: str) -> None:
        shell.trouble[CreateRuntime] = PortError("denied", "no cgroups for you")
        assert shell.no(1, "start", "web") == "cannot start container web: no cgroups for you"
        assert shell.state("web") == "configured"

    def test_while_another_is_in_flight_is_4(self, shell: Shell) -> None:
        shell.ok("create", "--name", "deaf", "--image", "busybox", "--stop-signal", "USR1")
        shell.ok("start", "deaf")
        asked = threading.Event()
        shell.after[Signal] = lambda effect: asked.set()
        stopper = threading.Thread(target=shell.engine.stop, args=("deaf", 30))
        stopper.start()
        assert asked.wait(10)
        try:
            assert "another operation is in flight" in shell.no(4, "start", "deaf")
            assert "stopping (stop)" in shell.ok("ps")
        finally:
            assert shell.ok("kill", "deaf") == "deaf\n"
            stopper.join(10)


class TestStop:
    def test_of_what_has_ended_is_worth_a_note(self, shell: Shell, web: str) -> None:
        shell.ok("start", "web")
        shell.ok("stop", "web")
        result = shell("stop", "web")
        assert (result.exit_code, result.stdout) == (0, "web\n")
        assert result.stderr == (
            "lockgate: container web is stopped already; there is nothing to stop\n"
        )

    def test_of_what_never_ran_is_refused(self, shell: Shell, web: str) -> None:
        assert "it is configured" in shell.no(4, "stop", "web")

    @pytest.mark.parametrize("timeout", ["-1", "soon"])
    def test_has_a_patience_that_makes_sense(self, shell: Shell, web: str, timeout: str) -> None:
        assert shell(*("stop", "-t", timeout, "web")).exit_code == 2

    def test_several_are_waited_for_together(self, shell: Shell) -> None:
        for name in ("a", "b"):
            shell.ok("create", "--name", name, "--image", "busybox")
            shell.ok("start", name)
        asked = threading.Barrier(2, timeout=10)
        shell.after[Signal] = lambda effect: asked.wait()
        assert shell.ok("stop", "a", "b") == "a\nb\n"


class TestKill:
    def test_takes_signals_by_name_and_number(self, shell: Shell, web: str) -> None:
        shell.ok("start", "web")
        sent: list[AnyEffect] = []
        shell.after[Signal] = sent.append
        for signal in ("USR1", "SIGUSR1", "usr1", "10"):
            shell.ok("kill", "-s", signal, "web")
        assert [effect.signal for effect in sent if isinstance(effect, Signal)] == [10] * 4
        assert "'SIGNIFICANT' is no signal" in shell.no(2, "kill", "-s", "SIGNIFICANT", "web")


class TestWait:
    def test_prints_a_code_for_each(self, shell: Shell, web: str) -> None:
        other = shell.ok("create", "--name", "other", "--image", "busybox").strip()
        shell.ok("start", "web", "other")
        shell.host.end(web, 7)
        enders = threading.Timer(0.05, shell.host.end, (other, 3))
        enders.start()
        assert shell.ok("wait", "web", "other", "web") == "7\n3\n7\n"
        enders.join()

    def test_of_what_never_ran_is_zero(self, shell: Shell, web: str) -> None:
        assert shell.ok("wait", "web") == "0\n"

    def test_for_a_condition(self, shell: Shell, web: str) -> None:
        shell.ok("start", "web")
        assert shell.ok("wait", "--condition", "running", "web") == "running\n"
        shell.ok("kill", "web")
        told = shell.ok("wait", "--condition", "stopped", "--condition", "exited", "web")
        assert told == "stopped\n"
        assert "nothing to wait for" in shell.no(2, "wait", "--condition", "up", "web")

    def test_removes_what_was_made_with_rm(self, shell: Shell) -> None:
        made = shell.ok("create", "--rm", "--image", "busybox").strip()
        assert shell.ok("wait", made) == "0\n"
        assert shell.state(made) == "configured"  # its end has not been seen
        shell.ok("start", made)
        shell.host.end(made, 5)
        assert shell.ok("wait", made) == "5\n"
        assert shell.engine.list() == ()
        assert shell.ok("wait", made) == "5\n"


class TestRm:
    def test_with_force_ends_it_first(self, shell: Shell, web: str) -> None:
        shell.ok("start", "web")
        assert shell.ok("rm", "-f", "-t", "0", "web") == "web\n"
        assert shell.engine.list() == ()

    def test_that_did_not_get_through_may_be_tried_again(self, shell: Shell, web: str) -> None:
        shell.trouble[DeleteLayer] = PortError("failed", "device busy")
        assert shell.no(1, "rm", "web") == "cannot remove container web: device busy"
        assert shell.state("web") == "removing"
        shell.trouble.clear()
        assert shell.ok("rm", "web") == "web\n"


def test_a_start_that_failed_leaves_the_container_as_it_was(shell: Shell, web: str) -> None:
    shell.trouble[StartRuntime] = PortError("failed", "exec format error")
    assert shell.no(1, "start", "web") == "cannot start container web: exec format error"
    assert shell.state("web") == "configured"


class TestDuties:
    @pytest.mark.parametrize(
        ("written", "policy", "retries"),
        [
            ("always", "always", 0),
            ("on-failure", "on-failure", 0),
            ("on-failure:3", "on-failure", 3),
        ],
    )
    def test_policies_are_written_as_in_the_field(
        self, shell: Shell, written: str, policy: str, retries: int
    ) -> None:
        shell.ok("create", "--name", "p", "--restart", written, "--image", "busybox")
        config = shell.engine.inspect("p").config
        assert (config.restart, config.restart_retries) == (policy, retries)

    @pytest.mark.parametrize("written", ["sometimes", "on-failure:", "on-failure:0", "always:2"])
    def test_and_not_otherwise(self, shell: Shell, written: str) -> None:
        assert shell("create", "--restart", written, "--image", "busybox").exit_code == 2

    def test_a_reboot_is_followed_by_what_is_owed(self, shell: Shell) -> None:
        for name, policy in (("a", "always"), ("b", "no")):
            shell.ok("create", "--name", name, "--restart", policy, "--image", "busybox")
            shell.ok("start", name)
        shell.host.reboot()
        assert shell.ok("refresh") == ""
        assert (shell.state("a"), shell.state("b")) == ("running", "exited")
        assert "the host was restarted" in shell.ok("history", "b")


def test_renamed_it_is_called_so(shell: Shell, web: str) -> None:
    assert shell.ok("rename", "web", "app") == "web\n"
    assert shell.state("app") == "configured"
    assert "rename to app" in shell.ok("history", "web")
    assert "cannot be a name" in shell.no(2, "rename", "app", "app app")
