"""Whole hosts, and user namespaces."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lockgate.adapters import userns
from lockgate.adapters.storage import mounting


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    userns.entered()
    yield
    userns.entered()


@pytest.mark.parametrize(
    ("text", "confined"),
    [
        ("         0          0 4294967295\n", False),
        ("         0       1000          1\n         1     100000      65536\n", True),
        ("         0     100000      65536\n", True),
        ("", True),  # in a namespace to which nobody was given yet
    ],
)
def test_a_whole_host_has_all_users(
    text: str, confined: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uid_map").write_text(text)
    monkeypatch.setattr(userns, "UID_MAP", tmp_path / "uid_map")
    assert userns.confined() == confined
    assert (
        userns.overlay_attribute("opaque") == f"{'user' if confined else 'trusted'}.overlay.opaque"
    )


def test_a_kernel_without_user_namespaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(userns, "UID_MAP", tmp_path / "none")
    assert not userns.confined()


def test_the_users_there_are(tmp_path: Path) -> None:
    (tmp_path / "map").write_text("0 1000 1\n1 100000 65536\n")
    assert userns.ids_of(tmp_path / "map") == (range(1), range(1, 65_537))


def test_an_overlay_is_told_to_keep_its_marks_where_a_user_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Newer kernels do so unasked in a user namespace; Linux 5.11 wants to be told."""
    parts = (b"/lower", b"/upper", b"/work")
    assert b"userxattr" not in mounting.options(parts).split(b",")
    monkeypatch.setattr(mounting, "confined", lambda: True)
    assert mounting.options(parts).split(b",")[-1] == b"userxattr"
