"""Capabilities, hidden paths, seccomp: what a container may do."""

from typing import Any

import pytest
from msgspec.structs import replace

from lockgate.effects.config import Config, Security
from lockgate.effects.outcome import PortError
from lockgate.statemachine.spec.capabilities import DEFAULT

from ...golden.specs import PROFILE
from .conftest import CONFIG, FACTS, spec

REAL = replace(FACTS, seccomp=PROFILE)


def secured(user: str = "", **wishes: Any) -> Any:
    return spec(replace(CONFIG, user=user, security=Security(**wishes)))


class TestCapabilities:
    @staticmethod
    def bounding(**wishes: Any) -> set[str]:
        return set(secured(**wishes)["process"]["capabilities"]["bounding"])

    def test_the_default_ones(self) -> None:
        assert self.bounding() == set(DEFAULT)

    def test_added_and_dropped(self) -> None:
        assert self.bounding(cap_add=("CAP_NET_RAW",), cap_drop=("CAP_KILL",)) == (
            set(DEFAULT) - {"CAP_KILL"} | {"CAP_NET_RAW"}
        )

    def test_all_but_some_and_none_but_some(self) -> None:
        assert self.bounding(cap_add=("ALL",), cap_drop=("CAP_KILL",)) == (
            set(FACTS.capabilities) - {"CAP_KILL"}
        )
        assert self.bounding(cap_drop=("ALL",), cap_add=("CAP_KILL",)) == {"CAP_KILL"}
        assert self.bounding(cap_drop=("ALL",)) == set()

    def test_the_privileged_have_what_the_host_can_give(self) -> None:
        assert self.bounding(privileged=True) == set(FACTS.capabilities)
        assert "CAP_KILL" not in self.bounding(privileged=True, cap_drop=("CAP_KILL",))

    def test_what_the_host_cannot_give_is_refused_when_named(self) -> None:
        """HOST §2: the runtime would fail with less to say."""
        poor = replace(FACTS, capabilities=("CAP_KILL",))
        wished = Security(cap_add=("CAP_SYS_RESOURCE", "CAP_BPF"))
        with pytest.raises(PortError) as caught:
            spec(replace(CONFIG, security=wished), facts=poor)
        told = "this host cannot give CAP_BPF, CAP_SYS_RESOURCE to anybody"
        assert caught.value.fault.reason == told
        assert (caught.value.fault.kind, caught.value.fault.dirty) == ("refused", False)

    def test_a_default_the_host_cannot_give_is_not_there(self) -> None:
        made = spec(facts=replace(FACTS, capabilities=("CAP_KILL",)))
        assert made["process"]["capabilities"]["bounding"] == ["CAP_KILL"]

    def test_root_inherits_nothing(self) -> None:
        assert set(secured()["process"]["capabilities"]) == {"bounding", "effective", "permitted"}

    def test_another_user_uses_only_what_was_named(self) -> None:
        plain = secured(user="web")["process"]["capabilities"]
        assert set(plain) == {"bounding"}
        named = secured(user="web", cap_add=("CAP_NET_RAW",))["process"]["capabilities"]
        assert named["ambient"] == named["effective"] == ["CAP_NET_RAW"]
        assert set(named["bounding"]) > set(DEFAULT)


def test_new_privileges_are_forbidden_when_asked() -> None:
    assert secured()["process"]["noNewPrivileges"] is False
    assert secured(no_new_privileges=True)["process"]["noNewPrivileges"] is True


class TestPaths:
    def test_what_tells_of_the_host_is_hidden(self) -> None:
        linux = secured()["linux"]
        assert {"/proc/kcore", "/proc/keys", "/sys/firmware"} <= set(linux["maskedPaths"])
        assert "/proc/sys" in linux["readonlyPaths"]

    def test_some_may_be_shown(self) -> None:
        linux = secured(unmask=("/proc/kcore", "/proc/s*"))["linux"]
        assert "/proc/kcore" not in linux["maskedPaths"]
        assert "/proc/sys" not in linux["readonlyPaths"]
        assert "/proc/keys" in linux["maskedPaths"]

    @pytest.mark.parametrize("wishes", [{"unmask": ("ALL",)}, {"privileged": True}])
    def test_or_all(self, wishes: dict[str, Any]) -> None:
        linux = secured(**wishes)["linux"]
        assert (linux["maskedPaths"], linux["readonlyPaths"]) == ([], [])

    def test_more_may_be_hidden(self) -> None:
        linux = secured(mask=("/proc/cpuinfo", "/proc/kcore"), unmask=("ALL",))["linux"]
        assert linux["maskedPaths"] == ["/proc/cpuinfo", "/proc/kcore"]


