"""Which capabilities a container's processes have (capabilities(7)).

`ALL` means all that this engine can give, not all there are: asking a runtime for one the host
lacks fails the whole container (HOST §2).
"""

from lockgate.effects.config import Security
from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Facts

ALL = "ALL"
DEFAULT = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
)
"""What is enough to install and run ordinary services as root inside."""


def granted(security: Security, facts: Facts) -> tuple[str, ...]:
    """The bounding set, sorted. `PortError("refused")` for one that was named and cannot be given;
    a default the host lacks is simply not there."""
    given = frozenset(facts.capabilities)
    if security.privileged:
        return tuple(sorted(given - set(security.cap_drop)))
    added = frozenset(security.cap_add) - {ALL}
    if lacking := sorted(added - given):
        raise PortError(
            "refused", f"this host cannot give {', '.join(lacking)} to anybody", dirty=False
        )
    if ALL in security.cap_drop:
        base: frozenset[str] = frozenset()
    else:
        base = (given if ALL in security.cap_add else given & set(DEFAULT)) - set(security.cap_drop)
    return tuple(sorted(base | added))


def sets(granted: tuple[str, ...], security: Security, *, root: bool) -> dict[str, list[str]]:
    """The sets of the first process.

    Root gets them at once, and nothing to inherit: inheritable ones would reach whoever executes
    a file with capabilities (CVE-2022-24769). Another user gets only what was asked for by name,
    as ambient, since it would lose the others at its first execve(2) anyway.
    """
    if root:
        return {name: list(granted) for name in ("bounding", "effective", "permitted")}
    named = [one for one in granted if one in security.cap_add]
    usable = ("effective", "permitted", "inheritable", "ambient") if named else ()
    return {"bounding": list(granted), **{name: list(named) for name in usable}}
