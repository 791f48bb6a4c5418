"""For which Pythons and platforms a requirement has wheels: asked only when it has none for the target."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from imagewright.packages.pypi.request import Request
from imagewright.packages.pypi.resolve_uv import Uv, run_uv

_PYTHONS = ("3.8", "3.10", "3.12", "3.14")  # uv leaves out wheels for older Pythons than it is asked for: oldest first


def other_wheels(
    requirement: str, request: Request, uv: Uv, arguments: Sequence[str], environment: Mapping[str, str]
) -> tuple[str, ...]:
    """What the wheels that satisfy ``requirement`` are for, as ``Python 3.12 on linux/amd64``; empty without any."""
    for python in _PYTHONS:
        compiled = run_uv(
            uv,
            (requirement,),
            (),
            replace(request.target, python=python, python_full_version=""),
            directory=request.directory,
            arguments=[*arguments, "--no-deps"],
            environment=environment,
            platform="--universal",
        )
        if compiled.status == 0:
            name = canonicalize_name(requirement.split("=")[0].rstrip("<>!~ "))
            packages = tomllib.loads(compiled.text)["packages"]
            return _summary([tag for package in packages if package["name"] == name for tag in _tags(package)])
    return ()


def _tags(package: dict[str, Any]) -> Iterator[Tag]:
    for wheel in package.get("wheels", ()):
        try:
            filename = unquote(urlsplit(wheel.get("url") or wheel.get("path", "")).path).rpartition("/")[2]
            yield from parse_wheel_filename(filename)[3]
        except InvalidWheelFilename:
            continue


def _summary(tags: Sequence[Tag]) -> tuple[str, ...]:
    """Which Pythons, by platform: of Linux if there are any, for no image is of another system."""
    found: dict[str, set[int]] = {}
    for tag in tags:
        digits = tag.interpreter.removeprefix("cp").removeprefix("py")
        if digits[:1] == "3":
            found.setdefault(_platform(tag.platform), set()).add(int(digits[1:] or 0))
    linux = {platform: minors for platform, minors in found.items() if not platform.startswith(("macOS", "Windows"))}
    return tuple(
        f"Python {', '.join(f'3.{minor}' if minor else '3' for minor in sorted(minors))} on {platform}"
        for platform, minors in sorted((linux or found).items())
    )


def _platform(tag: str) -> str:
    libc = " (musl)" if tag.startswith("musllinux") else ""
    system = next(
        (name for sign, name in (("linux", "linux"), ("mac", "macOS"), ("win", "Windows")) if sign in tag), ""
    )
    if not system:
        return "any platform" if tag == "any" else tag
    architectures = (("x86_64", "amd64"), ("amd64", "amd64"), ("aarch64", "arm64"), ("arm64", "arm64"))
    architecture = next((name for ending, name in architectures if tag.endswith(ending)), "")
    return f"{system}/{architecture}{libc}" if architecture else system
