"""Lock: every input of an image, pinned by digest, for one platform."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from imagewright.build.base.locked import LockedImage
from imagewright.dataclass import dataclass
from imagewright.layer.planned import InputFile
from imagewright.oci.digest import Digest, canonical_json, digest_of, parse_digest
from imagewright.oci.platform import Platform
from imagewright.packages.conda.locked import LockedConda, LockedEnvironment
from imagewright.packages.deb.base import plan_base
from imagewright.packages.deb.locked import LockedBase, LockedDeb
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.pypi.source import Source
from imagewright.packages.target import Target
from imagewright.spec import ImageSpec


@dataclass(frozen=True, slots=True)
class LockedSpec:
    """A base that is another spec: its own lock. What it has installed stays as it is for what comes on top."""

    lock: "Lock"


@dataclass(frozen=True, slots=True)
class Lock:
    """The base image and the wheels on it, by name. ``asked`` is the digest of the requirements it answers.

    ``apt`` are the Debian packages that ``apt_packages`` adds to the base, with all that they need; ``conda`` are the
    packages that ``conda_packages`` adds, None without any.
    """

    asked: Digest
    base: LockedBase | LockedImage | LockedSpec
    wheels: tuple[LockedWheel, ...]
    apt: tuple[LockedDeb, ...] = ()
    conda: LockedEnvironment | None = None

    @property
    def target(self) -> Target:
        """What the wheels are installed onto: conda's Python when there is one, with its environment; else the base's."""
        if self.conda is not None and self.conda.python:
            return _onto(self.conda, self.base_target)
        return self.base_target

    @property
    def base_target(self) -> Target:
        """The base image, as far as packages need to know it."""
        match self.base:
            case LockedBase():
                return plan_base(self.base).target
            case LockedImage():
                return self.base.target
            case LockedSpec():
                return self.base.lock.target

    @property
    def conda_environment(self) -> LockedEnvironment | None:
        """All conda packages of the image: those of specs below, then our own."""
        below = self.base.lock.conda_environment if isinstance(self.base, LockedSpec) else None
        if self.conda is None or below is None:
            return self.conda or below
        return LockedEnvironment(
            below.prefix, (*below.packages, *self.conda.packages), tuple(sorted({*below.asked, *self.conda.asked}))
        )

    @property
    def environment(self) -> tuple[LockedWheel, ...]:
        """All wheels of the environment: those of specs below, then our own."""
        below = self.base.lock.environment if isinstance(self.base, LockedSpec) else ()
        return (*below, *self.wheels)

    @property
    def code_folder(self) -> str:
        """Where /root is in the image, links followed: what is put there does not take a link's place."""
        match self.base:
            case LockedBase():
                return "/root"
            case LockedImage():
                return self.base.code_folder
            case LockedSpec():
                return self.base.lock.code_folder

    def to_json(self) -> dict[str, Any]:
        """The lock as plain values, which `from_json` reads."""
        return {
            "asked": self.asked,
            "base": _base_to_json(self.base),
            "apt": _from_debs(self.apt),
            "wheels": [[wheel.name, wheel.version, *_file(wheel.file)] for wheel in self.wheels],
            **({"sources": sources} if (sources := _sources(self.wheels)) else {}),
            **({"conda": _from_conda(self.conda)} if self.conda else {}),
        }

    @classmethod
    def from_json(cls, document: Any) -> "Lock":
        """Read what `to_json` wrote.

        Raises:
            ValueError, KeyError, TypeError: It is something else.
        """
        sources = document.get("sources", {})
        wheels = tuple(
            LockedWheel(name, version, _input(url, digest, size), _source(sources.get(name), name, version))
            for name, version, url, digest, size in document["wheels"]
        )
        base, apt = _base_from_json(document["base"]), _debs(document.get("apt", ()))
        conda = _conda(document["conda"]) if "conda" in document else None
        return cls(parse_digest(document["asked"]), base, wheels, apt, conda)


def requirements_of(spec: ImageSpec, platform: Platform) -> Digest:
    """The digest of what a lock answers: what a spec requires, on one platform."""
    return digest_of(canonical_json({"required": spec.required, "platform": str(platform)}))


def _sources(wheels: Sequence[LockedWheel]) -> dict[str, Any]:
    return {wheel.name: wheel.source.to_json() for wheel in wheels if wheel.source is not None}


def _source(document: Any, name: str, version: str) -> Source | None:
    return None if document is None else Source.from_json(document, name=name, version=version)


def _base_to_json(base: LockedBase | LockedImage | LockedSpec) -> dict[str, Any]:
    match base:
        case LockedBase():
            return {
                "release": base.release,
                "python": base.python,
                "platform": str(base.platform),
                "debs": _from_debs(base.debs),
            }
        case LockedImage():
            return base.to_json()
        case LockedSpec():
            return {"spec": base.lock.to_json()}


def _base_from_json(document: Any) -> LockedBase | LockedImage | LockedSpec:
    if "spec" in document:
        return LockedSpec(Lock.from_json(document["spec"]))
    if "image" in document:
        return LockedImage.from_json(document)
    platform = Platform.parse(document["platform"])
    return LockedBase(document["release"], document["python"], platform, _debs(document["debs"]))


def _from_debs(debs: tuple[LockedDeb, ...]) -> list[list[Any]]:
    return [[deb.name, deb.version, deb.architecture, *_file(deb.file)] for deb in debs]


def _debs(rows: Any) -> tuple[LockedDeb, ...]:
    return tuple(
        LockedDeb(name, version, architecture, _input(url, digest, size))
        for name, version, architecture, url, digest, size in rows
    )


def _from_conda(environment: LockedEnvironment) -> dict[str, Any]:
    packages = [[one.name, one.version, one.build, one.noarch, *_file(one.file)] for one in environment.packages]
    return {"prefix": environment.prefix, "asked": list(environment.asked), "locked": packages}


def _conda(document: Any) -> LockedEnvironment:
    packages = tuple(
        LockedConda(name, version, build, noarch, _input(url, digest, size))
        for name, version, build, noarch, url, digest, size in document["locked"]
    )
    return LockedEnvironment(document["prefix"], packages, tuple(document["asked"]))


def _onto(environment: LockedEnvironment, base: Target) -> Target:
    minor = environment.minor
    interpreter = f"{environment.prefix}/bin/python{minor}"
    return replace(
        base, python=minor, interpreter=interpreter, prefix=environment.prefix, python_full_version=environment.python
    )


def _file(file: InputFile) -> tuple[str, str, int]:
    return file.url, file.digest, file.size


def _input(url: Any, digest: Any, size: Any) -> InputFile:
    if not isinstance(url, str) or not isinstance(size, int) or size < 0:
        raise ValueError(f"not a pinned file: {url!r}, {size!r} bytes")
    return InputFile(url, parse_digest(digest), size)
