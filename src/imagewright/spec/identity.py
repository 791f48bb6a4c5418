"""What an image is, as plain values: what is hashed into `ImageSpec.digest` and `ImageSpec.declared`.

A field enters only when it differs from its default, so that a field that is added later changes no image that is there.
Not in it: name, registry, builder, tag_format (where and who), pip_secret_mounts, where secrets come from, and registry_config
(they decide who may read, not what is read), runtime_packages (not in the image), and where and when it was declared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from imagewright.oci.reference import Reference
from imagewright.spec.base_image import parse_local
from imagewright.spec.channels import without_token
from imagewright.spec.fields import CHECKS
from imagewright.spec.names import normalized_requirement, without_userinfo

VERSION = 1
"""Counted up when the same fields get another spelling. Every image is then built again: the golden digests change."""

REQUIRING = frozenset(
    {
        "identity",
        "python",
        "packages",
        "pip_index",
        "pip_extra_index_url",
        "pip_extra_args",
        "apt_packages",
        "apt_snapshot",
        "conda_packages",
        "conda_channels",
        "base_image",
        "python_exec",
        "cuda",
        "cudnn",
    }
)
"""The fields that decide which packages are installed. Files that name packages come to them."""

BUILDING = frozenset({"only_binary", "build_apt_packages", "build_requires", "build_env", "build_network"})
"""The ``builder_options`` that decide what is built from source, and how."""


def _unordered(items: Iterable[str]) -> list[str]:
    return sorted(set(items))


def _pressed(text: str) -> str:
    return " ".join(without_userinfo(text).split())


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return {"float": repr(value)} if isinstance(value, float) else value


_SPELLINGS: dict[str, Callable[[Any], Any]] = {
    "env": dict,
    "packages": lambda items: _unordered(map(normalized_requirement, items)),
    "conda_packages": lambda items: _unordered(map(_pressed, items)),
    "conda_channels": lambda items: [without_token(item.strip()) for item in items],
    "apt_packages": _unordered,
    "cuda": str,
    "cudnn": str,
    "pip_index": lambda text: without_userinfo(text).rstrip("/"),
    "pip_extra_index_url": lambda items: [without_userinfo(item).strip().rstrip("/") for item in items],
    "pip_extra_args": _pressed,
    "entrypoint": list,
    "commands": list,
    "python_exec": str,
    "builder_options": _plain,
    "builder_config": _plain,
    "install_project": bool,
    "secrets": sorted,
    "labels": dict,
    "annotations": dict,
    "user": str,
    "workdir": str,
    "apt_snapshot": str,
    "compile_bytecode": bool,
}


def spelled_fields(fields: Mapping[str, Any], *, python: str) -> dict[str, Any]:
    """The content fields that name no file and no other spec. ``python`` is the version that an unset one means."""
    spelled: dict[str, Any] = {"identity": VERSION, "python": python, "platforms": fields["platform"].split(",")}
    for field, spell in _SPELLINGS.items():
        if fields[field] != CHECKS[field](field, None):
            spelled[field] = spell(fields[field])
    base = fields["base_image"]
    if isinstance(base, str) and parse_local(base) is None:
        spelled["base_image"] = str(Reference.parse(base))
    return spelled
