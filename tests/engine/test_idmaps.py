"""Maps of users and groups: what makes no sense is refused before anything is made."""

from typing import Any

import pytest

from lockgate import Engine, IdMap, InvalidArgument, Namespaces, Secret, Security


def maps(*numbers: tuple[int, int, int]) -> tuple[IdMap, ...]:
    return tuple(IdMap(container=c, host=h, size=n) for c, h, n in numbers)


ONE = maps((0, 100_000, 65_536))


def test_groups_are_as_users_unless_given(engine: Engine) -> None:
    config = engine.create(image="busybox", uid_maps=ONE).config
    assert config.gid_maps == config.uid_maps == ONE
    other = maps((0, 7, 1))
    assert engine.create(image="busybox", uid_maps=ONE, gid_maps=other).config.gid_maps == other


@pytest.mark.parametrize(
    ("wishes", "complaint"),
    [
        ({"uid_maps": maps((0, 100, 0))}, "leads from ids to as many ids"),
        ({"uid_maps": maps((0, -1, 5))}, "leads from ids to as many ids"),
        ({"uid_maps": maps((0, 2**32 - 3, 9))}, "leads from ids to as many ids"),
        ({"uid_maps": maps((0, 100, 10), (9, 500, 10))}, "users 9 of the container is in two"),
        ({"uid_maps": maps((0, 100, 10), (10, 105, 10))}, "users 105 of the host is in two"),
        ({"uid_maps": maps((1, 100, 10))}, "leave out 0, the container's root"),
        ({"uid_maps": ONE, "gid_maps": maps((1, 1, 1))}, "maps of groups leave out 0"),
        ({"gid_maps": ONE}, "maps of groups go with maps of users"),
        ({"uid_maps": ONE, "namespaces": Namespaces(pid="host")}, "host's pid namespace"),
        ({"uid_maps": ONE, "namespaces": Namespaces(ipc="host")}, "host's ipc namespace"),
        ({"security": Security(process_label="x")}, "give both or none"),
    ],
)
def test_what_makes_no_sense(engine: Engine, wishes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidArgument, match=complaint):
        engine.create(image="busybox", **wishes)
    assert engine.list() == ()


@pytest.mark.parametrize(
    ("wishes", "is_so"),
    [
        ({"uid_maps": ONE, "network": "private"}, True),
        ({"uid_maps": ONE, "network": "private", "deferred_network": False}, False),
        ({"uid_maps": ONE, "network": "host"}, False),
        ({"uid_maps": ONE}, False),
        ({"network": "private"}, False),
        ({"network": "private", "deferred_network": True}, True),
        ({"network": "web", "deferred_network": True}, True),
    ],
)
def test_whose_network_is_set_up_after_create(
    engine: Engine, wishes: dict[str, Any], is_so: bool
) -> None:
    engine.create_network("web")
    web = engine.create(image="busybox", **wishes)
    assert web.config.deferred_network == is_so
    run = engine.start(web.id)
    assert bool(run.netns) == (web.config.network not in ("none", "host"))
    assert len(run.links) == len(web.config.networks)


@pytest.mark.parametrize("mode", ["none", "host", "container:other"])
def test_where_nothing_is_set_up_nothing_can_be_deferred(engine: Engine, mode: str) -> None:
    engine.create(name="other", image="busybox", network="private")
    with pytest.raises(InvalidArgument, match="is not set up, before create or after"):
        engine.create(image="busybox", network=mode, deferred_network=True)


def test_a_guest_lives_in_what_was_set_up_late(engine: Engine) -> None:
    engine.create(name="web", image="busybox", network="private", deferred_network=True)
    engine.create(name="guest", image="busybox", network="container:web")
    guest = engine.start("guest")
    assert guest.netns == engine.inspect("web").netns != ""


def test_a_secret_for_nobody(engine: Engine, tmp_path: Any) -> None:
    (tmp_path / "token").write_text("hush")
    secret = Secret(name="token", source=str(tmp_path / "token"), uid=70_000)
    with pytest.raises(InvalidArgument, match="for 70000:0, whom the container does not have"):
        engine.create(image="busybox", uid_maps=ONE, secrets=[secret])
