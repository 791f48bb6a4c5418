"""Requirements that mean the same are spelled the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from imagewright.spec.names import local_path, normalized_name, normalized_requirement, without_userinfo


@given(st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,10}[A-Za-z0-9])?", fullmatch=True))
def test_names_are_normalised_as_packaging_does(name: str) -> None:
    """PEP 503, as the library that pip uses reads it."""
    assert normalized_name(name) == canonicalize_name(name)


SPACE = st.sampled_from(["", " ", "  ", "\t"])
SPECIFIERS = st.lists(
    st.tuples(st.sampled_from(["==", ">=", "<", "~=", "!=", "<=", ">"]), st.sampled_from(["1.0", "2.0", "3.1.4"])),
    max_size=3,
)
MARKERS = st.sampled_from(["", "python_version < '3.12'", 'os_name=="posix" and (extra == "x" or python_version>"3")'])


@given(
    st.sampled_from(["NumPy", "a.b_c"]), SPECIFIERS, MARKERS, st.sampled_from(["", "[Z,a]", "[ a , z ]"]), SPACE, SPACE
)
def test_a_normalised_requirement_means_the_same(
    name: str, specifiers: list[tuple[str, str]], marker: str, extras: str, one: str, two: str
) -> None:
    """packaging reads the same requirement out of both texts, and normalising twice changes nothing."""
    versions = f"{two},{one}".join(operator + one + version for operator, version in specifiers)
    text = f"{one}{name}{two}{extras}{one}{versions}{two}" + (f";{one}{marker}" if marker else "")

    normalised = normalized_requirement(text)

    before, after = Requirement(text), Requirement(normalised)
    assert canonicalize_name(before.name) == after.name
    assert before.specifier == after.specifier
    assert {canonicalize_name(extra) for extra in before.extras} == after.extras
    assert before.marker == after.marker
    assert normalized_requirement(normalised) == normalised


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("NumPy >= 1.26 , < 2", "numpy<2,>=1.26"),
        ("numpy (>=1)", "numpy>=1"),
        ("a == 1.*", "a==1.*"),
        ("A_b @  https://example.com/A.whl", "a-b @ https://example.com/A.whl"),
        ("git+https://token@example.com/Repo.git@main", "git+https://example.com/Repo.git@main"),
        ("git+ssh://git@example.com/Repo.git", "git+ssh://git@example.com/Repo.git"),
        ("./Dist/A.whl", "./Dist/A.whl"),
        ("Dist/A-1-py3-none-any.whl", "Dist/A-1-py3-none-any.whl"),
        ("a==1 --hash=sha256:00", "a==1 --hash=sha256:00"),
    ],
)
def test_spellings(text: str, normalised: str) -> None:
    """What is no plain requirement keeps its text, but for spaces and passwords."""
    assert normalized_requirement(text) == normalised


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("./pkg", "./pkg"),
        ("../pkg[dev]", "../pkg"),
        (".", "."),
        ("/opt/a.whl", "/opt/a.whl"),
        ("dist/a-1-py3-none-any.whl", "dist/a-1-py3-none-any.whl"),
        ("a @ file:///opt/a.whl", "/opt/a.whl"),
        ("a @ ./a.whl ; os_name == 'posix'", "./a.whl"),
        ("a @ https://example.com/a.whl", ""),
        ("https://example.com/a.whl#sha256=00", ""),
        ("git+https://example.com/a", ""),
        ("numpy", ""),
        ("numpy==1.0", ""),
        ("numpy<2,>=1 ; python_version > '3'", ""),
    ],
)
def test_local_paths_are_told_from_names(text: str, path: str) -> None:
    """A requirement that names a file or folder is known by its path."""
    assert local_path(text) == path


def test_userinfo_is_taken_out_of_every_http_url() -> None:
    """Credentials never reach what is hashed."""
    assert without_userinfo("--index-url https://a:b@x --y HTTP://c@z") == "--index-url https://x --y HTTP://z"
