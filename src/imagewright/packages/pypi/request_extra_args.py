"""``pip_extra_args``: pip's flags (and uv's and Poetry's own) in the words of uv, unknown ones named."""

import shlex
from collections.abc import Callable
from dataclasses import field

from imagewright.dataclass import dataclass
from imagewright.errors import LockError, SpecError, Where
from imagewright.packages.pypi.request import place
from imagewright.packages.pypi.selection import FLAGS, LISTS, UNDERSTOOD, Selection, flags_of

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
    "--fork-strategy": "--fork-strategy",
    "--prerelease-package": "--prerelease-package",
    "--exclude-newer-package": "--exclude-newer-package",
    "--no-sources-package": "--no-sources-package",
}
_UV_WITHOUT_VALUE = {
    "--pre": ("--prerelease", "allow"),
    "--no-deps": ("--no-deps",),
    "--no-index": ("--no-index",),
    "--no-sources": ("--no-sources",),
}
# They concern pip's talk, its cache or how it writes files, so nothing that is resolved depends on them. Wheels are
# taken where there are any, which is what --prefer-binary asks for.
_WITHOUT_MEANING = {
    "-q", "--quiet", "-v", "--verbose", "-U", "--upgrade", "--no-input", "--no-color", "--no-cache-dir", "--no-cache",
    "--disable-pip-version-check", "--no-warn-script-location", "--no-warn-conflicts", "--no-compile", "--compile",
    "--compile-bytecode", "--prefer-binary", "--ignore-installed", "-I", "--system", "--break-system-packages",
    "--force-reinstall", "--reinstall", "--locked", "--no-root", "--sync",
    "--no-install-project", "--no-emit-project", "--no-interaction", "-n", "--no-ansi", "--no-progress", "--isolated",
}  # fmt: skip
_WITHOUT_MEANING_WITH_VALUE = {
    "--progress-bar", "--root-user-action", "--retries", "--timeout", "--default-timeout", "--cache-dir",
    "--link-mode", "--upgrade-strategy", "--concurrent-downloads",
}  # fmt: skip
_FROM_SOURCE = {
    "--no-binary": ("builds what has a wheel", "name the sdist itself: packages=['name @ https://.../name-1.tar.gz']"),
    "--no-build-isolation": (
        "builds with what is installed",
        'builder_options={"build_requires": {"name": ["numpy<2"]}}',
    ),
    "--config-settings": ("sets a build backend up", 'builder_options={"build_env": {"CFLAGS": "..."}}'),
    "-C": ("sets a build backend up", 'builder_options={"build_env": {"CFLAGS": "..."}}'),
    "--global-option": ("sets a build backend up", 'builder_options={"build_env": {"CFLAGS": "..."}}'),
    "-e": ("installs a folder in place", 'packages=["./folder"], or a line "-e ./folder" of a requirements file'),
    "--editable": (
        "installs a folder in place",
        'packages=["./folder"], or a line "-e ./folder" of a requirements file',
    ),
}
_ELSEWHERE = {
    "-t": "packages always go to the image's own environment",
    "--target": "packages always go to the image's own environment",
    "--prefix": "packages always go to the image's own environment",
    "--root": "packages always go to the image's own environment",
    "--user": "packages always go to the image's own environment",
    "--python": "python_version says it",
    "-p": "python_version says it",
    "--python-version": "python_version says it",
    "--platform": "the field platform says it",
    "-r": "the field requirements says it",
    "--requirement": "the field requirements says it",
    "--cert": "pip's configuration or SSL_CERT_FILE says it",
    "--client-cert": "pip's configuration or SSL_CLIENT_CERT says it",
    "--proxy": "pip's configuration or HTTPS_PROXY says it",
}


@dataclass(frozen=True, slots=True)
class ExtraArgs:
    """``pip_extra_args`` taken apart; ``uv`` are arguments for uv as they are.

    ``require_hashes`` says that every wheel has to be one that the requirements file allows by its hash, ``only_binary``
    which packages may not be built: names, or ``:all:``.
    """

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    uv: tuple[str, ...] = ()
    selection: Selection = Selection()
    require_hashes: bool = False
    only_binary: tuple[str, ...] = ()


