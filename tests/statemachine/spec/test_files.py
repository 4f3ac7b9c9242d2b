"""What the engine tells a container about its place in the world."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lockgate.effects.config import Namespaces
from lockgate.effects.network import Dns, Link
from lockgate.statemachine.spec import generate
from lockgate.statemachine.spec.files import PLACES, generated

from .conftest import CONFIG, EFFECT, FACTS, files

PRIVATE = replace(CONFIG, network="private")
HOST = replace(CONFIG, network="host")


def test_the_hostname_ends_in_a_newline() -> None:
    """MAP L-161."""
    assert files()["hostname"] == "0123456789ab\n"
    assert files(replace(CONFIG, namespaces=Namespaces(uts="host")))["hostname"] == "keeper\n"


def test_programs_can_tell_that_they_are_in_a_container() -> None:
    made = files(replace(CONFIG, name='a"b', image_id="7"))["containerenv"]
    assert made.splitlines() == [
        'engine="lockgate"',
        'name="a\\"b"',
        'id="0123456789abcdef"',
        'image="busybox"',
        'imageid="7"',
    ]


class TestHosts:
    def test_a_container_knows_itself(self) -> None:
        assert files()["hosts"].splitlines() == [
            "127.0.0.1\tlocalhost",
            "::1\tlocalhost ip6-localhost ip6-loopback",
            "127.0.0.1\t0123456789ab web",
        ]

    def test_a_name_is_told_once(self) -> None:
        same = files(replace(CONFIG, hostname="web"))["hosts"].splitlines()
        nameless = files(replace(CONFIG, name=""))["hosts"].splitlines()
        assert (same[-1], nameless[-1]) == ("127.0.0.1\tweb", "127.0.0.1\t0123456789ab")

    def test_its_addresses_are_known_by_all_its_names(self) -> None:
        """MAP §3.5: written once, when the networks are joined (L-33)."""
        links = (
            Link("web", "eth0", "", ("192.0.2.20/24", "2001:db8::20/64"), (), ("www", "web")),
            Link("back", "eth1", "", ("198.51.100.2/24",)),
        )
        made = files(PRIVATE, effect=replace(EFFECT, links=links))["hosts"]
        assert made.splitlines()[2:] == [
            "192.0.2.20\t0123456789ab web www",
            "2001:db8::20\t0123456789ab web www",
            "198.51.100.2\t0123456789ab web",
        ]

    def test_what_was_added_comes_first_for_the_first_line_counts(self) -> None:
        made = files(replace(CONFIG, hosts=(("db", "192.0.2.7"), ("db", "::7"))))["hosts"]
        assert made.splitlines()[:2] == ["192.0.2.7\tdb", "::7\tdb"]

    def test_on_the_hosts_network_they_are_the_hosts(self) -> None:
        made = files(replace(HOST, hosts=(("db", "192.0.2.7"),)))["hosts"]
        assert made == "192.0.2.7\tdb\n127.0.0.1 localhost keeper\n"


class TestResolvConf:
    def test_without_a_network_there_is_none_unless_asked(self) -> None:
        assert "resolv.conf" not in files()
        asked = replace(CONFIG, dns=Dns(servers=("192.0.2.53",)))
        assert files(asked)["resolv.conf"].startswith("nameserver 192.0.2.53\n")

    def test_on_the_hosts_network_it_is_the_hosts(self) -> None:
        assert files(HOST)["resolv.conf"].splitlines() == [
            "nameserver 127.0.0.1",
            "nameserver 192.0.2.1",
            "search example.org",
            "options rotate",
        ]

    def test_elsewhere_the_hosts_own_loopback_is_out_of_reach(self) -> None:
        assert "127.0.0.1" not in files(PRIVATE)["resolv.conf"]
        assert "nameserver 192.0.2.1" in files(PRIVATE)["resolv.conf"]

    @pytest.mark.parametrize("line", [b"nameserver ::1", b"nameserver nonsense", b"nameserver"])
    def test_no_server_is_made_up(self, line: bytes) -> None:
        assert files(PRIVATE, replace(FACTS, resolv_conf=line))["resolv.conf"] == ""

    def test_each_kind_that_was_given_replaces_the_hosts(self) -> None:
        given = Dns(("192.0.2.53",), ("a", "b"), ("ndots:2", "rotate"))
        assert files(replace(PRIVATE, dns=given))["resolv.conf"].splitlines() == [
            "nameserver 192.0.2.53",
            "search a b",
            "options ndots:2 rotate",
        ]
        some = files(replace(PRIVATE, dns=Dns(search=(".",))))["resolv.conf"]
        assert some.splitlines() == ["nameserver 192.0.2.1", "options rotate"]

    def test_what_the_networks_say_comes_between(self) -> None:
        joined = replace(EFFECT, dns=Dns(("192.0.2.9",), ("net.example",)))
        assert files(PRIVATE, effect=joined)["resolv.conf"].splitlines() == [
            "nameserver 192.0.2.9",
            "search net.example",
            "options rotate",
        ]
        given = replace(PRIVATE, dns=Dns(search=("mine",)))
        assert "search mine" in files(given, effect=joined)["resolv.conf"]

    def test_an_old_hosts_domain_is_searched(self) -> None:
        facts = replace(FACTS, resolv_conf=b"domain old.example\n# remark\n")
        assert files(PRIVATE, facts)["resolv.conf"] == "search old.example\n"

    @pytest.mark.parametrize("text", [b"", b"# nothing\n", b"\n\nsortlist 192.0.2.0\n"])
    def test_where_the_host_says_nothing_nothing_is_said(self, text: bytes) -> None:
        assert files(HOST, replace(FACTS, resolv_conf=text))["resolv.conf"] == ""

    @given(st.binary(max_size=200))
    def test_no_bytes_of_the_hosts_file_do_harm(self, data: bytes) -> None:
        generate(PRIVATE, EFFECT, replace(FACTS, resolv_conf=data))


def test_the_places_they_are_seen_at_are_known() -> None:
    stranger = replace(PRIVATE, user="4242", dns=Dns(servers=("192.0.2.1",)))
    assert set(generated(stranger, EFFECT, FACTS, "web")) == PLACES
