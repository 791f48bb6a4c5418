"""A layer made of conda packages: one that is big, or a group of small ones."""

from imagewright.dataclass import dataclass
from imagewright.layer import writer
from imagewright.layer.encoder import Fast
from imagewright.layer.planned import InputFile, Inputs, Sink
from imagewright.oci.digest import DiffID, Digest, canonical_json, digest_of
from imagewright.packages.conda.locked import LockedConda

INSTALL_VERSION = 1
"""Goes into the key. Count it up when the same packages are installed with other bytes."""


@dataclass(frozen=True, slots=True)
class CondaLayer:
    """Packages, installed below ``prefix``; a planned layer.

    ``python`` is the minor version of the environment's Python, ``3.11``, or "". It counts only for packages of Python
    code for every platform: the others bring their files where they belong. The order of ``packages`` does not matter.
    ``allow_bad_record`` names packages whose list of files may be wrong.
    """

    packages: tuple[LockedConda, ...]
    prefix: str
    python: str
    allow_bad_record: frozenset[str] = frozenset()

    @property
    def key(self) -> Digest:
        """The digest of what decides the bytes: the packages and where they are from, where they go, and who writes them."""
        document = {
            "kind": "conda",
            "writer": writer.VERSION,
            "encoder": Fast().id,
            "install": INSTALL_VERSION,
            "prefix": self.prefix,
            "python": self.python if any(one.noarch == "python" for one in self.packages) else "",
            "packages": [[one.url, one.noarch, one.file.digest] for one in sorted(self.packages)],
            "unrecorded": sorted({one.name for one in self.packages} & self.allow_bad_record),
        }
        return digest_of(canonical_json(document))

    @property
    def title(self) -> str:
        """``numpy 1.26.4 (conda)``, or the first few of a group."""
        names = [f"{one.name} {one.version}" for one in sorted(self.packages)]
        shown = ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"
        return f"{shown} (conda)"

    @property
    def inputs(self) -> tuple[InputFile, ...]:
        """The packages' files."""
        return tuple(one.file for one in sorted(self.packages))

    def write(self, inputs: Inputs, out: Sink) -> DiffID:
        """Write the layer; see `imagewright.layer.planned.PlannedLayer`.

        Raises:
            BuildError: IW303: a package is broken or hostile. What was written to ``out`` is worth nothing then.
            LockError: IW207: two packages have different files for one path.
        """
        from imagewright.packages.conda.package_writer import write_packages  # what known layers do not pay

        return write_packages(self, inputs, out, encoder=Fast())
