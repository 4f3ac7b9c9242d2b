"""The OCI spec as a function of the config: valid, stable, defensive about the container's files."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lockgate.effects.config import Config
from lockgate.effects.model import WriteSpec
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Accounts
from lockgate.statemachine.spec import generate, resolve_user
from lockgate.testing import strategies

CONFIG = Config(id="0123456789abcdef", command=("sh", "-c", "true"), created_at=5)
EFFECT = WriteSpec("0123456789abcdef", 1, "/merged", "")
ACCOUNTS = Accounts(
    passwd=b"root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/:/bin/sh\nbad:x:y:z::/:\n::1:1::/:\n",
    group=b"root:x:0:\nweb:x:34:\nlog:x:4:web,other\nvideo:x:44:web\nbad:x:q:web\nshort:x\n",
)


def spec(config: Config = CONFIG, effect: WriteSpec = EFFECT) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(generate(config, effect, ACCOUNTS))
    return loaded


def test_same_facts_same_bytes() -> None:
    assert generate(CONFIG, EFFECT, ACCOUNTS) == generate(CONFIG, EFFECT, ACCOUNTS)


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


def test_the_hostname_is_the_short_id_unless_given() -> None:
    assert spec()["hostname"] == "0123456789ab"
    assert spec(replace(CONFIG, hostname="web"))["hostname"] == "web"


def test_a_terminal_has_a_kind() -> None:
    assert "TERM=xterm" in spec(replace(CONFIG, terminal=True))["process"]["env"]
    assert not any(pair.startswith("TERM=") for pair in spec()["process"]["env"])


def test_networks() -> None:
    def namespaces(made: dict[str, Any]) -> dict[str, dict[str, str]]:
        return {one["type"]: one for one in made["linux"]["namespaces"]}

    own = namespaces(spec())
    assert own["network"] == {"type": "network"}
    joined = namespaces(spec(effect=replace(EFFECT, netns="/run/ns")))
    assert joined["network"]["path"] == "/run/ns"
    host = spec(replace(CONFIG, network="host"))
    assert "network" not in namespaces(host) and "uts" not in namespaces(host)
    assert "hostname" not in host
    sysfs = {one["destination"]: one["type"] for one in host["mounts"]}
    assert sysfs["/sys"] == "bind"


def test_memory_is_limited_only_when_asked() -> None:
    assert "memory" not in spec()["linux"]["resources"]
    limited = spec(replace(CONFIG, memory=64 << 20))["linux"]["resources"]["memory"]
    assert limited == {"limit": 64 << 20, "swap": 64 << 20}


def test_mounts_are_sorted_by_depth() -> None:
    depths = [one["destination"].count("/") for one in spec()["mounts"]]
    assert depths == sorted(depths)


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", (0, 0, ())),
        (":web", (0, 34, ())),
        ("root", (0, 0, ())),
        ("web", (33, 34, (4, 44))),
        ("33", (33, 34, (4, 44))),
        ("1000", (1000, 0, ())),
        ("1000:1000", (1000, 1000, ())),
        ("web:log", (33, 4, ())),
        ("0", (0, 0, ())),
    ],
)
def test_users_are_looked_up_in_the_containers_own_files(
    user: str, expected: tuple[int, int, tuple[int, ...]]
) -> None:
    assert resolve_user(user, ACCOUNTS) == expected


@pytest.mark.parametrize(
    ("user", "complaint"),
    [
        ("nobody", "the user 'nobody' is not in"),
        ("web:none", "the group 'none' is not in"),
        ("99999999999", "the user '99999999999' is not in"),
        ("4294967295", "the user '4294967295' is not in"),
        ("bad", "the user 'bad' is not in"),
    ],
)
def test_users_that_are_not_there_are_a_clean_fault(user: str, complaint: str) -> None:
    with pytest.raises(PortError, match=complaint) as caught:
        resolve_user(user, ACCOUNTS)
    assert not caught.value.fault.dirty


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_no_bytes_in_the_containers_files_do_harm(passwd: bytes, group: bytes) -> None:
    uid, gid, groups = resolve_user("7", Accounts(passwd, group))
    assert 0 <= uid < 2**32 and 0 <= gid < 2**32
    assert all(0 <= one < 2**32 for one in groups)


@given(strategies.configs)
def test_every_config_makes_a_spec(config: Config) -> None:
    assert spec(config)["process"]["args"] == list(config.command)
