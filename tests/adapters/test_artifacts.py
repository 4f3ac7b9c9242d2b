"""Artifacts on disk: names that lead nowhere else, bounded, whole or not at all."""

from pathlib import Path

import pytest

from lockgate.adapters.storage.artifacts import ARTIFACT_LIMIT, LocalArtifacts
from lockgate.effects.config import Config
from lockgate.effects.outcome import PortError

WEB = Config(id="c0ffee")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "containers/c0ffee").mkdir(parents=True)
    return tmp_path / "containers/c0ffee/artifacts"


@pytest.fixture
def artifacts(tmp_path: Path, place: Path) -> LocalArtifacts:
    return LocalArtifacts(tmp_path)


def test_nobody_else_reads_them(artifacts: LocalArtifacts, place: Path) -> None:
    artifacts.put(WEB, "spec.json", b"{}")
    assert (place.stat().st_mode & 0o777, (place / "spec.json").stat().st_mode & 0o777) == (
        0o700,
        0o600,
    )


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/etc/passwd", ".draft", "a\0b"])
def test_a_name_is_one_file_of_that_directory(artifacts: LocalArtifacts, name: str) -> None:
    artifacts.put(WEB, "a", b"")
    for refused in (lambda: artifacts.put(WEB, name, b""), lambda: artifacts.get(WEB, name)):
        with pytest.raises(PortError, match="cannot name an artifact") as refusal:
            refused()
        assert (refusal.value.fault.kind, refusal.value.fault.dirty) == ("refused", False)
    assert artifacts.list(WEB) == ("a",)


def test_they_are_small(artifacts: LocalArtifacts) -> None:
    artifacts.put(WEB, "a", b"x" * ARTIFACT_LIMIT)
    with pytest.raises(PortError, match="too much"):
        artifacts.put(WEB, "a", b"x" * (ARTIFACT_LIMIT + 1))
    assert len(artifacts.get(WEB, "a")) == ARTIFACT_LIMIT


def test_no_link_is_followed(artifacts: LocalArtifacts, place: Path, tmp_path: Path) -> None:
    artifacts.put(WEB, "a", b"")
    (tmp_path / "outside").write_text("secret")
    (place / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(PortError, match="no regular file"):
        artifacts.get(WEB, "link")
    artifacts.put(WEB, "link", b"mine")
    assert (tmp_path / "outside").read_text() == "secret"


def test_half_of_one_is_none(artifacts: LocalArtifacts, place: Path) -> None:
    artifacts.put(WEB, "a", b"one")
    (place / ".0badc0de.draft").write_text("tw")
    assert artifacts.list(WEB) == ("a",)
