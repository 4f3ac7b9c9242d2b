"""Who is called when a run is over, where nothing is left of it."""

from pathlib import Path

from lockgate.settle import main


def test_where_the_container_has_gone_nothing_is_made(tmp_path: Path) -> None:
    """Whoever removed it may be taking the whole folder away."""
    root = tmp_path / "root"
    assert main([str(root), "c" * 64, "1", "runc", "conmon"]) == 0
    assert not root.exists()
    root.mkdir()
    assert main([str(root), "c" * 64, "1", "runc", "conmon"]) == 0
    assert list(root.iterdir()) == []
