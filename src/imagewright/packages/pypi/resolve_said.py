"""What uv said when it found no resolution, taken apart: the facts in its sentences, without its layout."""

import re
from collections.abc import Iterator

from imagewright.dataclass import dataclass
from imagewright.errors import redacted

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_SPEC = r"(?:(?:===|[=!<>~]=|[<>])[^\s,]+(?:,(?=[=!<>~]))?)*"
_TERM = rf"(?!(?:you|all|we)\b){_NAME}(?:\[[^\]]*\])?(?:\{{[^}}]*\}})?{_SPEC}"
_SUBJECT = rf"(?:all versions of )?{_TERM}"

_MISSING = re.compile(rf"({_NAME}) (?:was|were) not found in (?:the package registry|the provided package locations)")
_UNCACHED = re.compile(rf"({_NAME}) (?:was|were) not found in the cache")
_NEEDS = re.compile(rf"({_SUBJECT}) depends? on ({_TERM}(?: and {_TERM})*)")
_NO_WHEEL = re.compile(rf"({_SUBJECT}) (?:has|have) no (?:usable wheels|wheels with a matching)")
_NO_VERSION = re.compile(rf"there (?:is|are) no versions? of ({_TERM})")
_ONLY = re.compile(rf"only ({_TERM}) is available")
_REQUIRE = re.compile(rf"you require ({_TERM}(?:(?:,| and|, and) {_TERM})*)")
_PYTHON = re.compile(rf"({_SUBJECT}) depends? on Python([=!<>~][^\s,]*(?:,[=!<>~][^\s,]*)*)")


@dataclass(frozen=True, slots=True, order=True)
class Term:
    """A package with a version specifier, both as uv wrote them; "" is any version."""

    name: str
    specifier: str

    def __str__(self) -> str:
        if self.specifier.startswith("==") and "," not in self.specifier:
            return f"{self.name} {self.specifier[2:]}"
        return f"{self.name} {self.specifier}".strip()

    @property
    def wanted(self) -> str:
        """The term as a requirement with a space: ``numpy >=1.26,<2``."""
        return f"{self.name} {self.specifier}".strip()


@dataclass(frozen=True, slots=True)
class Said:
    """The facts. ``needs`` pairs a package with what it depends on, ``python`` with the Pythons that it takes."""

    text: str
    hints: tuple[str, ...]
    missing: tuple[str, ...]
    uncached: tuple[str, ...]
    needs: tuple[tuple[Term, Term], ...]
    python: tuple[tuple[Term, str], ...]
    without_wheel: tuple[Term, ...]
    without_version: tuple[Term, ...]
    available: tuple[Term, ...]
    required: tuple[Term, ...]


def read_said(raw: str) -> Said:
    """The facts in uv's words; passwords in URLs are gone."""
    sentences, hints = [], []
    for line in redacted(raw).splitlines():
        text = re.sub(r"^[\s\u00d7│╰├─▶|]*(?:(?:error|cause):)?\s*", "", line).strip()
        if text.startswith("hint:"):
            hints.append(text.removeprefix("hint:").strip())
        elif hints and text:
            hints[-1] = f"{hints[-1]} {text}"
        elif text:
            sentences.append(text)
    text = " ".join(sentences)
    return Said(
        text,
        tuple(hints),
        _unique(match[1] for match in _MISSING.finditer(text)),
        _unique(match[1] for match in _UNCACHED.finditer(text)),
        tuple(dict.fromkeys(_pairs(text))),
        tuple(dict.fromkeys((_term(match[1]), match[2].rstrip(",")) for match in _PYTHON.finditer(text))),
        _terms(match[1] for match in _NO_WHEEL.finditer(text)),
        _terms(match[1] for match in _NO_VERSION.finditer(text)),
        _terms(match[1] for match in _ONLY.finditer(text)),
        _terms(part for match in _REQUIRE.finditer(text) for part in re.split(r",? and |, ", match[1])),
    )


def _pairs(text: str) -> Iterator[tuple[Term, Term]]:
    for match in _NEEDS.finditer(text):
        for needed in match[2].split(" and "):
            if not needed.startswith("Python") or needed[6:7] not in "=!<>~":
                yield _term(match[1]), _term(needed)


def _terms(texts: Iterator[str]) -> tuple[Term, ...]:
    return tuple(dict.fromkeys(_term(text) for text in texts))


def _unique(texts: Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _term(text: str) -> Term:
    plain = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", text.removeprefix("all versions of ")).rstrip(",.")
    name = re.match(_NAME, plain)
    # A version may not be part of the name: "a.b==1." ends with the sentence's own point.
    return Term(name[0], plain[name.end() :]) if name else Term(plain, "")
