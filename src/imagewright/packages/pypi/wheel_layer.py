"""A layer made of wheels: one that is big, or a group of small ones."""

from dataclasses import dataclass

from imagewright.layer import writer
from imagewright.layer.encoder import Stored
from imagewright.layer.planned import InputFile, Inputs, Sink
from imagewright.layer.splice import BrokenStream
from imagewright.layer.writer import LayerWriter
from imagewright.oci.digest import DiffID, Digest, canonical_json, digest_of
from imagewright.packages.pypi import install
from imagewright.packages.pypi.conflicts import Claims
from imagewright.packages.pypi.install import installed_files
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.pypi.members_archive import Member, RefusedArchive
from imagewright.packages.pypi.wheel import open_wheel
from imagewright.packages.target import Target

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
            "install": install.VERSION,
            "prefix": self.target.prefix,
            "python": self.target.python,
            "wheels": [[wheel.filename, wheel.file.digest] for wheel in sorted(self.wheels)],
            "unrecorded": sorted({wheel.name for wheel in self.wheels} & self.allow_bad_record),
        }
        return digest_of(canonical_json(document))

    @property
    def title(self) -> str:
        """``numpy 2.3.5``, or the first few of a group."""
        names = [f"{wheel.name} {wheel.version}" for wheel in sorted(self.wheels)]
        return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"

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
        claims = Claims()
        try:
            with LayerWriter(out, encoder=_ENCODER) as layer:
                for wheel in sorted(self.wheels):
                    self._add(wheel, inputs, layer, claims)
        except BrokenStream as error:
            filename, _, member = error.origin.partition(": ")
            raise RefusedArchive(filename, error.rule, member) from error
        return layer.diff_id

    def _add(self, locked: LockedWheel, inputs: Inputs, layer: LayerWriter, claims: Claims) -> None:
        path = inputs.path(locked.file)
        with open_wheel(path, locked.filename, allow_bad_record=locked.name in self.allow_bad_record) as wheel:
            for file in installed_files(wheel, self.target):
                if not claims.take(locked.filename, file.path, file.recorded):
                    continue
                if isinstance(file.content, Member):
                    content = wheel.archive.content(file.content, file.recorded)
                    layer.file(file.path, content, file.mode, size=file.size)
                else:
                    layer.file(file.path, file.content, file.mode)
