"""What is said when an index cannot be asked, and that no password is ever part of it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from inline_snapshot import snapshot

from imagewright.errors import CredentialsError, ImagewrightError, LockError, NetworkError, Where
from imagewright.packages.pypi.indexes import logins_of
from imagewright.packages.pypi.indexes_pip import PipSettings
from imagewright.packages.pypi.pylock import Pin
from imagewright.packages.pypi.request import Request
from imagewright.packages.pypi.resolve import resolve
from imagewright.packages.pypi.resolve_uv import Uv
from imagewright.packages.target import Target
from imagewright.testing.index import Fault, PackageIndex
from imagewright.testing.wheels import make_wheel

CANARY = "canary-8f3bQ7xW2m"


@pytest.fixture
def request_(target: Target) -> Request:
    where = Where("app.py", 4, 'ImageSpec(name="demo", packages=["demo"])')
    return Request(("demo",), target, image="demo", where=where)


def failure(request: Request, uv: Uv, pin: Pin, **options: bool) -> ImagewrightError:
    with pytest.raises(ImagewrightError) as caught:
        resolve(request, uv=uv, pin=pin, offline=options.get("offline", False))
    return caught.value


def plain(error: ImagewrightError) -> str:
    """The text with what differs from run to run taken out."""
    text = "\n".join([f"{error.code}: {error.what}", *error.why, *(f"fix: {line}" for line in error.fix)])
    text = re.sub(r"127\.0\.0\.1:\d+", "HOST", text)
    return re.sub(r"[\d.]+s\b", "TIME", re.sub(r"/\S*/home", "~", text))


def test_a_login_is_wanted(index: PackageIndex, uv: Uv, pin: Pin, request_: Request) -> None:
    """Who wants it, where it was looked for, and where to write it."""
    index.login = ("user", CANARY)

    error = failure(request_, uv, pin)

    assert isinstance(error, CredentialsError)
    assert plain(error) == snapshot("""\
IW401: HOST wants a login to tell about 'demo', and none was found
looked in: the index URL, UV_INDEX_<NAME>_USERNAME and _PASSWORD, pip's configuration, ~/.netrc (absent)
fix: write it into ~/.netrc: machine 127.0.0.1 login USER password PASSWORD\
""")


def test_a_wrong_login_is_not_shown(index: PackageIndex, uv: Uv, pin: Pin, request_: Request) -> None:
    """It is said that it was refused; the password is nowhere in the error."""
    index.login = ("user", "another")
    url = index.url.replace("://", f"://user:{CANARY}@")

    error = failure(replace(request_, extra_index_urls=(url,)), uv, pin)

    assert error.code == "IW401"
    assert "does not accept the login" in error.what
    assert CANARY not in repr(vars(error)) + str(error)


def test_a_refusal(index: PackageIndex, uv: Uv, pin: Pin, request_: Request) -> None:
    """403 is not taken for "no such package"."""
    index.faults.append(Fault("/simple/demo/", 403, times=9))

    assert plain(failure(request_, uv, pin)) == snapshot("""\
IW403: HOST refuses to tell about 'demo'
it said: 403 Forbidden at http://HOST/simple/
fix: check the address, and that the login for HOST may read it\
""")


def test_nothing_answers(uv: Uv, pin: Pin, request_: Request) -> None:
    """The host, how often it was tried, and the last reason."""
    error = failure(replace(request_, index_url="http://127.0.0.1:9/simple/"), uv, pin)

    assert isinstance(error, NetworkError)
    assert plain(error) == snapshot("""\
IW502: HOST did not answer: 1 try, last: connection refused
fix: check the network and the index's address; --offline does with what is in the cache\
""")


def test_a_proxy_is_named(uv: Uv, pin: Pin, request_: Request) -> None:
    """The proxy that was in between is named without its password."""
    environ = {**uv.environ, "HTTP_PROXY": f"http://user:{CANARY}@127.0.0.1:9"}

    error = failure(replace(request_, index_url="http://index.invalid/simple/"), replace(uv, environ=environ), pin)

    assert error.code == "IW502"
    assert error.why[0].startswith("via proxy http://***@127.0.0.1:9")


