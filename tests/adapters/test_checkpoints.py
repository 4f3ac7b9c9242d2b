"""Checkpoints as files: whole or not there; archives of others are not believed."""

import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from lockgate.adapters.checkpoints import IMAGE, Kept, LocalCheckpoints
from lockgate.effects.config import Config
from lockgate.effects.outcome import PortError

CONFIG = Config(id="c0ffee", name="web")
Member = tuple[str, bytes]
INVENTORY = ("checkpoint/inventory.img", b"img")


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    made = Kept(tmp_path, CONFIG.id)
    made.directory.parent.mkdir(parents=True)
    return made


@pytest.fixture
def port(tmp_path: Path) -> LocalCheckpoints:
    return LocalCheckpoints(tmp_path)


def written(kept: Kept, number: int, content: bytes = b"img") -> None:
    with kept.alone():
        kept.begin()
        (kept.draft / IMAGE / "inventory.img").write_bytes(content)
        kept.finish(number)


def archived(
    path: Path, *members: Member, change: Callable[[tarfile.TarInfo], None] | None = None
) -> str:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if change is not None:
                change(info)
            tar.addfile(info, BytesIO(content))
    return str(path)


class TestKept:
    def test_the_newest_whole_one_is_the_checkpoint(self, kept: Kept) -> None:
        assert kept.newest() is None
        for number in (2, 10):
            written(kept, number)
        assert kept.newest() == kept.directory / "10"
        assert kept.numbers() == [10]  # the one before it has gone

    def test_a_draft_is_none(self, kept: Kept) -> None:
        with kept.alone():
            kept.begin()
            (kept.draft / IMAGE / "inventory.img").touch()
        assert kept.newest() is None
        with kept.alone():
            kept.begin()
            assert list((kept.draft / IMAGE).iterdir()) == []

    def test_names_that_are_no_numbers_are_none(self, kept: Kept) -> None:
        for name in ("0", "01", "-1", "1e3", "١"):
            (kept.directory / name).mkdir(parents=True)
        assert kept.newest() is None

    def test_nobody_writes_beside_whoever_writes(
        self, kept: Kept, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("lockgate.adapters.checkpoints.PATIENCE", 0.0)
        with kept.alone():
            with pytest.raises(TimeoutError, match="still being written"):
                with kept.alone():
                    pass

    def test_dropping_twice_is_once(self, kept: Kept, port: LocalCheckpoints) -> None:
        written(kept, 1)
        for _ in "twice":
            port.drop(CONFIG)
        assert kept.newest() is None


class TestArchive:
    def test_there_and_back(self, kept: Kept, port: LocalCheckpoints, tmp_path: Path) -> None:
        written(kept, 1, b"some memory")
        target = tmp_path / "a.tar"
        port.export(CONFIG, str(target))
        assert target.stat().st_mode & 0o777 == 0o600
        port.take(CONFIG, 2, str(target))
        assert kept.numbers() == [2]
        assert (kept.directory / "2" / IMAGE / "inventory.img").read_bytes() == b"some memory"
        mode = (kept.directory / "2" / IMAGE / "inventory.img").stat().st_mode & 0o777
        assert mode == 0o600

    def test_it_says_of_which_container_it_is(
        self, kept: Kept, port: LocalCheckpoints, tmp_path: Path
    ) -> None:
        written(kept, 1, b"some memory")
        port.export(CONFIG, str(tmp_path / "a.tar"))
        assert port.wished(str(tmp_path / "a.tar")) == CONFIG

    @pytest.mark.parametrize(
        ("members", "kind"),
        [
            ((INVENTORY, ("config.json", b'{"id": "c"}')), "refused"),
            ((INVENTORY,), "refused"),
            ((), "refused"),
            ((("config.json", b"x" * (1 << 21)),), "refused"),
            ((("config.json", b"["),), "damaged"),
            ((("config.json", b"[" * 10_000),), "damaged"),
            ((("config.json", b'{"id": 5}'),), "damaged"),
        ],
    )
    def test_or_it_does_not(
        self, port: LocalCheckpoints, tmp_path: Path, members: tuple[Member, ...], kind: str
    ) -> None:
        with pytest.raises(PortError) as refusal:
            port.wished(archived(tmp_path / "a.tar", *members))
        assert (refusal.value.fault.kind, refusal.value.fault.dirty) == (kind, False)

    def test_taking_twice_is_once(self, kept: Kept, port: LocalCheckpoints, tmp_path: Path) -> None:
        source = archived(tmp_path / "a.tar", INVENTORY)
        for _ in "twice":
            port.take(CONFIG, 1, source)
        assert kept.numbers() == [1]

    def test_there_is_nothing_to_export(
        self, kept: Kept, port: LocalCheckpoints, tmp_path: Path
    ) -> None:
        with pytest.raises(PortError) as refusal:
            port.export(CONFIG, str(tmp_path / "a.tar"))
        assert (refusal.value.fault.kind, refusal.value.fault.dirty) == ("missing", False)
        assert not (tmp_path / "a.tar").exists()

    @pytest.mark.parametrize(
        "members",
        [
            (("checkpoint/../../evil", b"x"),),
            (("/etc/passwd", b"x"),),
            (("checkpoint/deep/er.img", b"x"), INVENTORY),
            (("elsewhere.img", b"x"), INVENTORY),
            (INVENTORY, INVENTORY),
            (("checkpoint/pages-1.img", b"x"),),  # no inventory: no checkpoint
            (),
        ],
    )
    def test_what_is_no_archive_of_ours_is_refused_whole(
        self, kept: Kept, port: LocalCheckpoints, tmp_path: Path, members: tuple[Member, ...]
    ) -> None:
        written(kept, 1, b"before")
        source = archived(tmp_path / "a.tar", *members)
        with pytest.raises(PortError) as refusal:
            port.take(CONFIG, 2, source)
        assert refusal.value.fault.kind in ("refused", "damaged")
        assert not refusal.value.fault.dirty
        assert kept.numbers() == [1] and not kept.draft.exists()
        assert (kept.directory / "1" / IMAGE / "inventory.img").read_bytes() == b"before"

    @pytest.mark.parametrize(
        "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
    )
    def test_nothing_but_files_is_taken(
        self, kept: Kept, port: LocalCheckpoints, tmp_path: Path, kind: bytes
    ) -> None:
        def change(info: tarfile.TarInfo) -> None:
            info.type, info.linkname, info.size = kind, "/etc/passwd", 0

        source = archived(tmp_path / "a.tar", ("checkpoint/inventory.img", b""), change=change)
        with pytest.raises(PortError):
            port.take(CONFIG, 1, source)
        assert kept.numbers() == []

    def test_neither_owners_nor_modes_nor_times_are_taken(
        self, kept: Kept, port: LocalCheckpoints, tmp_path: Path
    ) -> None:
        def change(info: tarfile.TarInfo) -> None:
            info.mode, info.uid, info.gid = 0o6777, 1234, 1234

        port.take(CONFIG, 1, archived(tmp_path / "a.tar", INVENTORY, change=change))
        found = (kept.directory / "1" / IMAGE / "inventory.img").stat()
        assert (found.st_mode & 0o7777, found.st_uid) == (0o600, kept.directory.stat().st_uid)

    def test_too_much_is_refused(
        self, kept: Kept, port: LocalCheckpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from lockgate.adapters.storage.entries import Limits

        monkeypatch.setattr("lockgate.adapters.checkpoints.BROUGHT", Limits(size=2, entries=9))
        with pytest.raises(PortError, match="exceeds 2 bytes"):
            port.take(CONFIG, 1, archived(tmp_path / "a.tar", INVENTORY))
        assert kept.numbers() == []

    def test_half_an_archive_is_none(
        self, kept: Kept, port: LocalCheckpoints, tmp_path: Path
    ) -> None:
        whole = Path(archived(tmp_path / "a.tar", INVENTORY)).read_bytes()
        half = tmp_path / "half.tar"
        half.write_bytes(whole[:700])
        with pytest.raises(PortError) as refusal:
            port.take(CONFIG, 1, str(half))
        assert refusal.value.fault.kind == "damaged"
        assert kept.numbers() == []
