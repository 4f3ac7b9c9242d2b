"""What is written on the command line becomes the value that was meant, or a usage error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.cli.params import size

from .conftest import Shell


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("0", 0),
        ("1048576", 2**20),
        ("64m", 64 * 2**20),
        ("64M", 64 * 2**20),
        ("64MB", 64 * 2**20),
        ("64MiB", 64 * 2**20),
        ("1g", 2**30),
        ("1.5g", 3 * 2**29),
        ("512k", 2**19),
        ("2t", 2**41),
        ("100b", 100),
        (" 7 k ", 7 * 1024),
    ],
)
def test_a_size_is_bytes_or_a_number_with_a_unit(text: str, meant: int) -> None:
    assert size(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "m",
        "-1",
        "+1",
        "64q",
        "1e6",
        "0x10",
        "1_000",
        "1.m",
        ".5g",
        "6 4m",
        "٣m",
        "9" * 5000,
        "inf",
    ],
)
def test_anything_else_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is no size: write bytes, or a number with k, m, g or t"):
        size(text)


@given(st.integers(0, 2**62), st.sampled_from("kmgt"))
def test_units_are_powers_of_1024(number: int, unit: str) -> None:
    assert size(f"{number}{unit}") == number * 1024 ** (1 + "kmgt".index(unit))


class TestOnTheCommandLine:
    def test_sizes_and_pairs_reach_the_engine(self, shell: Shell) -> None:
        shell.ok(
            *("create", "--name", "web", "--image", "busybox", "--memory", "64m"),
            *("--label", "b=2", "--label", "a=1", "--label", "a=x=y", "--annotation", "org.x="),
        )
        config = shell.engine.inspect("web").config
        assert config.memory == 64 * 2**20
        assert config.labels == (("a", "x=y"), ("b", "2"))
        assert config.annotations == (("org.x", ""),)

    def test_a_bad_size_is_a_usage_error(self, shell: Shell) -> None:
        said = shell.no(2, "create", "--image", "busybox", "--memory", "much")
        assert said == (
            "Invalid value for '-m' / '--memory': 'much' is no size: write bytes, or a number "
            "with k, m, g or t (see `lockgate create --help`)"
        )

    @pytest.mark.parametrize("option", ["--label", "--annotation"])
    @pytest.mark.parametrize("pair", ["alone", "=nameless"])
    def test_a_bad_pair_is_a_usage_error(self, shell: Shell, option: str, pair: str) -> None:
        said = shell.no(2, "create", "--image", "busybox", option, pair)
        assert f"'{pair}' is no pair: write KEY=VALUE" in said
