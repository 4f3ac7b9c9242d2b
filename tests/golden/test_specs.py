"""What a config becomes, kept as files; each is valid by the schema of the OCI runtime spec."""

import json

import pytest

from lockgate.statemachine.spec import generate

from ..schema import complaints
from .specs import CASES, FOLDER


@pytest.mark.parametrize("name", CASES)
def test_a_config_becomes_what_it_did(name: str) -> None:
    kept = (FOLDER / f"{name}.json").read_bytes()
    assert generate(*CASES[name]).spec + b"\n" == kept


@pytest.mark.parametrize("name", CASES)
def test_it_is_valid(name: str) -> None:
    assert complaints(json.loads((FOLDER / f"{name}.json").read_bytes())) == []


def test_no_file_is_of_nobody() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(CASES)


def test_the_schema_complains_of_what_is_wrong() -> None:
    spec = json.loads((FOLDER / "plain.json").read_bytes())
    spec["process"]["user"]["uid"] = "root"
    assert complaints(spec)
