"""Reading what the monitor wrote down of what the container wrote."""

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.adapters.logs import CHUNK, FileLogs, parsed
from lockgate.effects.config import Config
from lockgate.effects.ports import LogLine, Mark

CONFIG = Config(id="c0ffee")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "containers" / "c0ffee" / "ctr.log"
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture
def logs(tmp_path: Path, log: Path) -> FileLogs:
    return FileLogs(tmp_path)


def test_lines_have_a_time_a_stream_and_a_text(logs: FileLogs, log: Path) -> None:
    log.write_text("T1 stdout F hello, world\nT2 stderr P half\nT3 stderr F  a line\n")
    lines, mark = logs.read(CONFIG)
    assert lines == (
        LogLine("T1", "stdout", "hello, world"),
        LogLine("T2", "stderr", "half", partial=True),
        LogLine("T3", "stderr", " a line"),
    )
    assert mark.offset == log.stat().st_size
    assert logs.read(CONFIG, mark) == ((), mark)


def test_an_unfinished_line_is_left_for_the_next_time(logs: FileLogs, log: Path) -> None:
    log.write_text("T1 stdout F one\nT2 stdo")
    lines, mark = logs.read(CONFIG)
    assert [line.text for line in lines] == ["one"]
    with log.open("a") as file:
        file.write("ut F two\n")
    assert [line.text for line in logs.read(CONFIG, mark)[0]] == ["two"]


def test_an_empty_line_of_the_container_is_a_line(logs: FileLogs, log: Path) -> None:
    log.write_text("T1 stdout F \nT2 stdout F x\n")
    assert [line.text for line in logs.read(CONFIG)[0]] == ["", "x"]


def test_no_log_is_no_lines(logs: FileLogs) -> None:
    assert logs.read(CONFIG, Mark(7)) == ((), Mark(7))


class TestCutDown:
    """A log that has reached its limit is begun anew by the monitor, in place or beside."""

    OLD = "T1 stdout F one\nT2 stdout F two\n"

    @pytest.mark.parametrize("more", [0, 1, 100], ids=["shorter", "about as long", "longer"])
    def test_it_is_read_from_its_beginning(self, logs: FileLogs, log: Path, more: int) -> None:
        log.write_text(self.OLD)
        _, mark = logs.read(CONFIG)
        lines = [f"T{number} stdout F {number}\n" for number in range(3, 4 + more)]
        log.write_text("".join(lines))
        found, mark = logs.read(CONFIG, mark)
        assert "".join(f"{one.at} {one.stream} F {one.text}\n" for one in found) == "".join(lines)
        assert logs.read(CONFIG, mark) == ((), mark)

    def test_while_nothing_is_written_anew_there_is_nothing(
        self, logs: FileLogs, log: Path
    ) -> None:
        log.write_text(self.OLD)
        _, mark = logs.read(CONFIG)
        log.write_text("")
        assert logs.read(CONFIG, mark) == ((), Mark())

    def test_of_what_was_looked_at_from_its_end(self, logs: FileLogs, log: Path) -> None:
        log.write_text(self.OLD)
        mark = logs.last(CONFIG, 0)
        log.write_text("T3 stdout F three\nT4 stdout F four\nT5 stdout F five\n")
        assert len(logs.read(CONFIG, mark)[0]) == 3


def test_a_link_in_its_place_is_not_followed(logs: FileLogs, log: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("T stdout F secret\n")
    log.symlink_to(tmp_path / "secret")
    with pytest.raises(OSError):
        logs.read(CONFIG)


def test_a_line_without_end_is_given_in_pieces(logs: FileLogs, log: Path) -> None:
    log.write_bytes(b"x" * (CHUNK + 5))
    lines, mark = logs.read(CONFIG)
    assert (len(lines), len(lines[0].text), mark.offset) == (1, CHUNK, CHUNK)
    assert logs.read(CONFIG, mark) == ((), mark)


@given(st.binary(max_size=80).filter(lambda data: b"\n" not in data))
def test_any_bytes_are_a_line(data: bytes) -> None:
    assert parsed(data).stream in ("stdout", "stderr", "")


def test_waiting_ends_when_there_is_more(logs: FileLogs, log: Path) -> None:
    log.write_text("T1 stdout F one\n")
    _, mark = logs.read(CONFIG)
    waiter = threading.Thread(target=logs.wait, args=(CONFIG, mark, 30.0))
    waiter.start()
    with log.open("a") as file:
        file.write("T2 stdout F two\n")
    waiter.join(10)
    assert not waiter.is_alive()
    logs.wait(CONFIG, mark, 30.0)  # what is there already is not waited for
    logs.wait(Config(id="none"), Mark(), 30.0)


class TestLast:
    """The last lines, found from the end."""

    @pytest.mark.parametrize(
        ("count", "texts"), [(0, []), (1, ["c"]), (2, ["b", "c"]), (3, ["a", "b", "c"]), (9, None)]
    )
    def test_are_so_many(
        self, logs: FileLogs, log: Path, count: int, texts: list[str] | None
    ) -> None:
        log.write_bytes(b"".join(b"T stdout F %c\n" % letter for letter in b"abc") + b"T std")
        lines, _ = logs.read(CONFIG, logs.last(CONFIG, count))
        assert [line.text for line in lines] == (["a", "b", "c"] if texts is None else texts)

    def test_of_a_large_log_only_its_end_is_read(self, logs: FileLogs, log: Path) -> None:
        with log.open("wb") as file:
            for number in range(200_000):
                file.write(b"T stdout F %06d\n" % number)
        for count in (1, 5000, 150_000):
            (first, *_), _ = logs.read(CONFIG, logs.last(CONFIG, count))
            assert int(first.text) == 200_000 - count

    def test_what_goes_on_is_one_line(self, logs: FileLogs, log: Path) -> None:
        log.write_bytes(b"T stdout F a\nT stdout P b\nT stdout P c\nT stdout F d\n")
        lines, _ = logs.read(CONFIG, logs.last(CONFIG, 1))
        assert [line.text for line in lines] == ["b", "c", "d"]

    def test_of_none_there_are_none(self, logs: FileLogs) -> None:
        assert logs.last(CONFIG, 3) == Mark()
