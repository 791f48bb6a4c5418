"""What a spec's digests are made of: its fields in one spelling, and the contents of the files that they name."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from imagewright.oci.digest import digest_of
from imagewright.spec.base_image import parse_local, spelled_local_image
from imagewright.spec.channels import local_channel, spelled_channels, without_token
from imagewright.spec.copy_mode import CopyFileDetection
from imagewright.spec.files import Copied, copied_files, source_files, source_root_of, spelled
from imagewright.spec.identity import BUILDING, REQUIRING, spelled_fields
from imagewright.spec.names import local_path
from imagewright.spec.requirements import spelled_extra_files, spelled_local, spelled_project, spelled_requirements

if TYPE_CHECKING:
    from imagewright.spec.image_spec import ImageSpec


def content_of(spec: ImageSpec) -> dict[str, Any]:
    """All content fields, and the digests of all files that they name.

    Raises:
        Refused: A file that the spec names is not there.
    """
    content = {**_spelled(spec), **_base(spec, "digest"), **_required_files(spec)}
    if spec.copied:
        content["files"] = spelled(spec.copied)
    locks = {str(platform): spec.lock_file(platform) for platform in spec.platforms}
    if kept := {platform: digest_of(file.read_bytes()) for platform, file in locks.items() if file.is_file()}:
        content["locks"] = kept
    return content


def declared_by(spec: ImageSpec) -> dict[str, Any]:
    """The content fields, with the names of files instead of their contents: no file is read."""
    content = _spelled(spec)
    base = spec.base_image
    if isinstance(base, str):
        if (local := parse_local(base)) is not None:
            content["base_image"] = {"local": [local.kind, _portable(local.path), local.name]}
    elif base is not None:
        content["base_image"] = {"declared": base.declared}
    names = {
        "requirements": _portable(spec.requirements),
        "source_root": _portable(spec.source_root),
        "source_copy_mode": spec.source_copy_mode.name if spec.source_copy_mode else None,
        "copy": list(spec.copy) or None,
        "conda_channels": [_portable_channel(channel) for channel in spec.conda_channels] or None,
    }
    content.update({field: name for field, name in names.items() if name is not None})
    return content


def required_by(spec: ImageSpec) -> dict[str, Any]:
    """What a lock answers: the packages that are asked for, on which Python, and from which indexes.

    Raises:
        Refused: A file that the spec names is not there.
    """
    spelled_out = _spelled(spec)
    content = {field: value for field, value in spelled_out.items() if field in REQUIRING}
    options = spelled_out.get("builder_options", {})
    if building := {name: value for name, value in options.items() if name in BUILDING}:
        content["building"] = building
    return {**content, **_base(spec, "required"), **_required_files(spec)}


def copied_by(spec: ImageSpec) -> tuple[Copied, ...]:
    """The user's files that go to /root, sorted: ``source_root``'s, and ``copy``'s where both have one.

    Raises:
        Refused: A file that the spec names is not there.
    """
    found: dict[str, Copied] = {}
    if spec.copy_mode is not CopyFileDetection.NO_COPY:
        root = spec.directory / spec.source_root if spec.source_root is not None else None
        root = root or source_root_of(spec.where.file, spec.directory)
        found.update((entry.path, entry) for entry in source_files(root, spec.copy_mode, spec.where.file))
    found.update((entry.path, entry) for entry in copied_files(spec.copy, spec.directory))
    return tuple(found[path] for path in sorted(found))


def _spelled(spec: ImageSpec) -> dict[str, Any]:
    return spelled_fields({field.name: getattr(spec, field.name) for field in fields(spec)}, python=spec.python)


def _base(spec: ImageSpec, aspect: str) -> dict[str, Any]:
    """A base that is another spec or a local image, by its content: ``aspect`` names the digest of a spec."""
    base = spec.base_image
    if base is None:
        return {}
    if isinstance(base, str):
        local = parse_local(base)
        return {"base_image": {"local": spelled_local_image(local, spec.directory)}} if local is not None else {}
    if base.platform != spec.platform:  # below this one it is built for this one's
        base = replace(base, platform=spec.platform)
    return {"base_image": {aspect: getattr(base, aspect)}}


def _required_files(spec: ImageSpec) -> dict[str, Any]:
    """The contents of the files that say what is installed."""
    content: dict[str, Any] = {}
    if spec.requirements is not None:
        file = spec.directory / spec.requirements
        content["requirements"] = spelled_requirements(file)
        if spec.install_project:
            content["project"] = spelled_project(file.parent)
    if spec.pip_extra_args and (extra := spelled_extra_files(spec.pip_extra_args, spec.directory)):
        content["pip_extra_files"] = extra
    if any(local_channel(channel) is not None for channel in spec.conda_channels):
        content["conda_channels"] = spelled_channels(spec.conda_channels, spec.directory)
    named = sorted({path for package in spec.packages if (path := local_path(package))})
    if named:
        content["local_packages"] = [[path, spelled_local("packages", path, spec.directory)] for path in named]
    return content


def _portable(path: str | None) -> str | None:
    """A path as every machine and container has it: an absolute one differs between them in all but its last part."""
    if path is None:
        return None
    return os.path.basename(path.rstrip("/")) if os.path.isabs(path) else os.path.normpath(path)


def _portable_channel(channel: str) -> str:
    path = local_channel(channel)
    return without_token(channel.strip()) if path is None else f"folder:{_portable(path)}"