@pytest.mark.parametrize("status", [500, 503, 429])
def test_an_error_of_the_index(index: PackageIndex, uv: Uv, pin: Pin, request_: Request, status: int) -> None:
    """Its own status is named."""
    index.faults.append(Fault("/simple/demo/", status, times=9))

    error = failure(request_, uv, pin)

    assert (error.code, error.exit_code) == ("IW503", 5)
    assert f"answers with an error of its own: {status} " in error.what


@pytest.mark.parametrize("kind", ["drop", "cut"])
def test_a_connection_that_ends(index: PackageIndex, uv: Uv, pin: Pin, request_: Request, kind: str) -> None:
    """A broken answer is no answer."""
    index.add(make_wheel("demo", "1"))
    index.faults.append(Fault("/simple/demo/", kind, times=99))  # type: ignore[arg-type]

    error = failure(request_, uv, pin)

    assert (error.code, error.exit_code) == ("IW502", 5)
    assert "127.0.0.1" in error.what


def test_what_is_not_cached_offline(index: PackageIndex, uv: Uv, pin: Pin, request_: Request) -> None:
    """The package whose page is missing is named, and nothing was asked."""
    index.add(make_wheel("demo", "1"))

    error = failure(request_, uv, pin, offline=True)

    assert isinstance(error, LockError)
    assert plain(error) == snapshot("""\
IW205: 'demo' cannot be resolved offline: what the index says of it is not in the cache
fix: run it once without --offline\
""")
    assert index.asked == []


@pytest.mark.parametrize("way", ["extra", "default", "environment", "pip", "netrc", "named"])
def test_a_login_serves_and_stays_secret(
    index: PackageIndex, uv: Uv, target: Target, pin: Pin, request_: Request, tmp_path: Path, way: str
) -> None:
    """Whatever way a login is given, the index is read with it, and no trace is left: not in the lock, not in the
    wheels' URLs, not in uv's cache, and not in the arguments of a process."""
    demo = make_wheel("demo", "1")
    index.add(demo)
    index.login = ("user", CANARY)
    url = index.url.replace("://", f"://user:{CANARY}@")
    pip = PipSettings()
    environ = dict(uv.environ)
    match way:
        case "extra":
            request_ = replace(request_, extra_index_urls=(url,))
        case "default":
            request_ = replace(request_, index_url=url)
        case "environment":
            environ["UV_DEFAULT_INDEX"] = url
        case "pip":
            del environ["UV_DEFAULT_INDEX"]
            pip = PipSettings(index_url=url, notes=("index-url",))
        case "netrc":
            (tmp_path / "home/.netrc").write_text(f"machine 127.0.0.1 login user password {CANARY}\n")
        case "named":
            environ |= {"UV_INDEX": f"my-own={index.url}", "UV_INDEX_MY_OWN_USERNAME": "user"}
            environ["UV_INDEX_MY_OWN_PASSWORD"] = CANARY
    watched = tmp_path / "uv.sh"
    watched.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {tmp_path}/arguments\nexec {uv.program()} "$@"\n')
    watched.chmod(0o755)
    uv = replace(uv, environ=environ, executable=str(watched))

    resolution = resolve(request_, uv=uv, pin=pin, pip=pip)

    (wheel,) = resolution.wheels
    assert wheel.file.url == index.url.replace("/simple/", "/files/") + demo.filename
    assert CANARY not in resolution.pylock + repr(resolution) + repr(uv)
    assert not any(CANARY.encode() in path.read_bytes() for path in uv.cache.rglob("*") if path.is_file())
    arguments = (tmp_path / "arguments").read_text()
    assert "--python-version=3.11" in arguments
    assert CANARY not in arguments
    logins = logins_of(request_, pip, environ)
    assert "Authorization" in logins.headers(wheel.file.url)
    assert logins.headers("https://example.com/other.whl") == {}
    assert CANARY not in repr(logins)
