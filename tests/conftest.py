"""What all tests share: which runtimes work here, and proof that real tests leave nothing behind."""

import os
import shutil
import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests.network.laboratory import CGROUPS
from tests.soak import DONE, FOR_ALL, WHOLE, told

from lockgate import Engine
from lockgate.adapters.oci.cgroups import Cgroups
from lockgate.testing import busybox

# under mutation the same tests run again and again in one process
MUTATION = [HealthCheck.differing_executors] if "MUTANT_UNDER_TEST" in os.environ else []
settings.register_profile(
    "a machine shared with others",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, *MUTATION],
    derandomize=bool(MUTATION),
)
settings.load_profile("a machine shared with others")


def why_not_real() -> str:
    """Why no real container can be run here; empty where one can."""
    if os.geteuid() != 0:
        return "real containers need root"
    for program in ("conmon", "runc"):
        if shutil.which(program) is None:
            return f"there is no {program} (make system)"
    return "" if busybox.find() else "there is no static busybox (make system)"


def working_runtimes() -> list[str]:
    """crun refuses hybrid cgroups: it is tested in a mount namespace of its own, by
    tests/real/test_crun.py, which runs these very tests there."""
    from lockgate.adapters.oci import choose
    from lockgate.effects.outcome import PortError

    names: list[str] = []
    for name in ("runc", "crun"):
        try:
            choose(name, None)
            names.append(name)
        except PortError:
            pass
    return names


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "runtime" in metafunc.fixturenames:
        metafunc.parametrize("runtime", [] if why_not_real() else working_runtimes())


NETWORK = "network"
"""Real tests of networks: each has a host of its own, and cgroups that nobody else looks at."""

RAN: set[str] = set()
CGROUP = Path("/sys/fs/cgroup")


def group(item: pytest.Item) -> str:
    """Whoever is not to run beside whom: what drives the real host, its networks, a module."""
    if item.get_closest_marker("real") is None:
        return str(item.path)
    return NETWORK if item.path.parent.name == NETWORK else "host"


def pytest_itemcollected(item: pytest.Item) -> None:
    """Side by side, each group stays in one process."""
    item.add_marker(pytest.mark.xdist_group(group(item)))
    if WHOLE:
        item.add_marker(pytest.mark.timeout(FOR_ALL), append=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = why_not_real()
    for item in items:
        if reason and item.get_closest_marker("real"):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """What it did is told with how it went, also by another process."""
    DONE.clear()
    if hasattr(item, "callspec") and (runtime := item.callspec.params.get("runtime")):
        DONE[f"tests under {runtime}"] += 1
    try:
        return (yield)
    finally:
        item.user_properties += DONE.items()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    done: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed"):
        if report.when == "call":
            done.update(dict(report.user_properties))
    amiss = [
        one for how in ("failed", "error", "skipped") for one in terminalreporter.getreports(how)
    ]
    if WHOLE and done:
        terminalreporter.write_line(told(done, whole=not amiss))


def footprint(base: Path, group: str) -> dict[str, set[str]]:
    """What this machine holds that a container of this session could have left: mounts below its
    folder or of namespaces, monitors that name the folder, cgroups of its group."""
    lines = _read("/proc/self/mountinfo").splitlines()
    mounts = {line.split(" - ")[0] for line in lines if str(base) in line}
    monitors = {
        f"{entry.name}: {command}"
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit()
        for command in [_read(entry / "cmdline").replace("\0", " ")]
        if "conmon" in command.split(" ")[0] and str(base) in command
    }
    cgroups = {str(path) for path in _cgroups(group) if len(path.name) == 64}
    return {"mounts": mounts, "monitors": monitors, "cgroups": cgroups}


def _cgroups(group: str) -> Iterator[Path]:
    """Those of containers, and their parents; some go while we look."""
    for hierarchy in filter(Path.is_mount, (CGROUP, *CGROUP.iterdir())):
        for parent in hierarchy.glob("lockgate*"):
            if (parent.name == Path(CGROUPS).name) is not (group == NETWORK):
                continue
            yield parent
            with suppress(OSError):
                yield from (path for path in parent.iterdir() if path.is_dir())


@pytest.fixture(scope="session")
def no_parents_are_left() -> Iterator[None]:
    """The cgroups above those of containers outlive them: removed when all real tests have ended."""
    yield
    places = (place.name for group in RAN for place in _cgroups(group))
    for path in {f"/{name}" for name in places if name.startswith("lockgate")}:
        Cgroups.here().prune(path)


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""  # a process that has just gone


@pytest.fixture(autouse=True)
def nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a real test the machine is as it was before."""
    if request.node.get_closest_marker("real") is None:
        yield
        return
    request.getfixturevalue("no_parents_are_left")
    base = request.getfixturevalue("tmp_path_factory").getbasetemp()
    of = group(request.node)
    RAN.add(of)
    before = footprint(base, of)
    yield
    deadline = time.monotonic() + 10
    while True:
        after = footprint(base, of)
        left = {kind: after[kind] - before[kind] for kind in after if after[kind] - before[kind]}
        if not left or time.monotonic() > deadline:
            break
        time.sleep(0.05)  # monitors of ended containers are on their way out
    assert not left, f"left behind: {left}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of the engine."""
    return tmp_path / "root"


@pytest.fixture
def engine(root: Path, runtime: str, tmp_path: Path) -> Iterator[Engine]:
    """One on a real runtime, with busybox in it; nothing of it is left."""
    with Engine.open(root, runtime=runtime) as made:
        made.import_image("busybox", busybox.rootfs_tar(tmp_path / "busybox.tar"))
        yield made
        for record in made.list():
            made.remove(record.id, force=True, timeout=0)
