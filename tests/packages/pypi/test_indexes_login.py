"""Logins go to the index that they were given for."""

from base64 import b64encode
from pathlib import Path

import pytest

from imagewright.packages.pypi.indexes_login import Logins, read_logins, split_name


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


def test_the_origin_decides() -> None:
    """Scheme, host and port have to be the same; the path has not."""
    logins = read_logins(["https://me:a%40b@index.example.com/simple/"], {})

    assert logins.headers("https://index.example.com/files/x.whl") == basic("me", "a@b")
    assert logins.headers("https://index.example.com:443/x.whl") == basic("me", "a@b")
    for other in (
        "http://index.example.com/x",
        "https://index.example.com:8443/x",
        "https://files.example.com/x",
        "https://index.example.com.evil.example.com/x",
        "file:///x",
        "https://[broken/x",
    ):
        assert logins.headers(other) == {}


def test_a_named_index_has_its_login_in_variables() -> None:
    """As uv has it: the name in capitals, what is no letter or digit an underscore."""
    environ = {"UV_INDEX_MY_OWN_USERNAME": "me", "UV_INDEX_MY_OWN_PASSWORD": "word"}

    logins = read_logins(["my-own=https://index.example.com/simple"], environ)

    assert logins.headers("https://index.example.com/x") == basic("me", "word")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("own=https://example.com/a", ("own", "https://example.com/a")),
        ("https://example.com/a?x=y", ("", "https://example.com/a?x=y")),
        ("https://example.com/a", ("", "https://example.com/a")),
    ],
)
def test_names_of_indexes(text: str, expected: tuple[str, str]) -> None:
    """A name is what stands before the first =, unless that is part of the URL."""
    assert split_name(text) == expected


def test_netrc_goes_by_host(tmp_path: Path) -> None:
    """Over https, or to this machine; a broken file is none."""
    (tmp_path / ".netrc").write_text(
        "machine index.example.com login me password word\nmachine localhost login a password b\n"
    )
    logins = read_logins([], {"HOME": str(tmp_path)})

    assert logins.headers("https://index.example.com/x") == basic("me", "word")
    assert logins.headers("http://index.example.com/x") == {}
    assert logins.headers("http://localhost:8080/x") == basic("a", "b")
    (tmp_path / "broken").write_text("machine")
    assert read_logins([], {"NETRC": str(tmp_path / "broken")}).headers("https://index.example.com/x") == {}


def test_nothing_known() -> None:
    """Without logins there are no headers."""
    assert Logins().headers("https://index.example.com/x") == {}
