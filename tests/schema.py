"""The JSON schema of the OCI runtime spec (`data/oci-runtime-spec-schema`), as a question."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator
from referencing import Registry
from referencing.jsonschema import DRAFT4

FOLDER = Path(__file__).parent / "data" / "oci-runtime-spec-schema"


@cache
def _validator() -> Draft4Validator:
    schemas = {path.name: json.loads(path.read_bytes()) for path in FOLDER.glob("*.json")}
    resources = ((name, DRAFT4.create_resource(schema)) for name, schema in schemas.items())
    registry: Registry[Any] = Registry().with_resources(resources)
    return Draft4Validator(schemas["config-schema.json"], registry=registry)


def complaints(spec: object) -> list[str]:
    """What is wrong with a config.json; empty for a valid one."""
    return [f"{error.json_path}: {error.message}" for error in _validator().iter_errors(spec)]
