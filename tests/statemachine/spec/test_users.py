"""Who a container's processes are: by its own files, which belong to somebody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lockgate.effects.outcome import PortError
from lockgate.effects.ports import Accounts
from lockgate.statemachine.spec import generate, resolve_user

from .conftest import CONFIG, EFFECT, FACTS, files, spec


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", (0, 0, ())),
        (":web", (0, 34, ())),
        ("root", (0, 0, ())),
        ("web", (33, 34, (4, 44))),
        ("33", (33, 34, (4, 44))),
        ("1000", (1000, 0, ())),
        ("1000:1000", (1000, 1000, ())),
        ("web:log", (33, 4, ())),
        ("0", (0, 0, ())),
    ],
)
def test_users_are_looked_up_in_the_containers_own_files(
    user: str, expected: tuple[int, int, tuple[int, ...]]
) -> None:
    assert resolve_user(user, FACTS.accounts) == expected


@pytest.mark.parametrize(
    ("user", "complaint"),
    [
        ("nobody", "the user 'nobody' is not in"),
        ("web:none", "the group 'none' is not in"),
        ("99999999999", "the user '99999999999' is not in"),
        ("4294967295", "the user '4294967295' is not in"),
        ("bad", "the user 'bad' is not in"),
    ],
)
def test_users_that_are_not_there_are_a_clean_fault(user: str, complaint: str) -> None:
    with pytest.raises(PortError, match=complaint) as caught:
        resolve_user(user, FACTS.accounts)
    assert (caught.value.fault.kind, caught.value.fault.dirty) == ("refused", False)
    assert caught.value.fault.reason.endswith("; name one that is, or a number")


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("4294967294", (2**32 - 2, 0, ())),
        ("4294967295", None),
        ("04294967294", None),  # no number of eleven digits is an id
        ("0000000033", (33, 34, ())),
    ],
)
def test_how_far_numbers_go(user: str, expected: object) -> None:
    accounts = Accounts(b"web:x:33:34\n")
    if expected is None:
        with pytest.raises(PortError):
            resolve_user(user, accounts)
    else:
        assert resolve_user(user, accounts) == expected


@pytest.mark.parametrize(
    ("passwd", "known"),
    [
        (b"web:x:33:34", True),
        (b"web:x:33", False),
        (b":x:33:34", False),
        (b"web::33:34", True),
        (b"web:x:33:x", False),
        (b"web:x:x:34", False),
        (b"a b:x:7:7\nweb:x:33:34", True),
        (b"a b:x:7:7 web:x:33:34", False),
    ],
)
def test_what_is_a_line_of_passwd(passwd: bytes, known: bool) -> None:
    if known:
        assert resolve_user("web", Accounts(passwd)) == (33, 34, ())
    else:
        with pytest.raises(PortError, match="the user 'web' is not in"):
            resolve_user("web", Accounts(passwd))


@pytest.mark.parametrize(
    ("group", "groups"),
    [(b"log::4:web", (4,)), (b":x:4:web", ()), (b"log:x:y:web", ()), (b"log:x:4", ())],
)
def test_what_is_a_line_of_group(group: bytes, groups: tuple[int, ...]) -> None:
    assert resolve_user("web", Accounts(b"web:x:33:34", group)) == (33, 34, groups)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_no_bytes_in_the_containers_files_do_harm(passwd: bytes, group: bytes) -> None:
    uid, gid, groups = resolve_user("7", Accounts(passwd, group))
    assert 0 <= uid < 2**32 and 0 <= gid < 2**32
    assert all(0 <= one < 2**32 for one in groups)


@given(
    st.binary(max_size=200), st.binary(max_size=200), st.sampled_from(("", "web", "7", "7:7", ":7"))
)
def test_no_bytes_in_them_keep_a_spec_from_being_made(
    passwd: bytes, group: bytes, user: str
) -> None:
    config = replace(CONFIG, user=user, groups=("4",))
    try:
        generate(config, EFFECT, replace(FACTS, accounts=Accounts(passwd, group)))
    except PortError as refusal:
        assert (refusal.fault.kind, refusal.fault.dirty) == ("refused", False)
        assert user == "web"


def test_extra_groups_are_added_once_and_by_name_or_number() -> None:
    process = spec(replace(CONFIG, user="web", groups=("video", "44", "34", "1234")))["process"]
    assert process["user"] == {"uid": 33, "gid": 34, "additionalGids": [4, 44, 1234]}


def test_an_extra_group_that_is_not_there_is_no_group() -> None:
    """MAP D-79: not ignored."""
    with pytest.raises(PortError, match="the group 'none' is not in"):
        spec(replace(CONFIG, groups=("none",)))


class TestStranger:
    """A number the container's own passwd does not know (MAP §3.5)."""

    def test_it_is_given_a_line(self) -> None:
        made = files(replace(CONFIG, user="1000:34", workdir="/a:b\nc"))["passwd"]
        line = "1000:x:1000:34:container user:/a_b_c:/bin/sh\n"
        assert FACTS.accounts.passwd.endswith(b"\n")
        assert made == FACTS.accounts.passwd.decode() + line

    def test_a_file_without_an_end_is_given_one_first(self) -> None:
        facts = replace(FACTS, accounts=Accounts(b"root:x:0:0::/:/bin/sh", b""))
        lines = files(replace(CONFIG, user="7"), facts)["passwd"].splitlines()
        assert lines[1] == "7:x:7:0:container user:/:/bin/sh"

    @pytest.mark.parametrize("user", ["", "root", "web", "33", "0", ":34"])
    def test_who_is_known_is_given_none(self, user: str) -> None:
        assert "passwd" not in files(replace(CONFIG, user=user))

    def test_where_there_is_no_file_none_is_made_up(self) -> None:
        assert "passwd" not in files(replace(CONFIG, user="7"), replace(FACTS, accounts=Accounts()))
