"""Hypothesis strategies for configs, inputs and whole histories.

`histories` walks the model: at each point it chooses among what may really happen there, so that
long and deep lives are common; `inputs` is anything at all, at any time.
"""

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from lockgate.adapters.simulated.world import monitor, process
from lockgate.effects.capabilities import CAPABILITIES
from lockgate.effects.config import (
    NETWORK_MODES,
    Bind,
    Config,
    Device,
    IdMap,
    Limits,
    Namespaces,
    Secret,
    Security,
    Tmpfs,
    Ulimit,
)
from lockgate.effects.hooks import Hook
from lockgate.effects.outcome import (
    Created,
    Dns,
    Done,
    Dumped,
    Exited,
    Fact,
    Failed,
    Fault,
    Joined,
    Launched,
    Link,
    Mounted,
    Restored,
    Saved,
    Settled,
)
from lockgate.effects.ports import Facts, Node
from lockgate.statemachine import inputs as i
from lockgate.statemachine.record import Record, Step, newborn
from lockgate.statemachine.step import step

times: SearchStrategy[int] = st.integers(min_value=0, max_value=2**62)
timeouts = st.none() | st.integers(min_value=0, max_value=3600)

configs: SearchStrategy[Config] = st.builds(
    Config,
    id=st.text("0123456789abcdef", min_size=1, max_size=12),
    name=st.text("abc", min_size=1, max_size=4),
    command=st.lists(st.text(max_size=6), min_size=1, max_size=3).map(tuple),
    env=st.lists(st.sampled_from(("A=1", "PATH=/bin", "X=")), max_size=2).map(tuple),
    network=st.sampled_from((*NETWORK_MODES, "web")),
    stop_signal=st.integers(min_value=1, max_value=64),
    stop_timeout=st.integers(min_value=0, max_value=60),
    log_size=st.sampled_from((0, 4096, 1 << 20)),
    created_at=times,
)

# ---- everything a container can be asked to be --------------------------------------------

_paths = st.lists(st.sampled_from(("a", "b", "etc", "hosts", "dev", "shm")), min_size=1, max_size=3)
paths: SearchStrategy[str] = _paths.map(lambda parts: "/" + "/".join(parts))
sharings = st.sampled_from(("private", "host"))
sizes = st.integers(min_value=0, max_value=2**40)

binds = st.builds(
    Bind,
    source=paths,
    destination=paths,
    readonly=st.booleans(),
    recursive=st.booleans(),
    propagation=st.sampled_from(("private", "rprivate", "shared", "rshared", "slave", "rslave")),
    nosuid=st.booleans(),
    nodev=st.booleans(),
    noexec=st.booleans(),
)
tmpfs = st.builds(
    Tmpfs,
    destination=paths,
    size=sizes,
    mode=st.integers(min_value=0, max_value=0o7777),
    copy_up=st.booleans(),
)
some_capabilities = st.lists(st.sampled_from(("ALL", *CAPABILITIES)), max_size=3).map(tuple)
limits = st.builds(
    Limits,
    memory_swap=st.integers(min_value=-1, max_value=2**40),
    memory_reservation=sizes,
    cpu_quota=sizes,
    cpu_period=sizes,
    cpu_shares=sizes,
    cpuset_cpus=st.sampled_from(("", "0", "0-3,5")),
    pids=st.none() | st.integers(min_value=-1, max_value=2**20),
    shm=sizes,
    oom_score_adj=st.none() | st.integers(min_value=-1000, max_value=1000),
    ulimits=st.lists(
        st.builds(
            Ulimit,
            name=st.sampled_from(("nofile", "core", "nproc")),
            soft=st.just(0),
            hard=st.integers(min_value=-1, max_value=2**20),
        ),
        max_size=2,
    ).map(tuple),
)
securities = st.builds(
    Security,
    cap_add=some_capabilities,
    cap_drop=some_capabilities,
    seccomp=st.sampled_from(("", "unconfined", "/profile.json")),
    no_new_privileges=st.booleans(),
    mask=st.lists(paths, max_size=2).map(tuple),
    unmask=st.lists(st.just("ALL") | paths, max_size=2).map(tuple),
    privileged=st.booleans(),
    apparmor=st.sampled_from(("", "some-profile")),
    process_label=st.sampled_from(("", "u:r:t:s0")),
    mount_label=st.sampled_from(("", "u:o:t:s0")),
)
EVERYBODY = (IdMap(container=0, host=0, size=2**32 - 1),)
addresses = st.sampled_from(("192.0.2.1", "2001:db8::1"))

wishes: SearchStrategy[Config] = st.builds(
    Config,
    id=st.text("0123456789abcdef", min_size=1, max_size=64),
    name=st.text("abc", min_size=1, max_size=4),
    command=st.lists(st.text(max_size=6), min_size=1, max_size=3).map(tuple),
    env=st.lists(st.sampled_from(("A=1", "PATH=/bin", "X=")), max_size=2).map(tuple),
    user=st.sampled_from(("", "0", "7", "7:7")),
    network=st.sampled_from(("none", "host", "private")),
    memory=sizes,
    terminal=st.booleans(),
    systemd=st.booleans(),
    read_only=st.booleans(),
    mounts=st.lists(binds | tmpfs, max_size=4, unique_by=lambda one: one.destination).map(tuple),
    devices=st.lists(
        st.builds(Device, source=paths, destination=paths, access=st.sampled_from(("r", "rwm"))),
        max_size=2,
    ).map(tuple),
    secrets=st.lists(
        st.builds(Secret, name=st.text("abc", min_size=1), source=paths), max_size=2
    ).map(tuple),
    groups=st.lists(st.integers(min_value=0, max_value=2**32 - 2).map(str), max_size=2).map(tuple),
    sysctls=st.just(()) | st.just((("net.core.somaxconn", "9"),)),
    limits=limits,
    security=securities,
    namespaces=st.builds(Namespaces, pid=sharings, ipc=sharings, uts=sharings, cgroup=sharings),
    uid_maps=st.just(()) | st.just(EVERYBODY),
    gid_maps=st.just(()) | st.just(EVERYBODY),
    dns=st.builds(Dns, servers=st.lists(addresses, max_size=2).map(tuple)),
    hosts=st.lists(st.tuples(st.text("abc", min_size=1), addresses), max_size=2).map(tuple),
)
"""Configs with all there is to wish for."""


