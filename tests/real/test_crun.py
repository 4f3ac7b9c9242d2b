"""crun refuses hybrid cgroups; in a mount namespace without the empty v2 tree it works.

There the real tests are run once more, with crun among the working runtimes. Those that end engines,
monitors and runtimes at every place, full disks, refused calls, and all promises but the one about the
runtime are left to `make soak`, which has such a namespace of its own: they try what is ours. Of missing
locks, emptied files, halves of calls, poor surroundings, companions and duties runc says enough.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
HYBRID = Path("/sys/fs/cgroup/unified")
OURS = (
    "tests/real/test_companions.py",
    "tests/real/test_duties.py",
    "tests/real/test_emptied.py",
    "tests/real/test_faults.py",
    "tests/real/test_killed_beside.py",
    "tests/real/test_lockless.py",
    "tests/real/test_poor.py",
    "tests/real/test_refused.py",
    "tests/real/test_short.py",
)
OF_THE_RUNTIME = "tests/promises/test_07_runtime_dies.py::TestReal::test_what_it_keeps_is_cut_off"


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_real_tests_pass_under_crun(tmp_path: Path) -> None:
    if os.environ.get("LOCKGATE_INSIDE"):
        pytest.skip("this is that run")
    if shutil.which("crun") is None:
        pytest.skip("there is no crun (make system)")
    line = 'exec "$@"'
    if HYBRID.is_mount():  # crun makes its cgroups there all the same, as folders, and leaves some
        line = f'umount {HYBRID} || exit; "$@"; code=$?; rm -rf {HYBRID}/lockgate*; exit $code'
    done = subprocess.run(
        [
            "unshare",
            "--mount",
            "sh",
            "-c",
            line,
            "sh",
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-m",
            "real",
            "-k",
            "crun",
            f"--basetemp={tmp_path / 'inside'}",
            *(f"--ignore={one}" for one in OURS),
            "tests/contracts",
            "tests/real",
            OF_THE_RUNTIME,
        ],
        cwd=ROOT,
        env={**os.environ, "LOCKGATE_INSIDE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
