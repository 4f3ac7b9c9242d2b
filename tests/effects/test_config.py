"""Whom a container needs, by what is wished for it."""

import pytest

from lockgate.effects.config import Config, needs, shares


@pytest.mark.parametrize(
    ("network", "owner"),
    [("none", ""), ("host", ""), ("private", ""), ("backend", ""), ("container:c0ffee", "c0ffee")],
)
def test_whose_network_it_shares(network: str, owner: str) -> None:
    assert shares(Config(id="web", network=network)) == owner


def test_it_needs_whom_it_names_and_with_whom_it_lives_each_once() -> None:
    assert needs(Config(id="web")) == ()
    assert needs(Config(id="web", requires=("a", "b"))) == ("a", "b")
    assert needs(Config(id="web", network="container:c")) == ("c",)
    both = needs(Config(id="web", network="container:a", requires=("a", "b")))
    assert sorted(both) == ["a", "b"]
