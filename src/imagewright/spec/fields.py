"""What each field of an ImageSpec may hold: checked, and brought into one form, when the spec is made."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from pathlib import PurePosixPath
from typing import Any

from imagewright.oci.platform import Platform
from imagewright.oci.reference import Reference, check_registry, check_repository, check_tag
from imagewright.spec.container_fields import CONTAINER_CHECKS, check_env
from imagewright.spec.copy_mode import MODES, CopyFileDetection
from imagewright.spec.frozen import FrozenDict
from imagewright.spec.refused import Refused as Refused  # for those who read fields
from imagewright.spec.secret_fields import secret_sources

LOCAL_REGISTRY = "local"
DEFAULT_PLATFORM = "linux/amd64"

_PYTHON = re.compile(r"3\.\d{1,2}(?:\.\d{1,3})?")
_APT = re.compile(r"[a-z0-9][A-Za-z0-9+.:~=/*_-]*")
_MOMENT = re.compile(r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})(?:[T ]([0-9]{2}):?([0-9]{2}):?([0-9]{2})(?:Z|\+00:00))?")


def _strings(field: str, value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        raise Refused(field, value, "is one string, not a list of strings", fix=f"{field}=[{value!r}]", part=value)
    if not isinstance(value, (list, tuple)):
        raise Refused(field, value, f"is a {type(value).__name__}, not a list of strings", fix=f'{field}=["..."]')
    for item in value:
        if not isinstance(item, str):
            raise Refused(
                field, value, f"holds {item!r}, which is not a string", fix=f'{field}=["{item}"]', part=str(item)
            )
        if not item.strip() or "\0" in item:
            raise Refused(field, value, f"holds {item!r}, which says nothing", fix=f"take {item!r} out of {field}")
    return tuple(value)


def _requirements_list(field: str, value: Any) -> tuple[str, ...]:
    for item in (items := _strings(field, value)):
        if "\n" in item.strip():
            raise Refused(field, value, "holds several lines in one string", fix=f"{field}={item.split()}", part=item)
        if item.lstrip().startswith("-"):
            raise Refused(
                field,
                value,
                f"holds {item!r}, an option of pip and not a requirement",
                fix=(
                    f'{field}=["{item.split(None, 1)[-1]}"]: a folder is built and installed'
                    if item.lstrip().startswith(("-e", "--editable"))
                    else 'requirements="requirements.txt" for a file, pip_extra_args="..." for options'
                ),
                part=item,
            )
    return tuple(item.strip() for item in items)


def _apt_packages(field: str, value: Any) -> tuple[str, ...]:
    names = tuple(name for item in _strings(field, value) for name in item.split())
    for name in names:
        if not _APT.fullmatch(name):
            raise Refused(
                field,
                value,
                f"holds {name!r}, which is not a Debian package's name",
                fix=f'{field}=["{re.sub("[^a-z0-9+.-]", "", name.lower()) or "curl"}"]',
                part=name,
            )
    return names


def _apt_snapshot(field: str, value: Any) -> str | None:
    """A time as Debian's snapshot archives name it; a day is its beginning."""
    if value is None:
        return None
    match = _MOMENT.fullmatch(str(value).strip()) if not isinstance(value, (int, float)) else None
    try:
        moment = datetime(*(int(part or 0) for part in match.groups())) if match else None  # type: ignore[arg-type]
    except ValueError:  # a month 13
        moment = None
    if moment is None:
        raise Refused(
            field, value, "is no day and no time in UTC", fix=f'{field}="2026-05-20", or "20260520T120000Z"', part=value
        )
    return f"{moment:%Y%m%dT%H%M%SZ}"


def _entrypoint(field: str, value: Any) -> tuple[str, ...] | None:
    return None if value is None else _strings(field, value)


