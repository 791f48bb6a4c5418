"""Why there is no resolution, as an error: which requirement of the user's, what stands against it, what to change."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from imagewright.errors import ImagewrightError, LockError, SpecError, Where, redacted
from imagewright.packages.pypi.names import did_you_mean
from imagewright.packages.pypi.request import Request, place
from imagewright.packages.pypi.requirements_file import find_line, read_lines
from imagewright.packages.pypi.resolve_said import Said, Term, read_said

_MOST_FACTS = 7

OtherWheels = Callable[[str], Sequence[str]]
"""For a requirement, in words, what its wheels are for; empty when there is none for any platform."""


def explain(raw: str, request: Request, *, other_wheels: OtherWheels) -> ImagewrightError:
    """The error for what uv said when it ended without a lock. Trouble with the network is `explain_network`'s."""
    said = read_said(raw)
    if said.missing:
        return _missing(said.missing[0], said, request)
    if said.without_wheel:
        return _without_wheel(said.without_wheel[0], said, request, other_wheels)
    if said.python and not said.needs:
        return _other_python(*said.python[0], request)
    if said.without_version or (said.available and not said.needs):
        return _without_version(said, request)
    if said.needs or said.python or said.required:
        return _conflict(said, request)
    return _syntax(raw, said, request)


def _missing(name: str, said: Said, request: Request) -> LockError:
    guess = did_you_mean(name)
    return LockError(
        f"there is no package {name!r} on the package index",
        code="IW201",
        why=[f"{subject} needs it" for subject, needed in said.needs if needed.name == name],
        fix=[
            *([f"did you mean {guess!r}?"] if guess and guess != name else []),
            'if it is private, name its index: ImageSpec(pip_extra_index_url=["https://..."]) or UV_INDEX',
        ],
        where=where_of(request, name),
    )


def _without_wheel(term: Term, said: Said, request: Request, other_wheels: OtherWheels) -> LockError:
    target = request.target
    pin = f"{term.name}{term.specifier}"
    others = other_wheels(pin)
    other_platform = not any(other.endswith((f" on {target.system}", "any platform")) for other in others)
    return LockError(
        f"{term} has no wheel for Python {target.python} on {target.system}{'' if others else ' (source only)'}",
        code="IW203",
        why=[
            *(f"{subject} needs it" for subject, needed in said.needs if needed.name == term.name),
            *(f"it has wheels for {other}" for other in others[:3]),
            *(
                [f"wanted because image {request.image!r} is for {target.system}"]
                if request.image and other_platform
                else []
            ),
        ],
        fix=[
            f"choose another version of {term.name}" + (", or another python_version or platform" if others else ""),
            f"or make the wheel where it can be compiled: pip wheel '{pin}'; pip_extra_args='--find-links FOLDER'",
        ],
        where=where_of(request, term.name),
    )


def _other_python(term: Term, python: str, request: Request) -> LockError:
    return LockError(
        f"{term} needs Python {python}, and image {request.image!r} has Python {request.target.python}",
        code="IW202",
        fix=f"set python_version, or choose another version of {term.name}",
        where=where_of(request, term.name),
    )


def _without_version(said: Said, request: Request) -> LockError:
    term = (said.without_version or said.required or said.available)[0]
    only = [f"the index has {known.wanted}" for known in said.available if known.name == term.name]
    on_other = [hint for hint in said.hints if "--index-strategy" in hint]
    wanted = f" that is {term.specifier}" if term.specifier else ""
    return LockError(
        f"there is no version of {term.name!r}{wanted} on the package index",
        code="IW201",
        why=[
            *(f"{subject} needs it" for subject, needed in said.needs if needed.name == term.name),
            *only,
            *(["the first index that has the package is the only one it may come from"] if on_other else []),
        ],
        fix=[
            f"choose another version of {term.name}",
            *(['or trust all indexes alike: pip_extra_args="--index-strategy unsafe-best-match"'] if on_other else []),
        ],
        where=where_of(request, term.name),
    )


