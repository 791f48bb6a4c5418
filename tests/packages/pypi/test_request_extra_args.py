"""pip_extra_args, in uv's words."""

import pytest

from imagewright.errors import SpecError, Where
from imagewright.packages.pypi.request_extra_args import ExtraArgs, parse_extra_args


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ExtraArgs()),
        ("--pre", ExtraArgs(uv=("--prerelease", "allow"))),
        ("-i https://example.com/a --extra-index-url=https://example.com/b",
         ExtraArgs(index_url="https://example.com/a", extra_index_urls=("https://example.com/b",))),
        ("-ihttps://example.com/a", ExtraArgs(index_url="https://example.com/a")),
        ("-f 'a folder' --find-links https://example.com/l?a=b",
         ExtraArgs(find_links=("a folder", "https://example.com/l?a=b"))),
        ("-c limits.txt --no-deps", ExtraArgs(uv=("--constraints", "limits.txt", "--no-deps"))),
        ("--trusted-host example.com", ExtraArgs(trusted_hosts=("example.com",))),
        ("--index-strategy unsafe-best-match", ExtraArgs(uv=("--index-strategy", "unsafe-best-match"))),
        ("--no-cache-dir -q --progress-bar off --only-binary :all: --upgrade", ExtraArgs()),
    ],
)  # fmt: skip
def test_flags_are_translated(text: str, expected: ExtraArgs) -> None:
    """pip's flags, with = or without, and those of uv that a resolve knows."""
    assert parse_extra_args(text) == expected


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("--pre --frobnicate", "--frobnicate"),
        ("-t /lib", "-t"),
        ("numpy", "numpy"),
    ],
)
def test_what_is_not_known_is_named(text: str, named: str) -> None:
    """Nothing is silently left out: the flag is in the message, and the caret under it."""
    where = Where("app.py", 1, f'ImageSpec(pip_extra_args="{text}")')

    with pytest.raises(SpecError, match=named) as caught:
        parse_extra_args(text, where=where)

    assert caught.value.code == "IW102"
    assert caught.value.where is not None
    assert caught.value.where.part == named


@pytest.mark.parametrize("text", ["--index-url", "--find-links 'a"])
def test_what_is_cut_short_is_refused(text: str) -> None:
    """A flag without its value, a quote without its end."""
    with pytest.raises(SpecError, match="pip_extra_args"):
        parse_extra_args(text)
