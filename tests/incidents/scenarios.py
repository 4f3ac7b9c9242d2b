"""What happened to others, and whether it can happen here: every incident by its number.

`source` is where it was reported. `steps` tell it in the words of `notation`; an incident without
steps says why: the test that covers it elsewhere, or what there is not here (yet).
"""

from msgspec import Struct


class Incident(Struct, frozen=True):
    """`steps`: the scenario, one step a line. `why`: instead of steps."""

    id: str
    source: str
    title: str
    steps: str = ""
    why: str = ""


EXEC = "elsewhere: tests/real/test_exec.py"
HOOKS = "not here: those hooks are run by the OCI runtime, which says how they end"
RUNTIME = "elsewhere: inside the runtime or monitor, which we call and do not build"
SESSION = "not here: it needs a unit manager or a session of it"

INCIDENTS = (
    Incident("B001", "podman 4.3.1", "Killed between the runtime's start and the commit", """
        create
        dies after StartRuntime in start
        settled
        is running
        end 7
        waits 7
        code 7
    """),
    Incident("B003", "podman#24044", "Killed while the network namespace is made", """
        create
        dies after JoinNetwork in start
        settled
        is running
        remove!
        gone
    """),
    Incident("B004", "podman#7941", "An interrupted creation holds a name nobody shows", """
        dies after CreateLayer in create
        list
        remove!
        gone
    """),
    Incident("B006", "podman#15740", "An interrupted pod cannot be removed", """
        dies after CreateLayer in pod create
        reboot
        list
        pod remove!
        pod is gone
        pod create
        dies before DeleteLayer in pod remove!
        pod is removing
        reboot
        list
        pod is gone
        pod create
    """),
    Incident("B007", "podman#12034", "A pod whose members are gone breaks the listing", """
        pod create
        create pod=yes
        pod start
        stop
        dies before Halt in pod remove
        list
        pod is removing
        pod remove
        pod is gone
        gone
    """),
    Incident("B009", "podman 0bbef4b830", "An interrupted start is told as a success", """
        create
        fault StartRuntime after
        fails start
        settled
        ended
    """),
    Incident("B010", "podman#23637", "Others see a container that is half created", """
        dies before CreateLayer in create
        list
        start
        settled
        remove!
        gone
    """),
    Incident("B012", "containerd#12600", "The engine dies during a stop", """
        create
        start
        dies before Halt in stop
        is stopping
        stop
        settled
        code 143
    """),
    Incident("B013", "runc#4534", "The runtime is killed in the middle of create", """
        create
        fault CreateRuntime half
        fails start
        settled
        ended
        start
        remove!
        gone
    """),
    Incident("B015", "runc#4534", "The runtime's state file is empty", """
        create
        start
        drift runtime state damaged
        fails pause
        remove!
        gone
    """),
    Incident("B016", "podman#19629", "Stopper and monitor are both killed", """
        create
        start
        dies before Halt in stop
        drift both killed
        start
        settled
        is running
        run 2
    """),
    Incident("B018", "podman#26640", "Everything of the unit is killed during a stop", """
        create auto_remove=yes
        start
        dies before Halt in stop
        drift both killed
        code -1
        settle
        gone
    """),
    Incident("B019", "podman#14859", "Clean-up overtakes the one who stops", """
        create
        start
        dies before Halt in stop
        end 7
        cleanup
        code 7
        waits 7
        settled
    """),
    Incident("B021", "podman#7393", "The monitor is killed: shown as up for ever", """
        create
        start
        drift monitor killed
        is running
        drift killed
        is stopped
        code -1
        waits -1
    """),
    Incident("B022", "podman#12699", "Without its monitor the first forced removal fails", """
        create
        start
        drift monitor killed
        remove!
        gone
    """),
    Incident("B024", "podman#9615", "Stop crashes on an error path", """
        create
        start
        fault Signal dirty
        fails stop
        is stopping
        stop
        settled
    """),
    Incident("B025", "cri-o#9406", "Stopping for ever, process and monitor gone", """
        create
        start
        dies after Halt in stop
        stopped_already
        settled
        is stopped
    """),
    Incident("B027", "cri-o 44d42542fa", "The second stop hangs on the mark of the first", """
        create
        start
        stop
        stopped_already
    """),
    Incident("B028", "containerd#7680", "What ended while nobody looked cannot be removed", """
        create
        start
        end 3
        remove
        gone
    """),
    Incident("B030", "containerd PR 3244", "A delete that timed out happened all the same", """
        create
        start
        stop
        fault DeleteRuntime late
        fails remove
        remove
        gone
    """),
    Incident("B031", "containerd#11646", "One lost status file stops everything", """
        create
        start
        corrupt
        is unknown
        remove!
        gone
    """),
    Incident("B033", "containerd 54a5a606c", "An error while probing is taken for death",
             why="elsewhere: tests/adapters/test_process.py, tests/adapters/test_exits.py"),
    Incident("B034", "moby#43022", "A slow reader of the log holds up the end", """
        create
        start
        end 0
        is stopped
        code 0
    """),
    Incident("B036", "podman#14559", "Auto-removal races the waiter for the code", """
        create auto_remove=yes
        start
        end 3
        settle
        waits 3
    """),
    Incident("B037", "podman#25479", "Waiting for what was removed says -1", """
        create auto_remove=yes
        start
        end 5
        settle
        waits 5
    """),
    Incident("B039", "podman#3795", "Forced removal of what one waits for says 0", """
        create
        start
        remove!
        waits 143
    """),
    Incident("B040", "podman#18889", "Waiting until removed says 0", """
        create auto_remove=yes
        start
        end 5
        settle
        waits 5
        gone
    """),
    Incident("B042", "podman#15492", "Waiting for the code under the lock its writer needs",
             why="elsewhere: tests/kit/test_operators.py visits every schedule"),
    Incident("B043", "podman#2942", "The end falls between the look and the watch",
             why="elsewhere: tests/adapters/test_exits.py, tests/contracts (deaf host)"),
    Incident("B045", "podman#23246", "Looked, let go of the lock, then acted",
             why="elsewhere: tests/kit/test_operators.py, tests/concurrency"),
    Incident("B046", "cri-o 88e8f422b5", "A very fast end is told as 255", """
        create
        fault StartRuntime reverts
        start
        code 1
        waits 1
    """),
    Incident("B048", "moby#45788", "After a hard reboot it has exited with 0", """
        create
        start
        reboot
        is exited
        code -1
        waits -1
    """),
    Incident("B049", "podman c6580b4a52", "Running at power loss becomes exited with the first code", """
        create
        start
        reboot volatile
        code -1
        start
        settled
        is running
    """),
    Incident("B051", "conmon#328", "An exec the runtime refused looks like success", why=EXEC),
    Incident("B052", "containerd#6429", "An end is told of what never began", """
        create
        fault CreateRuntime refused
        fails start
        settled
        waits 0
        is configured
    """),
    Incident("B054", "containerd 232a06349", "The news of an end is dropped under load",
             why="elsewhere: tests/adapters/test_simulated.py, tests/contracts (deaf host)"),
    Incident("B055", "containerd PR 10603", "It ends while its start is being written down", """
        create
        dies after StartRuntime in start
        end 4
        is stopped
        code 4
        run 1
    """),
    Incident("B057", "podman#13227", "Clean-up of a session overtakes its caller",
             why="elsewhere: tests/engine/test_sessions.py"),
    Incident("B058", "podman#9479", "Auto-removal and removal by hand overlap", """
        create auto_remove=yes
        start
        end 0
        dies after DeleteRuntime in remove
        remove!
        refused remove!
        gone
    """),
    Incident("B060", "podman#2619", "`run --rm` returns before its name is free",
             why="elsewhere: tests/cli/test_run.py"),
    Incident("B061", "podman#11384", "Stop returns while the clean-up still runs", """
        create auto_remove=yes
        start
        stop
        settle
        gone
    """),
    Incident("B063", "podman#17069", "A stop does not stick against the restart policy", """
        create restart=always
        start
        end 1
        is stopped
        stopped_already
        settle
        is stopped
        run 1
    """),
    Incident("B064", "podman 589867d716", "A kill restarts what restarts always", """
        create restart=always
        start
        kill
        settle
        is stopped
        run 1
    """),
    Incident("B066", "podman#14921", "Fast restarts against the pod's removal", """
        pod create
        create pod=yes restart=always
        pod start
        end 1
        dies before StartRuntime in settle
        pod remove!
        pod is gone
        gone
    """),
    Incident("B067", "podman#18615", "Each restart by policy leaks a namespace", """
        create restart=always
        start
        end 1
        settle
        settled
        end 1
        settle
        settled
        run 3
        remove!
        gone
    """),
    Incident("B069", "podman#23419", "Is an end by SIGTERM a failure?", """
        create restart=on-failure
        start
        end 143
        settle
        is running
        run 2
    """),
    Incident("B070", "podman#9488", "The port is still bound at the restart",
             why="elsewhere: tests/network/test_connections.py"),
    Incident("B072", "podman 77081df8cd", "The loser of a port overwrites the winner's rules",
             why="elsewhere: tests/network/test_claims.py"),
    Incident("B073", "podman#1703", "A code is lost over a reboot", """
        create
        start
        end 3
        is stopped
        reboot
        code 3
        is exited
    """),
    Incident("B075", "podman#7852", "A cleaner deletes the marker of the boot", """
        create
        start
        drift runtime state damaged
        is running
        lives
        stop
        ended
    """),
    Incident("B076", "podman#9765", "The runtime's files survive a reboot, which goes unnoticed", """
        create
        start
        reboot
        is exited
        start
        settled
        run 2
    """),
    Incident("B078", "podman#10496", "Two objects share a lock number",
             why="not here: a lock is a file named after its container"),
    Incident("B079", "podman#27836", "What must last points into what does not", """
        create
        start
        stop
        reboot volatile
        start
        settled
        is running
    """),
    Incident("B081", "cri-o d17990aff1", "No tear-down of a network whose namespace is gone", """
        create
        start
        drift network gone
        remove!
        gone
    """),
    Incident("B082", "cri-o 67639b573b", "What cannot be restored cannot be made again", """
        create
        corrupt
        refused start
        remove!
        gone
    """),
    Incident("B084", "cri-o f6fa7760ee", "One engine deletes another's storage",
             why="not here: an engine touches only what is below its own root folder"),
    Incident("B085", "podman#8005", "Power loss during create damages layers",
             why="elsewhere: tests/adapters/test_images.py (complete or not at all)"),
    Incident("B087", "podman#23156", "A damaged database fails every command",
             why="elsewhere: tests/adapters/test_store.py, tests/power"),
    Incident("B088", "podman#20313", "Two creations lock volumes in opposite order", """
        create volumes=v1+v2
        create name=other volumes=v2+v1
        volumes v1 v2
        start
        settled
        remove!
        volumes v1 v2
    """),
    Incident("B090", "podman#8221", "One volume mounted twice", """
        create volumes=v+v
        volumes v
        start
        settled
        remove!
        gone
        volumes v
    """),
    Incident("B091", "podman#14929", "A pod's removal locks everything at once", """
        pod create
        create name=db pod=yes
        create pod=yes requires=db
        pod start
        fault DeleteLayer dirty
        pod fails remove!
        pod is removing
        pod remove!
        pod is gone
        gone
    """),
    Incident("B093", "podman#25585", "A lock is kept on an error path", """
        create
        start
        fault Freeze dirty
        fails pause
        stop
        settled
    """),
    Incident("B094", "podman#29646", "Foreground run and its own clean-up wait for each other",
             why="elsewhere: tests/kit/test_operators.py visits every schedule"),
    Incident("B096", "podman f1ecdca4b6", "Locks between processes let threads pass",
             why="elsewhere: tests/adapters/test_locks.py"),
    Incident("B097", "podman e92de11a69", "The table of locks is used up",
             why="not here: there is no table; a lock is a file"),
    Incident("B099", "podman#20809", "Busy database when many start at once",
             why="elsewhere: tests/adapters/test_store.py, tests/concurrency"),
    Incident("B100", "containerd dbcaa504c", "A slow runtime call under a global lock",
             why="not here: there is no lock wider than one container"),
    Incident("B102", "podman#7800", "A full disk leaves a hidden name", """
        full
        fails create
        space
        list
        gone
    """),
    Incident("B103", "podman 4.3.1", "No space for the exit file", """
        create restart=on-failure
        start
        drift both killed
        full
        list
        space
        is stopped
        code -1
        settle
        is running
        run 2
    """),
    Incident("B105", "cri-o 914adc5169", "The exit file was only in memory", """
        create
        start
        end 3
        reboot volatile
        code -1
    """),
    Incident("B106", "podman#25291", "A folder is left by every run", """
        create
        start
        stop
        cleanup
        settled
        start
        stop
        remove
        gone
    """),
    Incident("B108", "podman 627ac1c96b", "A stopped pod keeps its cgroup", """
        pod create
        create pod=yes
        pod start
        pod stop
        pod is exited
        settled
        pod start
        settled
        run 2
        pod stop
        pod remove
        pod is gone
        gone
    """),
    Incident("B109", "podman#11750", "A name stays taken after renaming", """
        pod create
        create pod=yes
        rename web old
        rename infra web
        rename infra other
        create name=web
        rename web new
        pod remove
        pod is gone
        create name=old
        create name=other
        create
    """),
    Incident("B111", "cri-o 20eba5edf7", "A failed start keeps what it reserved", """
        create
        fault StartRuntime refused
        fails start
        settled
        is configured
    """),
    Incident("B112", "containerd 18e581dd9", "The undoing dies of its caller's time limit", """
        create
        fault CreateRuntime late
        fails start
        settled
        ended
    """),
    Incident("B114", "containerd 4b05d0390", "The bundle goes before the clean-up that needs it", """
        create
        start
        drift both killed
        fault DeleteRuntime refused
        fails remove
        remove!
        gone
    """),
    Incident("B115", "crun 41fa7792", "A failed unit is in the way of the next", why=SESSION),
    Incident("B117", "conmon 8596fc6", "A stale pid is signalled",
             why="elsewhere: tests/adapters/test_process.py"),
    Incident("B118", "podman#10320", "A session's pid belongs to somebody else", why=EXEC),
    Incident("B120", "podman PR 27604", "The holder of a rootless namespace is killed",
             why="elsewhere: tests/real/test_rootless.py"),
    Incident("B121", "cri-o 0d0bd83ead", "An entry in /proc counts as life",
             why="elsewhere: tests/adapters/test_process.py (zombies)"),
    Incident("B123", "podman#16901", "Signals are lost while it starts",
             why="elsewhere: tests/cli/test_run.py"),
    Incident("B124", "conmon bafb655", "A signal kills the monitor", """
        create
        start
        drift monitor killed
        stop
        code -1
        settled
    """),
    Incident("B126", "runc#4047", "Children survive in a shared pid namespace",
             why="elsewhere: tests/adapters/test_oci_conmon.py (delete by cgroup)"),
    Incident("B127", "podman#4666", "A killed client's session blocks removal", why=EXEC),
    Incident("B129", "podman#15377", "Monitors of detached sessions leak", why=EXEC),
    Incident("B130", "containerd#9719", "A session's end is told after the container's",
             why="elsewhere: tests/statemachine/test_step.py"),
    Incident("B132", "containerd#7802", "A grandchild keeps a session's output open",
             why="not here: the end of the process is waited for, not that of its output"),
    Incident("B133", "runc#3132", "Exec into what is frozen hangs",
             why="elsewhere: tests/engine/test_sessions.py refuses what is paused"),
    Incident("B135", "runc#4363", "A failed poststop hook cannot be tried again", """
        hooks
        create
        start
        stop
        fault RunPoststop dirty
        fails cleanup
        is exited
        owes 1
        cleanup
        owes 0
        remove
        gone
    """),
    Incident("B136", "crun#1943", "A failed poststart hook: what is it now?", why=HOOKS),
    Incident("B138", "cri-o 0b7cd2f348", "A pre-start that is not idempotent", why=HOOKS),
    Incident("B139", "cri-o a96dfe16a1", "Shown as stopped before all is given back", """
        create
        start
        end 0
        is stopped
        start
        settled
        run 2
    """),
    Incident("B141", "youki#337", "May what is only created be deleted?", """
        create
        init
        remove
        gone
    """),
    Incident("B142", "podman#22884", "Timers of health checks are left", """
        create health=none
        start
        watched
        check 0
        health healthy
        stop
        unwatched
        health none
        settled
    """),
    Incident("B144", "podman 02040089a6", "A health check acts too early", """
        create health=kill
        start
        check 1
        check 1
        is running
        check 0
        check 1
        check 1
        is running
        check 1
        is stopped
        code 137
    """),
    Incident("B145", "podman#28483", "A timer's check uses another store",
             why="elsewhere: tests/real/test_health.py (a watcher is told the folder and the programs)"),
    Incident("B147", "podman#14531", "Stopping health units waits for others",
             why="not here: a watcher ends with its run, by itself, and nobody waits for it"),
    Incident("B148", "podman PR 12117", "Restored, yet marked as checkpointed", """
        create
        start
        checkpoint
        checkpointed
        restore
        restored
        is running
        checkpoint
        checkpointed
        start
        is running
        run 3
    """),
    Incident("B150", "youki f07d0fdf", "Checkpointed, yet there in the runtime", """
        create
        start
        checkpoint
        is exited
        ended
        bare
        settled
        init
        run 2
        settled
    """),
    Incident("B151", "podman def182d396", "Restore leaves out steps of start", """
        create health=none
        start
        checkpoint
        unwatched
        dies after RestoreRuntime in restore
        settled
        is running
        watched
        lives
        check 0
        health healthy
    """),
    Incident("B153", "podman#8432", "Checkpointed shows exit code 0", """
        create restart=always
        start
        checkpoint
        is exited
        no_code
        waits -1
        settle
        is exited
    """),
    Incident("B154", "podman 06fa617f61", "Stop of the pod and start of a member", """
        pod create
        create pod=yes
        pod start
        dies before Halt in pod stop
        start
        settled
        pod is running
        stop
        dies before Halt in pod stop
        start
        settled
        pod is running
    """),
    Incident("B156", "podman#2450", "Members start before what they need",
             why="elsewhere: tests/engine/test_graph.py"),
    Incident("B157", "podman#18180", "Removing all ignores who needs whom",
             why="elsewhere: tests/cli/test_choosing.py"),
    Incident("B159", "podman#15631", "An init container inherits the restart policy", """
        pod create
        refused create pod=yes init=always restart=always
        create pod=yes init=always
        create name=app pod=yes restart=always
        finishes 0
        pod start
        pod is running
        settle
        run 1
        pod restart
        run 2
    """),
    Incident("B160", "podman 30eb6b6aae", "The end of an init container stops the pod", """
        pod create exit_policy=stop
        create pod=yes init=always
        create name=app pod=yes
        finishes 0
        start
        settle
        pod is degraded
        pod start
        pod is running
        run 1
    """),
    Incident("B162", "docker-lvm-plugin#24", "A volume's counter survives a crash", """
        create volumes=data
        mount
        reboot
        start
        is running
        settled
        stop
        cleanup
        settled
        remove
        gone
    """),
    Incident("B163", "podman PR 5018", "Removal deletes volumes with a name", """
        create auto_remove=yes volumes=data+
        volumes data own
        start
        end 0
        settle
        volumes data
        gone
    """),
    Incident("B165", "conmon a2de342", "Out of memory and a cgroup's removal look alike",
             why=RUNTIME),
    Incident("B166", "containerd 842cb99a5", "Out of memory before anybody watches", why=RUNTIME),
    Incident("B168", "podman#20765", "A restarted one inherits its monitor's protection",
             why="elsewhere: tests/real/test_duties.py"),
    Incident("B169", "kubernetes#83050", "The clock steps back after boot", """
        create
        start
        clock -31536000
        end 7
        code 7
        settle
        start
        settled
        run 2
    """),
    Incident("B171", "podman#11810", "Listing fails since something vanished meanwhile",
             why="elsewhere: tests/concurrency"),
    Incident("B172", "podman#22246", "The runtime says more than a pipe holds",
             why="elsewhere: tests/adapters/test_oci_conmon.py"),
    Incident("B174", "podman c726cf8106", "The monitor ends before it is told to begin", """
        create
        fault CreateRuntime dirty
        fails start
        settled
        start
        is running
    """),
    Incident("B175", "moby#48912", "The delete of one run meets the next", """
        create restart=always
        start
        end 1
        dies before DeleteRuntime in start
        settled
        is running
        lives
        run 2
    """),
    Incident("B177", "moby#30984", "Killed while writing a session's record",
             why="elsewhere: tests/adapters/test_sessions.py"),
    Incident("B178", "moby#22312", "Removal in progress for ever", """
        create
        start
        stop
        dies before DeleteLayer in remove
        is removing
        remove
        gone
    """),
    Incident("B180", "cri-o 8c1663f34b", "A pid file that is empty, early or late",
             why="elsewhere: tests/adapters/test_oci_conmon.py, tests/fuzz"),
    Incident("B181", "podman#17512", "Maintenance stops all and brings back none",
             why="not here: there is no such command"),
    Incident("B183", "podman#658", "One hung container makes the listing hang", """
        create
        start
        dies before Halt in stop
        list
        is stopping
    """),
)  # fmt: skip


def table() -> str:
    """All of them as Markdown (docs/reference/incidents.md is this)."""
    lines = ["| | reported | what happened | here |", "|---|---|---|---|"]
    for one in INCIDENTS:
        here = "scenario" if one.steps else one.why
        lines.append(f"| {one.id} | {one.source} | {one.title} | {here} |")
    told = sum(bool(one.steps) for one in INCIDENTS)
    elsewhere = sum(one.why.startswith("elsewhere") for one in INCIDENTS)
    yet = sum(one.why.startswith("not yet") for one in INCIDENTS)
    return (
        f"{len(INCIDENTS)} incidents: {told} are scenarios, {elsewhere} are covered by other tests "
        f"or other programs, {yet} need what is not built yet, "
        f"{len(INCIDENTS) - told - elsewhere - yet} cannot happen here.\n\n"
        + "\n".join(lines)
        + "\n"
    )


if __name__ == "__main__":
    print(table(), end="")