def _conflict(said: Said, request: Request) -> LockError:
    pins = dict(_pins(request))
    facts = [
        (f"{subject if subject.specifier else pins.get(subject.name, subject)} needs", needed.wanted)
        for subject, needed in said.needs
    ]
    facts += [(f"{subject} needs", f"Python {python}") for subject, python in said.python]
    explained = {canonicalize_name(subject.name) for subject, _ in (*said.needs, *said.python)}
    against = {canonicalize_name(needed.name) for _, needed in said.needs} or {
        canonicalize_name(term.name) for term in said.required
    }
    asked = [fact for name, fact in _asked(request) if name in against and (name not in explained or not said.needs)]
    facts = list(dict.fromkeys([*facts[: _MOST_FACTS - len(asked)], *asked]))
    width = max((len(subject) for subject, _ in facts), default=0)
    return LockError(
        f"{_packages(request)} do not fit together (Python {request.target.python}, {request.target.platform})",
        code="IW202",
        why=[f"{subject:<{width}}   {needed}" for subject, needed in facts] or said.text,
        fix="change one of the two" if len(facts) == 2 else "change one of these",
        where=None if asked else request.where,
    )


def _syntax(raw: str, said: Said, request: Request) -> ImagewrightError:
    """A requirement or a line of the file that uv could not read; anything that is not known, in uv's own words."""
    lines = redacted(raw).splitlines()
    caret = next((number for number, line in enumerate(lines) if re.fullmatch(r"\s*[│|]?\s*\^+", line)), 0)
    text = re.sub(r"^[\s│|]*", "", lines[caret - 1]) if caret else ""
    reason = re.sub(r"^\s*[╰├─▶│]*\s*(?:cause:)?\s*", "", lines[caret - 2]) if caret > 1 else ""
    if text and text in request.requirements:
        return SpecError(f"packages: {text!r} is not a requirement: {reason}", where=place(request.where, text))
    file = request.requirements_file
    if file is not None and text:
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            if text in line:
                where = Where(str(file), number, line, text)
                return SpecError(f"{file.name}: {text!r} is not a requirement: {reason}", where=where)
    said_lines = [line.strip() for line in lines if line.strip()][:6]
    if file is not None and (file.name in said.text or "failed to read" in said.text or text):
        return SpecError(f"uv cannot read the requirements file {file.name}", why=said_lines, where=request.where)
    return LockError(f"{_packages(request)} cannot be resolved", code="IW202", why=said_lines, where=request.where)


def _pins(request: Request) -> Iterator[tuple[str, Term]]:
    """The exact versions that the user asks for: uv says "all versions" where there is only one."""
    for text in request.requirements:
        pin = re.fullmatch(r"\s*([A-Za-z0-9._-]+)\s*==\s*([^\s*,;]+)\s*", text)
        if pin:
            name = canonicalize_name(pin[1])
            yield name, Term(name, f"=={pin[2]}")


def _asked(request: Request) -> Iterator[tuple[str, tuple[str, str]]]:
    """What the user asks for: the name, and the fact for a text."""
    here = f"{Path(request.where.file).name}:{request.where.line}" if request.where else "packages"
    for text in request.requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        yield canonicalize_name(requirement.name), (f"{here} asks for", _spaced(requirement))
    if request.requirements_file is not None:
        for line in read_lines(request.requirements_file):
            requirement = Requirement(line.text.partition(" --")[0])
            yield canonicalize_name(line.name), (f"{line.file.name}:{line.number} asks for", _spaced(requirement))


def _packages(request: Request) -> str:
    return f"the packages of image {request.image!r}" if request.image else "the packages"


def _spaced(requirement: Requirement) -> str:
    """``numpy <1.20``, the specifier in the order in which it was written."""
    return f"{requirement.name} {requirement.specifier}".strip()


def where_of(request: Request, name: str) -> Where | None:
    """Where the user asks for a package; the spec where it is another package that does."""
    wanted = canonicalize_name(name)
    for text in request.requirements:
        written = re.match(r"[A-Za-z0-9._-]+", text)
        if written and canonicalize_name(written[0]) == wanted:
            return place(request.where, written[0])
    line = find_line(request.requirements_file, name) if request.requirements_file is not None else None
    return line or request.where
