"""What a run lives in besides its network: whom it is lent by, and that nobody else is believed."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from lockgate.adapters.network.lodgings import Lodgings
from lockgate.adapters.network.namespaces import Namespaces as Handles
from lockgate.adapters.network.namespaces import drop
from lockgate.adapters.oci.process import boot_id, identify
from lockgate.effects.config import Config, Limits, Namespaces, VolumeMount
from lockgate.effects.model import Process
from lockgate.effects.outcome import Home, PortError

pytestmark = pytest.mark.real

OWNER, GUEST = "a" * 64, "b" * 64
SHARES = Namespaces(ipc=f"container:{OWNER}", uts=f"container:{OWNER}")
CONFIG = Config(id=GUEST, namespaces=SHARES)
LENDER = Config(id=OWNER, namespaces=Namespaces(ipc="shareable"), limits=Limits(shm=1 << 20))


def nowhere(volume: str) -> Path:
    raise AssertionError(f"nobody has asked for volume {volume}")


@pytest.fixture
def handles(tmp_path: Path) -> Iterator[Handles]:
    made = Handles(tmp_path / "netns")
    yield made
    for config in (CONFIG, LENDER):
        made.leave(config, 1)
    assert [*tmp_path.glob("netns/*")] == []


@pytest.fixture
def owner() -> Iterator[Process]:
    """A process with namespaces of its own."""
    with subprocess.Popen(["unshare", "--ipc", "--uts", "sleep", "60"]) as running:
        found = identify(running.pid)
        assert found is not None
        while not Path(f"/proc/{running.pid}/comm").read_text().startswith("sleep"):
            os.sched_yield()
        yield found
        running.kill()


def test_it_is_that_of_the_owner(handles: Handles, owner: Process) -> None:
    lodging, homes = Lodgings(handles, lambda _: (7, owner), nowhere).take(CONFIG, 1)
    places = dict(lodging)
    for kind in ("ipc", "uts"):
        theirs = os.stat(f"/proc/{owner.pid}/ns/{kind}")  # noqa: PTH116 -- a link that leads nowhere
        assert Path(places[kind]).stat().st_ino == theirs.st_ino
    assert homes == (Home(OWNER, 7),)
    again, _ = Lodgings(handles, lambda _: (7, owner), nowhere).take(CONFIG, 1)
    assert again == lodging


@pytest.mark.parametrize("pid", [None, 0, os.getpid()], ids=["none", "0", "ours"])
def test_who_does_not_run_or_is_somebody_else_lends_nothing(
    handles: Handles, pid: int | None
) -> None:
    """A number that belongs to another by now: that one began at another time (P15)."""
    found = None if pid is None else (1, Process(pid, 1, boot_id()))
    with pytest.raises(PortError, match="does not run: start that first") as refused:
        Lodgings(handles, lambda _: found, nowhere).take(CONFIG, 1)
    assert (refused.value.fault.kind, refused.value.fault.dirty) == ("missing", False)


def test_half_of_it_is_given_back(handles: Handles, owner: Process) -> None:
    """Clean means that nothing is left, though one of the two was pinned already."""
    other = "c" * 64
    config = replace(CONFIG, namespaces=replace(SHARES, uts=f"container:{other}"))
    lodgings = Lodgings(handles, lambda one: (1, owner) if one == OWNER else None, nowhere)
    with pytest.raises(PortError, match=f"container {other[:12]}"):
        lodgings.take(config, 1)
    assert not handles.handle(GUEST, "1-ipc").exists()


def test_who_shares_its_memory_has_it_where_others_find_it(
    handles: Handles, owner: Process
) -> None:
    lodgings = Lodgings(handles, lambda _: (1, owner), nowhere)
    own, homes = lodgings.take(LENDER, 1)
    shm = Path(dict(own)["shm"])
    assert (homes, shm.stat().st_mode & 0o7777) == ((), 0o1777)
    assert os.statvfs(shm).f_blocks * os.statvfs(shm).f_frsize == 1 << 20
    (shm / "file").write_text("kept")
    lodgings.take(LENDER, 1)
    assert (shm / "file").read_text() == "kept"
    assert dict(lodgings.take(CONFIG, 1)[0])["shm"] == str(shm)
    drop(shm)
    assert not shm.exists()


class TestPartsOfVolumes:
    """Found once, inside the volume, and held fast whatever becomes of the path."""

    @pytest.fixture
    def data(self, tmp_path: Path) -> Path:
        data = tmp_path / "volumes/data/data"
        (data / "a/b").mkdir(parents=True)
        (data / "a/b/file").write_text("mine")
        (tmp_path / "outside").write_text("precious")
        return data

    @pytest.fixture
    def take(self, handles: Handles, data: Path) -> Callable[[str], Path]:
        lodgings = Lodgings(handles, lambda _: None, lambda _: data)

        def taken(part: str) -> Path:
            wish = VolumeMount(volume="data", destination="/d", subpath=part)
            lodging, _ = lodgings.take(Config(id=GUEST, mounts=(wish,)), 1)
            return Path(dict(lodging)["/d"])

        return taken

    def test_a_directory_or_a_file(self, take: Callable[[str], Path]) -> None:
        assert (take("a/b") / "file").read_text() == "mine"
        assert take("a/b/file").read_text() == "mine"

    def test_what_is_put_in_its_place_later_is_not_seen(
        self, data: Path, take: Callable[[str], Path]
    ) -> None:
        place = take("a")
        (data / "a").rename(data / "elsewhere")
        (data / "a").symlink_to("/")
        assert (place / "b/file").read_text() == "mine"

    def test_links_lead_nowhere_outside(
        self, data: Path, tmp_path: Path, take: Callable[[str], Path]
    ) -> None:
        (data / "inner").symlink_to("/a")
        assert (take("inner/b") / "file").read_text() == "mine"
        (data / "up").symlink_to("../../../outside")
        (data / "out").symlink_to(tmp_path / "outside")
        (data / "loop").symlink_to("loop")
        os.mkfifo(data / "pipe")
        for part in ("up", "out", "loop", "pipe", "a/none", "a/b/file/x", "pipe/.."):
            with pytest.raises(PortError, match=f"{part} of volume data") as refusal:
                take(part)
            assert (refusal.value.fault.kind, refusal.value.fault.dirty) == ("refused", False)
