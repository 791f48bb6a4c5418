"""One spelling for requirements that mean the same."""

from __future__ import annotations

import re

_NAME = re.compile(r"\s*(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[(?P<extras>[^\]]*)\])?\s*")
_SPECIFIER = re.compile(r"(?:===|[<>=!~]=|[<>])[^,;]+")
_MARKER_TOKEN = re.compile(r"'[^']*'|\"[^\"]*\"|[()]|[<>=!~]+|[^\s()<>=!~'\"]+")
_USERINFO = re.compile(r"(?P<scheme>(?:[a-z]+\+)?https?://)[^/@\s]*@", re.IGNORECASE)
_LOCAL = re.compile(r"(?:(?P<name>[A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*@\s*)?(?P<file>file:(?://)?)?(?P<path>[^;#]+)")
_ARCHIVE = re.compile(r"\.(?:whl|zip|tar\.gz|tgz|tar\.bz2)$")


def normalized_name(name: str) -> str:
    """A distribution's name as indexes compare it. Source: packaging.python.org, "Names and normalization" (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def normalized_requirement(text: str) -> str:
    """The one spelling of a requirement: ``NumPy >= 1.26, <2`` is ``numpy<2,>=1.26``.

    What is not ``name[extras] specifiers ; marker`` or ``name @ url`` (a URL, a path, an option) keeps its text with single
    spaces. Users and passwords of http URLs are left out.

    Source: packaging.python.org, "Dependency specifiers".
    """
    plain = " ".join(without_userinfo(text).split())
    match = _NAME.match(plain)
    if match is None or local_path(plain):
        return plain
    head = normalized_name(match["name"])
    extras = sorted({normalized_name(extra.strip()) for extra in (match["extras"] or "").split(",") if extra.strip()})
    if extras:
        head += f"[{','.join(extras)}]"
    rest = plain[match.end() :]
    if rest.startswith("@"):
        url, semicolon, marker = rest[1:].partition(" ;")
        return f"{head} @ {url.strip()}" + (_marker(marker) if semicolon else "")
    versions, semicolon, marker = rest.partition(";")
    specifiers = _specifiers(versions)
    if specifiers is None:
        return plain
    return head + specifiers + (_marker(marker) if semicolon else "")


def without_userinfo(text: str) -> str:
    """``text`` with no user and no password in its http URLs: they decide who may read, not what is read."""
    return _USERINFO.sub(lambda match: match["scheme"], text)


def local_path(requirement: str) -> str:
    """The path that a requirement names (``./pkg``, ``dist/a.whl``, ``a @ file:///b.whl``), or "" when it names none."""
    match = _LOCAL.fullmatch(requirement.strip().partition(" ;")[0].partition("#")[0].strip())
    if match is None:
        return ""
    path = match["path"].strip()
    if path.startswith(("./", "../", "/")) or match["file"]:
        return _without_extras(path)
    if "://" not in path and not match["name"] and _ARCHIVE.search(path):
        return path
    return path if path in (".", "..") else ""


def _without_extras(path: str) -> str:
    return re.sub(r"\[[^\]/]*\]$", "", path)


def _specifiers(text: str) -> str | None:
    """Sorted, without spaces; None when it is not a list of version specifiers."""
    text = text.strip()
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1]
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if any(not _SPECIFIER.fullmatch(part) for part in parts):
        return None
    pressed = ["".join(part.split()) for part in parts]
    if any(" " in part.lstrip("<>=!~").strip() for part in parts):
        return None
    return ",".join(sorted(set(pressed)))


def _marker(text: str) -> str:
    tokens = _MARKER_TOKEN.findall(text)
    return " ; " + " ".join(f'"{token[1:-1]}"' if token[0] == "'" and '"' not in token else token for token in tokens)