def generous(config: Config) -> Facts:
    """Facts of a host that can give whatever this config asks for."""
    return Facts(
        bundle="/bundle",
        nodes=tuple(
            (one.source, Node(one.source, "b", 7, 1, 0o600, 0, 6)) for one in config.devices
        ),
        host_nodes=(Node("/dev/loop0", "b", 7, 0, 0o660, 0, 6),),
        capabilities=CAPABILITIES,
        controllers=("cpu", "cpuset", "memory", "pids"),
        oom_score_adj=-1000,
        machine="x86_64",
        hostname="host",
        seccomp=b'{"defaultAction": "SCMP_ACT_ALLOW"}',
        apparmor=True,
        selinux=True,
    )


exits: SearchStrategy[Exited] = st.builds(
    Exited,
    code=st.integers(min_value=-1, max_value=255),
    at=times,
    oom=st.booleans(),
    reason=st.text(max_size=8),
)

facts: SearchStrategy[Fact | None] = st.one_of(
    st.none(),
    exits,
    st.builds(Mounted, st.just("/merged")),
    st.builds(Joined, st.just("/netns")),
    st.just(Joined("/netns", (Link("web", "eth0", "", ("10.0.0.2/24",)),), Dns(("10.0.0.1",)))),
    st.builds(Saved, st.just("d1"), st.just((Hook("/hook"),)) | st.just(())),
    st.just(Settled()),
    st.builds(Dumped, times),
    st.just(Restored(process(1), monitor(1), 1)),
    st.builds(Launched, times),
    st.just(Created(process(1), monitor(1))),
)

faults: SearchStrategy[Fault] = st.builds(
    Fault,
    kind=st.sampled_from(("missing", "refused", "timeout", "scarce", "denied", "failed")),
    reason=st.text(max_size=8),
    dirty=st.booleans(),
)


def commands(config: Config) -> SearchStrategy[i.Command]:
    """Every command there is, creation of this container among them."""
    return st.one_of(
        st.just(i.Create(config)),
        st.sampled_from((i.Init(), i.Start(), i.Pause(), i.Unpause(), i.Mount(), i.Cleanup())),
        st.builds(i.Revive, st.booleans()),
        st.builds(i.Unmount, st.booleans()),
        st.builds(
            i.Checkpoint,
            st.booleans(),
            export=st.sampled_from(("", "/archive")),
            links=st.booleans(),
        ),
        st.builds(
            i.Restore,
            keep=st.booleans(),
            source=st.sampled_from(("", "/archive")),
            ip=st.sampled_from(("", "same", "any")),
            mac=st.sampled_from(("", "same", "any")),
        ),
        st.builds(i.Update, memory=st.none() | sizes, pids=st.none() | st.integers(0, 99)),
        st.builds(i.Stop, timeouts),
        st.builds(i.Restart, timeouts),
        st.builds(i.Kill, st.sampled_from((1, 9, 10, 15))),
        st.builds(i.Remove, st.booleans(), timeouts),
    )


def inputs(config: Config) -> SearchStrategy[i.Input]:
    """Anything that can be told, sense or nonsense."""
    return st.one_of(
        commands(config),
        st.builds(i.Died, st.integers(min_value=0, max_value=3), exits),
        st.just(i.Resumed()),
        st.builds(i.Booted, st.sampled_from(("", "one boot", "another"))),
        st.builds(i.Renamed, st.sampled_from(("web", "db"))),
        st.builds(i.Salvaged, st.just(config), st.integers(min_value=0, max_value=999)),
        st.builds(Done, st.integers(min_value=0, max_value=20), facts),
        st.builds(Failed, st.integers(min_value=0, max_value=20), faults),
    )


def news(record: Record) -> list[SearchStrategy[i.Input]]:
    """What the world may say to a record in this place."""
    tickets = [order.ticket for order in record.pending]
    said: list[SearchStrategy[i.Input]] = [
        st.builds(i.Died, st.just(record.epoch), exits),
        st.just(i.Booted(record.boot + "+")),
    ]
    if tickets:
        said += [
            st.builds(Done, st.sampled_from(tickets), facts),
            st.builds(Done, st.sampled_from(tickets), facts),
            st.builds(Failed, st.sampled_from(tickets), faults),
            st.just(i.Resumed()),
        ]
    return said


@st.composite
def histories(
    draw: DrawFn, config: Config | None = None, max_size: int = 20
) -> tuple[Record, Sequence[i.Input]]:
    """A newborn and a likely list of inputs for it; some of them may be refused."""
    wanted = config or draw(configs)
    first = record = newborn(wanted)
    told: list[i.Input] = []
    for _ in range(draw(st.integers(min_value=0, max_value=max_size))):
        given = draw(st.one_of(commands(wanted), *news(record), *news(record)))
        told.append(given)
        answer = step(record, given)
        if isinstance(answer, Step):
            record = answer.record
    return first, told
