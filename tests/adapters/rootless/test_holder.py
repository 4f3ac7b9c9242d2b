"""The note about namespaces: what it may say, and what is made of it. That they hold containers is for
tests/real/test_rootless.py."""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from lockgate.adapters.oci.process import boot_id, identify
from lockgate.adapters.rootless import holder
from lockgate.adapters.rootless.holder import Note
from lockgate.effects.model import Process
from lockgate.effects.outcome import PortError


@pytest.fixture
def ours() -> Note:
    """As if this process held the namespaces it is in."""
    me = identify(os.getpid())
    assert me is not None
    return Note(me, *holder._namespaces(os.getpid()), "one")


def led(note: Note) -> tuple[bool, bool]:
    with ExitStack() as stack:
        way, held = holder.door(note, stack)
        return way is not None, held


def test_a_holder_that_is_who_it_was_is_the_door(ours: Note) -> None:
    assert led(ours) == (True, True)


def test_instead_of_one_that_has_ended_anybody_inside_is(ours: Note) -> None:
    assert led(replace(ours, holder=Process(999_999_999, 1, boot_id()))) == (True, False)


def test_another_boot_is_never_looked_into(ours: Note) -> None:
    assert led(replace(ours, holder=replace(ours.holder, boot="another"))) == (False, False)


@pytest.mark.parametrize("kind", ["user", "mount"])
def test_other_namespaces_are_nobodys_door(ours: Note, kind: str) -> None:
    assert led(replace(ours, **{kind: 1})) == (False, False)


def test_what_was_noted_is_read(tmp_path: Path, ours: Note) -> None:
    assert holder.noted(tmp_path) is None
    holder.note(tmp_path, ours)
    assert holder.noted(tmp_path) == ours
    assert (tmp_path / holder.NOTE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff", b'{"holder": 7}', b"[" * 10_000])
def test_what_cannot_be_read_says_nothing(tmp_path: Path, text: bytes) -> None:
    (tmp_path / holder.NOTE).write_bytes(text)
    assert holder.noted(tmp_path) is None


def test_a_link_says_nothing(tmp_path: Path, ours: Note) -> None:
    (tmp_path / "other").mkdir()
    holder.note(tmp_path / "other", ours)
    (tmp_path / holder.NOTE).symlink_to(tmp_path / "other" / holder.NOTE)
    assert holder.noted(tmp_path) is None


def test_the_generation_is_that_of_the_namespaces_one_is_in(tmp_path: Path, ours: Note) -> None:
    assert holder.generation(tmp_path) == ""
    holder.note(tmp_path, ours)
    assert holder.generation(tmp_path) == "one"
    holder.note(tmp_path, replace(ours, mount=1))
    assert holder.generation(tmp_path) == ""


def test_a_note_of_another_boot_is_forgotten_and_nobody_is_ended(
    tmp_path: Path, ours: Note
) -> None:
    holder.note(tmp_path, replace(ours, holder=replace(ours.holder, boot="another")))
    assert holder.dismiss(tmp_path) == ()
    assert holder.noted(tmp_path) is None


def test_who_looks_waits_for_who_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holder, "PATIENCE", 0.05)
    with holder.held(tmp_path):
        with pytest.raises(PortError, match="another process has been looking"):
            with holder.held(tmp_path):
                pass
    with holder.held(tmp_path):
        pass


def test_what_stands_in_the_way_is_said_before_anything_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holder, "obstacles", lambda uid: ("no ids: give some", "no tool: get it"))
    with pytest.raises(
        PortError, match="does not give: no ids: give some; no tool: get it"
    ) as told:
        holder.begin(tmp_path, 1000, 1000)
    assert (told.value.fault.kind, told.value.fault.dirty) == ("denied", False)
    assert list(tmp_path.iterdir()) == []
