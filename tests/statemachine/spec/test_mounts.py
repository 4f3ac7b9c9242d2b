"""What is mounted where, and who wins where two want the same place."""

import pytest
from msgspec.structs import replace

from lockgate.effects.config import (
    Bind,
    Limits,
    Mount,
    Namespaces,
    Propagation,
    Secret,
    Security,
    Tmpfs,
    VolumeMount,
)

from .conftest import CONFIG, EFFECT, FACTS, destinations, spec


def mounted(*mounts: Mount, read_only: bool = False) -> dict[str, dict[str, object]]:
    return destinations(spec(replace(CONFIG, mounts=mounts, read_only=read_only)))


def test_parents_come_before_children_and_equals_as_given() -> None:
    made = mounted(
        Bind(source="/1", destination="/a/b/c"),
        Bind(source="/2", destination="/z"),
        Bind(source="/3", destination="/a"),
    )
    mine = [name for name in made if name in {"/a", "/a/b/c", "/z"}]
    assert mine == ["/z", "/a", "/a/b/c"]


def test_a_bind_has_the_options_it_was_given() -> None:
    plain = mounted(Bind(source="/a", destination="/b"))["/b"]
    assert plain == {
        "destination": "/b",
        "type": "bind",
        "source": "/a",
        "options": ["rbind", "rw", "rprivate"],
    }
    strict = Bind(
        source="/a",
        destination="/b",
        readonly=True,
        recursive=False,
        propagation="slave",
        nosuid=True,
        nodev=True,
        noexec=True,
    )
    assert mounted(strict)["/b"]["options"] == [
        "bind", "ro", "slave", "nosuid", "noexec", "nodev",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "root"),
    [
        (("rprivate",), None),
        (("private",), None),
        (("slave",), "slave"),
        (("rslave", "private"), "slave"),
        (("rslave", "rshared"), "shared"),
        (("shared",), "shared"),
    ],
)
def test_the_root_lets_mounts_propagate_that_shall(
    wanted: tuple[Propagation, ...], root: str | None
) -> None:
    """MAP §3.5, generateSpec 20: shared wins over slave."""
    mounts = tuple(
        Bind(source="/a", destination=f"/{number}", propagation=one)
        for number, one in enumerate(wanted)
    )
    assert spec(replace(CONFIG, mounts=mounts))["linux"].get("rootfsPropagation") == root


def test_a_tmpfs_is_empty_and_harmless_unless_asked() -> None:
    assert mounted(Tmpfs(destination="/t"))["/t"]["options"] == [
        "rw", "rprivate", "nosuid", "noexec", "nodev", "mode=1777",
    ]  # fmt: skip
    asked = Tmpfs(
        destination="/t",
        size=4096,
        mode=0o700,
        readonly=True,
        noexec=False,
        nosuid=False,
        nodev=False,
        copy_up=True,
    )
    assert mounted(asked)["/t"]["options"] == [
        "ro", "rprivate", "mode=700", "size=4096", "tmpcopyup",
    ]  # fmt: skip


def test_a_tmpfs_goes_where_the_links_of_the_root_lead() -> None:
    config = replace(CONFIG, mounts=(Tmpfs(destination="/var/run"),))
    facts = replace(FACTS, targets=(("/var/run", "/run"),))
    made = destinations(spec(config, facts=facts))
    assert made["/run"]["type"] == "tmpfs"
    assert "/var/run" not in made


def test_a_volume_is_the_directory_behind_it() -> None:
    wish = VolumeMount(volume="data", destination="/srv", readonly=True)
    facts = replace(FACTS, volumes=(("other", "/x"), ("data", "/volumes/data")))
    made = destinations(spec(replace(CONFIG, mounts=(wish,)), facts=facts))
    assert made["/srv"] == {
        "destination": "/srv",
        "type": "bind",
        "source": "/volumes/data",
        "options": ["rbind", "ro", "rprivate", "nosuid", "nodev"],
    }


def test_a_part_of_a_volume_is_where_it_is_pinned() -> None:
    wishes = (
        VolumeMount(volume="data", destination="/srv", subpath="a"),
        VolumeMount(volume="data", destination="/all"),
    )
    facts = replace(FACTS, volumes=(("data", "/volumes/data"),))
    effect = replace(EFFECT, lodging=(("/srv", "/n/part0"),))
    made = destinations(spec(replace(CONFIG, mounts=wishes), effect, facts))
    assert (made["/srv"]["source"], made["/all"]["source"]) == ("/n/part0", "/volumes/data")


