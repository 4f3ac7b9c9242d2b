"""A row of the law that nothing uses is a defect, and is told as one."""

import pytest

from lockgate.statemachine.status import Status, Verb
from lockgate.testing.__main__ import main
from lockgate.testing.usage import Usage, every_row


def test_a_plan_is_used_when_it_is_followed_not_when_it_is_looked_at() -> None:
    usage = Usage()
    plan = usage.tables["PLANS"][Verb.START, Status.CONFIGURED]
    assert not plan.owed and usage.used() == frozenset()
    assert "launch" in plan.stages
    assert usage.used() == {"PLANS configured of start"} and usage.used() <= every_row()


def test_an_edge_and_a_stage_are_used_when_they_are_looked_up() -> None:
    usage = Usage()
    assert usage.tables["EDGES"].get((Status.ABSENT, "start")) is None
    assert usage.tables["EDGES"][Status.CREATED, "start"] is Status.RUNNING
    assert usage.tables["STAGES"]["launch"].reaches == "start"
    assert usage.used() == {"EDGES start of created", "STAGES launch"}


def test_what_is_never_used_is_told_and_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "one container, nothing goes wrong"
    monkeypatch.setattr("lockgate.testing.__main__.WHOLE", {name})
    assert main(["--model", name, "--workers", "1"]) == 1
    told = capsys.readouterr().out.splitlines()[-1]
    assert told.startswith("never used: ") and "STAGES reclaim" in told
