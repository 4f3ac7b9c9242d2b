"""Which system calls a container may make: a profile made into rules for this run.

A profile is the `seccomp` object of the OCI runtime spec, or the field's extension of it: rules
that hold only with (`includes`) or without (`excludes`) a capability, or on some machines, and a map
of architectures. Here the conditions are settled, once the capabilities are known.
"""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from lockgate.effects.config import Security
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Facts

UNCONFINED = "unconfined"
MACHINES = {"x86_64": ("SCMP_ARCH_X86_64", "amd64"), "aarch64": ("SCMP_ARCH_AARCH64", "arm64")}
"""What uname(2) says, as the spec calls it, and as conditions of profiles do."""

Action: TypeAlias = Literal[
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_TRAP",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_LOG",
]
Operator: TypeAlias = Literal[
    "SCMP_CMP_NE",
    "SCMP_CMP_LT",
    "SCMP_CMP_LE",
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_MASKED_EQ",
]
Errno: TypeAlias = Annotated[int, Meta(ge=0, le=4095)]


class Argument(Struct, frozen=True, rename="camel", omit_defaults=True):
    index: Annotated[int, Meta(ge=0, le=5)]
    value: Annotated[int, Meta(ge=0)]
    op: Operator
    value_two: Annotated[int, Meta(ge=0)] = 0


class Condition(Struct, frozen=True):
    """Conditions on the kernel's version are met: they name older ones than we run on."""

    caps: tuple[str, ...] = ()
    arches: tuple[str, ...] = ()


class Rule(Struct, frozen=True, rename="camel"):
    action: Action
    names: tuple[str, ...] = ()
    errno_ret: Errno | None = None
    args: tuple[Argument, ...] | None = None
    includes: Condition | None = None
    excludes: Condition | None = None


class Architecture(Struct, frozen=True, rename="camel"):
    architecture: str
    sub_architectures: tuple[str, ...] | None = None


class Profile(Struct, frozen=True, rename="camel"):
    default_action: Action
    default_errno_ret: Errno | None = None
    architectures: tuple[str, ...] = ()
    arch_map: tuple[Architecture, ...] = ()
    flags: tuple[str, ...] = ()
    syscalls: tuple[Rule, ...] = ()


def rules(security: Security, facts: Facts, granted: tuple[str, ...]) -> dict[str, Any] | None:
    """`linux.seccomp`; None where nothing is filtered. `PortError("damaged")` for no profile."""
    if security.seccomp == UNCONFINED or (security.privileged and not security.seccomp):
        return None
    try:
        profile = msgspec.json.decode(facts.seccomp, type=Profile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        name = security.seccomp or "by default"
        reason = f"the seccomp profile {name} cannot be read: {problem}"
        raise PortError("damaged", reason, dirty=False) from None
    settled: dict[str, Any] = {"defaultAction": profile.default_action}
    if profile.default_errno_ret is not None:
        settled["defaultErrnoRet"] = profile.default_errno_ret
    arch, nick = MACHINES.get(facts.machine, ("", ""))
    if architectures := profile.architectures or _mapped(profile, arch):
        settled["architectures"] = list(architectures)
    if profile.flags:
        settled["flags"] = list(profile.flags)
    settled["syscalls"] = [
        _rule(rule) for rule in profile.syscalls if rule.names and _holds(rule, granted, nick)
    ]
    return settled


def _mapped(profile: Profile, arch: str) -> tuple[str, ...]:
    for one in profile.arch_map:
        if one.architecture == arch:
            return (arch, *(one.sub_architectures or ()))
    return ()


def _holds(rule: Rule, granted: tuple[str, ...], nick: str) -> bool:
    if (wanted := rule.includes) is not None:
        if wanted.arches and nick not in wanted.arches:
            return False
        if not set(wanted.caps) <= set(granted):
            return False
    if (barred := rule.excludes) is not None:
        return nick not in barred.arches and not set(barred.caps) & set(granted)
    return True


def _rule(rule: Rule) -> dict[str, Any]:
    found: dict[str, Any] = {"names": list(rule.names), "action": rule.action}
    if rule.errno_ret is not None:
        found["errnoRet"] = rule.errno_ret
    if rule.args:
        found["args"] = list(rule.args)
    return found
