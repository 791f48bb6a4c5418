"""Lock: every input of an image, pinned by digest, for one platform."""

from dataclasses import dataclass
from typing import Any

from imagewright.layer.planned import InputFile
from imagewright.oci.digest import Digest, canonical_json, digest_of, parse_digest
from imagewright.oci.platform import Platform
from imagewright.packages.deb.locked import LockedBase, LockedDeb
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.spec import ImageSpec


@dataclass(frozen=True, slots=True)
class Lock:
    """The base image's packages and the wheels on it, both by name. ``asked`` is the digest of the requirements it answers."""

    asked: Digest
    base: LockedBase
    wheels: tuple[LockedWheel, ...]

    def to_json(self) -> dict[str, Any]:
        """The lock as plain values, which `from_json` reads."""
        return {
            "asked": self.asked,
            "base": {
                "release": self.base.release,
                "python": self.base.python,
                "platform": str(self.base.platform),
                "debs": [[deb.name, deb.version, deb.architecture, *_file(deb.file)] for deb in self.base.debs],
            },
            "wheels": [[wheel.name, wheel.version, *_file(wheel.file)] for wheel in self.wheels],
        }

    @classmethod
    def from_json(cls, document: Any) -> "Lock":
        """Read what `to_json` wrote.

        Raises:
            ValueError, KeyError, TypeError: It is something else.
        """
        base = document["base"]
        debs = tuple(
            LockedDeb(name, version, architecture, _input(url, digest, size))
            for name, version, architecture, url, digest, size in base["debs"]
        )
        wheels = tuple(
            LockedWheel(name, version, _input(url, digest, size))
            for name, version, url, digest, size in document["wheels"]
        )
        locked = LockedBase(base["release"], base["python"], Platform.parse(base["platform"]), debs)
        return cls(parse_digest(document["asked"]), locked, wheels)


def requirements_of(spec: ImageSpec, platform: Platform) -> Digest:
    """The digest of what a lock answers: what a spec requires, on one platform."""
    return digest_of(canonical_json({"required": spec.required, "platform": str(platform)}))


def _file(file: InputFile) -> tuple[str, str, int]:
    return file.url, file.digest, file.size


def _input(url: Any, digest: Any, size: Any) -> InputFile:
    if not isinstance(url, str) or not isinstance(size, int) or size < 0:
        raise ValueError(f"not a pinned file: {url!r}, {size!r} bytes")
    return InputFile(url, parse_digest(digest), size)
