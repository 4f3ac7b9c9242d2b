"""Which hooks a container has (MAP §3.12, `when`)."""

import json

import pytest
from msgspec.structs import replace

from lockgate.effects.config import Bind
from lockgate.effects.hooks import Hook, HookFile, When
from lockgate.statemachine.spec import generate
from lockgate.statemachine.spec.hooks import chosen, meets

from .conftest import CONFIG, EFFECT, FACTS, spec

BOUND = replace(CONFIG, mounts=(Bind(source="/srv", destination="/srv"),))
NOTED = replace(CONFIG, annotations=(("org.example.kind", "web"), ("other", "x")))


ALWAYS = When(always=True)


def file(name: str, *stages: str, when: When = ALWAYS) -> HookFile:
    return HookFile(name, Hook("/bin/x", args=("x", name)), when, stages)


@pytest.mark.parametrize(
    ("config", "when", "met"),
    [
        (CONFIG, When(), False),
        (CONFIG, When(always=True), True),
        (CONFIG, When(always=False, has_bind_mounts=True), False),
        (BOUND, When(has_bind_mounts=True), True),
        (CONFIG, When(has_bind_mounts=True), False),
        (BOUND, When(has_bind_mounts=False), False),
        (NOTED, When(annotations=(("kind$", "^web$"),)), True),
        (NOTED, When(annotations=(("kind$", "x"),)), False),  # the value is another's
        (NOTED, When(annotations=(("kind", "web"), ("other", "y"))), False),
        (replace(CONFIG, command=("/bin/web", "-x")), When(commands=("nothing", "we.$")), True),
        (replace(CONFIG, command=("sh", "web")), When(commands=("web",)), False),
        (replace(BOUND, command=("sh",)), When(has_bind_mounts=True, commands=("web",)), False),
    ],
)
def test_conditions(config: object, when: When, met: bool) -> None:
    assert meets(config, when) is met  # type: ignore[arg-type]


def test_each_stage_has_its_own_in_the_order_of_the_files() -> None:
    found = chosen(
        CONFIG,
        [
            file("a", "poststop", "prestart"),
            file("b", "prestart"),
            file("c", "prestart", when=When()),
        ],
    )
    assert {stage: [hook.args[1] for hook in hooks] for stage, hooks in found.items()} == {
        "prestart": ["a", "b"],
        "poststop": ["a"],
    }


def test_the_spec_has_those_meant_for_this_container() -> None:
    meant = file("a", "prestart", "precreate", when=When(commands=("^sh$",)))
    facts = replace(FACTS, hooks=(meant, file("b", "prestart", when=When(commands=("^no$",)))))
    made = generate(replace(CONFIG, command=("sh",)), EFFECT, facts)
    assert json.loads(made.spec)["hooks"] == {"prestart": [{"path": "/bin/x", "args": ["x", "a"]}]}
    assert (made.precreate, made.poststop) == ((meant.hook,), ())
    none = generate(CONFIG, EFFECT, replace(FACTS, hooks=()))
    assert (none.precreate, none.poststop) == ((), ())


def test_the_spec_has_them_and_only_if_there_are_any() -> None:
    assert "hooks" not in spec(CONFIG)
    with_hooks = replace(FACTS, hooks=(file("a", "createRuntime"),))
    assert spec(CONFIG, facts=with_hooks)["hooks"] == {
        "createRuntime": [{"path": "/bin/x", "args": ["x", "a"]}]
    }


def test_what_the_engine_runs_is_not_the_runtimes() -> None:
    facts = replace(FACTS, hooks=(file("a", "poststart", "precreate", "poststop"),))
    specified = generate(CONFIG, EFFECT, facts)
    assert [hook.args[1] for hook in specified.precreate] == ["a"]
    assert [hook.args[1] for hook in specified.poststop] == ["a"]
    assert set(spec(CONFIG, facts=facts)["hooks"]) == {"poststart"}
