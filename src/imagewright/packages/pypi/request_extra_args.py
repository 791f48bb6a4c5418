"""``pip_extra_args``: pip's flags (and uv's own) in the words of uv, unknown ones named."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field

from imagewright.errors import SpecError, Where
from imagewright.packages.pypi.request import place

_INDEX = {"-i": "index_url", "--index-url": "index_url", "--pypi-url": "index_url", "--default-index": "index_url"}
_LISTS = {
    "--extra-index-url": "extra_index_urls",
    "--index": "extra_index_urls",
    "-f": "find_links",
    "--find-links": "find_links",
    "--trusted-host": "trusted_hosts",
    "--allow-insecure-host": "trusted_hosts",
}
_UV_WITH_VALUE = {
    "-c": "--constraints",
    "--constraint": "--constraints",
    "--constraints": "--constraints",
    "--override": "--overrides",
    "--overrides": "--overrides",
    "--prerelease": "--prerelease",
    "--resolution": "--resolution",
    "--index-strategy": "--index-strategy",
    "--exclude-newer": "--exclude-newer",
    "--torch-backend": "--torch-backend",
    "--keyring-provider": "--keyring-provider",
}
_UV_WITHOUT_VALUE = {
    "--pre": ("--prerelease", "allow"),
    "--no-deps": ("--no-deps",),
    "--no-index": ("--no-index",),
}
# They concern pip's talk, its cache or how it writes files, so nothing that is resolved depends on them. Only wheels
# are taken anyway, which is what --prefer-binary and --only-binary ask for.
_WITHOUT_MEANING = {
    "-q", "--quiet", "-v", "--verbose", "-U", "--upgrade", "--no-input", "--no-color", "--no-cache-dir", "--no-cache",
    "--disable-pip-version-check", "--no-warn-script-location", "--no-warn-conflicts", "--no-compile", "--compile",
    "--compile-bytecode", "--prefer-binary", "--ignore-installed", "-I", "--system", "--break-system-packages",
}  # fmt: skip
_WITHOUT_MEANING_WITH_VALUE = {
    "--progress-bar", "--root-user-action", "--retries", "--timeout", "--default-timeout", "--cache-dir",
    "--only-binary", "--link-mode",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ExtraArgs:
    """``pip_extra_args`` taken apart; ``uv`` are arguments for uv as they are."""

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    uv: tuple[str, ...] = ()


@dataclass(slots=True)
class _Found:
    index_url: str | None = None
    lists: dict[str, list[str]] = field(default_factory=dict)
    uv: list[str] = field(default_factory=list)


def parse_extra_args(text: str, *, where: Where | None = None) -> ExtraArgs:
    """Translate ``text``, which is split as a shell would.

    Raises:
        SpecError: A flag has no counterpart, or lacks its value.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise SpecError(f"pip_extra_args={text!r} cannot be split into words: {error}", where=where) from error
    found = _Found()
    while words:
        word = words.pop(0)
        flag, value = _flag(word, words, where)
        _take(flag, value, found, where)
    lists = found.lists
    return ExtraArgs(
        found.index_url,
        tuple(lists.get("extra_index_urls", ())),
        tuple(lists.get("find_links", ())),
        tuple(lists.get("trusted_hosts", ())),
        tuple(found.uv),
    )


def _flag(word: str, rest: list[str], where: Where | None) -> tuple[str, Callable[[], str]]:
    """The flag, and a way to its value: what follows ``=``, or the next word."""
    flag, equals, joined = word.partition("=") if word.startswith("--") else (word, "", "")
    if not equals and len(word) > 2 and word[:2] in ("-i", "-f", "-c"):
        flag, equals, joined = word[:2], "=", word[2:]

    def value() -> str:
        if equals:
            return joined
        if not rest:
            raise SpecError(f"pip_extra_args: {flag} needs a value", where=place(where, flag))
        return rest.pop(0)

    return flag, value


def _take(flag: str, value: Callable[[], str], found: _Found, where: Where | None) -> None:
    if flag in _INDEX:
        found.index_url = value()
    elif flag in _LISTS:
        found.lists.setdefault(_LISTS[flag], []).append(value())
    elif flag in _UV_WITH_VALUE:
        found.uv += [_UV_WITH_VALUE[flag], value()]
    elif flag in _UV_WITHOUT_VALUE:
        found.uv += _UV_WITHOUT_VALUE[flag]
    elif flag in _WITHOUT_MEANING_WITH_VALUE:
        value()
    elif flag not in _WITHOUT_MEANING:
        raise SpecError(
            f"pip_extra_args: imagewright does not know {flag!r}",
            why=["known: " + " ".join(sorted({*_LISTS, *_INDEX, *_UV_WITH_VALUE, *_UV_WITHOUT_VALUE}))],
            fix="leave it out, or use the field of ImageSpec that says the same",
            where=place(where, flag),
        )
