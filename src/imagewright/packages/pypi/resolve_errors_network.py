"""Why an index could not be asked: offline, a login, no answer, an error of its own."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from imagewright.errors import CredentialsError, ImagewrightError, LockError, NetworkError, redacted
from imagewright.packages.pypi.indexes_login import Logins
from imagewright.packages.pypi.request import Request
from imagewright.packages.pypi.resolve_said import Said, read_said

_STATUS = re.compile(r"HTTP status (?:client|server) error \((\d{3}) ([^)]*)\)")
_TRIES = re.compile(r"Request failed after (\d+) retr(?:y|ies) in ([\d.]+s)")
_URL = re.compile(r"[a-z]+://[^\s)`]+")
_OFFLINE = ("network was disabled", "Network connectivity is disabled")
_REASONS = (
    ("connection refused", "connection refused"),
    ("failed to lookup address", "there is no such host"),
    ("dns error", "there is no such host"),
    ("invalid peer certificate", "its certificate is not trusted"),
    ("timed out", "timed out"),
    ("invalidcontenttype", "it does not speak TLS"),
    ("closed before message completed", "it ended the connection"),
    ("end of file before message", "the answer broke off"),
    ("connection reset", "it ended the connection"),
)


def explain_network(raw: str, request: Request, logins: Logins, environ: Mapping[str, str]) -> ImagewrightError | None:
    """The error when an index is what uv complains of, else None."""
    said = read_said(raw)
    everything = " ".join([said.text, *said.hints])
    found = _URL.search(" ".join(said.hints) if said.missing else said.text)
    url = found[0] if found else ""
    place = urlsplit(url)
    host = place.netloc.rpartition("@")[2] or "the package index"
    if any(text in everything for text in _OFFLINE):
        return _offline(said, request)
    if "401 Unauthorized" in everything:
        return _login(host, url, said, request, logins)
    if "403 Forbidden" in everything:
        return CredentialsError(
            f"{host} refuses to tell about {_package(said)}",
            code="IW403",
            why=f"it said: 403 Forbidden at {redacted(url)}",
            fix=f"check the address, and that the login for {host} may read it",
            where=request.where,
        )
    if "Failed to fetch" in said.text or "Request failed" in said.text:
        return _no_answer(host, place.scheme, said, request, environ)
    return None


def _offline(said: Said, request: Request) -> LockError:
    names = said.uncached
    if not names:
        what = "the requirements cannot be resolved offline: a file that is needed for it is not in the cache"
    elif len(names) == 1:
        what = f"{names[0]!r} cannot be resolved offline: what the index says of it is not in the cache"
    else:
        what = f"{', '.join(map(repr, names))} cannot be resolved offline: they are not in the cache"
    return LockError(what, code="IW205", fix="run it once without --offline", where=request.where)


def _login(host: str, url: str, said: Said, request: Request, logins: Logins) -> CredentialsError:
    known = bool(logins.headers(url))
    netrc = str(logins.netrc) if logins.netrc else "~/.netrc (absent)"
    return CredentialsError(
        f"{host} does not accept the login that it was given"
        if known
        else f"{host} wants a login to tell about {_package(said)}, and none was found",
        code="IW401",
        why=f"looked in: the index URL, UV_INDEX_<NAME>_USERNAME and _PASSWORD, pip's configuration, {netrc}",
        fix=f"write it into ~/.netrc: machine {urlsplit(url).hostname or host} login USER password PASSWORD",
        where=request.where,
    )


def _no_answer(host: str, scheme: str, said: Said, request: Request, environ: Mapping[str, str]) -> NetworkError:
    retried = _TRIES.search(said.text)
    tries = f"{int(retried[1]) + 1} tries in {retried[2]}" if retried else "1 try"
    status = _STATUS.search(said.text)
    proxy = environ.get(f"{scheme}_proxy") or environ.get(f"{scheme.upper()}_PROXY")
    fix = "check the network and the index's address; --offline does with what is in the cache"
    if status:
        return NetworkError(
            f"{host} answers with an error of its own: {status[1]} {status[2]} ({tries})",
            code="IW503",
            fix="try again later; --offline does with what is in the cache",
            where=None,
        )
    low = said.text.lower()
    reason = next((words for sign, words in _REASONS if sign in low), said.text.rpartition("url (")[2] or "no answer")
    return NetworkError(
        f"{host} did not answer: {tries}, last: {reason}",
        code="IW502",
        why=[f"via proxy {redacted(proxy)}; add the host to NO_PROXY if it should be reached directly"]
        if proxy
        else [],
        fix=fix,
    )


def _package(said: Said) -> str:
    return repr(said.missing[0]) if said.missing else "its packages"
