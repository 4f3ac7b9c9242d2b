"""A host for an ordinary user, inside this one: mounts and network of its own, so that a user, his ids
and his devices can be there without anything of this host being changed."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.network.laboratory import within

from lockgate.adapters.oci.process import boot_id, end, identify

T = TypeVar("T")

ROOT = Path(__file__).parent.parent.parent
UID = 4711
IDS = range(0x70000000, 0x70000000 + 65_536)
HOME = Path("/mnt")
"""Where the user's directory is in there."""

ENVIRONMENT = {
    "HOME": str(HOME),
    "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
    "LANG": "C.UTF-8",
}
LOCKGATE = (sys.executable, "-c", "from lockgate.cli import main; main()")

MAKE = """
set -eu
cp -a /etc "$1/etc"
echo "boat:x:$2:$2::/mnt:/bin/sh" >> "$1/etc/passwd"
echo "boat:$3:65536" > "$1/etc/subuid"
echo "boat:$3:65536" > "$1/etc/subgid"
mount --bind "$1/etc" /etc
mkdir "$1/dev"
mount -t tmpfs -o mode=755 tmpfs "$1/dev"
for device in fuse:10:229 net/tun:10:200; do
  path=/dev/${device%%:*}
  node="$1/dev/$(basename "$path")"
  [ -e "$path" ] || continue
  mknod -m 666 "$node" c 10 "${device##*:}"
  mount --bind "$node" "$path"
done
mkdir "$1/home" "$1/root"
chown "$2:$2" "$1/home"
mount --bind "$1/home" /mnt
case " $4 " in *" /root/"*)
  mount --bind /root "$1/root"
  mount -t tmpfs -o mode=755 tmpfs /root
  for path in $4; do case "$path" in /root/*)
    mkdir -p "$path"
    mount --bind "$1/root/${path#/root/}" "$path"
  esac; done
esac
ip link set lo up
ip link add outward type veth peer name away
ip address add 192.0.2.2/24 dev outward
ip link set outward up
ip link set away up
ip route add default via 192.0.2.1
echo ready
exec sleep infinity >/dev/null
"""


@dataclass
class Done:
    code: int
    out: str
    err: str


@dataclass
class Ordinary:
    """The user in his host; `folder` is where his containers are."""

    world: "subprocess.Popen[str]"
    folder: Path
    before: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *words: str, **more: str) -> Done:
        """Any program, as the user."""
        line = [
            *("nsenter", f"--target={self.world.pid}", "--mount", "--net", f"--wd={HOME}"),
            *self.before,
            *("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"),
            *words,
        ]
        environment = ENVIRONMENT | {"LOCKGATE_ROOT": str(self.folder), **self.environment, **more}
        ran = subprocess.run(
            line, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        return Done(ran.returncode, ran.stdout, ran.stderr)

    def lockgate(self, *words: str) -> str:
        """What a command says, which must succeed."""
        done = self.run(*LOCKGATE, *words)
        assert done.code == 0, (words, done)
        return done.out

    def no(self, *words: str) -> str:
        """What a command complains of, which must fail."""
        done = self.run(*LOCKGATE, *words)
        assert done.code != 0, (words, done)
        return done.err

    def python(self, code: str) -> Done:
        return self.run(sys.executable, "-c", code)

    def inspect(self, name: str) -> Any:
        (found,) = json.loads(self.lockgate("inspect", name))
        return found

    def within(self, act: Callable[[], T]) -> T:
        """In his host's network."""
        return within(f"/proc/{self.world.pid}/ns/net", act)

    @property
    def note(self) -> Path:
        """Of his namespaces, as this host sees it."""
        inside = self.folder.relative_to(HOME)
        return Path(f"/proc/{self.world.pid}/root{HOME}") / inside / "namespaces.json"

    def holder(self) -> int:
        found = json.loads(self.note.read_bytes())["holder"]
        assert found["boot"] == boot_id()
        return int(found["pid"])

    def processes(self) -> dict[int, str]:
        """All that run with one of his ids."""
        return {pid: name for pid, uid, name in _processes() if uid == UID or uid in IDS}


def begun(directory: Path) -> "subprocess.Popen[str]":
    """His host, ready; it ends with its first process."""
    directory.mkdir()
    needed = sorted({sys.base_prefix, sys.prefix, str(ROOT)})
    world = subprocess.Popen(
        [
            *("unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", MAKE, "sh"),
            *(str(directory), str(UID), str(IDS.start), " ".join(needed)),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert world.stdout is not None
    with world.stdout as said:
        if (line := said.readline()) != "ready\n":
            ended(world)
            raise AssertionError(line + said.read())
    return world


def ended(world: "subprocess.Popen[str]") -> None:
    world.kill()
    world.wait()


def slain(pids: Iterable[int]) -> None:
    """SIGKILL, and wait until they have ended."""
    for pid in pids:
        if process := identify(pid):
            assert end(process, 10.0)


def _processes() -> Iterator[tuple[int, int, str]]:
    for place in Path("/proc").iterdir():
        if place.name.isdecimal():
            with suppress(OSError):
                status = dict(
                    line.split(":", 1) for line in (place / "status").read_text().splitlines()
                )
                if status["State"].split()[0] not in "ZX":
                    yield int(place.name), int(status["Uid"].split()[0]), status["Name"].strip()
