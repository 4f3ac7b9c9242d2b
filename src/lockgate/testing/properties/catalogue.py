"""The promises by number and name: what each says, and what checks it.

The one list that the checks, the tests and the documentation share. A property that nothing here
can break yet has no checks and says why; a test proves that every check named here exists.
"""

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct


class Property(Struct, frozen=True):
    """`checks`: functions of `lockgate.testing.properties`, or tests as `path::name`.
    `missing`: what cannot be checked yet, and why; empty where the promise is covered whole."""

    id: str
    name: str
    says: str
    checks: tuple[str, ...] = ()
    missing: str = ""


_ALL = (
    Property(
        "P01",
        "agreement",
        "Once what there is to see has been seen, a container is on record as created, running or "
        "paused exactly when its first process lives.",
        ("agreement", "settled"),
    ),
    Property(
        "P02",
        "one truthful exit",
        "A run that was started ends on record once, with the code it really ended with or with "
        "-1 and a reason; zero is never made up.",
        ("one_truthful_exit", "one_exit_each"),
    ),
    Property(
        "P03",
        "waits end and agree",
        "Whoever waits for a run, early or late, gets the same answer, and gets it.",
        ("waits_agree", "tests/incidents/test_incidents.py"),
    ),
    Property(
        "P04",
        "no transient without an owner",
        "Whatever is being done, the next command brings it to rest though its doer is dead.",
        ("comes_to_rest", "tests/engine/test_crash.py"),
    ),
    Property(
        "P05",
        "removal is total",
        "Removal by force succeeds within two calls from everywhere, and a third finds nothing.",
        ("removable",),
    ),
    Property(
        "P06",
        "exact footprint",
        "At rest, what exists is what the record says, no more and no less.",
        (
            "exact_footprint",
            "nothing_left",
            "settled",
            "held_by_its_user",
            "whole",
            "volumes_there",
            "tests/kit/test_planted.py",
        ),
    ),
    Property(
        "P07",
        "no collateral",
        "What is done to one container changes nothing of another.",
        ("about_itself", "only_its_run", "untouched", "nobodys_mount", "volumes_stay"),
    ),
    Property(
        "P08",
        "intent first",
        "Nothing exists that the record does not already say may exist.",
        ("intent_first", "ordered_before_heard"),
    ),
    Property(
        "P09",
        "re-execution",
        "Doing it twice is doing it once, and news of another run or ticket is no news.",
        ("stale_is_no_news", "twice_is_once", "nothing_needless", "plugged_once"),
    ),
    Property(
        "P10",
        "replay",
        "Folding the same inputs gives the same record, orders and digests, anywhere.",
        ("same_again", "replays"),
    ),
    Property(
        "P11",
        "torn files are harmless",
        "Whatever bytes a file of ours holds, only its own container is affected, and that one "
        "can be removed.",
        ("only_marked", "tests/engine/test_crash.py", "tests/fuzz/test_outside.py"),
    ),
    Property(
        "P12",
        "linearizable",
        "Concurrent commands answer as some order of them, one after another, would.",
        ("explained", "tests/concurrency/test_processes.py", "tests/kit/test_operators.py"),
    ),
    Property(
        "P13",
        "no deadlock",
        "Somebody can always go on, and nobody holds a lock while something slow is awaited.",
        ("patient_alone", "tests/kit/test_operators.py", "tests/promises/test_09_listing.py"),
    ),
    Property(
        "P14",
        "lock identity",
        "One lock a container, exclusive among threads and processes, free when its holder dies.",
        ("one_lock_each", "tests/adapters/test_locks.py"),
    ),
    Property(
        "P15",
        "process identity",
        "Nothing is done to a process that is not known by pid, start time and boot.",
        ("identified", "tests/adapters/test_process.py", "tests/engine/test_life.py"),
    ),
    Property(
        "P16",
        "stop wins",
        "After a stop or kill was accepted nothing is started before somebody asks for it; a policy "
        "starts no more runs than it may, and each that it owes, though whoever should is dead.",
        (
            "stop_wins",
            "accepted_rightly",
            "within_budget",
            "tests/kit/test_households.py",
            "tests/promises/test_05_restart_duty.py",
        ),
    ),
    Property(
        "P17",
        "boot",
        "A boot ends every run of the boot before with an unknown end, once, and only a boot does.",
        ("ended_by_boots", "tests/kit/test_explore.py", "tests/engine/test_duties.py"),
    ),
    Property(
        "P18",
        "dependencies",
        "Whom a container needs is started before it, and is there as long as it.",
        (
            "needs_met",
            "never_without",
            "guests_at_home",
            "memory_shared",
            "tests/kit/test_households.py",
            "tests/engine/test_graph.py",
            "tests/adapters/test_store.py",
        ),
    ),
    Property(
        "P19",
        "network exclusivity",
        "No port or address is claimed by two live runs.",
        ("nobody_elses", "tests/network/test_claims.py", "tests/network/test_contract.py"),
    ),
    Property(
        "P20",
        "hooks",
        "Hooks run in their order, poststop once for every run that was created.",
        ("owed_on_record", "hooks_kept", "tests/promises/test_08_poststop.py"),
    ),
    Property(
        "P21",
        "exec",
        "No session outlives its run, and each says whether it started.",
        (
            "sessions_of_a_run",
            "joined_to",
            "tests/kit/test_households.py",
            "tests/statemachine/test_sessions.py",
            "tests/engine/test_sessions.py",
            "tests/real/test_exec.py",
        ),
    ),
    Property(
        "P22",
        "health",
        "A check is due exactly while its container runs, and acts at the last failure in a row.",
        ("health_of_a_run", "watched", "owed_for_health", "tests/real/test_health.py"),
    ),
    Property(
        "P23",
        "out of memory",
        "A run is on record as killed for memory exactly when that run was.",
        ("oom_of_this_run", "tests/real/test_engine.py"),
    ),
    Property(
        "P24",
        "order of events",
        "Each run is announced as created, started, dead, cleaned up, in that order, without gaps.",
        ("in_order",),
    ),
    Property(
        "P25",
        "scarcity",
        "Without space, stopping, killing, removing and listing work, and nothing is half written.",
        (
            "freed",
            "tests/engine/test_crash.py",
            "tests/engine/test_errnos.py",
            "tests/power/test_refused.py",
            "tests/promises/test_06_full_disk.py",
        ),
    ),
    Property(
        "P26",
        "result fidelity",
        "Success is reported exactly when what was asked for is so; nothing is announced before.",
        ("kept_its_word", "announced_in_time", "limits_kept", "connected"),
    ),
    Property(
        "P27",
        "freezing and checkpoints",
        "Frozen exactly while paused on record, or written down; a checkpoint or a restore that fails "
        "leaves the former state.",
        (
            "frozen_iff_paused",
            "frozen_with_intent",
            "checkpointed",
            "former_state",
            "tests/statemachine/test_checkpoints.py",
            "tests/real/test_checkpoints.py",
        ),
    ),
)

PROPERTIES: Mapping[str, Property] = MappingProxyType({one.id: one for one in _ALL})
"""All of them, by id."""


def table() -> str:
    """The catalogue as a Markdown table (docs/reference/properties.md is this)."""
    lines = ["| | promise | checked by | not yet |", "|---|---|---|---|"]
    for one in PROPERTIES.values():
        checks = ", ".join(f"`{check}`" for check in one.checks)
        lines.append(f"| {one.id} | **{one.name}.** {one.says} | {checks} | {one.missing} |")
    return "\n".join(lines) + "\n"
