"""Export, diff and sizes, as an engine offers them."""

import os
import tarfile
from pathlib import Path

import pytest

from lockgate import Engine, NoSuchContainer, OperationFailed
from lockgate.effects.outcome import PortError


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    made = Engine.simulated()
    made.import_image("plain", tmp_path, command=["sh"])
    made.create(name="web", image="plain")
    return made


class TestExport:
    def test_to_a_file(self, engine: Engine, tmp_path: Path) -> None:
        engine.export("web", tmp_path / "web.tar")
        with tarfile.open(tmp_path / "web.tar") as tar:
            assert tar.getnames() == ["."]
        assert (tmp_path / "web.tar").stat().st_mode & 0o777 == 0o600

    def test_to_a_descriptor(self, engine: Engine, tmp_path: Path) -> None:
        with (tmp_path / "web.tar").open("wb") as file:
            engine.export("web", file.fileno())
            file.write(b"still open")
        assert (tmp_path / "web.tar").read_bytes().endswith(b"still open")

    def test_to_a_pipe_with_a_name(self, engine: Engine, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
        try:
            engine.export("web", tmp_path / "pipe")
            assert len(os.read(reader, 1 << 16)) % 512 == 0
        finally:
            os.close(reader)
        assert (tmp_path / "pipe").is_fifo()

    def test_half_an_archive_is_none(
        self, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """D-25: what was there before is still there, and nothing else."""
        (tmp_path / "web.tar").write_bytes(b"yesterday's")

        def broken(config: object, out: object) -> None:
            raise PortError("damaged", "unreadable", dirty=False)

        monkeypatch.setattr(engine.host.contents, "export", broken)
        with pytest.raises(OperationFailed, match="cannot export container web: unreadable"):
            engine.export("web", tmp_path / "web.tar")
        assert [path.name for path in tmp_path.iterdir()] == ["web.tar"]
        assert (tmp_path / "web.tar").read_bytes() == b"yesterday's"

    def test_of_none(self, engine: Engine, tmp_path: Path) -> None:
        with pytest.raises(NoSuchContainer):
            engine.export("other", tmp_path / "x")


def test_changes_and_sizes(engine: Engine) -> None:
    assert engine.diff("web") == ()
    assert (engine.sizes("web").written, engine.sizes("web").image) == (0, 0)


def test_what_has_no_image_is_compared_with_nothing(engine: Engine, tmp_path: Path) -> None:
    engine.create(name="plain", rootfs=tmp_path, command=["sh"])
    with pytest.raises(OperationFailed, match="no image"):
        engine.diff("plain")