def _text(field: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise Refused(field, value, f"is a {type(value).__name__}, not a string", fix=f'{field}="{value}"', part=value)
    if not value.strip() or "\0" in value:
        raise Refused(field, value, "says nothing", fix=f"leave {field} out", part=value)
    return value.strip()


def _path(field: str, value: Any) -> str | None:
    return _text(field, os.fspath(value) if isinstance(value, os.PathLike) else value)


def _name(field: str, value: Any) -> str:
    name = _text(field, value)
    if name is None:
        raise Refused(field, value, "is no name", fix='name="my-image"')
    try:
        return check_repository(name.lower())
    except ValueError:
        better = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "my-image"
        raise Refused(
            field,
            value,
            "cannot name an image: lower-case letters and digits, with single . _ - / between them",
            fix=f'name="{better}"',
            part=name,
        ) from None


def _version(field: str, value: Any) -> str | None:
    if isinstance(value, float):  # 12.10 as a number is 12.1
        raise Refused(field, value, "is a number", fix=f'write it in quotes: {field}="{value}"', part=value)
    return _text(field, value)


def _python_version(field: str, value: Any) -> str | None:
    if isinstance(value, (int, float)):
        # 3.10 as a number is 3.1, so the number cannot be taken for what was meant
        raise Refused(field, value, "is a number", fix=f'write it in quotes: {field}="3.11"', part=value)
    text = _text(field, value)
    if text is not None and not _PYTHON.fullmatch(text):
        raise Refused(field, value, "is not a version of Python 3", fix=f'{field}="3.11"', part=text)
    return text


def _registry(field: str, value: Any) -> str | None:
    text = None if value == "" else _text(field, value)
    if text is None or text == LOCAL_REGISTRY:
        return text
    host = text.lower().rstrip("/")
    for scheme in ("https://", "http://"):
        if host.startswith(scheme):
            host = host[len(scheme) :]
            if scheme == "http://" and not host.startswith(("localhost", "127.", "[::1]")):
                raise Refused(
                    field, value, "asks for plain http", fix=f'{field}="{host}" with --insecure-registry', part=value
                )
    try:
        first, _, path = host.partition("/")
        check_registry(first)
        if path:
            check_repository(path)
    except ValueError:
        raise Refused(
            field,
            value,
            "is not a registry: host[:port], with a path if you like",
            fix='registry="localhost:30000", "ghcr.io/acme" or "docker.io/acme"; leave it out for the local store',
            part=value,
        ) from None
    return host


def _base_image(field: str, value: Any) -> Any:
    """A reference or the place of a local image as it was written, or another spec, which was checked when it was made."""
    if value is None or hasattr(value, "declared"):
        return value
    text = _text(field, value)
    kind, _, rest = (text or "").partition(":")
    if kind in ("oci", "oci-archive", "docker-archive"):
        if not rest.partition(":")[0]:
            raise Refused(field, value, "names no file", fix=f'{field}="{kind}:base.tar"', part=text)
        return text
    try:
        Reference.parse(text or "")
    except ValueError as error:
        raise Refused(
            field, value, f"is not an image: {error}", fix='base_image="python:3.11-slim"', part=text
        ) from None
    return text


def _platform(field: str, value: Any) -> str:
    if isinstance(value, (list, tuple)):
        value = ",".join(_strings(field, value))
    text = _text(field, value) or DEFAULT_PLATFORM
    try:
        return ",".join(str(platform) for platform in sorted({Platform.parse(part) for part in text.split(",")}))
    except ValueError as error:
        raise Refused(
            field, value, f"is not understood: {error}", fix=f'{field}="{DEFAULT_PLATFORM}"', part=text
        ) from None


def _secret_mounts(field: str, value: Any) -> tuple[tuple[str, str], ...]:
    pairs = () if value is None else value
    fix = f'{field}=[("secret-file", "/path/in/the/build")]'
    if not isinstance(pairs, (list, tuple)):
        raise Refused(field, value, "is not a list of pairs", fix=fix)
    for pair in pairs:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise Refused(field, value, f"holds {pair!r}, which is not a pair of strings", fix=fix, part=pair)
    return tuple((source, target) for source, target in pairs)


def _tag_format(field: str, value: Any) -> str | None:
    text = _text(field, value)
    if text is None:
        return None
    try:
        check_tag(text.format(spec_hash="0" * 32))
        tells = text.format(spec_hash="0" * 32) != text.format(spec_hash="1" * 32)
    except (ValueError, LookupError, AttributeError) as error:
        raise Refused(field, value, f"makes no tag: {error}", fix=f'{field}="{{spec_hash}}-dev"', part=text) from None
    if not tells:
        # One tag for every content would make an image that is there stand for all that come after it.
        raise Refused(field, value, "leaves the digest out", fix=f'{field}="{{spec_hash}}-{text}"', part=text)
    return text


def _copy_mode(field: str, value: Any) -> CopyFileDetection | None:
    if value is None or isinstance(value, CopyFileDetection):
        return value
    name = value.name if isinstance(value, Enum) else value
    mode = MODES.get(name.lower()) if isinstance(name, str) else None
    if mode is None:
        raise Refused(field, value, "is not a way to copy", fix=f'{field}="auto", "all" or "none"', part=value)
    return mode


def _copy(field: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, (list, tuple)):
        value = [os.fspath(item) if isinstance(item, os.PathLike) else item for item in value]
    paths = []
    for item in _strings(field, value):
        path = PurePosixPath(item)
        if path.is_absolute() or ".." in path.parts:
            raise Refused(
                field,
                value,
                f"holds {item!r}, which is not below the folder of the file that declares it",
                fix=f'a relative path without "..": {field}=["{path.name or "data"}"]',
                part=item,
            )
        paths.append(str(path))
    return tuple(dict.fromkeys(paths))


def _options(field: str, value: Any) -> FrozenDict:
    if value is not None and not isinstance(value, Mapping):
        raise Refused(field, value, f"is a {type(value).__name__}, not a dict", fix=f'{field}={{"option": "value"}}')
    frozen = _plain(field, value or {})
    assert isinstance(frozen, FrozenDict)
    return frozen


def _plain(field: str, value: Any) -> Any:
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        return tuple(_plain(field, item) for item in value)
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return FrozenDict({key: _plain(field, item) for key, item in value.items()})
    raise Refused(
        field, value, f"is a {type(value).__name__}", fix="strings, numbers, lists and dicts with string keys only"
    )


def _flag(field: str, value: Any) -> bool:
    if value is not None and not isinstance(value, bool):
        raise Refused(field, value, "is neither True nor False", fix=f"{field}=True", part=value)
    return bool(value)


CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "name": _name,
    "python_version": _python_version,
    "builder": _text,
    "source_root": _path,
    "env": check_env,
    "registry": _registry,
    "packages": _requirements_list,
    "conda_packages": _strings,
    "conda_channels": _strings,
    "requirements": _path,
    "apt_packages": _apt_packages,
    "cuda": _version,
    "cudnn": _version,
    "base_image": _base_image,
    "platform": _platform,
    "pip_index": _text,
    "pip_extra_index_url": _strings,
    "pip_secret_mounts": _secret_mounts,
    "pip_extra_args": _text,
    "registry_config": _path,
    "entrypoint": _entrypoint,
    "commands": _strings,
    "tag_format": _tag_format,
    "source_copy_mode": _copy_mode,
    "copy": _copy,
    "python_exec": _text,
    "runtime_packages": _requirements_list,
    "builder_options": _options,
    "builder_config": _options,
    "install_project": _flag,
    "apt_snapshot": _apt_snapshot,
    "compile_bytecode": _flag,
    **CONTAINER_CHECKS,
    "secrets": secret_sources,
}
"""Every field: flytekit's in their positional order, then our own. None is each one's default, but for ``name``."""
