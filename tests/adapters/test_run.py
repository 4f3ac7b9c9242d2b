"""The files of a run: how they go."""

import shutil
from pathlib import Path

import pytest
from tests.lying import lies_once

from lockgate.adapters.oci.run import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run.of(tmp_path, "c", 1)
    made.bundle.mkdir(parents=True)
    made.make()
    return made


def test_where_its_files_are_follows_from_id_and_run(tmp_path: Path) -> None:
    first, second = (Run.of(tmp_path, "c", epoch) for epoch in (1, 2))
    assert first.log == second.log == tmp_path / "containers/c/ctr.log"
    for run, number in ((first, "1"), (second, "2")):
        for file in (run.sync, run.pidfile, run.monitor_pidfile, run.exits):
            assert file.parent == tmp_path / "run/c" / number


def test_nobody_makes_a_file_in_what_is_being_removed(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one does who comes to look after the run just then."""
    removed = shutil.rmtree

    def late(place: Path) -> None:
        with pytest.raises(FileNotFoundError):
            (run.directory / "settler.lock").touch()
        removed(place)

    monkeypatch.setattr(shutil, "rmtree", late)
    run.remove()
    assert not run.directory.parent.exists()


def test_what_somebody_did_not_live_to_remove_is_removed(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda place: None)
        run.remove()
    assert not run.exists() and list(run.directory.parent.iterdir())
    assert run.others() == ()
    run.make()  # the next with this number is not in its way
    run.remove()
    run.remove()
    assert not run.directory.parent.exists()


def test_what_is_said_not_to_be_there_and_is_was_not_removed(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        lies_once(patch, "rmdir", run.container)
        with pytest.raises(FileNotFoundError):
            run.remove()
    run.remove()
    assert not run.directory.parent.exists()


def test_a_link_in_its_place_goes_and_nothing_behind_it(run: Run, tmp_path: Path) -> None:
    run.remove()
    (tmp_path / "precious").mkdir()
    run.directory.parent.mkdir()
    run.directory.symlink_to(tmp_path / "precious")
    run.remove()
    assert (tmp_path / "precious").exists() and not run.directory.parent.exists()
