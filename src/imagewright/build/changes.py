"""What differs between the ingredients of two images. Pure."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any

from imagewright.build.base.locked import LockedImage
from imagewright.build.ingredients import FILES, Ingredients
from imagewright.build.lock import Lock, LockedSpec
from imagewright.events import Change, Kind
from imagewright.layer.planned import InputFile
from imagewright.oci.digest import hex_of
from imagewright.packages.deb.locked import LockedBase
from imagewright.spec.identity import REQUIRING

_NAME = re.compile(r"[A-Za-z0-9._+-]+")
_LISTS = ("packages", "conda_packages", "conda_channels", "apt_packages", "pip_extra_index_url")
_NOT_ASKED = frozenset({"identity", "base_image", "locks", "env", "commands", "files", "platforms", *FILES, *_LISTS})

_Locked = Mapping[str, tuple[str, str]]
"""Name -> version and digest."""


def changes_between(before: Ingredients, after: Ingredients) -> tuple[Change, ...]:
    """What differs: what was asked for first, then what it led to. Of a lock file only what it speaks of is compared."""
    old, new = _flat(before.content), _flat(after.content)
    changes = [*_asked(old, new), *locked_changes(before.lock, after.lock)]
    if before.whole and after.whole:
        changes += _pairs("env", old.get("env", {}), new.get("env", {}))
        changes += _commands(old.get("commands", []), new.get("commands", []))
        changes += _pairs("file", _files(old.get("files", [])), _files(new.get("files", [])))
        names = sorted({*old, *new} - _NOT_ASKED - REQUIRING)
        changes += _pairs("setting", _texts(old, names), _texts(new, names))
    return tuple(changes)


def mapping_changes(
    before: Mapping[Kind, Mapping[str, str]], after: Mapping[Kind, Mapping[str, str]]
) -> tuple[Change, ...]:
    """What differs between values by kind and name."""
    kinds = sorted({*before, *after})
    return tuple(change for kind in kinds for change in _pairs(kind, before.get(kind, {}), after.get(kind, {})))


def locked_changes(before: Lock, after: Lock) -> tuple[Change, ...]:
    """What differs between two locks: the base, Debian packages, conda packages, Python packages."""
    changes = _base(before, after)
    same_kind = isinstance(_bottom(before), LockedBase) == isinstance(_bottom(after), LockedBase)
    changes += _locked("debian", _debs(before, base=same_kind), _debs(after, base=same_kind))
    changes += _locked("conda", _conda(before), _conda(after))
    changes += _locked("package", _wheels(before), _wheels(after))
    return tuple(changes)


def asked_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """What differs between two contents in what a lock answers."""
    return tuple(_asked(_flat(before), _flat(after)))


def _asked(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for field in _LISTS:
        for change in _pairs("asked", _by_name(old.get(field, ())), _by_name(new.get(field, ()))):
            yield Change("asked", field, change.before, change.after)
    names = sorted(REQUIRING - _NOT_ASKED)
    yield from _pairs("asked", _texts(old, names), _texts(new, names))
    if isinstance(old.get("base_image", ""), str) and isinstance(new.get("base_image", ""), str):
        yield from _pairs("asked", _texts(old, ["base_image"]), _texts(new, ["base_image"]))
    for field in sorted(FILES):
        for change in _pairs("asked", _named_files(old.get(field, ())), _named_files(new.get(field, ()))):
            yield Change("asked", change.name, change.before, change.after)


def _base(before: Lock, after: Lock) -> list[Change]:
    old, new = _bottom(before), _bottom(after)
    changes = []
    if isinstance(old, LockedImage) and isinstance(new, LockedImage) and old.reference == new.reference:
        if old.manifest.digest != new.manifest.digest:
            changes.append(Change("base", old.reference, _short(old.manifest.digest), _short(new.manifest.digest)))
    elif _titled(old) != _titled(new):
        changes.append(Change("base", "", _titled(old), _titled(new)))
    if str(before.target.platform) != str(after.target.platform):
        changes.append(Change("base", "platform", str(before.target.platform), str(after.target.platform)))
    pythons = [lock.target.python_full_version or lock.target.python for lock in (before, after)]
    if pythons[0] != pythons[1]:
        changes.append(Change("base", "python", *pythons))
    return changes


def _titled(base: LockedBase | LockedImage) -> str:
    if isinstance(base, LockedBase):
        return f"debian {base.release} + python {base.python}"
    return f"{base.reference} {_short(base.manifest.digest)}"


def _bottom(lock: Lock) -> LockedBase | LockedImage:
    return _bottom(lock.base.lock) if isinstance(lock.base, LockedSpec) else lock.base


def _debs(lock: Lock, *, base: bool) -> _Locked:
    """The Debian packages on the base, and with ``base`` its own."""
    found: dict[str, tuple[str, str]] = {}
    if isinstance(lock.base, LockedSpec):
        found.update(_debs(lock.base.lock, base=base))
    elif isinstance(lock.base, LockedBase) and base:
        found.update((deb.name, _pinned(deb.version, deb.file)) for deb in lock.base.debs)
    found.update((deb.name, _pinned(deb.version, deb.file)) for deb in lock.apt)
    return found


def _wheels(lock: Lock) -> _Locked:
    return {wheel.name: _pinned(wheel.version, wheel.file) for wheel in lock.environment}


def _conda(lock: Lock) -> _Locked:
    environment = lock.conda_environment
    packages = environment.packages if environment else ()
    return {one.name: _pinned(f"{one.version} {one.build}", one.file) for one in packages}


def _pinned(version: str, file: InputFile) -> tuple[str, str]:
    return version, file.digest


def _locked(kind: Kind, old: _Locked, new: _Locked) -> list[Change]:
    """Versions; and digests in short, where one version is of two files."""
    changes = []
    for name in sorted({*old, *new}):
        before, after = old.get(name, ("", "")), new.get(name, ("", ""))
        if before == after:
            continue
        if before[0] == after[0]:
            before, after = ((f"{version} {_short(digest)}", "") for version, digest in (before, after))
        changes.append(Change(kind, name, before[0], after[0]))
    return changes


def _pairs(kind: Kind, old: Mapping[str, str], new: Mapping[str, str]) -> list[Change]:
    return [
        Change(kind, name, old.get(name, ""), new.get(name, ""))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def _commands(old: list[str], new: list[str]) -> Iterator[Change]:
    """Commands in their order: those that are gone, and those that came."""
    for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            yield from (Change("command", "", command, "") for command in old[i:j])
            yield from (Change("command", "", "", command) for command in new[k:m])


def _flat(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a spec and of all specs below it, as if it were one; what is above adds, or comes first."""
    base = content.get("base_image")
    below = _flat(base["spec"]) if isinstance(base, dict) and "spec" in base else {}
    own = content if not below else {name: value for name, value in content.items() if name != "base_image"}
    flat = {**below, **own}
    for name in (*_LISTS, "commands", "files", *FILES):
        if name in below and name in own:
            flat[name] = [*below[name], *own[name]]
    if "env" in below and "env" in own:
        flat["env"] = {**below["env"], **own["env"]}
    return flat


def _by_name(items: Iterable[str]) -> dict[str, str]:
    """Requirements by what they are of, so that a changed version is one change."""
    return {match[0] if (match := _NAME.match(item)) else item: item for item in items}


def _files(rows: Iterable[Any]) -> dict[str, str]:
    return {str(row[0]): " ".join(_short(str(part)) for part in row[1:]) for row in rows}


def _named_files(rows: Iterable[Any]) -> dict[str, str]:
    return {str(row[0]): _short(row[-1]) if isinstance(row[-1], str) else _text(row[-1]) for row in rows}


def _texts(content: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    """The values as text; what is in an object, as labels are, each under its own name."""
    texts: dict[str, str] = {}
    for name in names:
        value = content.get(name)
        if isinstance(value, dict):
            texts.update((f"{name}.{key}", _text(item)) for key, item in value.items())
        elif value is not None:
            texts[name] = _text(value)
    return texts


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _short(text: str) -> str:
    """The first 12 digits of a digest; another text as it is."""
    return hex_of(text)[:12] if text.startswith("sha256:") else text
