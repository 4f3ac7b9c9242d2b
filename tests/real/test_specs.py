"""Each golden spec is accepted by the runtimes, and what it says runs.

What it names of an imagined host is put in its place here: the root, sources of mounts, a network
namespace. What this host has not got is taken away, in `_of_this_host`, and nowhere else.
"""

import json
import os
import resource
import secrets
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from tests.golden.specs import CASES, FOLDER

from lockgate.adapters import labels
from lockgate.adapters.facts import APPARMOR
from lockgate.adapters.network.namespaces import drop, make
from lockgate.adapters.oci.cgroups import Cgroups
from lockgate.effects.config import cgroup as cgroup_of
from lockgate.effects.config import cgroups_path
from lockgate.testing import busybox

pytestmark = pytest.mark.real
SYSTEMD = "/sys/fs/cgroup/systemd"


@pytest.fixture
def bundle() -> Iterator[Path]:
    """A bundle whose root filesystem the root of a user namespace may reach, too."""
    with TemporaryDirectory(prefix="lockgate-spec-") as place:
        found = Path(place)
        found.chmod(0o755)
        with tarfile.open(busybox.rootfs_tar(found / "busybox.tar")) as tar:
            tar.extractall(found / "rootfs", filter="fully_trusted")
        (found / "rootfs").chmod(0o755)
        yield found
        drop(found / "netns")


@pytest.fixture
def cgroup() -> Iterator[str]:
    path = f"/lockgate-test-{secrets.token_hex(4)}"
    yield path
    Cgroups.here().prune(path)


@pytest.mark.parametrize("name", CASES)
def test_it_is_accepted_and_runs(name: str, runtime: str, bundle: Path, cgroup: str) -> None:
    config, text = CASES[name][0], (FOLDER / f"{name}.json").read_text()
    for told in (cgroups_path(config), cgroup_of(config)):  # no slice: here may be no systemd
        text = text.replace(told, f"{cgroup}/{name}")
    spec = _of_this_host(json.loads(text), bundle)
    (bundle / "config.json").write_text(json.dumps(spec))
    done = subprocess.run(
        [runtime, "--root", bundle / "state", "run", "--bundle", bundle, f"lockgate-{name}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def _of_this_host(spec: dict[str, Any], bundle: Path) -> dict[str, Any]:
    if not Path(SYSTEMD).is_mount():
        spec["mounts"] = [one for one in spec["mounts"] if not one["source"].startswith(SYSTEMD)]
    spec["root"]["path"] = str(bundle / "rootfs")
    for one in spec["mounts"]:
        if one["source"].startswith(SYSTEMD):  # made by the runtime
            continue
        if one["type"] == "bind" and not Path(one["source"]).exists():
            one["source"] = str(_source(one, bundle))
    for outer in spec["mounts"]:
        for inner in spec["mounts"]:
            if inner["destination"].startswith(f"{outer['destination']}/"):
                _provide(Path(outer["source"]), inner["destination"], outer["destination"])
    for one in spec["linux"].get("uidMappings", ()):
        if one["containerID"] == 0:
            _give(bundle / "rootfs", one["hostID"])
    for one in spec["linux"]["namespaces"]:
        if "path" in one:
            make(bundle / "netns")
            one["path"] = str(bundle / "netns")
    if not APPARMOR.exists():
        spec["process"].pop("apparmorProfile", None)
    if not labels.present():
        spec["process"].pop("selinuxLabel", None)
        spec["linux"].pop("mountLabel", None)
    for one in spec["process"].get("rlimits", ()):
        most = resource.getrlimit(getattr(resource, one["type"]))[1]
        if most != resource.RLIM_INFINITY:
            one["hard"] = min(one["hard"], most)
    spec["linux"]["devices"] = [one for one in spec["linux"].get("devices", ()) if _there(one)]
    return spec


def _source(mount: dict[str, Any], bundle: Path) -> Path:
    """A file where the engine would bind one, else a directory."""
    destination: str = mount["destination"]
    made = bundle / "sources" / destination.replace("/", "-")
    made.parent.mkdir(exist_ok=True)
    inside = bundle / "rootfs" / destination.lstrip("/")
    if "/containers/" in mount["source"] or inside.is_file():
        made.touch()
    else:
        made.mkdir()
    return made


def _provide(source: Path, inner: str, outer: str) -> None:
    """A place for the inner mount, where the outer one may be read only."""
    if source.parent.name == "sources":
        (source / inner.removeprefix(f"{outer}/")).mkdir(parents=True)


def _give(top: Path, owner: int) -> None:
    """As the mapped layers of an image are given."""
    for place, _, names, folder in os.fwalk(top):
        os.chown(place, owner, owner)
        for name in names:
            os.chown(name, owner, owner, dir_fd=folder, follow_symlinks=False)


def _there(device: dict[str, Any]) -> bool:
    """Is it one of this host's, too? A runtime may bind it where it cannot make it."""
    number = os.makedev(device["major"], device["minor"])
    try:
        found = Path(device["path"]).stat()
    except FileNotFoundError:
        return False
    return found.st_rdev == number