@dataclass(slots=True)
class _Found:
    index_url: str | None = None
    selected: dict[str, bool | tuple[str, ...]] = field(default_factory=dict)
    require_hashes: bool = False
    lists: dict[str, list[str]] = field(default_factory=dict)
    uv: list[str] = field(default_factory=list)


def parse_extra_args(text: str, *, kind: str = "", where: Where | None = None) -> ExtraArgs:
    """Translate ``text``, which is split as a shell would. ``kind`` is that of the requirements file, "" without one.

    Raises:
        SpecError: A flag has no counterpart, lacks its value, or selects something that this kind of file has not.
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
    selection = Selection(**found.selected)  # type: ignore[arg-type]
    if useless := selection.given() - UNDERSTOOD.get(kind, frozenset()):
        raise _selects_nothing(useless, kind, where)
    return ExtraArgs(
        found.index_url,
        tuple(lists.get("extra_index_urls", ())),
        tuple(lists.get("find_links", ())),
        tuple(lists.get("trusted_hosts", ())),
        tuple(found.uv),
        selection,
        found.require_hashes,
        tuple(lists.get("only_binary", ())),
    )


def _flag(word: str, rest: list[str], where: Where | None) -> tuple[str, Callable[[], str]]:
    """The flag, and a way to its value: what follows ``=``, or the next word."""
    flag, equals, joined = word.partition("=") if word.startswith("--") else (word, "", "")
    if not equals and len(word) > 2 and word[:2] in ("-i", "-f", "-c", "-E"):
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
    elif flag in LISTS:
        _select(found, LISTS[flag], tuple(value().replace(",", " ").split()))
    elif flag in FLAGS:
        _select(found, *FLAGS[flag])
    elif flag in _WITHOUT_MEANING_WITH_VALUE:
        value()
    elif flag in ("--only-binary", "--no-build-package"):
        _only_binary(found, value().replace(",", " ").split())
    elif flag == "--no-build":
        _only_binary(found, [":all:"])
    elif flag == "--require-hashes":
        found.require_hashes = True
    elif flag in _FROM_SOURCE:
        raise LockError(
            f"pip_extra_args: the native builder has no counterpart of {flag}, which {_FROM_SOURCE[flag][0]}",
            code="IW204",
            fix=_FROM_SOURCE[flag][1],
            where=place(where, flag),
        )
    elif flag in _ELSEWHERE:
        raise SpecError(f"pip_extra_args: {flag} has no use: {_ELSEWHERE[flag]}", where=place(where, flag))
    elif flag not in _WITHOUT_MEANING:
        raise SpecError(
            f"pip_extra_args: imagewright does not know {flag!r}",
            why=["known: " + " ".join(sorted({*_LISTS, *_INDEX, *_UV_WITH_VALUE, *_UV_WITHOUT_VALUE, *LISTS, *FLAGS}))],
            fix="leave it out, or use the field of ImageSpec that says the same",
            where=place(where, flag),
        )


def _only_binary(found: _Found, names: list[str]) -> None:
    """Take names as pip does: ``:none:`` forgets those before it."""
    for name in names:
        if name == ":none:":
            found.lists["only_binary"] = []
        else:
            found.lists.setdefault("only_binary", []).append(name)


def _select(found: _Found, field: str, more: bool | tuple[str, ...]) -> None:
    before = found.selected.get(field, ())
    found.selected[field] = (*before, *more) if isinstance(before, tuple) and isinstance(more, tuple) else more


def _selects_nothing(useless: frozenset[str], kind: str, where: Where | None) -> SpecError:
    flags = flags_of(useless)
    useful = flags_of(UNDERSTOOD.get(kind, frozenset()))
    return SpecError(
        f"pip_extra_args: {' '.join(flags)} selects a part of a project, and requirements is "
        + (f"a file of the kind {kind}" if kind else "not given"),
        why=[f"it knows: {' '.join(useful)}"] if useful else [],
        fix="leave it out" if kind else 'name the project: requirements="pyproject.toml", or its lock',
        where=where,
    )
