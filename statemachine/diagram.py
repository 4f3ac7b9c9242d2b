"""The law, drawn: Mermaid, Graphviz, and the legality matrix in Markdown.

Nothing here is decided by hand: every arrow is a row of LIFECYCLE, every cell of the matrix a plan
that the machine itself walked to its end. A page made from it cannot disagree with what happens.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from msgspec.structs import replace

from lockgate.effects.config import Config
from lockgate.effects.outcome import Done
from lockgate.statemachine.inputs import (
    Checkpoint,
    Cleanup,
    Command,
    Create,
    Init,
    Kill,
    Mount,
    Pause,
    Remove,
    Restart,
    Restore,
    Revive,
    Start,
    Stop,
    Unmount,
    Unpause,
    Update,
)
from lockgate.statemachine.law import EDGES, LAW, PLANS, STAGES, Plan, Stage
from lockgate.statemachine.policy import ENDED
from lockgate.statemachine.record import RESOURCES, Answer, Record, Refused
from lockgate.statemachine.sessions import EDGES as SESSIONS
from lockgate.statemachine.status import Presence, Status, Verb
from lockgate.statemachine.step import step

Edges = Mapping[tuple[Status, str], Status]

MEANINGS: Mapping[Status, str] = MappingProxyType(
    {
        Status.ABSENT: "not yet made, or gone again",
        Status.CONFIGURED: "known and stored, never prepared",
        Status.CREATED: "waits to be started",
        Status.RUNNING: "its process runs",
        Status.PAUSED: "frozen",
        Status.STOPPING: "asked to end",
        Status.STOPPED: "ended, its resources still held",
        Status.EXITED: "ended and cleaned up",
        Status.REMOVING: "only removal may continue",
        Status.UNKNOWN: "its record cannot be read",
    }
)

RUN = ("layer", "mount", "network", "runtime")
HOLDS: Mapping[Status, tuple[str, ...]] = MappingProxyType(
    {
        Status.ABSENT: (),
        Status.CONFIGURED: ("layer",),
        Status.CREATED: RUN,
        Status.RUNNING: RUN,
        Status.PAUSED: RESOURCES,
        Status.STOPPING: RUN,
        Status.STOPPED: RUN,
        Status.EXITED: ("layer",),
        Status.REMOVING: ("layer",),
        Status.UNKNOWN: RESOURCES,
    }
)
"""What a container has in each status, as long as nothing went wrong."""

PASSING = frozenset({Status.STOPPING, Status.REMOVING})
"""Where a container does not rest: drawn with a broken line."""

CONFIG = Config(id="example", network="private", restart="always")
ASKED: Mapping[Verb, Command] = MappingProxyType(
    {
        Verb.CREATE: Create(CONFIG),
        Verb.INIT: Init(),
        Verb.START: Start(),
        Verb.STOP: Stop(),
        Verb.KILL: Kill(),
        Verb.SIGNAL: Kill(signal=15),
        Verb.PAUSE: Pause(),
        Verb.UNPAUSE: Unpause(),
        Verb.RESTART: Restart(),
        Verb.REVIVE: Revive(),
        Verb.CHECKPOINT: Checkpoint(),
        Verb.SNAPSHOT: Checkpoint(leave_running=True),
        Verb.RESTORE: Restore(),
        Verb.UPDATE: Update(),
        Verb.MOUNT: Mount(),
        Verb.UNMOUNT: Unmount(),
        Verb.FORCE_UNMOUNT: Unmount(force=True),
        Verb.CLEANUP: Cleanup(),
        Verb.REMOVE: Remove(),
        Verb.FORCE_REMOVE: Remove(force=True),
    }
)


def course(verb: Verb, at: Status) -> tuple[Status, ...] | None:
    """The statuses this verb leads through when all goes well, beginning with `at` and none twice
    in a row; None where the law has no plan for it, so that it is refused."""
    ended = 0 if at in ENDED else None
    record = Record(config=CONFIG, status=at, exit_code=ended)
    record = replace(record, **dict.fromkeys(HOLDS[at], Presence.PRESENT))
    if PLANS.get((verb, at), Plan(())).mounted:
        record = replace(record, mount=Presence.PRESENT, mounts=1)
    if PLANS.get((verb, at), Plan(())).kept:
        record = replace(record, checkpoint=Presence.PRESENT)
    way = [at]
    answer: Answer = step(record, ASKED[verb])
    while not isinstance(answer, Refused):
        record = answer.record
        if record.status is not way[-1]:
            way.append(record.status)
        if not record.pending:
            return tuple(way)
        answer = step(record, Done(record.pending[0].ticket))
    return None


def page() -> str:
    """The law as a page of the reference (docs/reference/law.md; `make docs` writes it)."""
    said = {True: "heard", False: "no news"}
    meanings = [("status", "means", "holds", "word of its end")]
    meanings += [("---",) * 4]
    for at in Status:
        holds = ", ".join(HOLDS[at]) or "nothing"
        meanings.append((f"**{at}**", MEANINGS[at], holds, said[(at, "died") in EDGES]))
    stages = [("stage", "asks for", "when", "begins", "reaches", "if it fails"), ("---",) * 6]
    for name, stage in STAGES.items():
        asks = " ∥ ".join(kind.__name__ for kind in stage.asks)
        stages.append(
            (
                f"**{name}**",
                asks,
                (stage.when.__name__ if stage.when else "always"),
                stage.enters,
                stage.reaches,
                _undo(stage),
            )
        )
    plans = [("verb", "from", "stages"), ("---",) * 3]
    plans += [
        (f"**{verb}**", str(at), " ".join(plan.stages) or "nothing: it is on record")
        for (verb, at), plan in PLANS.items()
    ]
    sessions = [("milestone", "from", "to"), ("---",) * 3]
    sessions += [(f"**{said}**", str(at), str(to)) for (at, said), to in SESSIONS.items()]
    parts = (
        f"# The law, number {LAW}\n\nWritten by `make docs` from the tables of "
        "`statemachine/law.py`; a test sees to it that this page is theirs.\n",
        f"## Statuses\n\n{_table(meanings)}",
        f"## What a verb does\n\n{matrix()}\n✗ is a refusal: nothing changes, and the answer "
        "says what is legal instead. `revive` is legal only while the restart policy wants it, `unmount` only "
        "while its user has it mounted, and `remove` only while he has not; `restore` only where there may be a "
        "checkpoint, or one is brought. While an operation is in flight every verb is refused as "
        "busy, except beside one that only waits (a stop).\n",
        f"## Life\n\n```mermaid\n{mermaid()}```\n",
        f"## Stages\n\nThe effects of a stage are performed side by side.\n\n{_table(stages)}",
        f"## Plans\n\n{_table(plans)}",
        "## News\n\nOutcomes are heard in every status while their order is out, and are no news "
        "afterwards. Word of a run's end is heard where the first table says so, if it is about "
        "the run there is. `Resumed` asks again for what is out. `Salvaged` makes the container "
        "unknown.\n",
        "## Sessions\n\nA process that joins a run has a machine of its own "
        "(`statemachine/sessions.py`), of the same shape. Its container is told by `SessionBegan` and "
        f"`SessionEnded`, and announces `exec` and `exec_died`.\n\n{_table(sessions)}",
    )
    return "\n".join(parts)


def _undo(stage: Stage) -> str:
    if stage.undo is None:
        return "goes on, told at the end"
    return "undo: " + " ".join(stage.undo) if stage.undo else "ends there"


# ---- the matrix --------------------------------------------------------------------------


def matrix() -> str:
    """A Markdown table, verbs down, statuses across. A cell tells the way the verb takes, `stays`
    where it is allowed and changes no status, or ✗ where it is refused."""
    rows = [("", *map(str, Status)), ("---",) * (1 + len(Status))]
    rows += [(f"**{verb}**", *(_cell(verb, status) for status in Status)) for verb in Verb]
    return _table(rows)


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cell(verb: Verb, at: Status) -> str:
    way = course(verb, at)
    if way is None:
        return "✗"
    return " → ".join(way[1:]) or "stays"


# ---- the diagrams ------------------------------------------------------------------------


def mermaid(edges: Edges = EDGES) -> str:
    """A `stateDiagram-v2`: drawn by whatever shows Markdown and knows Mermaid."""

    def place(status: Status) -> str:
        return "[*]" if status is Status.ABSENT else str(status)

    lines = ["stateDiagram-v2", "    direction LR"]
    lines += [f"    {status} : {status}<br/>{MEANINGS[status]}" for status in _drawn(edges)]
    lines += [f"    {place(a)} --> {place(b)} : {label}" for a, b, label in _arrows(edges)]
    return "\n".join(lines) + "\n"


def dot(edges: Edges = EDGES) -> str:
    """The same for Graphviz; where a container does not rest, the line is broken."""
    lines = [
        "digraph lockgate {",
        "    rankdir=LR;",
        '    node [shape=box, style=rounded, fontname="sans-serif"];',
        '    edge [fontname="sans-serif", fontsize=10];',
        f'    {Status.ABSENT} [shape=point, width=0.15, tooltip="{MEANINGS[Status.ABSENT]}"];',
    ]
    for status in _drawn(edges):
        style = ', style="rounded,dashed"' if status in PASSING else ""
        lines.append(f'    {status} [tooltip="{MEANINGS[status]}"{style}];')
    lines += [f'    {a} -> {b} [label="{label}"];' for a, b, label in _arrows(edges)]
    return "\n".join([*lines, "}", ""])


def _arrows(edges: Edges) -> Iterator[tuple[Status, Status, str]]:
    """(from, to, milestones) in the order of a life. Rows between the same two share an arrow;
    rows that lead back to where they begin move nothing, and are left out."""
    order = {status: place for place, status in enumerate(Status)}
    arrows: dict[tuple[Status, Status], list[str]] = {}
    for (source, milestone), dest in edges.items():
        if source is not dest:
            arrows.setdefault((source, dest), []).append(milestone)
    for source, dest in sorted(arrows, key=lambda ends: (order[ends[0]], order[ends[1]])):
        yield source, dest, ", ".join(arrows[source, dest])


def _drawn(edges: Edges) -> tuple[Status, ...]:
    """The statuses some row mentions; `absent` is where every life begins and ends."""
    mentioned = {source for source, _ in edges} | set(edges.values())
    return tuple(status for status in Status if status in mentioned - {Status.ABSENT})
