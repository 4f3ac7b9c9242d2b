"""The OCI spec as a function of the config and the facts: valid, stable, and what was asked for."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lockgate.effects.capabilities import CAPABILITIES
from lockgate.effects.config import Config, IdMap, Namespaces, cgroup
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Accounts
from lockgate.statemachine.spec import generate
from lockgate.testing import strategies

from ...schema import complaints
from .conftest import CONFIG, EFFECT, FACTS, destinations, spec


@given(
    strategies.wishes,
    st.lists(st.sampled_from(CAPABILITIES)),
    st.integers(min_value=-1, max_value=2**20),
    st.binary(max_size=60),
    st.binary(max_size=60),
)
def test_any_config_makes_a_valid_spec_and_always_the_same(
    config: Config, capabilities: list[str], nofile: int, passwd: bytes, group: bytes
) -> None:
    facts = replace(
        strategies.generous(config),
        capabilities=tuple(capabilities),
        rlimits=(("nofile", nofile),),
        accounts=Accounts(passwd, group),
    )
    try:
        made = generate(config, EFFECT, facts)
    except PortError as refusal:
        assert not refusal.fault.dirty
        return
    loaded = json.loads(made.spec)
    assert complaints(loaded) == []
    assert generate(config, EFFECT, facts) == made
    depths = [one["destination"].count("/") for one in loaded["mounts"]]
    assert depths == sorted(depths)


@given(strategies.wishes)
def test_a_host_that_has_everything_refuses_nothing(config: Config) -> None:
    loaded = json.loads(generate(config, EFFECT, strategies.generous(config)).spec)
    assert loaded["process"]["args"] == list(config.command)


@given(strategies.configs)
def test_the_configs_of_histories_make_specs(config: Config) -> None:
    assert spec(config)["process"]["args"] == list(config.command)


def test_it_says_what_was_asked_for() -> None:
    made = spec(
        replace(CONFIG, env=("A=1",), workdir="/srv", user="web", annotations=(("k", "v"),))
    )
    process = made["process"]
    assert process["args"] == ["sh", "-c", "true"]
    assert process["cwd"] == "/srv"
    assert process["user"] == {"uid": 33, "gid": 34, "additionalGids": [4, 44]}
    assert "A=1" in process["env"] and "container=lockgate" in process["env"]
    assert made["root"] == {"path": "/merged", "readonly": False}
    assert made["annotations"]["k"] == "v"
    assert made["annotations"]["org.opencontainers.image.stopSignal"] == "15"
    assert made["linux"]["cgroupsPath"] == "/lockgate/0123456789abcdef"


def test_what_the_user_sets_wins_over_the_defaults() -> None:
    env = spec(replace(CONFIG, env=("PATH=/mine", "container=x", "HOSTNAME=h")))["process"]["env"]
    assert [pair for pair in env if pair.startswith("PATH=")] == ["PATH=/mine"]
    assert [pair for pair in env if pair.startswith("container=")] == ["container=x"]
    assert [pair for pair in env if pair.startswith("HOSTNAME=")] == ["HOSTNAME=h"]


def test_a_terminal_has_a_kind() -> None:
    assert "TERM=xterm" in spec(replace(CONFIG, terminal=True))["process"]["env"]
    assert not any(pair.startswith("TERM=") for pair in spec()["process"]["env"])


class TestHostname:
    def test_it_is_the_short_id_unless_given(self) -> None:
        assert spec()["hostname"] == "0123456789ab"
        assert spec(replace(CONFIG, hostname="web"))["hostname"] == "web"
        assert spec(replace(CONFIG, id="short"))["hostname"] == "short"

    def test_on_the_hosts_network_it_is_the_hosts(self) -> None:
        assert spec(replace(CONFIG, network="host"))["hostname"] == "keeper"
        assert spec(replace(CONFIG, network="host", hostname="web"))["hostname"] == "web"

    def test_in_the_hosts_namespace_it_is_not_set_but_told(self) -> None:
        made = spec(replace(CONFIG, namespaces=Namespaces(uts="host")))
        assert "hostname" not in made
        assert "HOSTNAME=keeper" in made["process"]["env"]

    def test_a_host_without_a_name_tells_none(self) -> None:
        made = spec(
            replace(CONFIG, namespaces=Namespaces(uts="host")), facts=replace(FACTS, hostname="")
        )
        assert not any(pair.startswith("HOSTNAME=") for pair in made["process"]["env"])


class TestNamespaces:
    @staticmethod
    def kinds(made: Any) -> dict[str, Any]:
        return {one["type"]: one for one in made["linux"]["namespaces"]}

    def test_by_default_each_is_the_containers_own(self) -> None:
        assert set(self.kinds(spec())) == {"mount", "pid", "ipc", "uts", "cgroup", "network"}

    @pytest.mark.parametrize("kind", ["pid", "ipc", "uts", "cgroup"])
    def test_one_of_the_hosts_is_not_made(self, kind: str) -> None:
        made = spec(replace(CONFIG, namespaces=replace(Namespaces(), **{kind: "host"})))
        assert set(self.kinds(spec())) - set(self.kinds(made)) == {kind}

    def test_networks(self) -> None:
        assert self.kinds(spec())["network"] == {"type": "network"}
        joined = self.kinds(spec(effect=replace(EFFECT, netns="/run/ns")))
        assert joined["network"]["path"] == "/run/ns"
        host = spec(replace(CONFIG, network="host"))
        assert "network" not in self.kinds(host)
        assert destinations(host)["/sys"]["type"] == "bind"


def test_a_variable_is_named_up_to_its_first_equals_sign() -> None:
    made = spec(replace(CONFIG, env=("PATH=/a=b", "A=1=2")))["process"]["env"]
    assert made[-2:] == ["PATH=/a=b", "A=1=2"]
    assert [one for one in made if one.startswith("PATH=")] == ["PATH=/a=b"]


def test_without_a_directory_it_begins_at_the_root() -> None:
    assert spec(replace(CONFIG, workdir=""))["process"]["cwd"] == "/"


class TestCgroups:
    """MAP §3.5, 18."""

    @pytest.mark.parametrize(
        ("parent", "told", "there"),
        [
            ("/lockgate", "/lockgate/{id}", "/lockgate/{id}"),
            ("machine.slice", "machine.slice:lockgate:{id}", "/machine.slice/lockgate-{id}.scope"),
            (
                "a-b-c.slice",
                "a-b-c.slice:lockgate:{id}",
                "/a.slice/a-b.slice/a-b-c.slice/lockgate-{id}.scope",
            ),
            ("-.slice", "-.slice:lockgate:{id}", "/lockgate-{id}.scope"),
        ],
    )
    def test_where_they_are(self, parent: str, told: str, there: str) -> None:
        config = replace(CONFIG, cgroup_parent=parent)
        made = spec(config, facts=replace(FACTS, systemd=True))
        assert made["linux"]["cgroupsPath"] == told.format(id=CONFIG.id)
        assert cgroup(config) == there.format(id=CONFIG.id)

    def test_without_systemd_it_makes_none(self) -> None:
        with pytest.raises(PortError, match=r"not run by systemd.*name a path") as refusal:
            spec(replace(CONFIG, cgroup_parent="machine.slice"))
        assert (refusal.value.fault.kind, refusal.value.fault.dirty) == ("refused", False)


class TestLivingWithAnother:
    """Namespaces of others, where they were found; and what goes with them."""

    LODGING = (("pid", "/n/pid"), ("ipc", "/n/ipc"), ("shm", "/n/shm"), ("uts", "/n/uts"))
    OWN = Namespaces(pid="container:o", ipc="container:o", uts="container:o")

    def test_each_is_named_by_its_place(self) -> None:
        made = spec(
            replace(CONFIG, namespaces=self.OWN), replace(EFFECT, lodging=self.LODGING), FACTS
        )
        places = {one["type"]: one.get("path") for one in made["linux"]["namespaces"]}
        assert (places["pid"], places["ipc"], places["uts"]) == ("/n/pid", "/n/ipc", "/n/uts")
        assert "hostname" not in made  # it is theirs
        assert destinations(made)["/dev/shm"]["source"] == "/n/shm"
        assert complaints(made) == []

    def test_its_users_go_with_their_maps(self) -> None:
        config = replace(
            CONFIG,
            namespaces=Namespaces(user="container:o", cgroup="container:o"),
            uid_maps=(IdMap(container=0, host=100_000, size=65_536),),
            gid_maps=(IdMap(container=0, host=100_000, size=65_536),),
        )
        made = spec(config, replace(EFFECT, lodging=(("cgroup", "/n/cgroup"), ("user", "/n/user"))))
        assert {"type": "user", "path": "/n/user"} in made["linux"]["namespaces"]
        assert {"type": "cgroup", "path": "/n/cgroup"} in made["linux"]["namespaces"]
        assert made["linux"]["uidMappings"][0]["hostID"] == 100_000
        assert complaints(made) == []

    def test_who_lends_it_has_the_same_memory(self) -> None:
        lender = replace(CONFIG, namespaces=Namespaces(ipc="shareable"))
        made = spec(lender, replace(EFFECT, lodging=(("shm", "/n/shm"),)))
        assert {"type": "ipc"} in made["linux"]["namespaces"]
        assert destinations(made)["/dev/shm"]["source"] == "/n/shm"