class TestSeccomp:
    @staticmethod
    def action(name: str, made: Any) -> str | None:
        """What an unconditional rule says of a system call."""
        rules = [one for one in made["syscalls"] if name in one["names"] and "args" not in one]
        assert len(rules) < 2, f"two rules for {name}"
        return rules[0]["action"] if rules else None

    def seccomp(self, config: Config = CONFIG, machine: str = "x86_64") -> Any:
        return spec(config, facts=replace(REAL, machine=machine))["linux"].get("seccomp")

    def test_by_default_what_changes_the_host_is_refused(self) -> None:
        made = self.seccomp()
        assert (made["defaultAction"], made["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", 38)
        for name in ("mount", "reboot", "kexec_load", "init_module", "keyctl", "bpf", "setns"):
            assert self.action(name, made) == "SCMP_ACT_ERRNO", name
        for name in ("read", "execve", "openat", "futex", "epoll_wait", "chroot", "statx"):
            assert self.action(name, made) == "SCMP_ACT_ALLOW", name
        assert self.action("clone3", made) is None  # so that programs try clone, whose flags show

    def test_a_capability_brings_its_system_calls(self) -> None:
        made = self.seccomp(replace(CONFIG, security=Security(cap_add=("CAP_SYS_ADMIN",))))
        for name in ("mount", "setns", "bpf", "clone3"):
            assert self.action(name, made) == "SCMP_ACT_ALLOW", name
        assert self.action("reboot", made) == "SCMP_ACT_ERRNO"
        assert "chroot" not in [
            name
            for rule in self.seccomp(replace(CONFIG, security=Security(cap_drop=("ALL",))))[
                "syscalls"
            ]
            if rule["action"] == "SCMP_ACT_ALLOW"
            for name in rule["names"]
        ]

    def test_all_capabilities_leave_no_rule_in_doubt(self) -> None:
        made = self.seccomp(replace(CONFIG, security=Security(cap_add=("ALL",))))
        for name in {name for rule in made["syscalls"] for name in rule["names"]}:
            actions = {one["action"] for one in made["syscalls"] if name in one["names"]}
            assert len(actions) == 1 or name == "socket", name

    def test_it_knows_the_machine(self) -> None:
        intel, arm = self.seccomp(), self.seccomp(machine="aarch64")
        assert intel["architectures"][0] == "SCMP_ARCH_X86_64"
        assert arm["architectures"] == ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]
        assert self.action("arch_prctl", intel) == "SCMP_ACT_ALLOW"
        assert self.action("arch_prctl", arm) is None
        assert "architectures" not in self.seccomp(machine="riscv64")

    @pytest.mark.parametrize("wishes", [{"seccomp": "unconfined"}, {"privileged": True}])
    def test_it_can_be_left_away(self, wishes: dict[str, Any]) -> None:
        assert self.seccomp(replace(CONFIG, security=Security(**wishes))) is None

    def test_a_profile_of_ones_own_holds_for_the_privileged_too(self) -> None:
        security = Security(privileged=True, seccomp="/mine.json")
        assert self.seccomp(replace(CONFIG, security=security)) is not None

    def test_a_rule_for_capabilities_holds_for_exactly_those(self) -> None:
        own = b"""{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
            {"names": ["a"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_CHOWN"]}}]}"""
        only = replace(CONFIG, security=Security(cap_drop=("ALL",), cap_add=("CAP_CHOWN",)))
        made = spec(only, facts=replace(FACTS, seccomp=own))["linux"]["seccomp"]
        assert [rule["names"] for rule in made["syscalls"]] == [["a"]]

    def test_a_profile_in_the_words_of_the_spec(self) -> None:
        own = b"""{"defaultAction": "SCMP_ACT_LOG", "architectures": ["SCMP_ARCH_X86"],
            "flags": ["SECCOMP_FILTER_FLAG_LOG"], "syscalls": [
            {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args":
                [{"index": 0, "value": 7, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ"}]},
            {"names": [], "action": "SCMP_ACT_ALLOW"},
            {"names": ["a"], "action": "SCMP_ACT_ALLOW", "excludes": {"arches": ["amd64"]}},
            {"names": ["b"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_BPF"]}}]}"""
        made = spec(facts=replace(FACTS, seccomp=own))["linux"]["seccomp"]
        assert made == {
            "defaultAction": "SCMP_ACT_LOG",
            "architectures": ["SCMP_ARCH_X86"],
            "flags": ["SECCOMP_FILTER_FLAG_LOG"],
            "syscalls": [
                {
                    "names": ["clone"],
                    "action": "SCMP_ACT_ALLOW",
                    "args": [{"index": 0, "value": 7, "op": "SCMP_CMP_MASKED_EQ", "valueTwo": 1}],
                },
                {"names": ["b"], "action": "SCMP_ACT_ALLOW"},
            ],
        }

    @pytest.mark.parametrize(
        "own",
        [
            b"",
            b"{}",
            b"\xff",
            b'{"defaultAction": "MAYBE"}',
            b'{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": -1}',
            b"[" * 9999,
        ],
    )
    def test_what_is_no_profile_is_never_taken_for_one(self, own: bytes) -> None:
        with pytest.raises(
            PortError, match="the seccomp profile by default cannot be read"
        ) as caught:
            spec(facts=replace(FACTS, seccomp=own))
        assert (caught.value.fault.kind, caught.value.fault.dirty) == ("damaged", False)
