"""What is true, what is lawful, what to do next: pure.

Read in this order: `status`, `law` (the three tables), `inputs`, `record`, `step`, `history`.
"""

from lockgate.statemachine.history import Divergence, Entry, fold, replay
from lockgate.statemachine.inputs import (
    Cleanup,
    Command,
    Create,
    Died,
    Init,
    Input,
    Kill,
    Observation,
    Pause,
    Remove,
    Restart,
    Resumed,
    Salvaged,
    Start,
    Stop,
    Unpause,
)
from lockgate.statemachine.law import LAW, LIFECYCLE, PLANS, STAGES
from lockgate.statemachine.record import Answer, Notice, Record, Refused, Step, newborn
from lockgate.statemachine.status import Presence, Status, Verb
from lockgate.statemachine.step import admissible, step

__all__ = [
    "LAW",
    "LIFECYCLE",
    "PLANS",
    "STAGES",
    "Answer",
    "Cleanup",
    "Command",
    "Create",
    "Died",
    "Divergence",
    "Entry",
    "Init",
    "Input",
    "Kill",
    "Notice",
    "Observation",
    "Pause",
    "Presence",
    "Record",
    "Refused",
    "Remove",
    "Restart",
    "Resumed",
    "Salvaged",
    "Start",
    "Status",
    "Step",
    "Stop",
    "Unpause",
    "Verb",
    "admissible",
    "fold",
    "newborn",
    "replay",
    "step",
]
