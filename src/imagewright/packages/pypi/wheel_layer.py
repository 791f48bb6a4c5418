"""A layer made of wheels: one that is big, or a group of small ones."""

from collections.abc import Iterable

from imagewright.dataclass import dataclass
from imagewright.layer import writer
from imagewright.layer.encoder import Stored
from imagewright.layer.planned import InputFile, Inputs, Sink
from imagewright.oci.digest import DiffID, Digest, canonical_json, digest_of
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.target import Target

INSTALL_VERSION = 1
"""Goes into the key of every wheel's layer. Count it up when install.py makes other bytes of the same wheel."""

_ENCODER = Stored()


@dataclass(frozen=True, slots=True)
class WheelLayer:
    """Wheels, installed into the target's environment; a planned layer.

    The order of ``wheels`` does not matter. ``allow_bad_record`` names distributions (normalised) whose RECORD may be
    wrong. No machine's properties are in the key or the bytes, nor the platform: the same wheel for another one is the
    same layer.
    """

    wheels: tuple[LockedWheel, ...]
    target: Target
    allow_bad_record: frozenset[str] = frozenset()

    @property
    def key(self) -> Digest:
        """The digest of what decides the bytes: the wheels, where they go, and how this version writes them."""
        document = {
            "kind": "wheels",
            "writer": writer.VERSION,
            "encoder": _ENCODER.id,
            "install": INSTALL_VERSION,
            "prefix": self.target.prefix,
            "python": self.target.python,
            "wheels": [[wheel.filename, wheel.file.digest] for wheel in sorted(self.wheels)],
            "unrecorded": sorted({wheel.name for wheel in self.wheels} & self.allow_bad_record),
        }
        return digest_of(canonical_json(document))

    @property
    def title(self) -> str:
        """``numpy 2.3.5``, or the first few of a group."""
        return titled(self.wheels)

    @property
    def inputs(self) -> tuple[InputFile, ...]:
        """The wheels' files."""
        return tuple(wheel.file for wheel in sorted(self.wheels))

    def write(self, inputs: Inputs, out: Sink) -> DiffID:
        """Write the layer; see `imagewright.layer.planned.PlannedLayer`.

        Raises:
            RefusedArchive: IW303: a wheel is broken or hostile. What was written to ``out`` is worth nothing then.
            LockError: IW207: two wheels have different files for one path.
        """
        from imagewright.packages.pypi.wheel_writer import write_wheels  # 25 ms that known layers do not pay

        return write_wheels(sorted(self.wheels), self.target, self.allow_bad_record, inputs, out, encoder=_ENCODER)


def titled(wheels: Iterable[LockedWheel]) -> str:
    """``numpy 2.3.5``, or the first few of a group."""
    names = [f"{wheel.name} {wheel.version}" for wheel in sorted(wheels)]
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"
