"""What a target accepts, as packaging and uv say it: environment markers, wheel tags, and uv's platform name."""

from collections.abc import Iterable, Iterator

from packaging.markers import Environment, InvalidMarker, Marker
from packaging.tags import Tag, compatible_tags, cpython_tags

from imagewright.errors import LockError
from imagewright.packages.target import Target

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
"""The kernel's word for an architecture, which markers and wheel tags use."""

_LEGACY = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
_OLDEST_GLIBC = {"x86_64": 5, "aarch64": 17}
_UV_LEVELS = (17, 28, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40)  # what uv 0.9 to 0.13 know of glibc 2.x


def machine(target: Target) -> str:
    """``x86_64`` or ``aarch64``.

    Raises:
        LockError: No wheels are made for the platform under the names that imagewright knows.
    """
    name = MACHINES.get(target.platform.architecture)
    if target.platform.os != "linux" or name is None:
        raise LockError(
            f"imagewright cannot resolve packages for {target.platform}",
            code="IW204",
            fix='use platform="linux/amd64" or "linux/arm64"',
        )
    return name


def full_version(target: Target) -> str:
    """The interpreter's whole version; its first release where the target does not know it."""
    return target.python_full_version or f"{target.python}.0"


def environment(target: Target) -> Environment:
    """The values of the environment markers inside the target. Source: PEP 508, "Environment Markers"."""
    return {
        "implementation_name": "cpython",
        "implementation_version": full_version(target),
        "os_name": "posix",
        "platform_machine": machine(target),
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": full_version(target),
        "platform_python_implementation": "CPython",
        "python_version": target.python,
        "sys_platform": "linux",
    }


def holds(marker: str, target: Target, extras: Iterable[str] = ()) -> bool:
    """Whether a marker holds on the target, with any of the extras or without one; "" always does.

    Raises:
        LockError: It is no marker.
    """
    try:
        parsed = Marker(marker) if marker.strip() else None
    except InvalidMarker as error:
        raise LockError(f"{marker!r} is not an environment marker", code="IW202", why=str(error)) from error
    known = {name: str(value) for name, value in environment(target).items()}
    return parsed is None or any(parsed.evaluate({**known, "extra": extra}) for extra in ("", *extras))


def wheel_tags(target: Target) -> tuple[Tag, ...]:
    """The tags of wheels that run on the target, best first.

    Source: packaging.python.org, "Platform compatibility tags"; PEP 600 (manylinux), PEP 656 (musllinux).
    """
    major, minor = (int(part) for part in target.python.split("."))
    platforms = list(_platforms(target))
    interpreter = f"cp{major}{minor}"
    return (
        # The ABI is named because packaging would otherwise ask the interpreter that runs imagewright for its own.
        *cpython_tags((major, minor), abis=[interpreter], platforms=platforms),
        *compatible_tags((major, minor), interpreter=interpreter, platforms=platforms),
    )


def uv_platform(target: Target) -> str:
    """uv's name of the platform: the highest level it knows that the target's C library reaches."""
    family, level = _libc(target)
    if family == "musl":
        return f"{machine(target)}-unknown-linux-musl"
    known = [glibc for glibc in _UV_LEVELS if (2, glibc) <= level]
    if not known:
        raise LockError(
            f"glibc {target.libc[1]} of the base image is older than any that wheels are made for (2.17)",
            code="IW203",
            fix="use a newer base image",
        )
    return f"{machine(target)}-manylinux_2_{known[-1]}"


def _platforms(target: Target) -> Iterator[str]:
    family, (major, minor) = _libc(target)
    name = machine(target)
    yield f"linux_{name}"
    if family == "musl":
        for level in range(minor, -1, -1):
            yield f"musllinux_{major}_{level}_{name}"
    else:
        for level in range(minor, _OLDEST_GLIBC[name] - 1, -1):
            yield f"manylinux_{major}_{level}_{name}"
            if (major, level) in _LEGACY:
                yield f"{_LEGACY[major, level]}_{name}"


def _libc(target: Target) -> tuple[str, tuple[int, int]]:
    family, version = target.libc
    major, minor = (int(part) for part in version.split(".")[:2])
    return family, (major, minor)
