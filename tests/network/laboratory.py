"""What tests of real networks work with: a host, a client outside it, and ways to look at both."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lockgate import Engine, Record
from lockgate.adapters.syscalls import setns

CLONE_NEWNET = 0x40000000
OUTSIDE, HOST = "192.0.2.2", "192.0.2.1"
"""Addresses of a client of the host, and of the host on that side (RFC 5737)."""

T = TypeVar("T")


def command(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout


def wrapped(plugins: Path, name: str, before: str = ":", after: str = "") -> None:
    """Shell commands around a plugin of the folder `plugins`; with `after`, what it says is lost
    unless that says it, and its exit status is theirs."""
    plugin, real = plugins / name, plugins / f"{name}.real"
    plugin.rename(real)
    end = f"told=$({real}) || exit 1\n{after}" if after else f"exec {real}"
    plugin.write_text(f"#!/bin/sh\n{before}\n{end}\n")
    plugin.chmod(0o755)


def within(netns: str | Path, act: Callable[[], T]) -> T:
    """Do something in another network namespace, in a thread that ends with it."""

    def enter() -> T:
        setns(netns, CLONE_NEWNET)
        return act()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(enter).result(30)


def says(address: str, port: int) -> str:
    """What a server says to whoever connects; raises `ConnectionError` where nobody does."""
    with socket.create_connection((address, port), timeout=5) as connection:
        heard = b""
        while part := connection.recv(100):
            heard += part
    if not heard:  # a process in between took the call
        raise ConnectionResetError("nobody said anything")
    return heard.decode().strip()


OURS = {Path(sys.executable).resolve().name, "conmon"}
"""Who is at home on the host while containers run: the tests and the monitors."""

WEB = {"network": "web"}

CGROUPS = "/lockgate-network"
"""Below this cgroup are those of its containers, so that other real tests may run beside."""

NOTES = {"bridge": "attached-bridge", "cni": "attached", "netavark": "attached-netavark"}
"""Where each tool notes what it has plugged in."""


@dataclass
class Lab:
    """A host, a client outside it, and the engine on it."""

    host: Path
    client: Path
    root: Path
    tool: str
    engine: Engine

    def ask(self, address: str, port: int) -> str:
        """From outside."""
        return within(self.client, lambda: says(address, port))

    def server(self, name: str, words: str, **wishes: Any) -> Record:
        """A container that says `words` to whoever connects to its port 80, once it runs."""
        script = f"while :; do echo {words} | nc -l -p 80; done"
        self.engine.create(name=name, image="busybox", command=["sh", "-c", script], **WEB | wishes)
        return self.engine.start(name)

    def sleeper(self, name: str, **wishes: Any) -> Record:
        return self.engine.create(
            name=name, image="busybox", command=["sleep", "600"], **WEB | wishes
        )

    def footprint(self) -> dict[str, set[str]]:
        """All that networks leave on a host: links, rules, leases, claims, notes, namespaces."""
        places = (
            *NOTES.values(),
            "attached-user",
            "slirp",
            "ports",
            "netns",
            "leases/web",
            "leases/back",
        )
        files = {place: names(self.root / place) for place in places}
        return files | {
            "links": _links(),
            "rules": _rules(),
            "helpers": {name for name in _programs(self.host) if name not in OURS},
        }


def _links() -> set[str]:
    """When those are gone that go with a namespace: they carry nothing any more, and the kernel does
    away with them a moment later; the test's own time limit ends the wait."""
    while True:
        shown = [line.split() for line in command("ip", "-br", "link").splitlines()]
        if not any(name.startswith("veth") and "UP" not in flags for name, _, _, flags in shown):
            return {name.partition("@")[0] for name, *_ in shown}


def _rules() -> set[str]:
    """Of iptables; and of the tables of our own, all at once, without the networks they are of."""
    iptables = {
        line
        for line in command("iptables-save").splitlines()
        if not line.startswith(("#", ":PREROUTING", ":INPUT", ":FORWARD", ":OUTPUT", ":POST"))
    }
    tables = command("nft", "list", "tables").splitlines() if shutil.which("nft") else []
    ours = [table.split()[1:] for table in tables if "lockgate-" in table]
    return iptables | {
        line.strip(" ,\t{}")
        for table in ours
        for line in command("nft", "list", "table", *table).splitlines()
    }


def _programs(netns: Path) -> Iterator[str]:
    """What runs in a network namespace, by the names of the files."""
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdecimal() and (process / "ns/net").samefile(netns):
                yield (process / "exe").readlink().name


def names(directory: Path) -> set[str]:
    """But for what host-local keeps for itself."""
    if not directory.is_dir():
        return set()
    own = ("lock", "last_reserved_ip.0")
    return {path.name for path in directory.iterdir() if path.name not in own}
