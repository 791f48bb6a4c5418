"""The layer that makes a folder a conda environment: its history, by which conda and micromamba know it."""

from imagewright.dataclass import dataclass
from imagewright.layer import writer
from imagewright.layer.encoder import Stored
from imagewright.layer.planned import InputFile, Inputs, Sink
from imagewright.layer.writer import LayerWriter
from imagewright.oci.digest import DiffID, Digest, canonical_json, digest_of
from imagewright.packages.conda.install import META
from imagewright.packages.conda.locked import LockedEnvironment

_VERSION = 1
_ENCODER = Stored()


@dataclass(frozen=True, slots=True)
class CondaHistoryLayer:
    """``conda-meta/history`` with what was asked for and what was installed; a planned layer."""

    environment: LockedEnvironment

    @property
    def key(self) -> Digest:
        """The digest of what decides the bytes."""
        document = {
            "kind": "conda history",
            "writer": writer.VERSION,
            "encoder": _ENCODER.id,
            "history": _VERSION,
            "prefix": self.environment.prefix,
            "text": self._text,
        }
        return digest_of(canonical_json(document))

    @property
    def title(self) -> str:
        """What a person reads."""
        count = len(self.environment.packages)
        return f"conda environment of {count} package{'s' * (count != 1)}"

    @property
    def inputs(self) -> tuple[InputFile, ...]:
        """None."""
        return ()

    def write(self, inputs: Inputs, out: Sink) -> DiffID:
        """Write the layer; see `imagewright.layer.planned.PlannedLayer`."""
        with LayerWriter(out, encoder=_ENCODER) as layer:
            layer.file(f"{self.environment.prefix}/{META}/history", self._text.encode())
        return layer.diff_id

    @property
    def _text(self) -> str:
        """Source: conda 24, history.py: a time, the command, what was asked, and one line for each package."""
        packages = [
            f"+{one.channel}/{one.subdir}::{one.name}-{one.version}-{one.build}"
            for one in sorted(self.environment.packages)
        ]
        return "\n".join(
            [
                "==> 1970-01-01 00:00:00 <==",
                "# cmd: imagewright build",
                *packages,
                f"# update specs: {list(self.environment.asked)!r}",
                "",
            ]
        )