@pytest.mark.parametrize(
    "place", ["/dev/shm", "/sys/fs/cgroup", "/etc/hosts", "/run/.containerenv"]
)
def test_the_user_wins_over_the_engine(place: str) -> None:
    assert mounted()[place]["source"] != "/mine"
    assert mounted(Bind(source="/mine", destination=place))[place]["source"] == "/mine"


def test_on_a_read_only_root_the_engines_files_are_read_only_too() -> None:
    assert spec(replace(CONFIG, read_only=True))["root"]["readonly"]
    assert mounted()["/etc/hosts"]["options"] == ["bind", "private"]
    guarded = ["bind", "private", "ro", "nosuid", "noexec", "nodev"]
    made = mounted(read_only=True)
    assert made["/etc/hosts"]["options"] == guarded
    assert "ro" not in made["/dev/shm"]["options"]  # type: ignore[operator]


def test_the_engines_files_lie_in_the_bundle() -> None:
    made = mounted()
    assert made["/etc/hosts"]["source"] == "/containers/web/files/hosts"
    assert made["/etc/hostname"]["source"] == "/containers/web/files/hostname"
    assert made["/run/.containerenv"]["source"] == "/containers/web/files/containerenv"


def test_a_secret_is_read_only_and_its_content_is_elsewhere() -> None:
    secret = Secret(name="token", source="/etc/token", mode=0o440)
    made = destinations(spec(replace(CONFIG, secrets=(secret,))))["/run/secrets/token"]
    assert made["source"] == "/containers/web/secrets/token"
    assert made["options"] == ["bind", "private", "ro", "nosuid", "noexec", "nodev"]


def test_shared_memory() -> None:
    config = replace(CONFIG, limits=Limits(shm=4096))
    own = destinations(spec(config))["/dev/shm"]
    assert own["type"] == "tmpfs"
    assert own["options"] == ["nosuid", "noexec", "nodev", "mode=1777", "size=4096"]
    hosts = destinations(spec(replace(CONFIG, namespaces=Namespaces(ipc="host"))))["/dev/shm"]
    assert (hosts["type"], hosts["source"]) == ("bind", "/dev/shm")


def test_only_the_privileged_write_to_the_kernels_files() -> None:
    made = destinations(spec(replace(CONFIG, security=Security(privileged=True))))
    for place in ("/sys", "/sys/fs/cgroup"):
        assert "ro" in mounted()[place]["options"]  # type: ignore[operator]
        assert "rw" in made[place]["options"]


class TestSystemd:
    """MAP §3.5, 11."""

    WANTED = ("/run", "/tmp", "/var/log/journal")

    def test_has_memory_to_write_to(self) -> None:
        made = destinations(spec(replace(CONFIG, systemd=True)))
        assert {made[place]["type"] for place in self.WANTED} == {"tmpfs"}
        assert not set(self.WANTED) & set(destinations(spec(CONFIG)))

    def test_its_user_may_mount_something_else_there(self) -> None:
        mine = replace(CONFIG, systemd=True, mounts=(Bind(source="/mine", destination="/run"),))
        assert destinations(spec(mine))["/run"]["source"] == "/mine"

    def test_makes_groups_below_its_own(self) -> None:
        """In version 2 there is one tree; beside version 1 there is one for it alone."""
        config = replace(CONFIG, systemd=True)
        both = replace(FACTS, controllers=("name=systemd",))
        unified, split = (destinations(spec(config, facts=one)) for one in (FACTS, both))
        assert "rw" in str(unified["/sys/fs/cgroup"]["options"])
        assert "/sys/fs/cgroup/systemd" not in unified
        assert "ro" in str(split["/sys/fs/cgroup"]["options"])
        bound = split["/sys/fs/cgroup/systemd"]
        assert bound["source"] == f"/sys/fs/cgroup/systemd/lockgate/{CONFIG.id}"
        assert "/sys/fs/cgroup/systemd" not in destinations(spec(CONFIG, facts=both))
