"""What the solver says -> what a user reads."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from imagewright.errors import CredentialsError, ImagewrightError, LockError, NetworkError, SpecError, redacted

if TYPE_CHECKING:
    from imagewright.packages.conda.resolve import CondaRequest

_MOST_LINES = 6


def explain(answer: Mapping[str, Any], request: "CondaRequest", subdir: str) -> ImagewrightError:
    """The error for an answer of the worker that has no packages."""
    said = redacted(str(answer["why"])).strip()
    if answer["error"] == "spec":
        return _no_spec(answer["spec"], said, request)
    if answer["error"] == "channel":
        return _no_channel(answer.get("at", ""), said, request)
    if answer["error"] == "network":
        return _no_answer(said, request)
    if answer["unknown"]:
        return _unknown(answer["unknown"][0], request, subdir)
    return LockError(
        f"the conda packages of image {request.image!r} do not fit together ({_target(request, subdir)})",
        code="IW202",
        why=[*_drawn(said), *(f"{one['name']} is there as {', '.join(one['versions'])}" for one in answer["there"])],
        fix=_fix(said, request),
        where=request.where(_guilty(said, request)),
    )


def _no_spec(spec: str, said: str, request: "CondaRequest") -> SpecError:
    if "==" in spec and re.search(r"\[[a-z, ]+\]", spec):
        said += "; extras in brackets are pip's"
    return SpecError(
        f"conda_packages: {spec!r} is not a match spec of conda",
        why=said,
        fix='write "numpy", "numpy=1.26", "numpy>=1.26,<2" or "conda-forge::numpy"',
        where=request.where(spec),
    )


def _no_channel(at: str, said: str, request: "CondaRequest") -> LockError:
    return LockError(
        f"there is no conda channel at {redacted(at) or 'that place'}",
        code="IW201",
        why=said.splitlines()[-1:],
        fix="correct conda_channels; a channel is a name, a URL, or a folder written ./folder or /folder",
        where=request.where("conda_channels"),
    )


def _no_answer(said: str, request: "CondaRequest") -> ImagewrightError:
    lines = [line.removeprefix("Caused by: ") for line in said.splitlines() if line.strip()]
    url = re.search(r"\((https?://[^)\s]+)\)", said)
    if "no usable repodata cache" in said:
        return LockError(
            "the index of a conda channel is not in the cache, and --offline forbids to ask for it",
            code="IW205",
            why=lines[:2],
            fix="run it once without --offline",
            where=request.where("conda_packages"),
        )
    host = re.sub(r"^https?://([^/]+).*", r"\1", url[1]) if url else "a conda channel"
    if refused := re.search(r"\b(401|403)\b", said):
        wanted = refused[1] == "401"
        return CredentialsError(
            f"{host} {'wants a login for' if wanted else 'refuses'} a conda channel of image {request.image!r}",
            code="IW401" if wanted else "IW403",
            why=["looked in: the channel's URL, RATTLER_AUTH_FILE, ~/.rattler/credentials.json", *lines[:1]],
            fix=f"pixi auth login {host}, or rattler auth login {host}; or put it into the channel's URL",
            where=request.where("conda_channels"),
        )
    return NetworkError(
        f"{host} did not answer, which has a channel of image {request.image!r}",
        code="IW502",
        why=[lines[-1] if lines else "", f"channels: {', '.join(map(redacted, request.channels.names))}"],
        fix=[
            'conda_channels=["./folder", "nodefaults"] asks a folder alone, and not conda-forge',
            'or name a mirror that this machine reaches: conda_channels=["https://.../conda-forge", "nodefaults"]',
        ],
        where=request.where("conda_channels" if len(request.channels.names) > 1 else "conda_packages"),
    )


def _unknown(unknown: Mapping[str, Any], request: "CondaRequest", subdir: str) -> LockError:
    name = unknown["name"]
    channels = ", ".join(redacted(channel) for channel in request.channels.names)
    near = " or ".join(repr(one) for one in unknown["near"])
    where = request.where(next((spec for spec in request.specs if name in spec), name))
    if unknown["elsewhere"]:
        return LockError(
            f"conda's {name!r} is not made for {request.platform} ({subdir})",
            code="IW203",
            why=f"other platforms have it in {channels}",
            fix=f'leave it out for this platform, or platform="linux/{"arm64" if subdir == "linux-64" else "amd64"}"',
            where=where,
        )
    return LockError(
        f"there is no conda package {name!r} for {subdir} in {channels}",
        code="IW201",
        why=() if any(name in spec for spec in request.specs) else "another package needs it",
        fix=[
            *([f"did you mean {near}?"] if near else []),
            "if another channel has it, name that: conda_channels=[...]",
            f'if it is on the package index of Python: packages=["{name}"]',
        ],
        where=where,
    )


def _fix(said: str, request: "CondaRequest") -> str:
    if "the constraint python" in said or re.search(r"No candidates were found for python \d", said):
        return f"take another Python: now it is python_version={request.python!r}"
    if "__cuda" in said:
        return 'cuda="12.4" says which CUDA the machines have that run it'
    return "relax a version in conda_packages, or leave one of them out"


def _drawn(said: str) -> list[str]:
    """The solver's tree, without its first words and without what is too deep."""
    text = said.removeprefix("Cannot solve the request because of: ")
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return lines if len(lines) <= _MOST_LINES else [*lines[: _MOST_LINES - 1], "..."]


def _guilty(said: str, request: "CondaRequest") -> str:
    """The requirement that the solver speaks of first."""
    places = {spec: said.find(re.split(r"[^A-Za-z0-9._-]", spec.rpartition("::")[2])[0]) for spec in request.specs}
    found = sorted((place, spec) for spec, place in places.items() if place >= 0)
    return found[0][1] if found else "conda_packages"


def _target(request: "CondaRequest", subdir: str) -> str:
    python = f"Python {request.python}, " if request.python else ""
    return f"{python}{subdir}, {' '.join(request.libc)}"
