"""Containers of an ordinary user, who is one: every command is run with his ids and no privilege, and
when he is done nothing with his ids is left on this machine."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.network.laboratory import says
from tests.real.ordinary import HOME, IDS, LOCKGATE, UID, Ordinary, begun, ended, slain

from lockgate.adapters.oci.cgroups import Cgroups
from lockgate.testing import busybox

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        any(shutil.which(name) is None for name in ("newuidmap", "ip", "setpriv", "nsenter")),
        reason="an ordinary user needs uidmap, iproute2 and util-linux (make system)",
    ),
]

SERVER = "while :; do echo hello | nc -l -p 80; done"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """His host, as a directory of ours; his processes outlive no test."""
    directory = tmp_path_factory.mktemp("world") / "host"
    directory.parent.chmod(0o711)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def boat(world: Path, tmp_path: Path) -> Iterator[Ordinary]:
    process = begun(world)
    user = Ordinary(process, HOME / "containers")
    busybox.rootfs_tar(world / "home" / "busybox.tar").chmod(0o644)
    try:
        assert user.processes() == {}
        yield user
        user.run(*LOCKGATE, "rm", "--all", "--force", "-t", "0")
        user.lockgate("unshare", "--end")
        deadline = time.monotonic() + 10  # those who were orphaned are on their way out
        while (left := user.processes()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert left == {}
    finally:
        slain(user.processes())
        ended(process)
        shutil.rmtree(world)


@pytest.fixture
def image(boat: Ordinary) -> Ordinary:
    boat.lockgate("image", "import", "busybox", str(HOME / "busybox.tar"))
    return boat


def sleeper(user: Ordinary, *options: str, name: str = "web") -> None:
    user.lockgate("create", "--name", name, *options, "--image", "busybox", "--", "sleep", "600")


def gone(user: Ordinary, name: str) -> bool:
    return user.run(*LOCKGATE, "inspect", name).code == 3


def until(user: Ordinary, status: str, name: str = "web") -> None:
    """Its status is this one; waited for, since others bring it about."""
    deadline = time.monotonic() + 30
    while user.inspect(name)["state"] != status:
        assert time.monotonic() < deadline, user.inspect(name)
        time.sleep(0.05)


# ---- a life ----------------------------------------------------------------------------


def test_create_start_exec_stop_remove(image: Ordinary) -> None:
    sleeper(image)
    image.lockgate("start", "web")
    assert image.inspect("web")["state"] == "running"
    assert image.lockgate("exec", "web", "id") == "uid=0(root) gid=0(root)\n"
    assert "sleep 600" in image.lockgate("exec", "web", "ps")
    assert "sleep 600" in image.lockgate("top", "web")
    assert "web" in image.lockgate("stats", "web")
    image.lockgate("exec", "web", "touch", "/made")
    assert "A /made" in image.lockgate("diff", "web")
    (mapped,) = {uid for pid, uid in owners(image).items() if image.processes()[pid] == "sleep"}
    assert mapped == UID  # root of the container is its user, and nobody more
    image.lockgate("stop", "-t", "0", "web")
    assert image.inspect("web")["exit_code"] == 137
    image.lockgate("start", "web")
    assert "made" in image.lockgate("exec", "web", "ls", "/")
    image.lockgate("rm", "--force", "-t", "0", "web")
    assert gone(image, "web")


def owners(user: Ordinary) -> dict[int, int]:
    """Whose the processes of the user are, on this host; but for the holder."""
    holder = user.holder()
    return {pid: Path(f"/proc/{pid}").stat().st_uid for pid in user.processes() if pid != holder}


def test_users_of_the_image_are_his_subordinates(image: Ordinary) -> None:
    said = image.lockgate(
        *("run", "--rm", "--user", "web", "--image", "busybox"),
        *("--", "sh", "-c", "id -u; touch /dev/shm/x; stat -c %u:%g /dev/shm/x"),
    )
    assert said.split() == ["33", "33:34"]
    image.lockgate("create", "--name", "web", "--user", "web", "--image", "busybox", "sleep", "600")
    image.lockgate("start", "web")
    assert IDS.start + 32 in owners(image).values()


def test_its_output_is_kept_and_its_code_told(image: Ordinary) -> None:
    done = image.run(
        *LOCKGATE, "run", "--name", "web", "--image", "busybox", "sh", "-c", "echo said; exit 7"
    )
    assert (done.code, done.out) == (7, "said\n")
    assert "said" in image.lockgate("logs", "web")


def test_who_has_duties_is_seen_to_without_anybody(image: Ordinary) -> None:
    """The monitor's last command finds itself where it must be."""
    image.lockgate("run", "-d", "--rm", "--name", "short", "--image", "busybox", "true")
    deadline = time.monotonic() + 30
    while not gone(image, "short"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    image.lockgate(
        *("run", "-d", "--restart", "always", "--name", "web", "--image", "busybox"),
        *("sh", "-c", "test -e /again && sleep 600; touch /again"),
    )
    until(image, "running")
    image.lockgate("stop", "-t", "0", "web")
    assert image.inspect("web")["state"] == "stopped"


def test_health_is_seen_to(image: Ordinary) -> None:
    sleeper(image, "--health-cmd", "test -e /well", "--health-interval", "100ms")
    image.lockgate("start", "web")
    image.lockgate("exec", "web", "touch", "/well")
    deadline = time.monotonic() + 30
    while '"healthy"' not in image.lockgate("inspect", "web"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_pod(image: Ordinary) -> None:
    """Without a cgroup of his, so that it has no limits."""
    assert "a pod cannot be limited" in image.no("pod", "create", "--pids-limit", "9")
    image.lockgate("pod", "create", "--name", "site")
    sleeper(image, "--pod", "site")
    image.lockgate("pod", "start", "site")
    assert "sleep 600" in image.lockgate("exec", "web", "ps")
    assert image.lockgate("exec", "web", "hostname") == "site\n"
    image.lockgate("pod", "stop", "-t", "0", "site")
    image.lockgate("pod", "rm", "--force", "site")
    assert gone(image, "web")


# ---- networks --------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["slirp4netns", "pasta", "user"])
def test_a_published_port_is_reached(image: Ordinary, network: str) -> None:
    if network != "user" and shutil.which(network) is None:
        pytest.skip(f"there is no {network} (make system)")
    image.lockgate(
        *("create", "--name", "web", "--net", network, "-p", "8080:80"),
        *("--image", "busybox", "--", "sh", "-c", SERVER),
    )
    image.lockgate("start", "web")
    heard = ""
    deadline = time.monotonic() + 10
    while not heard:  # the container may not have come to its listening yet
        try:
            heard = image.within(lambda: says("127.0.0.1", 8080))
        except ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert heard == "hello"
    assert "nameserver 10.0.2.3" in image.lockgate("exec", "web", "cat", "/etc/resolv.conf")
    sleeper(image, "--net", network, "-p", "8080:80", name="other")
    assert "8080/tcp of the host is in use by container web" in image.no("start", "other")
    image.lockgate("restart", "-t", "0", "web")
    assert {"slirp4netns", "pasta", "passt.avx2"} & set(image.processes().values())
    image.lockgate("rm", "--force", "-t", "0", "web")
    with pytest.raises(ConnectionError):
        image.within(lambda: says("127.0.0.1", 8080))


@pytest.mark.parametrize(("network", "interfaces"), [("none", "lo"), ("private", "lo")])
def test_no_network(image: Ordinary, network: str, interfaces: str) -> None:
    said = image.lockgate(
        "run", "--rm", "--net", network, "--image", "busybox", "ls", "/sys/class/net"
    )
    assert said.split() == [interfaces]


def test_the_network_of_his_host(image: Ordinary) -> None:
    said = image.lockgate(
        "run", "--rm", "--net", "host", "--image", "busybox", "cat", "/proc/net/dev"
    )
    assert "outward" in said


def test_what_only_root_may_is_refused_in_words(image: Ordinary) -> None:
    sleeper(image, "--net", "user", "-p", "80:80")
    assert "below 1024 they are root's" in image.no("start", "web")
    image.lockgate("network", "create", "back")
    sleeper(image, "--net", "back", name="other")
    assert "without root there is the network `user`" in image.no("start", "other")
    sleeper(image, "--uidmap", "0:1000:1000", name="mapped")
    assert "needs the host's root" in image.no("start", "mapped")


# ---- namespaces -------------------------------------------------------------------------


def test_who_holds_them_may_be_killed(image: Ordinary) -> None:
    """INCIDENTS B120: others are in there, and by their door the next command comes in."""
    sleeper(image)
    image.lockgate("start", "web")
    kept = json.loads(image.note.read_bytes())
    slain([image.holder()])
    assert "sleep 600" in image.lockgate("exec", "web", "ps")
    now = json.loads(image.note.read_bytes())
    assert now["holder"] != kept["holder"]
    assert {**now, "holder": 0} == {**kept, "holder": 0}
    image.lockgate("stop", "-t", "0", "web")


def test_when_all_are_killed_it_is_as_after_a_reboot(image: Ordinary) -> None:
    sleeper(image)
    sleeper(image, name="idle")
    image.lockgate("start", "web")
    image.lockgate("mount", "idle")
    kept = json.loads(image.note.read_bytes())
    slain(image.processes())
    assert image.inspect("web")["state"] == "exited"
    assert image.inspect("idle")["mount_count"] == 0
    assert json.loads(image.note.read_bytes())["generation"] != kept["generation"]
    image.lockgate("start", "web")
    assert "sleep 600" in image.lockgate("exec", "web", "ps")


def test_what_lives_on_without_its_monitor_and_mounts_is_ended(image: Ordinary) -> None:
    """Nobody could ever get at its files, or hear of its end."""
    sleeper(image)
    image.lockgate("start", "web")
    (first,) = (
        pid for pid, name in image.processes().items() if name == "sleep" and pid != image.holder()
    )
    slain(pid for pid in image.processes() if pid != first)
    assert first in image.processes()
    assert image.inspect("web")["state"] == "exited"
    assert first not in image.processes()
    image.lockgate("start", "web")


@pytest.mark.parametrize("change", [{"boot": "another"}, {"start": 1}, {"pid": 1}])
def test_a_note_that_is_not_true_leads_to_nobody(
    image: Ordinary, change: dict[str, object]
) -> None:
    """A pid file that survived, or a number that somebody else has by now (podman's pause.pid)."""
    note = json.loads(image.note.read_bytes())
    holder = image.holder()
    note["holder"] |= change
    image.note.write_text(json.dumps(note))
    assert image.lockgate("ps") != ""
    assert image.holder() != 1
    slain([holder])  # by a note that told of another boot it was not found


@pytest.mark.parametrize(
    "text",
    [b"", b"{}", b"\xff", b"[" * 1000, b'{"holder": null}'],
    ids=["empty", "nothing in it", "no text", "deep", "nobody"],
)
def test_a_note_that_cannot_be_read_is_none(image: Ordinary, text: bytes) -> None:
    holder = image.holder()
    image.note.write_bytes(text)
    image.lockgate("ps")
    assert image.holder() != holder
    slain([holder])


def test_many_commands_at_once_begin_them_once(boat: Ordinary) -> None:
    words = " ".join(f"'{word}'" for word in (*LOCKGATE, "ps"))
    done = boat.run("sh", "-c", f"for n in 1 2 3 4; do {words} & done; wait")
    assert done.err == ""
    assert list(boat.processes()) == [boat.holder()]


def test_they_are_ended_only_when_nobody_is_in_there(image: Ordinary) -> None:
    sleeper(image)
    image.lockgate("start", "web")
    assert "others are in there" in image.no("unshare", "--end")
    image.lockgate("rm", "--force", "-t", "0", "web")
    image.lockgate("unshare", "--end")
    assert image.processes() == {}
    image.lockgate("unshare", "--end")


def test_a_command_among_his_containers(image: Ordinary) -> None:
    sleeper(image)
    where = image.lockgate("mount", "web").strip()
    assert "busybox" in image.lockgate("unshare", "ls", f"{where}/bin")
    assert image.lockgate("unshare", "--", "id", "-u") == "0\n"
    assert "web" in image.lockgate("unshare", "--", *LOCKGATE, "ps", "-a")
    assert image.run(*LOCKGATE, "unshare", "no-such-command").code == 127
    elsewhere = image.run(*LOCKGATE, "unshare", "--", *LOCKGATE, "--root", f"{HOME}/other", "ps")
    assert "nobody else would find" in elsewhere.err


# ---- embedding --------------------------------------------------------------------------


def test_a_program_enters_at_its_beginning(image: Ordinary) -> None:
    done = image.python(
        "import os; os.chdir('/usr')\n"
        "from lockgate import Engine, rootless\n"
        "assert rootless.needed()\n"
        f"root = rootless.enter('{image.folder}')\n"
        "assert rootless.enter(root) == root and os.getcwd() == '/usr'\n"
        "with Engine.open(root) as engine:\n"
        "    web = engine.create(name='web', image='busybox', command=['sh', '-c', 'exit 7'])\n"
        "    engine.start(web.id)\n"
        "    print(engine.wait(web.id))\n"
        "    engine.remove(web.id)\n"
    )
    assert (done.out, done.err) == ("7\n", "")


def test_a_program_that_does_not_is_told_to(image: Ordinary) -> None:
    done = image.python(f"from lockgate import Engine; Engine.open('{image.folder}')")
    assert "call lockgate.rootless.enter() at the beginning" in done.err
    done = image.python(
        "import threading; from lockgate import rootless\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        f"rootless.enter('{image.folder}')"
    )
    assert "with several threads cannot enter" in done.err


# ---- what the host does not allow ---------------------------------------------------------


def test_without_ids_of_his_own(boat: Ordinary, world: Path) -> None:
    (world / "etc" / "subgid").write_text("other:100000:65536\n")
    said = boat.no("ps")
    assert "boat has no subordinate gids in /etc/subgid" in said
    assert "usermod --add-subgids" in said
    doctor = boat.run(*LOCKGATE, "doctor")
    assert doctor.code == 1
    assert "usermod --add-subgids" in doctor.out


def test_ids_that_another_has(boat: Ordinary, world: Path) -> None:
    """What newuidmap says is passed on."""
    (world / "etc" / "subuid").write_text(f"boat:{IDS.start}:65536\nboat:1:10\n")
    boat.lockgate("ps")


def test_where_no_program_may_gain_rights(boat: Ordinary) -> None:
    boat.before = ("setpriv", "--no-new-privs")
    assert "no_new_privs" in boat.no("ps")
    boat.before = ()


def test_a_folder_of_somebody_else(boat: Ordinary) -> None:
    assert "belongs to user 0" in boat.no("--root", "/etc", "ps")
    boat.run("mkdir", "-m", "777", f"{HOME}/open")
    assert "others may write" in boat.no("--root", f"{HOME}/open", "ps")


def test_without_a_cgroup_there_are_no_limits_and_no_pause(image: Ordinary) -> None:
    said = image.no("create", "--memory", "64m", "--pids-limit", "5", "--image", "busybox", "true")
    assert "memory and pids cannot be limited" in said
    said = image.no("create", "--pid", "host", "--image", "busybox", "true")
    assert "it cannot have the host's" in said
    sleeper(image)
    image.lockgate("start", "web")
    assert "it has no cgroup" in image.no("pause", "web")
    assert image.inspect("web")["state"] == "running"
    assert "delegation" in image.run(*LOCKGATE, "doctor").out


def test_what_is_at_hand_is_said(boat: Ordinary) -> None:
    doctor = boat.lockgate("doctor")
    assert "user namespaces, newuidmap and newgidmap" in doctor
    assert f"uid {UID}, not root" in doctor


# ---- cgroups ----------------------------------------------------------------------------


@pytest.fixture
def delegated(image: Ordinary) -> Iterator[str]:
    """A cgroup of his in every hierarchy, and his commands in it."""
    cgroups = Cgroups.here()
    path = f"/lockgate-test-{os.getpid()}"
    shell = f"{path}/shell"
    places = [hierarchy.mountpoint / path[1:] for hierarchy in cgroups.hierarchies]
    for place in places:
        for one in (place, place / "shell"):
            one.mkdir()
            for name in ("cpuset.cpus", "cpuset.mems"):
                if (one / name).exists() and not (one / name).read_text().strip():
                    (one / name).write_text((one.parent / name).read_text())
            for name in ("", "cgroup.procs", "cgroup.subtree_control", "tasks"):
                if (one / name).exists():
                    os.chown(one / name, UID, UID)
        control = place / "cgroup.subtree_control"
        if control.exists():
            controllers = (place / "cgroup.controllers").read_text().split()
            control.write_text(" ".join(f"+{one}" for one in controllers))
    files = " ".join(str(place / "shell" / "cgroup.procs") for place in places)
    script = f'for file in {files}; do echo $$ > $file; done; exec "$@"'
    image.before = ("sh", "-c", script, "sh")
    image.lockgate("unshare", "--end")  # its holder is to be in there, too
    yield path
    image.lockgate("rm", "--all", "--force", "-t", "0")
    image.lockgate("unshare", "--end")
    image.before = ()
    assert cgroups.members(shell) == frozenset()
    cgroups.remove(path, 10)


def test_a_cgroup_of_his_own_limits_and_freezes(image: Ordinary, delegated: str) -> None:
    sleeper(image, "--memory", "64m", "--pids-limit", "5")
    image.lockgate("start", "web")
    cgroup = image.inspect("web")["cgroup"]
    assert cgroup.startswith(f"{delegated}/lockgate/")
    assert Cgroups.here().members(cgroup) >= {image.inspect("web")["pid"]}
    assert "67.1 MB" in image.lockgate("stats", "web")
    image.lockgate("pause", "web")
    assert image.inspect("web")["state"] == "paused"
    image.lockgate("unpause", "web")
    image.lockgate("kill", "web")
    image.lockgate("rm", "web")
    assert Cgroups.here().directories(cgroup) == ()


PURE = """
set -e
top=/sys/fs/cgroup
[ -e $top/cgroup.controllers ] || { umount -R $top; mount -t cgroup2 cgroup2 $top; }
echo $$ > "$top$1/cgroup.procs"
shift
exec "$@"
"""


@pytest.fixture
def pure(image: Ordinary) -> Iterator[str]:
    """His host has version 2 of cgroups and no other; one of them is his, and his commands in it."""
    tree = next((one for one in Cgroups.here().hierarchies if one.unified), None)
    if tree is None:
        pytest.skip("version 2 of cgroups was unmounted: it is tested where it is, with crun, too")
    path = f"/lockgate-test-{os.getpid()}-pure"
    place = tree.mountpoint / path[1:]
    for one in (place, place / "shell"):
        one.mkdir()
        for name in ("", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
            os.chown(one / name, UID, UID)
    image.lockgate("unshare", "--end")
    image.before = ("sh", "-c", PURE, "sh", f"{path}/shell")
    yield path
    image.lockgate("rm", "--all", "--force", "-t", "0")
    image.lockgate("unshare", "--end")
    image.before = ()
    Cgroups((tree,)).remove(path, 10)


@pytest.mark.parametrize("program", ["runc", "crun"])
def test_version_two_alone_delegated(image: Ordinary, pure: str, program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"there is no {program} (make system)")
    image.environment = {"LOCKGATE_RUNTIME": program}
    assert "v2 (cgroup2)" in image.run(*LOCKGATE, "doctor").out
    sleeper(image)
    image.lockgate("start", "web")
    told = image.inspect("web")
    assert told["cgroup"] == f"{pure}/lockgate/{told['id']}"
    assert Cgroups.here().members(told["cgroup"]) >= {told["pid"]}
    image.lockgate("pause", "web")
    assert image.inspect("web")["state"] == "paused"
    image.lockgate("unpause", "web")
    assert "sleep 600" in image.lockgate("exec", "web", "ps")
    image.lockgate("kill", "web")
    image.lockgate("rm", "web")
    assert Cgroups.here().directories(told["cgroup"]) == ()


# ---- storage -----------------------------------------------------------------------------


def test_fuse_overlayfs_where_the_kernel_mounts_no_overlay(boat: Ordinary) -> None:
    if shutil.which("fuse-overlayfs") is None:
        pytest.skip("there is no fuse-overlayfs (make system)")
    boat.lockgate(
        "--storage", "fuse-overlayfs", "image", "import", "busybox", str(HOME / "busybox.tar")
    )
    script = "rm -r /etc; mkdir /etc; echo x > /etc/made; sleep 600"
    boat.lockgate("create", "--name", "web", "--image", "busybox", "--", "sh", "-c", script)
    boat.lockgate("start", "web")
    assert "fuse-overlayfs" in boat.processes().values()
    boat.lockgate("exec", "web", "sh", "-c", "until test -e /etc/made; do :; done")
    changes = boat.lockgate("diff", "web").splitlines()
    assert {"A /etc/made", "D /etc/passwd"} <= set(changes)
    assert not any(".wh." in change for change in changes)
    boat.lockgate("stop", "-t", "0", "web")
    boat.lockgate("cleanup", "web")
    assert "fuse-overlayfs" not in boat.processes().values()
    boat.lockgate("export", "-o", f"{HOME}/web.tar", "web")
    assert "etc/made" in boat.run("tar", "tf", f"{HOME}/web.tar").out
    assert "fuse-overlayfs" not in boat.processes().values()


def test_one_store_with_his_podman(boat: Ordinary) -> None:
    if any(shutil.which(name) is None for name in ("containers-storage", "podman", "skopeo")):
        pytest.skip("there is no containers-storage, podman or skopeo (make system)")
    graph, run = f"{HOME}/graph", f"{HOME}/run"
    podman = (
        *("podman", "--root", graph, "--runroot", run, "--storage-driver", "overlay"),
        *("--tmpdir", f"{HOME}/tmp", "--runtime", "runc", "--cgroup-manager", "cgroupfs"),
    )
    assert "without root there is no store of the host's" in boat.no(
        "--storage", "containers-storage", "image", "ls"
    )
    place = f"containers-storage:[overlay@{graph}+{run}]"
    boat.lockgate("--storage", place, "image", "import", "busybox", str(HOME / "busybox.tar"))
    assert "localhost/busybox" in boat.run(*podman, "images").out
    sleeper(boat)
    boat.lockgate("start", "web")
    boat.lockgate("exec", "web", "touch", "/made")
    assert "A /made" in boat.lockgate("diff", "web")
    assert "web" in boat.run(*podman, "ps", "--all", "--external").out
    assert "in use by a container" in boat.run(*podman, "image", "rm", "busybox").err
    boat.lockgate("rm", "--force", "-t", "0", "web")
    assert boat.run(*podman, "image", "rm", "busybox").code == 0
    slain(pid for pid, name in boat.processes().items() if name.startswith("podman"))


def test_a_directory_that_was_replaced_hides_what_was_there(image: Ordinary) -> None:
    script = "rm -r /etc; mkdir /etc; sleep 600"
    image.lockgate("create", "--name", "web", "--image", "busybox", "--", "sh", "-c", script)
    image.lockgate("start", "web")
    image.lockgate("exec", "web", "sh", "-c", "until ! test -e /etc/passwd; do :; done")
    assert "D /etc/passwd" in image.lockgate("diff", "web")
    image.lockgate("stop", "-t", "0", "web")
    image.lockgate("cleanup", "web")
    image.lockgate("export", "-o", f"{HOME}/web.tar", "web")
    assert "etc/passwd" not in image.run("tar", "tf", f"{HOME}/web.tar").out


# ---- crun ----------------------------------------------------------------------------------


def test_crun_where_cgroups_are_not_hybrid(image: Ordinary, world: Path) -> None:
    if shutil.which("crun") is None:
        pytest.skip("there is no crun (make system)")
    unified = "/sys/fs/cgroup/unified"
    image.lockgate("unshare", "--end")
    script = f'if mountpoint -q {unified}; then umount {unified}; fi; exec "$@"'
    image.before = ("sh", "-c", script, "sh")
    image.environment = {"LOCKGATE_RUNTIME": "crun"}
    sleeper(image)
    image.lockgate("start", "web")
    assert "sleep 600" in image.lockgate("exec", "web", "ps")
    image.lockgate("stop", "-t", "0", "web")
    image.lockgate("rm", "web")
