"""A base image of somebody else's that is pinned: pure data, as a lock has it."""

from typing import Any

from imagewright.dataclass import dataclass
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import parse_digest
from imagewright.oci.platform import Platform
from imagewright.packages.target import Target


@dataclass(frozen=True, slots=True)
class LockedImage:
    """An image for one platform, by its manifest's digest, and what packages have to know of it.

    ``reference`` is as the user wrote it. ``packages`` is the folder of packages of the virtual environment that the
    image has on its PATH, or ""; ``system`` says that ours sees the interpreter's own packages. ``extends`` says that
    the environment at ``target.prefix`` is there already, made by imagewright. ``code_folder`` is where /root leads.
    """

    reference: str
    manifest: Descriptor
    target: Target
    packages: str = ""
    system: bool = True
    extends: bool = False
    code_folder: str = "/root"

    def to_json(self) -> dict[str, Any]:
        """As plain values, which `from_json` reads."""
        target = self.target
        return {
            "image": self.reference,
            "digest": self.manifest.digest,
            "media_type": self.manifest.media_type,
            "size": self.manifest.size,
            "platform": str(target.platform),
            "python": target.python,
            "python_full_version": target.python_full_version,
            "interpreter": target.interpreter,
            "libc": list(target.libc),
            "prefix": target.prefix,
            "packages": self.packages,
            "system": self.system,
            "extends": self.extends,
            "code_folder": self.code_folder,
        }

    @classmethod
    def from_json(cls, document: Any) -> "LockedImage":
        """Read what `to_json` wrote.

        Raises:
            ValueError, KeyError, TypeError: It is something else.
        """
        family, version = document["libc"]
        target = Target(
            Platform.parse(document["platform"]),
            str(document["python"]),
            str(document["interpreter"]),
            (str(family), str(version)),
            str(document["prefix"]),
            str(document["python_full_version"]),
        )
        return cls(
            str(document["image"]),
            Descriptor(str(document["media_type"]), parse_digest(document["digest"]), int(document["size"])),
            target,
            str(document["packages"]),
            bool(document["system"]),
            bool(document["extends"]),
            str(document["code_folder"]),
        )
