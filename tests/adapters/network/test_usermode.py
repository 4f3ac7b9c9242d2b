"""Asking slirp4netns: its answer is heard to the end, in however many pieces it comes."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockgate.adapters.network.usermode import published
from lockgate.effects.config import PortMapping
from lockgate.effects.outcome import PortError

PORT = PortMapping(8080, 80)


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as place:
        place.bind(str(tmp_path / "control"))
        place.listen()
        yield place


def answering(place: socket.socket, *pieces: bytes) -> threading.Thread:
    """A program that takes its time between the pieces of its answer."""

    def answer() -> None:
        peer, _ = place.accept()
        with peer:
            while peer.recv(4096):
                pass
            for piece in pieces:
                peer.sendall(piece)
                time.sleep(0.02)

    thread = threading.Thread(target=answer)
    thread.start()
    return thread


def test_an_answer_may_come_in_pieces(listening: socket.socket, tmp_path: Path) -> None:
    program = answering(listening, b'{"ret', b'urn": {"id"', b": 1}}")
    published(PORT, tmp_path / "control")
    program.join()


def test_so_may_a_refusal(listening: socket.socket, tmp_path: Path) -> None:
    program = answering(listening, b'{"error": {"desc": ', b'"bad request: in use"}}')
    with pytest.raises(PortError, match="cannot publish port 8080: bad request: in use"):
        published(PORT, tmp_path / "control")
    program.join()


def test_one_that_breaks_off_is_none(listening: socket.socket, tmp_path: Path) -> None:
    program = answering(listening, b'{"return": ')
    with pytest.raises(PortError, match="does not answer"):
        published(PORT, tmp_path / "control")
    program.join()
