"""A container's root filesystem on this host, for its user."""

from pathlib import Path

import pytest

from lockgate import Engine, StillMounted

pytestmark = pytest.mark.real


def test_what_is_written_before_during_and_after_a_run(engine: Engine) -> None:
    engine.create(name="web", image="busybox", command=["sh", "-c", "cat /before > /during"])
    place = Path(engine.mount("web"))
    (place / "before").write_text("hello\n")
    engine.start("web")
    assert engine.wait("web", 20) == 0
    engine.cleanup("web")
    assert (place / "during").read_text() == "hello\n"
    with pytest.raises(StillMounted):
        engine.remove("web")
    engine.unmount("web")
    assert list(place.iterdir()) == []
    assert Path(engine.mount("web"), "during").exists()
    engine.remove("web", force=True)
    assert not place.exists()
