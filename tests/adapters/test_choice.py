"""Which runtime and monitor are taken, and what is said of those that are not."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from lockgate.adapters.oci import choice
from lockgate.adapters.oci.cgroups import Cgroups, Hierarchy, hierarchies
from lockgate.adapters.oci.choice import choose, conmon_obstacle, find, obstacle, unable, version
from lockgate.effects.config import Config, Namespaces
from lockgate.effects.outcome import PortError

V1 = Hierarchy(Path("/sys/fs/cgroup/memory"), frozenset({"memory"}))
V2 = Hierarchy(Path("/sys/fs/cgroup/unified"), frozenset())
HYBRID, PURE_V1, PURE_V2, NONE = (Cgroups(each) for each in ((V1, V2), (V1,), (V2,), ()))


def program(folder: Path, name: str, says: str = "", code: int = 0) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\nprintf '%s\\n' '{says}'\nexit {code}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder programs are looked for in; a good conmon is there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(choice, "_ELSEWHERE", ())
    monkeypatch.setattr(Cgroups, "here", classmethod(lambda cls: PURE_V1))
    program(folder, "conmon", "conmon version 2.1.6")
    return folder


def why(runtime: str | None = None, conmon: str | None = None) -> str:
    with pytest.raises(PortError) as refusal:
        choose(runtime, conmon)
    assert (refusal.value.fault.kind, refusal.value.fault.dirty) == ("missing", False)
    return refusal.value.fault.reason


class TestUsersOfAnother:
    """Which runtime can be in the users of one, and in a network made outside."""

    @pytest.mark.parametrize(
        ("name", "says", "network", "able"),
        [
            ("runc", "runc version 1.1.5+ds1", "private", False),
            ("runc", "no number", "private", False),
            ("runc", "runc version 1.1.5+ds1", "none", True),
            ("runc", "runc version 1.1.5+ds1", "host", True),
            ("runc", "runc version 1.1.5+ds1", "container:o", True),
            ("runc", "runc version 1.1.5+ds1", "container:other", False),
            ("runc", "runc version 1.2.0", "private", True),
            ("crun", "crun version 1.8.1", "private", True),
        ],
    )
    def test_of_which_versions(
        self, tmp_path: Path, name: str, says: str, network: str, able: bool
    ) -> None:
        own = Namespaces(user="container:o")
        path = program(tmp_path, name, says)
        wish = Config(id="c", network=network, namespaces=own)
        assert (unable(path, wish) == "") is able
        assert unable(path, replace(wish, deferred_network=True)) == ""
        assert unable(path, Config(id="c", network=network)) == ""


class TestRuntime:
    def test_the_fastest_that_works_is_taken(self, bin: Path) -> None:
        for name in ("youki", "runc", "crun"):
            path = program(bin, name)
            assert choose().runtime == path

    def test_crun_is_passed_over_where_it_refuses(
        self, bin: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Cgroups, "here", classmethod(lambda cls: HYBRID))
        program(bin, "crun")
        assert "crun refuses hybrid cgroups" in why()
        runc = program(bin, "runc")
        assert choose().runtime == runc
        assert "unshare -m, then umount /sys/fs/cgroup/unified" in why("crun")

    def test_a_name_or_a_path_may_be_given(self, bin: Path, tmp_path: Path) -> None:
        program(bin, "crun")
        mine = program(tmp_path, "my-runtime")
        runc = program(bin, "runc")
        assert choose("runc").runtime == runc
        assert choose(str(mine)).runtime == mine

    def test_none_at_all(self, bin: Path) -> None:
        assert "apt install runc" in why()
        assert "there is no runtime 'kata'" in why("kata")

    @pytest.mark.parametrize(
        ("name", "cgroups", "works"),
        [
            ("runc", HYBRID, True),
            ("crun", HYBRID, False),
            ("crun", PURE_V1, True),
            ("crun", PURE_V2, True),
            ("runsc", PURE_V2, False),
        ],
    )
    def test_what_is_known_of_them(self, name: str, cgroups: Cgroups, works: bool) -> None:
        assert (obstacle(Path("/usr/bin") / name, cgroups) == "") == works


class TestConmon:
    def test_none_at_all(self, bin: Path) -> None:
        program(bin, "runc")
        (bin / "conmon").unlink()
        assert "apt install conmon" in why()

    def test_one_too_old(self, bin: Path) -> None:
        program(bin, "runc")
        program(bin, "conmon", "conmon version 2.0.25")
        assert "version 2.1.2 or newer" in why()

    @pytest.mark.parametrize(("found", "works"), [("2.1.2", True), ("2.2", True), ("2.1.1", False)])
    def test_versions(self, found: str, works: bool) -> None:
        assert (conmon_obstacle(found) == "") == works

    def test_one_that_does_not_tell(self) -> None:
        assert "does not tell its version" in conmon_obstacle("")


class TestVersion:
    def test_is_the_first_number_said(self, bin: Path) -> None:
        assert version(program(bin, "x", "runc version 1.1.5+ds1\nspec: 1.0.2")) == "1.1.5"

    def test_is_empty_where_nothing_is_said(self, bin: Path) -> None:
        assert version(program(bin, "x", "hello")) == ""
        assert version(bin / "nothing") == ""

    def test_patience_ends(self, bin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(choice, "_PATIENCE", 0.05)
        slow = bin / "slow"
        slow.write_text("#!/bin/sh\nexec /bin/sleep 5\n")
        slow.chmod(0o755)
        assert version(slow) == ""


def test_what_is_not_executable_is_not_found(bin: Path) -> None:
    (bin / "runc").write_text("")
    assert find("runc") is None


@pytest.mark.parametrize(
    ("cgroups", "layout"),
    [(HYBRID, "hybrid"), (PURE_V1, "v1"), (PURE_V2, "v2"), (NONE, "none")],
)
def test_the_layout_is_told_by_what_is_mounted(cgroups: Cgroups, layout: str) -> None:
    assert cgroups.layout == layout


def test_mountinfo_is_read_with_its_escapes() -> None:
    lines = (
        "25 1 0:22 / /sys/fs/cgroup\\040x/memory rw shared:9 - cgroup cgroup rw,memory",
        "26 1 0:23 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd",
        "27 1 0:24 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate",
        "28 1 0:24 / /elsewhere rw - cgroup2 cgroup2 rw",  # mounted twice
        "29 1 0:25 / /tmp rw - tmpfs tmpfs rw",
        "nonsense",
    )
    assert hierarchies("\n".join(lines)) == (
        Hierarchy(Path("/sys/fs/cgroup x/memory"), frozenset({"memory"})),
        Hierarchy(Path("/sys/fs/cgroup/systemd"), frozenset({"name=systemd"})),
        Hierarchy(Path("/sys/fs/cgroup/unified"), frozenset()),
    )
