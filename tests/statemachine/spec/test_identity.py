"""User namespaces, and labels of policies."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from lockgate.effects.config import Config, IdMap, Security
from lockgate.effects.model import WriteSpec
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Facts
from lockgate.statemachine.spec import generate

EFFECT = WriteSpec("c0ffee", 1, "/merged", "")
FACTS = Facts(bundle="/bundle", machine="x86_64", seccomp=b'{"defaultAction": "SCMP_ACT_ALLOW"}')
WEB = Config(id="c0ffee", command=("sh",))
MAPS = (IdMap(container=0, host=100_000, size=65_536),)
TWO = IdMap(container=1, host=100, size=2)
MAPPED = replace(WEB, uid_maps=MAPS, gid_maps=MAPS)


def spec(config: Config, facts: Facts = FACTS, effect: WriteSpec = EFFECT) -> Any:
    return json.loads(generate(config, effect, facts).spec)


class TestUserNamespace:
    def test_the_maps_are_passed_on(self) -> None:
        linux = spec(MAPPED)["linux"]
        expected = [{"containerID": 0, "hostID": 100_000, "size": 65_536}]
        assert linux["uidMappings"] == linux["gidMappings"] == expected
        assert {"type": "user"} in linux["namespaces"]

    def test_without_maps_there_is_none(self) -> None:
        linux = spec(WEB)["linux"]
        assert {"type": "user"} not in linux["namespaces"]
        assert not {"uidMappings", "gidMappings"} & set(linux)

    @pytest.mark.parametrize(
        ("wishes", "complaint"),
        [
            ({"user": "65536"}, "the user 65536 is not among the ids .* has \\(0 to 65535\\)"),
            ({"user": "1:70000"}, "the group 70000 is not among"),
            ({"groups": ("70000",)}, "the group 70000 is not among"),
            (
                {"user": "9", "uid_maps": (IdMap(container=0, host=7, size=1), *MAPS[1:], TWO)},
                "the user 9 .* has \\(0 to 0, 1 to 2\\)",
            ),
        ],
    )
    def test_who_is_not_mapped_is_refused(self, wishes: dict[str, Any], complaint: str) -> None:
        with pytest.raises(PortError, match=complaint) as refusal:
            spec(replace(MAPPED, **wishes))
        assert (refusal.value.fault.kind, refusal.value.fault.dirty) == ("refused", False)
        spec(replace(WEB, **wishes | {"uid_maps": ()}))

    def test_terminals_belong_to_a_group_it_has(self) -> None:
        def options(config: Config) -> list[str]:
            (pts,) = (one for one in spec(config)["mounts"] if one["type"] == "devpts")
            found: list[str] = pts["options"]
            return found

        few = (IdMap(container=0, host=100_000, size=5),)
        assert "gid=5" in options(MAPPED)
        assert "gid=5" not in options(replace(MAPPED, gid_maps=few))
        assert "gid=5" in options(replace(MAPPED, gid_maps=(replace(few[0], size=6),)))

    @pytest.mark.parametrize(
        ("network", "deferred", "kind"),
        [
            ("host", False, "bind"),
            ("private", False, "bind"),
            ("private", True, "sysfs"),
            ("none", False, "sysfs"),
        ],
    )
    def test_sysfs_is_bound_where_the_network_is_not_its_own(
        self, network: str, deferred: bool, kind: str
    ) -> None:
        """It may be mounted anew only by the user namespace that owns the network."""
        (sys,) = (
            one
            for one in spec(replace(MAPPED, network=network, deferred_network=deferred))["mounts"]
            if one["destination"] == "/sys"
        )
        assert (sys["type"], "ro" in sys["options"]) == (kind, True)


class TestLabels:
    """MAP §3.5, 3 and 6; L-45."""

    def test_a_profile_of_apparmor(self) -> None:
        config = replace(WEB, security=Security(apparmor="docker-default"))
        process = spec(config, replace(FACTS, apparmor=True))["process"]
        assert process["apparmorProfile"] == "docker-default"
        assert "apparmorProfile" not in spec(WEB, replace(FACTS, apparmor=True))["process"]

    def test_labels_of_selinux(self) -> None:
        labels = Security(process_label="u:r:container_t:s0:c1", mount_label="u:o:file_t:s0:c1")
        found = spec(replace(WEB, security=labels), replace(FACTS, selinux=True))
        assert found["process"]["selinuxLabel"] == "u:r:container_t:s0:c1"
        assert found["linux"]["mountLabel"] == "u:o:file_t:s0:c1"

    @pytest.mark.parametrize(
        ("security", "complaint"),
        [
            (Security(apparmor="x"), "no AppArmor: the profile 'x' cannot be given"),
            (Security(process_label="x", mount_label="y"), "no SELinux: the label 'x' cannot be"),
        ],
    )
    def test_what_this_host_has_not_is_refused(self, security: Security, complaint: str) -> None:
        with pytest.raises(PortError, match=complaint) as refusal:
            spec(replace(WEB, security=security))
        assert (refusal.value.fault.kind, refusal.value.fault.dirty) == ("refused", False)
