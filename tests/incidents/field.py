"""The first two dozen, by their numbers: what users of such engines met most.

Each is played on the simulated host, in the words of `notation`; those that are marked ▲ in the list
they are from have a test on a real runtime, too, which is named by `real`.
"""

from tests.incidents.scenarios import Incident


class Met(Incident, frozen=True, kw_only=True):
    """`real`: where it is played with a real runtime."""

    real: str = ""


STOPPING = "tests/promises/test_10_stopping.py::test_on_a_real_one"
KILLED = "tests/real/test_killed.py::test_killed_anywhere_the_next_command_recovers"
HERE = "tests/incidents/test_field.py::TestReal"

FIELD = (
    Met("I01", "podman#19629, #16641, #22641", "Stopping for ever: stopper and monitor killed", """
        create
        start
        dies before Halt in stop
        drift monitor killed
        is stopping
        stop
        code -1
        settled
        start
        is running
        dies before Halt in stop
        drift monitor killed
        start
        is running
        dies before Halt in stop
        drift both killed
        waits -1
        remove!
        gone
    """, real=STOPPING),
    Met("I02", "podman#11274", "Still stopping after a reboot", """
        create
        start
        dies before Halt in stop
        reboot
        is exited
        code -1
        start
        is running
        settled
    """, real="tests/promises/test_04_reboots.py::TestReal::test_a_reboot_that_nobody_noticed"),
    Met("I03", "podman#15492", "Dead between the runtime's create and the note of it", """
        create
        dies after CreateRuntime in init
        settled
        start
        is running
        run 1
        settled
    """, real="tests/promises/test_01_start_and_save.py::test_on_a_real_one"),
    Met("I04", "podman#439", "One exit file is missing, and nothing can be listed", """
        create
        start
        create name=other
        drift monitor killed
        list
        is running
    """, real="tests/promises/test_02_monitor_dies_first.py::TestReal"),
    Met("I05", "podman#25479, #24208, #3808", "The code of what removes itself is lost", """
        create auto_remove=yes
        start
        end 5
        settle
        waits 5
        gone
    """, real="tests/real/test_duties.py::test_auto_remove_with_a_true_exit_code_for_who_comes_late"),
    Met("I06", "podman#3795, #1640", "Removed by force, it is said to have ended with 0", """
        create
        start
        remove!
        waits 143
    """, real=f"{HERE}::test_i06_who_waits_for_what_is_removed_hears_137"),
    Met("I07", "podman#2553, #16476, #2240", "A name is in use by nothing that can be seen", """
        dies before CreateLayer in create
        list
        remove!
        dies after CreateLayer in create
        remove!
        create
        dies after DeleteLayer in remove
        remove!
        gone
    """, real=KILLED),
    Met("I08", "podman#15090", "Clean-up comes before the stopper has read the code", """
        create
        start
        dies before Halt in stop
        end 7
        cleanup
        is exited
        code 7
        waits 7
        settled
    """, real=f"{HERE}::test_i08_whoever_cleans_up_first_both_hear_the_code"),
    Met("I09", "podman#10320", "Stale sessions keep it from being stopped and removed", """
        create
        start
        exec
        sessions 1
        stop
        sessions 0
        start
        sessions 0
        exec
        remove!
        gone
    """),
    Met("I10", "podman#14252", "A session's process is a zombie: it can never be removed", """
        create
        start
        exec
        joined 3
        sessions 0
        stop
        remove
        gone
    """),
    Met("I11", "podman#23613, #14929, #14976, #11589", "Two locks, taken in two orders", """
        create volumes=v1+v2
        create name=other volumes=v2+v1
        start
        settled
        remove!
        volumes v1 v2
    """, real="tests/network/test_faults.py::test_networks_made_at_once_have_subnets_of_their_own"),
    Met("I12", "podman#29646", "`run --rm` and its own clean-up wait for each other", """
        create auto_remove=yes
        start
        end 0
        waits 0
        settle
        gone
    """, real="tests/real/test_duties.py::test_removal_does_not_wait_for_who_waits_for_it"),
    Met("I13", "podman#8501", "While one is being stopped, every listing hangs", """
        create
        start
        dies before Halt in stop
        list
        is stopping
        kill
        is stopped
    """, real="tests/real/test_engine.py::TestOthers::test_stop_frees_the_lock_while_it_waits"),
    Met("I14", "podman#5057, #14885", "Up, without a process, since the host was restarted", """
        create
        start
        reboot
        list
        is exited
        code -1
    """),
    Met("I15", "podman#7800", "The disk is full, and the state is damaged", """
        create
        full
        fails start
        list
        space
        is configured
        start
        full
        list
        is running
        space
        stop
        settled
    """, real="tests/promises/test_06_full_disk.py::test_it_is_listed_stopped_and_removed"),
    Met("I16", "containerd#6771", "It ends while the engine is down", """
        create
        start
        end 6
        is stopped
        code 6
        cleanup
        settled
    """, real="tests/real/test_engine.py::TestOthers::test_an_exit_while_nobody_looked_is_found"),
    Met("I17", "containerd#11392, #7733", "A removal is interrupted: neither there nor gone", """
        create
        start
        stop
        dies before DeleteLayer in remove
        list
        is removing
        remove
        gone
    """),
    Met("I18", "containerd#7496, #9309", "An unmount takes longer than its caller's patience", """
        create
        start
        stop
        fault Unmount late
        fails remove
        remove
        gone
    """),
    Met("I19", "containerd#3168", "The first process is dead, and its children live on", """
        create
        start
        end 0
        remove
        gone
    """, real="tests/adapters/test_oci_conmon.py::TestDeleting"
              "::test_children_do_not_outlive_the_first_process"),
    Met("I20", "podman#18205, #163, #858", "A start that fails leaks its network", """
        create
        fault CreateRuntime refused
        fails start
        is configured
        settled
        fault StartRuntime after
        fails start
        settled
        remove
        gone
    """, real=f"{HERE}::test_i20_a_start_that_fails_leaves_nothing"),
    Met("I21", "podman#19913, #26178", "Its mount has vanished: it cannot be removed", """
        create
        start
        drift unmounted
        remove!
        gone
    """, real=f"{HERE}::test_i21_a_mount_that_has_vanished"),
    Met("I22", "moby#22312", "Gone from the store, and its storage is still there", """
        create
        fault DeleteLayer dirty
        fails remove
        is removing
        list
        remove
        gone
    """),
    Met("I23", "podman#22884, #24590", "Checks that outlive it, or are run while it is paused", """
        create health=none
        start
        watched
        pause
        no_check
        unpause
        check 0
        stop
        unwatched
        no_check
    """),
    Met("I24", "podman#11283", "One that hangs makes every command hang", """
        create
        start
        dies before Halt in stop
        create name=other
        list
        is stopping
    """, real="tests/promises/test_09_listing.py::test_on_a_real_one"),
)  # fmt: skip

MARKED = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 15, 16, 19, 20, 21, 24})
"""Those with a ▲."""


def table() -> str:
    """All of them as Markdown (docs/reference/incidents.md has this)."""
    lines = ["| | reported | what happened | with a real runtime |", "|---|---|---|---|"]
    for one in FIELD:
        real = f"`{one.real}`" if one.real else ""
        lines.append(f"| {one.id} | {one.source} | {one.title} | {real} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")
