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


def test_maps_may_touch_and_reach_the_last_id(engine: Engine) -> None:
    whole = maps((0, 100, 10), (10, 2**32 - 11, 10), (20, 110, 1))
    assert engine.create(image="busybox", uid_maps=whole).config.uid_maps == whole


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


class TestOfAnother:
    """Users of another container: its maps, and power over what goes with them only."""

    @pytest.fixture(autouse=True)
    def owner(self, engine: Engine) -> None:
        own = Namespaces(ipc="shareable")
        engine.create(name="owner", image="busybox", uid_maps=ONE, namespaces=own)
        engine.create(name="other", image="busybox", namespaces=own)
        users = Namespaces(user="container:owner")
        engine.create(name="guest", image="busybox", namespaces=users)

    def test_it_has_the_same_maps_and_needs_whose_they_are(self, engine: Engine) -> None:
        config = engine.inspect("guest").config
        assert (config.uid_maps, config.gid_maps) == (ONE, ONE)
        assert engine.start("guest").homes[0].container == engine.inspect("owner").id

    def test_its_own_network_is_set_up_after_create(self, engine: Engine) -> None:
        own = Namespaces(user="container:owner")
        config = engine.create(image="busybox", namespaces=own, network="private").config
        assert config.deferred_network

    def test_what_goes_with_them(self, engine: Engine) -> None:
        kinds = ("pid", "ipc", "uts", "cgroup", "user")
        own = Namespaces(**dict.fromkeys(kinds, "container:owner"))
        engine.create(image="busybox", namespaces=own)
        engine.create(image="busybox", namespaces=Namespaces(user="container:owner", uts="host"))

    @pytest.mark.parametrize(
        ("own", "wishes", "complaint"),
        [
            (Namespaces(user="host"), {}, "'host' is no user namespace; there are container:NAME"),
            (Namespaces(user="container:other"), {}, "other has no user namespace of its own"),
            (Namespaces(user="container:guest"), {}, "guest has no user namespace of its own"),
            (Namespaces(user="container:owner"), {"uid_maps": ONE}, "ids are those of .* owner"),
            *(
                (
                    Namespaces(**{"user": "container:owner", kind: "container:other"}),
                    {},
                    f"no power over another's {kind} namespace",
                )
                for kind in ("pid", "ipc", "uts", "cgroup")
            ),
            (Namespaces(mount="container:owner"), {}, "nobody's but the container's own"),
        ],
    )
    def test_what_does_not(
        self, engine: Engine, own: Namespaces, wishes: dict[str, Any], complaint: str
    ) -> None:
        with pytest.raises(InvalidArgument, match=complaint):
            engine.create(name="new", image="busybox", namespaces=own, **wishes)

    def test_a_secret_for_nobody_of_them(self, engine: Engine, tmp_path: Any) -> None:
        (tmp_path / "token").write_text("hush")
        secret = Secret(name="token", source=str(tmp_path / "token"), uid=70_000)
        with pytest.raises(InvalidArgument, match="whom the container does not have"):
            engine.create(
                image="busybox", namespaces=Namespaces(user="container:owner"), secrets=[secret]
            )


def test_a_secret_for_nobody(engine: Engine, tmp_path: Any) -> None:
    (tmp_path / "token").write_text("hush")
    secret = Secret(name="token", source=str(tmp_path / "token"), uid=70_000)
    with pytest.raises(InvalidArgument, match="for 70000:0, whom the container does not have"):
        engine.create(image="busybox", uid_maps=ONE, secrets=[secret])
