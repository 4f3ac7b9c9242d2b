"""What a real monitor writes down of a real container, read while it does."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lockgate import Engine
from lockgate.effects.ports import LogLine

pytestmark = pytest.mark.real


def made(engine: Engine, script: str, **wishes: object) -> str:
    words = ["sh", "-c", script]
    return engine.create(name="web", image="busybox", command=words, **wishes).id  # type: ignore[arg-type]


def written(lines: Iterable[LogLine]) -> str:
    """As it wrote them: what the monitor reads at once may end anywhere in a line."""
    return "".join(one.text + "\n" * (not one.partial) for one in lines)


def test_all_of_it_in_order_with_streams_and_times(engine: Engine) -> None:
    made(engine, "echo out; echo err >&2; printf half; printf ' and half'; exit 3")
    before = datetime.now(UTC) - timedelta(seconds=1)
    engine.start("web")
    lines = list(engine.logs("web", follow=True))
    assert engine.wait("web") == 3
    assert [one.text for one in lines if one.stream == "stderr"] == ["err"]
    assert written(one for one in lines if one.stream == "stdout") in (
        "out\nhalf and half",  # as its writes came to the monitor
        "out\nhalf and half\n",
    )
    assert [one.text for one in engine.logs("web", since=before)] == [one.text for one in lines]
    assert list(engine.logs("web", until=before)) == []


NUMBER = re.compile(r"^line (\d+)$", re.MULTILINE)


class TestALimit:
    SCRIPT = "awk 'BEGIN { for (i = 0; i < 2000; i++) print \"line \" i }'; echo over"

    def test_keeps_the_newest(self, engine: Engine, root: Path) -> None:
        container = made(engine, self.SCRIPT, log_size=4096)
        engine.start("web")
        engine.wait("web")
        assert (root / "containers" / container / "ctr.log").stat().st_size <= 4096
        *kept, last = written(engine.logs("web")).splitlines()
        numbers = list(map(int, NUMBER.findall("\n".join(kept))))
        assert last == "over"
        assert numbers == list(range(numbers[0], 2000))
        assert len(kept) - len(numbers) <= 1, (
            "but for the end of a line that began in the one before"
        )

    def test_who_follows_reads_on_and_nothing_twice(self, engine: Engine) -> None:
        made(engine, self.SCRIPT, log_size=4096)
        engine.start("web")
        text = written(engine.logs("web", follow=True))
        numbers = list(map(int, NUMBER.findall(text)))
        assert numbers == sorted(set(numbers))
        assert text.endswith("line 1999\nover\n")
