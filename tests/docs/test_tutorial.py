"""What the documents tell people to paste works when pasted, from the top."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent.parent / "docs"
TUTORIAL = (DOCS / "tutorial" / "first-container.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TUTORIAL, re.MULTILINE | re.DOTALL)


def test_the_python_of_the_tutorial_runs(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    for block in blocks("python"):
        exec(compile(block, "tutorial", "exec"), names)
    said = capsys.readouterr().out
    assert "it is running; legal now: stop, kill" in said
    assert "\n7\n" in said
    assert "CreateLayer" in said
    assert "busy=True" in said


@pytest.mark.real
def test_the_shell_of_the_tutorial_runs(tmp_path: Path) -> None:
    script = "set -e\n" + "\n".join(blocks("sh"))
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "TMPDIR": str(tmp_path),
        },
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n5\n" in done.stdout  # wait
    assert "hello from" in done.stdout
    assert "it said 3" in done.stdout
    assert "exit code 4" in done.stdout  # the refused pause
    assert done.stdout.count("equal at every entry") == 2
