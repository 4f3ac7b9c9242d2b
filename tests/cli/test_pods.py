"""`pod`, and what `create`, `run` and `ps` say of pods."""

import json

import pytest

from lockgate.effects.model import CreateRuntime
from lockgate.effects.outcome import PortError

from .conftest import Shell


@pytest.fixture
def pod(shell: Shell) -> str:
    """The id of a pod named web with two members."""
    made = shell.ok("pod", "create", "--name", "web").strip()
    for name in ("app", "log"):
        shell.ok("create", "--pod", "web", "--name", name, "--image", "busybox", "sleep", "60")
    return made


def shown(shell: Shell) -> dict[str, object]:
    (found,) = json.loads(shell.ok("pod", "inspect", "web"))
    assert isinstance(found, dict)
    return found


class TestCreate:
    def test_as_asked(self, shell: Shell) -> None:
        shell.ok("network", "create", "front")
        wishes = ("--share", "net,pid", "--exit-policy", "stop", "--hostname", "here")
        net = ("--net", "front", "-p", "8080:80", "-l", "tier=1", "--dns", "10.0.0.1")
        made = shell.ok("pod", "create", *wishes, *net, "web").strip()
        found = shown(shell)
        assert (found["id"], found["state"], found["shares"]) == (made, "created", ["net", "pid"])
        assert (found["exit_policy"], found["hostname"]) == ("stop", "here")
        assert (found["network"], found["ports"]) == ("front", ["8080:80/tcp"])
        assert found["labels"] == {"tier": "1"}

    def test_its_limits(self, shell: Shell) -> None:
        shell.ok("pod", "create", "-m", "64m", "--cpus", "0.5", "--pids-limit", "9", "web")
        found = shown(shell)
        limits = {"memory": 64 << 20, "pids": 9, "cpu_quota": 50_000, "cpu_period": 100_000}
        assert (found["limits"], found["cgroup"]) == (limits, f"/lockgate/pod-{found['id']}")
        assert shell("pod", "create", "--cpus", "some").exit_code == 2

    def test_one_name_is_enough(self, shell: Shell) -> None:
        assert "one name" in shell.no(2, "pod", "create", "--name", "a", "b")
        assert "no exit policy" in shell.no(2, "pod", "create", "--exit-policy", "x")
        assert "no namespace to share" in shell.no(2, "pod", "create", "--share", "mnt")

    def test_from_an_image_whose_command_waits(self, shell: Shell) -> None:
        shell.ok("pod", "create", "--infra-image", "busybox", "web")
        assert "no image" in shell.no(3, "pod", "create", "--infra-image", "nothing")

    def test_a_container_in_it(self, shell: Shell, pod: str) -> None:
        made = shell.ok(
            *("create", "--pod", "web", "--init-ctr", "once", "--image", "busybox", "true")
        ).strip()
        (found,) = json.loads(shell.ok("inspect", made))
        assert (found["pod"], found["pod_role"]) == (pod, "init once")
        (app,) = json.loads(shell.ok("inspect", "app"))
        assert app["pod_role"] == "member"
        assert "no pod" in shell.no(3, "create", "--pod", "x", "--image", "busybox", "true")
        assert "that is a pod" in shell.no(3, "start", "web")


class TestLife:
    def test_whole(self, shell: Shell, pod: str) -> None:
        for verb, state in (
            ("start", "running"),
            ("pause", "paused"),
            ("unpause", "running"),
            ("restart", "running"),
            ("stop", "exited"),
            ("start", "running"),
            ("kill", "exited"),
        ):
            assert shell.ok("pod", verb, "web") == "web\n"
            assert shown(shell)["state"] == state
        assert shell.ok("pod", "rm", pod[:8]) == f"{pod[:8]}\n"
        assert shell.ok("pod", "ps", "-q") == ""

    def test_all_of_them(self, shell: Shell, pod: str) -> None:
        shell.ok("pod", "create", "other")
        assert shell.ok("pod", "start", "--all") == "web\nother\n"
        assert "name pods, or give --all" in shell.no(2, "pod", "stop")
        assert "name pods, or give --all" in shell.no(2, "pod", "stop", "-a", "web")
        assert shell.ok("pod", "rm", "-f", "-a") == "web\nother\n"

    def test_what_went_wrong_is_said_of_each(self, shell: Shell, pod: str) -> None:
        shell.ok("start", "log")
        shell.trouble[CreateRuntime] = PortError("missing", "no such program", dirty=False)
        told = shell("pod", "start", "web", "nobody")
        assert (told.exit_code, told.stdout) == (1, "")
        assert "cannot start container app: no such program" in told.stderr
        assert "no pod 'nobody'" in told.stderr

    def test_not_removed_while_any_runs(self, shell: Shell, pod: str) -> None:
        shell.ok("pod", "start", "web")
        assert "containers run in it (app, log)" in shell.no(4, "pod", "rm", "web")
        shell.ok("pod", "rm", "-f", "-t", "0", "web")
        assert "no pod" in shell.no(3, "pod", "rm", "web")


class TestLooking:
    def test_a_line_each(self, shell: Shell, pod: str) -> None:
        shell.ok("start", "app")
        header, line = shell.ok("pod", "ps").splitlines()
        assert header.split() == ["ID", "NAME", "STATE", "CREATED", "CONTAINERS", "INFRA"]
        assert line.split()[:3] == [pod[:12], "web", "degraded"]
        assert shell.ok("pod", "ps", "-q") == f"{pod}\n"
        assert [one["name"] for one in json.loads(shell.ok("pod", "ps", "--json"))] == ["web"]

    def test_with_its_containers(self, shell: Shell, pod: str) -> None:
        containers = shown(shell)["containers"]
        assert isinstance(containers, list)
        assert [(one["role"], one["state"]) for one in containers] == [
            ("infra", "configured"),
            ("member", "configured"),
            ("member", "configured"),
        ]
        told = shell("pod", "inspect", "web", "nobody")
        assert (told.exit_code, len(json.loads(told.stdout))) == (3, 1)

    def test_listed_with_their_pods(self, shell: Shell, pod: str) -> None:
        shell.ok("create", "--name", "alone", "--image", "busybox", "true")
        header, *lines = shell.ok("ps", "-a", "--pod").splitlines()
        assert header.endswith("POD           POD NAME")
        told = {line.split()[1]: line.split()[-2:] for line in lines}
        assert (told["app"], told["alone"]) == ([pod[:12], "web"], ["-", "-"])
