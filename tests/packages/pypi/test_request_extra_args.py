"""pip_extra_args, in uv's words."""

import re
import subprocess
from pathlib import Path

import pytest

from imagewright.errors import LockError, SpecError, Where
from imagewright.packages.pypi.request_extra_args import (
    _ELSEWHERE,
    _FROM_SOURCE,
    _INDEX,
    _LISTS,
    _UV_WITH_VALUE,
    _UV_WITHOUT_VALUE,
    _WITHOUT_MEANING,
    _WITHOUT_MEANING_WITH_VALUE,
    ExtraArgs,
    parse_extra_args,
)
from imagewright.packages.pypi.resolve_uv import Uv
from imagewright.packages.pypi.selection import FLAGS, LISTS, Selection, uv_export_flags


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
        ("--no-cache-dir -q --progress-bar off --upgrade", ExtraArgs()),
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


def test_what_is_selected_of_a_project() -> None:
    """uv's flags and Poetry's mean the same; several names in one value, or several flags."""
    uv = parse_extra_args("--extra a --extra b --group docs --no-dev --package one", kind="uv.lock").selection
    poetry = parse_extra_args('--extras "a b" --with docs --without dev', kind="poetry.lock").selection

    assert uv == Selection(extras=("a", "b"), groups=("docs",), without_groups=("dev",), packages=("one",))
    assert poetry == Selection(extras=("a", "b"), groups=("docs",), without_groups=("dev",))
    assert parse_extra_args("-Ea,b --all-groups", kind="poetry.lock").selection == Selection(
        ("a", "b"), all_groups=True
    )


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("--extra gpu", ""),
        ("--extra gpu", "requirements.txt"),
        ("--extra gpu", "script"),
        ("--package one", "pyproject.toml"),
        ("--no-emit-workspace", "poetry.lock"),
    ],
)
def test_what_would_select_nothing_is_refused(text: str, kind: str) -> None:
    """A kind of file that has no such part."""
    with pytest.raises(SpecError, match="selects a part of a project"):
        parse_extra_args(text, kind=kind)


@pytest.mark.parametrize("text", ["--no-binary :all:", "--config-settings a=b", "-e ./project"])
def test_what_builds_from_source_is_refused(text: str) -> None:
    """It is understood, and there is another way to say it."""
    with pytest.raises(LockError, match="has no counterpart of") as caught:
        parse_extra_args(text)

    assert caught.value.code == "IW204"


@pytest.mark.parametrize(
    ("text", "instead"),
    [("--python 3.12", "python_version"), ("-r more.txt", "requirements"), ("--target /x", "environment")],
)
def test_what_a_field_says_is_refused(text: str, instead: str) -> None:
    """The field is named."""
    with pytest.raises(SpecError, match=instead):
        parse_extra_args(text)


def test_uv_takes_what_it_is_passed(tmp_path: Path) -> None:
    """Every flag of uv's that pip_extra_args may lead to is one of ``uv pip compile``, or of ``uv export``."""
    program = Uv(tmp_path, {}).program()

    def flags(*command: str) -> set[str]:
        text = subprocess.run([program, *command, "--help"], capture_output=True, text=True, timeout=60, check=True)
        return set(re.findall(r"--[a-z][a-z-]+", text.stdout))

    compiled = {*_UV_WITH_VALUE.values(), *(flags[0] for flags in _UV_WITHOUT_VALUE.values())}
    whole = Selection(
        ("a",), True, ("a",), True, ("b",), ("c",), ("d",), True, ("e",), ("workspace", "local")
    )  # fmt: skip
    exported = {flag.partition("=")[0] for flag in uv_export_flags(whole)}

    assert compiled <= flags("pip", "compile")
    assert exported <= flags("export")


def test_the_page_names_every_flag() -> None:
    """docs/how-to/requirements.md has a table of them."""
    page = (Path(__file__).parents[3] / "docs/how-to/requirements.md").read_text(encoding="utf-8")
    known = {
        *_INDEX, *_LISTS, *_UV_WITH_VALUE, *_UV_WITHOUT_VALUE, *_WITHOUT_MEANING, *_WITHOUT_MEANING_WITH_VALUE,
        *_FROM_SOURCE, *_ELSEWHERE, *LISTS, *FLAGS,
    }  # fmt: skip

    assert sorted(flag for flag in known if f"`{flag}`" not in page) == []
