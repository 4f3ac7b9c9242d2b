"""What a real monitor writes down of a real container, read while it does."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lockgate import Engine

pytestmark = pytest.mark.real


def made(engine: Engine, script: str, **wishes: object) -> str:
    words = ["sh", "-c", script]
    return engine.create(name="web", image="busybox", command=words, **wishes).id  # type: ignore[arg-type]


def test_all_of_it_in_order_with_streams_and_times(engine: Engine) -> None:
    made(engine, "echo out; echo err >&2; printf half; printf ' and half'; exit 3")
    before = datetime.now(UTC) - timedelta(seconds=1)
    engine.start("web")
    lines = list(engine.logs("web", follow=True))
    assert engine.wait("web") == 3
    assert [one.text for one in lines if one.stream == "stderr"] == ["err"]
    told = [one for one in lines if one.stream == "stdout"]
    assert "".join(one.text + "\n" * (not one.partial) for one in told) in (
        "out\nhalf and half",  # as its writes came to the monitor
        "out\nhalf and half\n",
    )
    assert [one.text for one in engine.logs("web", since=before)] == [one.text for one in lines]
    assert list(engine.logs("web", until=before)) == []


class TestALimit:
    SCRIPT = "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; echo over"

    def test_keeps_the_newest(self, engine: Engine, root: Path) -> None:
        container = made(engine, self.SCRIPT, log_size=4096)
        engine.start("web")
        engine.wait("web")
        assert (root / "containers" / container / "ctr.log").stat().st_size <= 4096
        kept = [one.text for one in engine.logs("web")]
        assert kept[-1] == "over"
        first = int(kept[0].removeprefix("line "))
        assert kept[:-1] == [f"line {number}" for number in range(first, 2000)]

    def test_who_follows_reads_on_and_nothing_twice(self, engine: Engine) -> None:
        made(engine, self.SCRIPT, log_size=4096)
        engine.start("web")
        texts = [one.text for one in engine.logs("web", follow=True)]
        assert texts.pop() == "over"
        numbers = [int(text.removeprefix("line ")) for text in texts]
        assert numbers == sorted(set(numbers))
        assert numbers[-1] == 1999
