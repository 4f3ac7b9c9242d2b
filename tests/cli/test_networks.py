"""`network`, and what `create` and `run` say of networks and ports."""

import json

import pytest

from lockgate import Attachment, PortMapping

from .conftest import Shell


def made(shell: Shell, *words: str) -> str:
    return shell.ok("create", "--image", "busybox", *words, "sleep", "60").strip()


class TestNetwork:
    def test_it_is_made_with_a_subnet_of_its_own(self, shell: Shell) -> None:
        assert shell.ok("network", "create", "web") == "10.89.0.0/24\n"
        assert shell.ok("network", "create", "other") == "10.89.1.0/24\n"
        assert "10.89.0.0/24" in shell.ok("network", "ls")
        web = json.loads(shell.ok("network", "ls", "--json"))[1]
        assert (web["name"], web["gateways"], web["internal"]) == ("web", ["10.89.0.1"], False)

    def test_it_is_made_as_asked(self, shell: Shell) -> None:
        shell.ok(
            *("network", "create", "--subnet", "10.5.0.0/16", "--gateway", "10.5.9.9"),
            *("--dns", "10.5.0.53", "--dns", "1.1.1.1", "web"),
        )
        (web,) = json.loads(shell.ok("network", "inspect", "web"))
        assert (web["subnets"], web["gateways"]) == (["10.5.0.0/16"], ["10.5.9.9"])
        assert (web["dns"], web["containers"]) == (["10.5.0.53", "1.1.1.1"], [])

    def test_an_internal_one_has_no_gateway(self, shell: Shell) -> None:
        shell.ok("network", "create", "--internal", "back")
        assert "its own containers" in shell.ok("network", "ls")

    @pytest.mark.parametrize(
        ("words", "code", "why"),
        [
            (("none",), 1, "there is a network"),
            (("user",), 1, "there is a network"),
            (("web",), 1, "there is a network"),
            (("--subnet", "10.89.0.0/16", "other"), 1, "overlaps"),
            (("--subnet", "10.0.0.1/8", "other"), 2, "has host bits set"),
            (("--subnet", "10.0.0.0/31", "other"), 2, "no room"),
            (("--gateway", "nowhere", "other"), 2, "no IP address"),
            (("-", "other"), 2, "unexpected"),
        ],
    )
    def test_what_makes_no_network(
        self, shell: Shell, words: tuple[str, ...], code: int, why: str
    ) -> None:
        shell.ok("network", "create", "web")
        assert why in shell.no(code, "network", "create", *words)

    def test_it_goes_when_nobody_is_made_to_use_it(self, shell: Shell) -> None:
        shell.ok("network", "create", "web")
        made(shell, "--name", "db", "--net", "web")
        assert "containers use it (db)" in shell.no(1, "network", "rm", "web")
        shell.ok("start", "db")
        (web,) = json.loads(shell.ok("network", "inspect", "web"))
        (user,) = web["containers"]
        assert (user["name"], user["addresses"]) == ("db", ["10.89.0.2/24"])
        shell.ok("rm", "-f", "db")
        shell.ok("network", "rm", "web")
        assert "no network 'web'" in shell.no(3, "network", "rm", "web")


class TestContainers:
    @pytest.fixture(autouse=True)
    def networks(self, shell: Shell) -> None:
        shell.ok("network", "create", "web")
        shell.ok("network", "create", "--internal", "back")

    def test_networks_and_ports_as_written(self, shell: Shell) -> None:
        wish = "web:ip=10.89.0.9,mac=02:AA:00:00:00:01,alias=a,alias=b"
        ports = ("-p", "8080:80", "-p", "127.0.0.1:53:5353/udp", "-p", "[::1]:81:81")
        container = made(shell, "--network", wish, "--network", "back", *ports)
        config = shell.engine.inspect(container).config
        assert config.network == "web"
        assert config.networks == (
            Attachment("web", "10.89.0.9", "02:aa:00:00:00:01", ("a", "b")),
            Attachment("back"),
        )
        assert config.ports == (
            PortMapping(8080, 80),
            PortMapping(53, 5353, "127.0.0.1", "udp"),
            PortMapping(81, 81, "::1"),
        )
        (shown,) = json.loads(shell.ok("inspect", container))
        assert shown["ports"] == ["8080:80/tcp", "127.0.0.1:53:5353/udp", "[::1]:81:81/tcp"]
        shell.ok("start", container)
        (shown,) = json.loads(shell.ok("inspect", container))
        assert [link["interface"] for link in shown["links"]] == ["eth0", "eth1"]

    @pytest.mark.parametrize(
        ("words", "code", "why"),
        [
            (("--net", "nowhere"), 3, "no network 'nowhere'; there are: back, web"),
            (("--net", "user", "--net", "web"), 2, "goes with no other"),
            (("--net", "user:ip=10.0.2.7"), 2, "addresses of its own"),
            (("--net", "web", "--net", "web"), 2, "given twice"),
            (("--net", "web:ip=10.0.0.1"), 2, "10.0.0.1 is not in network web (10.89.0.0/24)"),
            (("--net", "web:mac=01:00:00:00:00:01"), 2, "no wish of network"),
            (("--net", "web:colour=red"), 2, "no wish of network"),
            (("-p", "80:80"), 2, "'none' is none: give one"),
            (("-p", "80:80", "--net", "host"), 2, "'host' is none: give one"),
            (("-p", "80:80", "--net", "back"), 2, "is internal"),
            (("-p", "80", "--net", "web"), 2, "publishes no port"),
            (("-p", "70000:80", "--net", "web"), 2, "from 1 to 65535"),
            (("-p", "1.2.3:80:80", "--net", "web"), 2, "no IP address"),
        ],
    )
    def test_what_makes_no_sense(
        self, shell: Shell, words: tuple[str, ...], code: int, why: str
    ) -> None:
        assert why in shell.no(code, "create", "--image", "busybox", *words, "true")
        assert shell.engine.list() == ()

    def test_the_network_of_another_container(self, shell: Shell) -> None:
        owner = made(shell, "--name", "owner", "--net", "web")
        guest = made(shell, "--name", "guest", "--net", "container:owner")
        made(shell, "--name", "friend", "--net", "container:guest")
        for name in ("guest", "friend"):  # a guest's guest is the owner's (MAP L-35)
            assert shell.engine.inspect(name).config.network == f"container:{owner}"
        assert shell.ok("start", "guest") == "guest\n"  # which needs its owner
        records = [shell.engine.inspect(name) for name in ("owner", "guest")]
        assert records[0].netns == records[1].netns
        assert records[0].links == records[1].links != ()
        assert guest == records[1].id

    def test_what_cannot_be_shared(self, shell: Shell) -> None:
        made(shell, "--name", "lonely")
        create = ("create", "--image", "busybox")
        lonely = shell.no(2, *create, "--net", "container:lonely", "true")
        assert "no network of its own to share" in lonely
        assert "no container" in shell.no(3, *create, "--net", "container:nobody", "true")
        made(shell, "--name", "owner", "--net", "web")
        published = shell.no(2, *create, "--net", "container:owner", "-p", "80:80", "true")
        assert "is none: give one" in published

    def test_a_port_is_one_containers_at_a_time(self, shell: Shell) -> None:
        for name in ("first", "second"):
            made(shell, "--name", name, "--net", "web", "-p", "8080:80")
        shell.ok("start", "first")
        assert "in use by container first" in shell.no(1, "start", "second")
        shell.ok("rm", "-f", "first")
        shell.ok("start", "second")
