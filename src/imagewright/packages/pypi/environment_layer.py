"""The layer that makes a virtual environment of the image's own interpreter; wheels go into it."""

from imagewright.dataclass import dataclass
from imagewright.layer import writer
from imagewright.layer.encoder import Stored
from imagewright.layer.planned import InputFile, Inputs, Sink
from imagewright.layer.writer import LayerWriter
from imagewright.oci.digest import DiffID, Digest, canonical_json, digest_of
from imagewright.packages.target import Target

_VERSION = 1
_ENCODER = Stored()


@dataclass(frozen=True, slots=True)
class EnvironmentLayer:
    """``pyvenv.cfg`` and links to the interpreter, which goes on seeing the packages of the image; a planned layer.

    ``packages`` is the folder of packages of another environment of the same Python, which this one sees after its own;
    ``system`` says that it sees the interpreter's.
    """

    target: Target
    packages: str = ""
    system: bool = True

    @property
    def key(self) -> Digest:
        """The digest of what decides the bytes."""
        document = {
            "kind": "environment",
            "writer": writer.VERSION,
            "encoder": _ENCODER.id,
            "environment": _VERSION,
            "prefix": self.target.prefix,
            "python": self.target.python,
            "interpreter": self.target.interpreter,
            **({"packages": self.packages} if self.packages else {}),
            **({} if self.system else {"system": False}),
        }
        return digest_of(canonical_json(document))

    @property
    def title(self) -> str:
        """For instance ``environment for python 3.11``."""
        return f"environment for python {self.target.python}"

    @property
    def inputs(self) -> tuple[InputFile, ...]:
        """None."""
        return ()

    def write(self, inputs: Inputs, out: Sink) -> DiffID:
        """Write the layer; see `imagewright.layer.planned.PlannedLayer`.

        Source: PEP 405. ``home`` is the interpreter's folder; it finds the file from the path that it is called by,
        before links are followed, so ``bin/python`` is all that makes it an environment.
        """
        target = self.target
        home = target.interpreter.rpartition("/")[0] or "/"
        sees = "true" if self.system else "false"
        settings = f"home = {home}\ninclude-system-site-packages = {sees}\nversion = {target.python}\n"
        with LayerWriter(out, encoder=_ENCODER) as layer:
            layer.file(f"{target.prefix}/pyvenv.cfg", settings.encode())
            layer.symlink(f"{target.prefix}/bin/python", target.interpreter)
            for name in ("python3", f"python{target.python}"):
                layer.symlink(f"{target.prefix}/bin/{name}", "python")
            layer.directory(target.site_packages)
            if self.packages:
                # addsitedir, and not the path alone, so that the .pth files there count as well.
                line = f"import site; site.addsitedir({self.packages!r})\n"
                layer.file(f"{target.site_packages}/_imagewright_base.pth", line.encode())
        return layer.diff_id
