"""Programs of the host are run to their end, and no further."""

import os
from pathlib import Path

import pytest

from lockgate.adapters.commands import finished

ENVIRONMENT = {"PATH": os.defpath}


def test_what_it_is_given_and_what_it_says() -> None:
    ran = finished(
        ["sh", "-c", "cat; echo no >&2; exit 3"],
        environment=ENVIRONMENT,
        patience=20,
        stdin=b"x" * 100_000,
    )
    assert (ran.code, ran.output, ran.complaints) == (3, b"x" * 100_000, b"no\n")


def test_a_child_that_keeps_its_output_open_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "until")
    ran = finished(
        ["sh", "-c", f"(read line <{tmp_path}/until) & echo done"],
        environment=ENVIRONMENT,
        patience=20,
    )
    (tmp_path / "until").write_text("now\n")  # opens only while the child reads it
    assert ran.output == b"done\n"


def test_descriptors_to_keep_are_kept_and_no_others() -> None:
    kept, other = os.memfd_create("kept"), os.memfd_create("other")
    try:
        ran = finished(
            ["sh", "-c", f"[ -e /proc/self/fd/{kept} ] && [ ! -e /proc/self/fd/{other} ]"],
            environment=ENVIRONMENT,
            patience=20,
            keeping=(kept,),
        )
    finally:
        os.close(kept)
        os.close(other)
    assert ran.code == 0


def test_one_that_does_not_end_is_killed(tmp_path: Path) -> None:
    script = f"echo $$ >{tmp_path}/pid; exec sleep 600"
    with pytest.raises(TimeoutError, match="did not end"):
        finished(["sh", "-c", script], environment=ENVIRONMENT, patience=2)
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_one_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        finished(["/no/such/program"], environment=ENVIRONMENT, patience=1)
