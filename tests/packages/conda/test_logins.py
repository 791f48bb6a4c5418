"""Logins that rattler's tools have stored are used for the files of their hosts, and for no others."""

import json
from pathlib import Path

import pytest

from imagewright.packages.conda.logins import StoredLogins

LOGINS = {
    "conda.example.com": {"CondaToken": "tk-1"},
    "*.example.org": {"BearerToken": "tk-2"},
    "basic.example.net:8443": {"BasicHTTP": {"username": "bob", "password": "pa ss"}},
}


@pytest.fixture(params=["named", "home"])
def logins(request: pytest.FixtureRequest, tmp_path: Path) -> StoredLogins:
    """In the file that the variable names, or where rattler puts it."""
    if request.param == "named":
        (tmp_path / "auth.json").write_text(json.dumps(LOGINS))
        return StoredLogins({"RATTLER_AUTH_FILE": str(tmp_path / "auth.json"), "HOME": "/nonexistent"})
    (tmp_path / ".rattler").mkdir()
    (tmp_path / ".rattler" / "credentials.json").write_text(json.dumps(LOGINS))
    return StoredLogins({"HOME": str(tmp_path)})


def test_each_kind_of_login(logins: StoredLogins) -> None:
    """A token goes into the path, the others into a header."""
    assert (
        logins.located("https://conda.example.com/c/noarch/a.conda")
        == "https://conda.example.com/t/tk-1/c/noarch/a.conda"
    )
    assert logins.headers("https://conda.example.com/c/noarch/a.conda") == {}
    assert logins.headers("https://a.b.example.org/c/a.conda") == {"Authorization": "Bearer tk-2"}
    assert logins.headers("https://basic.example.net:8443/a.conda") == {"Authorization": "Basic Ym9iOnBhIHNz"}


@pytest.mark.parametrize(
    "url", ["https://example.com/a", "https://badexample.org/a", "https://example.org.evil.example/a"]
)
def test_nobody_else_gets_one(logins: StoredLogins, url: str) -> None:
    """Neither a domain above nor one that looks alike."""
    assert (logins.headers(url), logins.located(url)) == ({}, url)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"example.com": 7}', '{"example.com": {"CondaToken": 7, "BasicHTTP": "x"}}']
)
def test_a_file_that_says_something_else_has_none(tmp_path: Path, text: str) -> None:
    """The channel says then that it wants a login."""
    (tmp_path / "auth.json").write_text(text)
    logins = StoredLogins({"RATTLER_AUTH_FILE": str(tmp_path / "auth.json")})

    assert (logins.headers("https://example.com/a"), logins.located("https://example.com/a")) == (
        {},
        "https://example.com/a",
    )
