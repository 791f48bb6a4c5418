"""A layer that exists: part of a base image, to be referenced, mounted or copied, and never written."""

from imagewright.dataclass import dataclass
from imagewright.layer.planned import InputFile
from imagewright.oci.descriptor import Layer
from imagewright.oci.digest import Digest, canonical_json, digest_of


@dataclass(frozen=True, slots=True)
class GivenLayer:
    """A layer of a base image. ``title`` is what the base's own history says of it."""

    layer: Layer
    title: str

    @property
    def key(self) -> Digest:
        """Its content's digest, for what is made on top of it."""
        return digest_of(canonical_json({"kind": "given", "diff_id": self.layer.diff_id}))

    @property
    def inputs(self) -> tuple[InputFile, ...]:
        """None: nothing is made."""
        return ()
